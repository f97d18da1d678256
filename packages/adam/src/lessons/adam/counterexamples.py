"""The paper's exact statements, and the gradients that refute some of them.

Nothing here is scaled down: a bound and a theorem are about every sequence of gradients, so one
sequence decides.
"""

import itertools
import math
from typing import Any

import torch

from .adamax import AdaMax
from .claims import HOLDS, REFUTED, Finding, claim
from .figures import BLUE, MUTED, RED
from .optimizer import Adam
from .reference import adam_reference

BETA1, BETA2 = 0.9, 0.999  # the paper's defaults


def steps_on(gradients: list[float], make=Adam, **options) -> list[float]:
    """Return |Δ_t|/α for an optimizer that is fed these gradients."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer, sizes = make([x], lr=1.0, **options), []
    for gradient in gradients:
        x.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        sizes.append(abs(x.item()))
        x.data.zero_()  # the step does not depend on x, and from 0 it loses no digits
    return sizes


@claim("C5a", "§2.1", "Steps do not change if all gradients are multiplied by a constant.")
def scale_invariance(run):
    """Compare iterates on gradients that differ by a factor of 10^±10, with ε = 0."""
    generator = torch.Generator().manual_seed(run.seed)
    gradients = torch.randn(500, generator=generator, dtype=torch.float64).tolist()
    plain = steps_on(gradients, eps=0.0)
    worst = max(
        abs(a - b) / a
        for factor in (1e-10, 1e10)
        for a, b in zip(plain, steps_on([factor * g for g in gradients], eps=0.0))
    )
    return Finding(
        HOLDS if worst < 1e-9 else REFUTED,  # float64 leaves 16 digits; 500 steps may cost some
        ran="500 normal gradients in float64, times 1e-10 and 1e10, ε = 0.",
        measured=f"The largest relative change of a step is {worst:.1e}.",
        numbers={"worst": worst},
    )


@claim(
    "C5b",
    "§2.1",
    "A gradient that comes after only zeros moves a parameter by up to α(1 − β₁)/√(1 − β₂), "
    "which is 3.16 α.",
)
def lone_spike(run):
    """Feed zeros and then one gradient."""
    zeros = 5000
    step = steps_on([0.0] * zeros + [1.0])[-1]
    bound = (1 - BETA1) / math.sqrt(1 - BETA2)
    return Finding(
        HOLDS if 0.99 * bound < step <= bound else REFUTED,
        ran=f"{zeros:,} zero gradients, then a single 1.",
        measured=f"|Δ| = {step:.4f} α; the bound is {bound:.4f} α.",
        numbers={"step": step, "bound": bound},
    )


def draw_bound(figure, numbers):
    """Draw the step sizes that growing gradients give, and the two bounds."""
    axes = figure.subplots()
    t = [1 + numbers["stride"] * i for i in range(len(numbers["steps"]))]
    label = "|Δₜ|/α for gradients that grow by β₂/β₁ a step"
    axes.plot(t, numbers["steps"], color=RED, label=label)
    axes.axhline(numbers["stated"], color=BLUE, label=f"the paper's bound, {numbers['stated']:.3f}")
    axes.axhline(
        numbers["limit"], color=MUTED, ls="--", label=f"Cauchy–Schwarz, {numbers['limit']:.3f}"
    )
    axes.set(xlabel="step t", ylabel="size of the step (α)", ylim=(0, 8.2))
    axes.legend(loc="lower right")


@claim(
    "C5c",
    "§2.1",
    "The step never exceeds α(1 − β₁)/√(1 − β₂), if that is more than α.",
    draw_bound,
)
def stated_bound(run):
    """Feed the gradients for which the Cauchy-Schwarz inequality is an equality."""
    count = run.pick(test=1000, default=3000)
    growth = BETA2 / BETA1
    sizes = steps_on([growth ** (i - count) for i in range(1, count + 1)], eps=0.0)
    stated = (1 - BETA1) / math.sqrt(1 - BETA2)
    limit = stated / math.sqrt(1 - BETA1**2 / BETA2)
    return Finding(
        REFUTED if max(sizes) > 1.001 * stated else HOLDS,
        ran=f"{count:,} gradients, each β₂/β₁ = 1.11 times the one before; ε = 0.",
        measured=f"|Δ| reaches {sizes[999]:.3f} α at t = 1,000 and {max(sizes):.3f} α at "
        f"t = {count:,}, against a stated bound of {stated:.3f} α. The true bound, by "
        f"Cauchy–Schwarz, is {limit:.3f} α.",
        numbers={"steps": sizes[:: max(count // 300, 1)], "stated": stated, "limit": limit}
        | {"largest": max(sizes), "at_1000": sizes[999], "stride": max(count // 300, 1)},
    )


@claim("C5d", "§7.1", "AdaMax never takes a step larger than α.")
def adamax_bound(run):
    """Feed gradients that shrink just as fast as AdaMax forgets."""
    largest = max(steps_on([BETA2 ** (i - 1000) for i in range(1, 1001)], make=AdaMax))
    exact = (1 - BETA1) / (1 - BETA1 / BETA2)
    return Finding(
        REFUTED if largest > 1 + 1e-6 else HOLDS,
        ran="1,000 gradients, each β₂ times the one before: uₜ = |gₜ|, m remembers larger ones.",
        measured=f"|Δ| = {largest:.6f} α; the true bound is (1 − β₁)/(1 − β₁/β₂) = {exact:.6f} α. "
        f"The excess is {100 * (largest - 1):.3f}%.",
        numbers={"largest": largest, "exact": exact},
    )


def online(gradient, count: int, lr: float, betas: tuple[float, float]) -> dict[str, list[float]]:
    """Return the iterates of Adam and of AMSGrad on [−1, 1], with the step size lr/√t."""
    return {
        name: adam_reference(
            lambda x, t: gradient(t), 0.0, count, lambda t: lr / math.sqrt(t), betas,
            amsgrad=name == "AMSGrad", box=(-1.0, 1.0),
        )
        for name in ("Adam", "AMSGrad")
    }  # fmt: skip


def draw_regret(figure, numbers):
    """Draw where Adam and AMSGrad are, and their mean regret."""
    figure.set_size_inches(6.4, 2.6)
    left, right = figure.subplots(1, 2)
    for name, color in (("Adam", RED), ("AMSGrad", BLUE)):
        left.plot(numbers["t"], numbers[name]["x"], color=color, label=name)
        right.plot(numbers["t"], numbers[name]["regret"], color=color)
    left.set(xscale="log", xlabel="step t", ylabel="xₜ (best: −1)", ylim=(-1.15, 1.15))
    right.set(xscale="log", xlabel="step t", ylabel="mean regret R(t)/t", ylim=(-0.05, 1.5))
    right.axhline(2 / 3, color=MUTED, ls="--", lw=1)
    left.legend(loc="upper left", bbox_to_anchor=(0, 0.92))


@claim(
    "C6a",
    "§4, Thm 4.1, Cor. 4.2",
    "On convex losses Adam's mean regret R(T)/T goes to zero, at the rate 1/√T.",
    draw_regret,
)
def theorem(run):
    """Run the counterexample of Reddi, Kale and Kumar (2018, Theorem 1) for C = 3."""
    count = run.pick(test=2000, default=20_000, full=200_000)

    def gradient(t):
        return 3.0 if t % 3 == 1 else -1.0

    times = sorted({round(1.15**k) for k in range(200) if 1.15**k <= count} | {count})
    numbers: dict[str, Any] = {"t": times}
    for name, xs in online(gradient, count, 0.1, (0.0, 0.1)).items():
        losses = [gradient(t) * (xs[t - 1] + 1) for t in range(1, count + 1)]  # above those at −1
        regrets = [total / t for t, total in enumerate(itertools.accumulate(losses), 1)]
        numbers[name] = {"x": [xs[t] for t in times], "regret": [regrets[t - 1] for t in times]}
    x, regret = numbers["Adam"]["x"][-1], numbers["Adam"]["regret"][-1]
    other = numbers["AMSGrad"]
    # A regret that falls like 1/√T would be below 0.05 here at any constant the theorem allows;
    # Adam's goes to 2/3: at x = 1 three losses sum to 1 more a step and 2 than at x = −1.
    return Finding(
        REFUTED if regret > 0.5 else HOLDS,
        ran=f"f_t(x) = 3x if t mod 3 = 1, else −x, on [−1, 1]; β₁ = 0, β₂ = 1/10, α_t = .1/√t, "
        f"x₀ = 0, T = {count:,}. The theorem's condition β₁²/√β₂ < 1 is met.",
        measured=f"Adam ends at x = {x:+.4f}, the worst point, with R(T)/T = {regret:.3f} (the "
        f"limit is 2/3). AMSGrad ends at {other['x'][-1]:+.4f} with {other['regret'][-1]:.4f}.",
        numbers=numbers,
    )


@claim(
    "C6b",
    "§4, Thm 4.1",
    "Adam converges on convex losses also with β₁ = .9 and β₂ = .99, if rare gradients are large.",
)
def theorem_with_momentum(run):
    """Run Reddi, Kale and Kumar's (2018, §5) second example: a rare gradient that matters most."""
    count = run.pick(test=20_000, default=200_000)
    paths = online(lambda t: 1010.0 if t % 101 == 1 else -10.0, count, 0.5, (0.9, 0.99))
    ends = {name: xs[-1] for name, xs in paths.items()}
    return Finding(
        REFUTED if ends["Adam"] > 0.5 else HOLDS,
        ran=f"Gradient 1010 if t mod 101 = 1, else −10, on [−1, 1], whose best point is −1; "
        f"α_t = .5/√t, {count:,} steps.",
        measured=f"Adam ends at {ends['Adam']:+.3f}, AMSGrad at {ends['AMSGrad']:+.3f}.",
        numbers=ends,
    )


EXACT = [
    scale_invariance,
    lone_spike,
    stated_bound,
    adamax_bound,
    theorem,
    theorem_with_momentum,
]
