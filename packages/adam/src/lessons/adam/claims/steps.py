"""§2.1 and §7.1: what a step does not depend on, and how large it can be."""

import torch

from ..adamax import AdaMax
from ..counterexamples import (
    adamax_tight_bound,
    growing,
    shrinking,
    stated_bound,
    step_sizes,
    tight_bound,
)  # fmt: skip
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.statistics import every, exact, interval, judge
from . import convolutional, dropout_network
from .training import if_open

BETAS = (0.9, 0.999)  # the paper's defaults
EQUAL = (0.9, 0.99)  # where (1 − β₁) = √(1 − β₂), the other case of §2.1


@claim(
    "C14",
    "§2.1; abstract",
    quotes="The effective stepsize Δt is also invariant to the scale of the gradients",
    says="Steps do not change if all gradients are multiplied by a constant.",
    asks="Steps on gradients that differ by a factor of 10^10 and 10^−10, in float64, with ε = 0. "
    "For a diagonal rescaling it is the same, since all is elementwise.",
    holds_if="no step changes by more than 10^−9 of itself",
    fails_if="one does",
    paper="no change",
)
def scale_invariance(run):
    """Compare steps on gradients that differ by a factor."""
    generator = torch.Generator().manual_seed(run.seed)
    gradients = torch.randn(500, generator=generator, dtype=torch.float64).tolist()
    plain = step_sizes(gradients, eps=0.0)
    worst = max(
        abs(a - b) / a
        for factor in (1e-10, 1e10)
        for a, b in zip(plain, step_sizes([factor * g for g in gradients], eps=0.0))
    )
    return Finding(
        exact(worst < 1e-9),  # float64 leaves 16 digits; 500 steps may cost some
        ours=f"largest change {worst:.1e} of a step".replace("e-", " × 10^−"),
        ran="500 normal gradients in float64, times 10^−10 and 10^10, ε = 0.",
        measured="The largest relative change of a step is "
        + f"{worst:.1e}, which is rounding.".replace("e-", " × 10^−"),
        numbers={"worst": worst},
    )


def sizes_of_both(run):
    """Return what is told of |m̂/√v̂| by network, seed and pass, and what was run."""
    mlp, seeds = dropout_network.measure(run)
    cnn, others = convolutional.measure(run)
    sizes = {
        name: [r["sizes"] for r in result["Adam"]["runs"]]
        for name, result in (("dropout", mlp), ("convolutional", cnn))
    }
    told = f"{dropout_network.described(run, seeds)} {convolutional.described(run, others)}"
    return sizes, told


@claim(
    "C15a",
    "§2.1; §1",
    quotes="The effective magnitude of the steps taken in parameter space at each timestep are "
    "approximately bounded by the stepsize setting α",
    says="In practice a step rarely exceeds the step size.",
    asks="The share of steps |m̂/√v̂| above 1.1 among all parameters, in the networks of C1 and C6, "
    "after every pass, Adam at its best α. That 'approximately' allows one step in a hundred, and "
    "a tenth more than α, is our reading; the paper has no number.",
    holds_if="the 95% intervals of the share, in both networks, lie below 1%",
    fails_if="one of them lies above 1%",
    paper="|Δ| ⪅ α",
)
def rarely_exceeded(run):
    """Count the steps that are larger than α by more than a tenth."""
    sizes, ran = sizes_of_both(run)
    shares = {n: [sum(s[1] for s in one) / len(one) for one in of] for n, of in sizes.items()}
    largest = max(s[2] for of in sizes.values() for one in of for s in one)
    found = [interval(share) for share in shares.values()]
    regime = run.scale == "paper"
    judged = every([judge(f, below=0.01, paper_regime=regime) for f in found])
    dropout, convolution = (convolutional.percent(f) for f in found)
    return Finding(
        judged,
        ours=f"above 1.1 α: {dropout} (dropout), {convolution} (convolutional)",
        ran=ran,
        measured=f"{dropout} of the steps in the network with dropout and {convolution} in the "
        f"convolutional one are above 1.1 α; the largest is {largest:.2f} α.",
        numbers={"shares": shares, "largest": largest},
        **if_open(judged, "Small networks."),
    )


NOISE = (
    "The networks are small. But the noise of small batches makes |m̂/√v̂| about .1 in them, and "
    "nothing says that larger ones have less of it."
)


@claim(
    "C15b",
    "§2.1",
    quotes="In more common scenarios, we will have that m̂t/√v̂t ≈ ±1 since |E[g]/√E[g²]| ≤ 1.",
    says="A usual step is about as large as the step size.",
    asks="The mean of |m̂/√v̂| over all parameters and passes, in the networks of C1 and C6, Adam at "
    "its best α. Nearer to 1 than to 0 is more than one half.",
    holds_if="the 95% intervals of the mean, in both networks, lie above 0.5",
    fails_if="one of them lies below 0.5",
    paper="≈ 1",
)
def usual_step(run):
    """Average the size of the steps."""
    sizes, ran = sizes_of_both(run)
    means = {n: [sum(s[0] for s in one) / len(one) for one in of] for n, of in sizes.items()}
    found = [interval(mean) for mean in means.values()]
    regime = run.scale == "paper"
    judged = every([judge(f, above=0.5, paper_regime=regime) for f in found])
    dropout, convolution = (f.text() for f in found)
    first = {n: sum(one[0][0] for one in of) / len(of) for n, of in sizes.items()}
    return Finding(
        judged,
        ours=f"mean step {dropout} α (dropout), {convolution} α (convolutional)",
        ran=ran,
        measured=f"The mean of |m̂/√v̂| is {dropout} in the network with dropout and {convolution} "
        f"in the convolutional one; after the first pass {first['dropout']:.3f} and "
        f"{first['convolutional']:.3f}.",
        numbers={"means": means, "first": first},
        **if_open(judged, NOISE),
    )


