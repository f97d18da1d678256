"""C1: the linear perceptron without noise (§3)."""

import math

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.statistics import HOLDS, REFUTED
from ..theory import LinearTeacherStudent
from .averages import generator, mean


def descend(run, seed):
    """Return what gradient descent does to one student, with and without decay."""
    system = LinearTeacherStudent(100, 0.5, 0.0, generator=generator(seed))
    start = torch.randn(100, generator=generator(seed + 10_000), dtype=torch.float64)
    outside = system.vectors_NN[:, system.eigenvalues == 0]  # a basis of the valley's directions
    lr, lam, steps = 0.1, 0.01, 4000

    def walk(lam):
        w, sizes = start.clone(), []
        x = system.x_PN / 10  # N^{-1/2}
        for _ in range(steps):
            sizes.append((outside.T @ w).norm().item())
            w = w + lr * (x.T @ (system.y_P - x @ w) - lam * w)
        return w, sizes

    plain, _ = walk(0.0)
    decayed, sizes = walk(lam)
    rate = math.log(sizes[0] / sizes[2000]) / (2000 * lr)  # e^{-λt} at t = steps × η
    return {
        "moved": (outside.T @ (plain - start)).abs().max().item(),
        "rate": rate / lam,
        "curve": sizes[::40],
        "pinv": (system.solution(1e-8) - system.solution(0.0)).abs().max().item(),
        "flow": (decayed - system.gradient_flow(steps * lr, lam, start)).abs().max().item(),
        "F_plain": system.gen_error(plain),
        "F_limit": system.gen_error(system.solution(0.0)),
    }


def draw_valley(figure, numbers):
    """Draw the component outside the pattern subspace, and the errors of all teachers."""
    left, right = figure.subplots(1, 2)
    curve = numbers["all"][0]["curve"]
    t = [4 * i for i in range(len(curve))]
    left.axhline(curve[0], color=MUTED, ls="--", label="no decay")
    left.plot(t, curve, color=RED, label="λ = 0.01")
    left.set(yscale="log", xlabel="time t", ylabel="length outside the patterns' span")
    left.legend()
    plain, limit = ([one[k] for one in numbers["all"]] for k in ("F_plain", "F_limit"))
    right.plot(plain, limit, "o", ms=4, color=BLUE)
    top = 1.1 * max(plain)
    right.plot([0, top], [0, top], color=MUTED, lw=0.8)
    right.set(xlabel="F without decay", ylabel="F, λ → 0", xlim=(0, top), ylim=(0, top))


@claim(
    "C1",
    "§3, eqs 9, 10",
    "An infinitesimal decay picks the smallest solution, which generalizes better than without "
    "decay.",
    draw_valley,
    asks="An infinitesimal decay picks the smallest of all weight vectors that solve the task, "
    "and generalizes better; without decay the irrelevant components stay as they were.",
)
def smallest_vector(run):
    """Run gradient descent from random weights on 20 teachers."""
    every = [run.trial(descend, seed=seed) for seed in run.seeds(run.pick(test=3, default=20))]
    moved, pinv = (max(one[key] for one in every) for key in ("moved", "pinv"))
    rates = [one["rate"] for one in every]
    better = sum(one["F_limit"] < one["F_plain"] for one in every)
    # Rounding over 4,000 steps leaves 1e-12; e^{-λt} is of continuous time, hence 1% for steps.
    exact = moved < 1e-12 and pinv < 1e-6 and all(abs(rate - 1) < 0.01 for rate in rates)
    plain, limit = (mean([one[k] for one in every]) for k in ("F_plain", "F_limit"))
    return Finding(
        HOLDS if exact and better == len(every) else REFUTED,
        ran=f"Linear perceptron, N = 100, p = 50, no noise; 4,000 steps of η = 0.1 from random "
        f"weights, λ = 0 and 0.01; {len(every)} teachers.",
        measured=f"Outside the patterns' span the weights move by at most {moved:.0e} without "
        f"decay, and shrink at {mean(rates):.4f} λ with it. The solution at λ = 1e-8 is within "
        f"{pinv:.0e} of the pseudo-inverse's. F is {limit:.3f} for λ → 0 and {plain:.3f} without "
        f"decay, lower for {better} of {len(every)} teachers.",
        numbers={"all": every},
    )
