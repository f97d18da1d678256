"""C5, C6a: what needs no training: the expectation, the limits, the curvature (§2, §4)."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F

from ..activation import gated, gelu
from ..curves import error, largest_error, peak
from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, MUTED, PURPLE, RED, TEAL
from ..lab.statistics import HOLDS, REFUTED
from ..stochastic import zero_or_identity


def draw_mask(figure, numbers):
    """Draw the means of the masked inputs on the GELU, and the test's outcome."""
    left, right = figure.subplots(1, 2)
    x = torch.linspace(-3.2, 3.2, 200, dtype=torch.float64)
    left.plot(x, gelu(x), color=RED, label="xΦ(x)")
    left.plot(numbers["x"], numbers["mean"], "o", color=BLUE, ms=4.5, label="mean of m·x")
    left.set(xlabel="x", ylabel="output")
    for name, color, marker in (("none", RED, "o"), ("tanh", TEAL, "s"), ("sigmoid", AMBER, "^")):
        label = {"none": "against exact", "tanh": "tanh form", "sigmoid": "sigmoid form"}[name]
        right.plot(numbers["x"], numbers[name], marker, color=color, ms=4.5, label=label)
    right.axhspan(-5, 5, color=MUTED, alpha=0.2, lw=0)
    right.set(yscale="symlog", xlabel="x", ylabel="mean − form (standard errors)")
    figure.legend(loc="outside upper left", ncols=5)


@claim(
    "C5a",
    "§2",
    "The GELU is the expectation of the stochastic zero-or-identity map.",
    draw_mask,
    asks="The GELU is the expectation of multiplying x by a mask m ~ Bernoulli(Φ(x)).",
)
def expectation(run):
    """Average many masks at nine points; the sigmoid form is the baseline that could have won."""
    n = run.pick(test=2_000, default=200_000)
    x = torch.linspace(-3, 3, 9, dtype=torch.float64)
    generator = torch.Generator().manual_seed(run.seed)
    mean = zero_or_identity(x.expand(n, -1), generator).mean(0)
    chance = gated(x, 0.0, 1.0, "none") / x.where(x != 0, 1)
    se = x.abs() * (chance * (1 - chance) / n).sqrt()
    se = se.where(x != 0, 1)
    off = {
        form: ((mean - gated(x, 0.0, 1.0, form)) / se).tolist()
        for form in ("none", "tanh", "sigmoid")
    }
    worst = {form: max(map(abs, values)) for form, values in off.items()}
    return Finding(
        HOLDS if worst["none"] < 5 else REFUTED,
        ran=f"{n:,} masks at each of nine points of [−3, 3], float64.",
        measured=f"The means are within {worst['none']:.1f} standard errors of xΦ(x), and within "
        f"{worst['tanh']:.1f} of the tanh form; from xσ(1.702x) they are {worst['sigmoid']:.0f} "
        "off.",
        numbers={"x": x.tolist(), "mean": mean.tolist(), **off},
    )


@claim(
    "C5b",
    "§4",
    "As its σ goes to zero, the GELU becomes a ReLU.",
    asks="With μ = 0, as σ → 0 the GELU becomes a ReLU.",
)
def limit(run):
    """Take the largest distance from a ReLU for falling σ."""
    found = {}
    for sigma in (1.0, 0.1, 0.01):
        _, distance = peak(
            lambda x, sigma=sigma: F.relu(x) - gelu(x, sigma=sigma), -8 * sigma, 8 * sigma
        )
        found[f"{sigma:g}"] = distance
    ratios = [distance / float(sigma) for sigma, distance in found.items()]
    listed = ", ".join(f"{d:.6f} at σ = {s}" for s, d in found.items())
    return Finding(
        HOLDS if max(ratios) - min(ratios) < 1e-9 else REFUTED,
        ran="max |ReLU(x) − xΦ(x/σ)| in float64.",
        measured=f"{listed}: always {ratios[0]:.6f} σ, so the distance goes to zero in proportion.",
        numbers=found,
    )


@claim(
    "C5c",
    "§4",
    "With the Cauchy distribution the unit is asymptotically an ELU.",
    asks="With the Cauchy distribution, xP(C ≤ x) is asymptotically the ELU with α = 1/π: −1/π "
    "far below zero, and x − 1/π far above.",
)
def cauchy(run):
    """Follow the distances from the two asymptotes outwards."""
    x = torch.tensor([10.0, 100.0, 1000.0], dtype=torch.float64)
    below = (gated(-x, 0.0, 1.0, "cauchy") + 1 / math.pi).abs().tolist()
    above = (gated(x, 0.0, 1.0, "cauchy") - (x - 1 / math.pi)).abs().tolist()
    # Both distances are 1/(3πx²): a hundredth for each factor of ten.
    falls = [late / early for d in (below, above) for early, late in pairwise(d)]
    return Finding(
        HOLDS if max(falls) < 0.011 else REFUTED,
        ran="Distances from both asymptotes at |x| = 10, 100, 1000, float64.",
        measured=f"Below: {below[0]:.1e}, {below[1]:.1e}, {below[2]:.1e}. Above: {above[0]:.1e}, "
        f"{above[1]:.1e}, {above[2]:.1e}. They fall as 1/x²; the ELU's own falls as e^−|x|.",
        numbers={"x": x.tolist(), "below": below, "above": above},
    )