def draw_bound(figure, numbers):
    """Draw the step sizes that growing gradients give, and the two bounds."""
    axes = figure.subplots()
    t = [1 + numbers["stride"] * i for i in range(len(numbers["steps"]))]
    label = "gradients that grow by 11% a step"
    axes.plot(t, numbers["steps"], color=RED, label=label)
    axes.axhline(numbers["stated"], color=BLUE, label=f"the paper's bound, {numbers['stated']:.2f}")
    axes.axhline(
        numbers["limit"], color=MUTED, ls="--", label=f"Cauchy–Schwarz, {numbers['limit']:.2f}"
    )
    axes.set(xlabel="step t", ylabel="size of the step (α)", ylim=(0, 8.2))
    axes.legend(loc="lower right")


QUOTE = (
    "effective stepsize has two upper bounds: |Δt| ≤ α · (1 − β₁)/√(1 − β₂) in the case (1 − β₁) > "
    "√(1 − β₂), and |Δt| ≤ α otherwise."
)
ASKS = (
    "The steps on gradients that each are β₂/β₁ times the one before, for which the inequality of "
    "Cauchy and Schwarz is an equality, at "
)


@claim(
    "C16a",
    "§2.1",
    quotes=QUOTE,
    says="At the default decay rates no step exceeds α (1 − β₁)/√(1 − β₂).",
    asks=ASKS + "β = (.9, .999), the first case. The paper adds that only a gradient after nothing "
    "but zeros comes to the bound.",
    holds_if="no step exceeds the bound by more than 0.1%",
    fails_if="one does",
    paper="3.16 α at the defaults",
    draw=draw_bound,
)
def stated_bound_sparse(run):
    """Feed the worst gradients, and the lone spike that the paper has in mind."""
    count = run.pick(test=1000, default=3000)
    sizes = step_sizes(growing(count, BETAS), eps=0.0)
    stated, limit = stated_bound(BETAS), tight_bound(BETAS)
    spike = step_sizes([0.0] * 5000 + [1.0])[-1]
    stride = max(count // 300, 1)
    return Finding(
        exact(max(sizes) <= 1.001 * stated),
        ours=f"{max(sizes):.2f} α",
        ran=f"{count:,} gradients, each β₂/β₁ times the one before, at β = (.9, .999); ε = 0. "
        "Beside them 5,000 zero gradients and then a 1.",
        measured=f"|Δ| reaches {sizes[999]:.3f} α after 1,000 steps and {max(sizes):.3f} α after "
        f"{count:,}, the stated bound is {stated:.3f} α; the limit, by Cauchy and Schwarz, "
        f"{limit:.3f} α. The lone spike gives {spike:.3f} α.",
        numbers={"steps": sizes[::stride], "stated": stated, "limit": limit, "stride": stride}
        | {"largest": max(sizes), "at_1000": sizes[999], "spike": spike},
    )


@claim(
    "C16b",
    "§2.1",
    quotes=QUOTE,
    says="Where (1 − β₁) ≤ √(1 − β₂), no step exceeds α.",
    asks=ASKS + "β = (.9, .99), where (1 − β₁) = √(1 − β₂): there the paper says even |Δt| < α.",
    holds_if="no step exceeds α by more than 0.1%",
    fails_if="one does",
    paper="1 α",
)
def stated_bound_otherwise(run):
    """Feed the worst gradients in the other case."""
    count, limit = run.pick(test=1000, default=3000), tight_bound(EQUAL)
    largest = max(step_sizes(growing(count, EQUAL), betas=EQUAL, eps=0.0))
    first = step_sizes([1.0], betas=EQUAL, eps=0.0)[0]
    return Finding(
        exact(largest <= 1.001),
        ours=f"{largest:.2f} α",
        ran=f"{count:,} gradients, each β₂/β₁ times the one before, at β = (.9, .99); ε = 0.",
        measured=f"|Δ| reaches {largest:.3f} α, the stated bound is α; the limit, by Cauchy and "
        f"Schwarz, {limit:.3f} α. A first step is {first:.0f} α for every gradient, so that the "
        '"<" fails already at t = 1.',
        numbers={"largest": largest, "limit": limit, "first": first},
    )


@claim(
    "C17",
    "§7.1",
    quotes="the magnitude of parameter updates has a simpler bound with AdaMax than Adam, namely: "
    "|Δt| ≤ α",
    says="AdaMax never takes a step larger than α.",
    asks="AdaMax on gradients that shrink by β₂ at each step, as fast as it forgets.",
    holds_if="no step exceeds α by more than 10^−6 of it",
    fails_if="one does",
    paper="1 α",
)
def adamax_bound(run):
    """Feed gradients that shrink just as fast as AdaMax forgets."""
    largest = max(step_sizes(shrinking(1000, BETAS), make=AdaMax))
    limit = adamax_tight_bound(BETAS)
    return Finding(
        exact(largest <= 1 + 1e-6),
        ours=f"{largest:.5f} α",
        ran="1,000 gradients, each β₂ times the one before: uₜ = |gₜ|, m remembers larger ones.",
        measured=f"|Δ| = {largest:.6f} α; the true bound is (1 − β₁)/(1 − β₁/β₂) = {limit:.6f} α.",
        numbers={"largest": largest, "limit": limit},
    )