def draw_curvature(figure, numbers):
    """Draw the second derivative, with its zeros."""
    axes = figure.subplots()
    axes.plot(numbers["x"], numbers["second"], color=RED)
    axes.axhline(0, color=MUTED, lw=0.8)
    for zero in numbers["zeros"]:
        axes.plot([zero], [0], "o", color=BLUE)
        side = "left" if zero > 0 else "right"
        axes.annotate(f"{zero:+.4f} ".replace("-", "−"), (zero, 0), (16 if zero > 0 else -12, 10),
                      textcoords="offset points", ha=side, color=BLUE)  # fmt: skip
    axes.set(xlabel="x", ylabel="GELU″(x)")


@claim(
    "C5d",
    "§4",
    "The GELU exhibits curvature at all points.",
    draw_curvature,
)
def curvature(run):
    """Differentiate twice by autograd, and find where the result changes its sign."""
    x = torch.linspace(-4, 4, 401, dtype=torch.float64).requires_grad_()

    def second(x):
        (first,) = torch.autograd.grad(gelu(x, method="by hand").sum(), x, create_graph=True)
        return torch.autograd.grad(first.sum(), x)[0]

    values, zeros = second(x), []
    for low, high in ((-2.0, -1.0), (1.0, 2.0)):
        rising = second(torch.tensor([high], dtype=torch.float64, requires_grad=True)).item() > 0
        for _ in range(60):
            middle = (low + high) / 2
            at = torch.tensor([middle], dtype=torch.float64, requires_grad=True)
            low, high = (low, middle) if (second(at).item() > 0) == rising else (middle, high)
        zeros.append((low + high) / 2)
    off = max(abs(abs(zero) - math.sqrt(2)) for zero in zeros)
    flat = off < 1e-9 and values.min() < 0 < values.max()
    return Finding(
        REFUTED if flat else HOLDS,
        ran="The second derivative by autograd twice, bisected; float64.",
        measured=f"GELU″ is zero at {zeros[0]:.6f} and {zeros[1]:.6f}, which is ±√2 to {off:.0e}; "
        "beyond them the function is concave. By hand: GELU″(x) = φ(x)(2 − x²).",
        numbers={"x": x.tolist(), "second": values.tolist(), "zeros": zeros},
    )


def draw_errors(figure, numbers):
    """Draw the error curves, and the forms about their minimum."""
    left, right = figure.subplots(1, 2)
    looks = (("tanh", TEAL, "tanh form"), ("sigmoid", AMBER, "xσ(1.702x)"),
             ("logistic", PURPLE, "SiLU, xσ(x)"))  # fmt: skip
    x = torch.linspace(-6, 6, 601, dtype=torch.float64)
    for form, color, label in looks:
        left.plot(x, error(form, x).abs().clamp(min=1e-7), color=color, label=label)
    left.set(yscale="log", ylim=(1e-7, 1), xlabel="x", ylabel="|form − xΦ(x)|")
    left.grid(axis="y")
    x = torch.linspace(-5, 1, 301, dtype=torch.float64)
    right.plot(x, gelu(x), color=RED, label="xΦ(x)")
    for form, color, label in looks[:0:-1]:
        right.plot(x, gated(x, 0.0, 1.0, form), color=color, label=label)
    right.set(ylim=(-0.3, 0.35), xlabel="x", ylabel="value")
    handles = left.get_legend_handles_labels()
    exact = right.get_legend_handles_labels()
    figure.legend([exact[0][0], *handles[0]], [exact[1][0], *handles[1]],
                  loc="outside upper left", ncols=4)  # fmt: skip


@claim(
    "C6a",
    "§2, §4",
    "Both approximations follow the GELU closely; the SiLU does not.",
    draw_errors,
    asks="0.5x(1 + tanh[√(2/π)(x + 0.044715x³)]) and xσ(1.702x) approximate the GELU closely; "
    "xσ(x), the SiLU, does not.",
)
def closeness(run):
    """Find the largest errors on the whole line."""
    found = {form: largest_error(form) for form in ("tanh", "sigmoid", "logistic")}
    largest = {form: value for form, (_, value) in found.items()}
    # "Closely": within an eighth of the dip below zero (.17), the GELU's finest feature. The SiLU
    # is the baseline.
    close = max(largest["tanh"], largest["sigmoid"]) < 0.17 / 8 < largest["logistic"]
    return Finding(
        HOLDS if close else REFUTED,
        ran="The largest |form − xΦ(x)| on ℝ, in float64.",
        measured="; ".join(
            f"{name} {found[form][1]:.3g} at x = ±{found[form][0]:.3f}"
            for form, name in (("tanh", "tanh form"), ("sigmoid", "xσ(1.702x)"),
                               ("logistic", "SiLU"))
        ) + ".",
        numbers={form: list(value) for form, value in found.items()},
    )  # fmt: skip
