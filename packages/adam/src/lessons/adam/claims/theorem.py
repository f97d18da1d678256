"""§4: the theorem on convergence, and two slips of the argument in §3."""

import itertools
import math

from ..counterexamples import online, rare
from ..lab.claim import Finding, claim, erratum
from ..lab.figures import BLUE, MUTED, RED
from ..lab.statistics import exact
from .training import plain_ticks


def signed(x: float, digits: int) -> str:
    """Return a number with its sign as text."""
    return f"{x:+.{digits}f}".replace("-", "−")


def draw_regret(figure, numbers):
    """Draw where Adam and AMSGrad are, and their mean regret."""
    figure.set_size_inches(6.4, 2.8)
    left, right = figure.subplots(1, 2)
    for name, color in (("Adam", RED), ("AMSGrad", BLUE)):
        left.plot(numbers["t"], numbers[name]["x"], color=color, label=name)
        right.plot(numbers["t"], numbers[name]["regret"], color=color)
    left.set(xscale="log", xlabel="step t", ylabel="xₜ (best: −1)", ylim=(-1.15, 1.15))
    right.set(xscale="log", xlabel="step t", ylabel="mean regret R(t)/t", ylim=(-0.05, 1.5))
    right.axhline(2 / 3, color=MUTED, ls="--", lw=1, label="2/3, Adam's limit")
    right.legend(loc="upper right")
    for axes in (left, right):
        plain_ticks(axes.xaxis, range(6))
    left.legend(loc="upper left", bbox_to_anchor=(0, 0.92))


@claim(
    "C13",
    "§4, Thm 4.1, Cor. 4.2",
    quotes="we can show the average regret of Adam converges",
    says="On convex losses Adam's mean regret goes to zero.",
    asks="R(T)/T on a sequence of linear losses on [−1, 1] that meets the theorem's conditions "
    "(Reddi, Kale and Kumar 2018), with β₁ = 0 and β₂ = 1/10. It alone decides. A second sequence, "
    "with β₁ = .9 and β₂ = .99, shows that usual decay rates do not help; it does not meet the "
    "theorem to the letter, where β₁ has to decay.",
    holds_if="R(T)/T is below 0.05 after 200,000 steps, where 1/√T is 0.002",
    fails_if="it is not",
    paper="R(T)/T = O(1/√T)",
    draw=draw_regret,
)
def theorem(run):
    """Run the counterexample, another one beside it, and AMSGrad beside Adam."""
    count = run.pick(test=20_000, default=200_000)
    gradient = rare(3.0, 1.0, 3)
    times = sorted({round(10 ** (k / 20)) for k in range(int(20 * math.log10(count)) + 1)})
    numbers: dict = {"t": times}
    for name in ("Adam", "AMSGrad"):
        xs = online(gradient, count, 0.1, (0.0, 0.1), amsgrad=name == "AMSGrad")
        # The losses are linear, and −1 is the best fixed point: each adds g (x + 1) to the regret.
        losses = (gradient(t) * (x + 1) for t, x in enumerate(xs[:-1], 1))
        regrets = [total / t for t, total in enumerate(itertools.accumulate(losses), 1)]
        numbers[name] = {"x": [xs[t] for t in times], "regret": [regrets[t - 1] for t in times]}
    second = {
        name: online(rare(1010.0, 10.0, 101), count, 0.5, (0.9, 0.99), name == "AMSGrad")[-1]
        for name in ("Adam", "AMSGrad")
    }
    regret, other = numbers["Adam"]["regret"][-1], numbers["AMSGrad"]
    return Finding(
        exact(regret < 0.05),
        ours=f"R(T)/T = {regret:.3f} at T = {count:,}",
        ran="Gradients 3, −1, −1 with β₁ = 0, β₂ = 1/10, step .1/√t; and 1010 and then a hundred "
        f"of −10 with β₁ = .9, β₂ = .99, step .5/√t; {count:,} steps from 0. "
        "Iterates are clipped to [−1, 1].",
        measured=f"First: Adam ends at {signed(numbers['Adam']['x'][-1], 4)}, the worst point, "
        f"with R(T)/T = {regret:.3f}; AMSGrad at {signed(other['x'][-1], 4)} with "
        f"{other['regret'][-1]:.4f}. Second: Adam ends at {signed(second['Adam'], 3)}, AMSGrad at "
        f"{signed(second['AMSGrad'], 3)}.",
        numbers=numbers | {"second": second},
    )


@erratum(
    "E1",
    "§3, below eq. 4",
    quotes="ζ can be kept small since the exponential decay rate β₁ can (and should) be chosen",
    says="The decay rate in the argument about v is β₂.",
    asks="v in eq. 1 has the weights (1 − β₂) β₂^(t − i); β₁ does not occur in it.",
)
def wrong_beta(run):
    """Compute v after three gradients for two values of each β."""
    v = [math.fsum((1 - b2) * b2 ** (3 - i) * i**2 for i in (1, 2, 3)) for b2 in (0.9, 0.99)]
    return Finding(
        None,
        ours="β₂",
        ran="Equation 1 for the gradients 1, 2, 3.",
        measured=f"v is {v[0]:.4f} at β₂ = .9 and {v[1]:.4f} at β₂ = .99, at any β₁.",
        numbers={"v": v},
    )


@erratum(
    "E2",
    "§3, last paragraph",
    quotes="one needs to average over many gradients by chosing a small value of β₂; however it is "
    "exactly this case of small β₂",
    says="A long average needs a small 1 − β₂.",
    asks="The weights of eq. 1 halve in ln 2/ln(1/β₂) steps; the first step without correction is "
    "(1 − β₁)/√(1 − β₂) times α. Both grow as β₂ nears 1, as §5 and §6.4 have it.",
)
def small_or_near_one(run):
    """Compute how long v remembers and how large an uncorrected first step is."""
    rows = {b2: (math.log(2) / -math.log(b2), 0.1 / math.sqrt(1 - b2)) for b2 in (0.9, 0.999)}
    short, long = rows.values()
    return Finding(
        None,
        ours="small 1 − β₂",
        ran="β₁ = .9, β₂ = .9 and .999.",
        measured=f"Weights halve in {short[0]:.1f} steps at β₂ = .9 and in {long[0]:.0f} at .999; "
        f"an uncorrected first step is {short[1]:.2f} α and {long[1]:.2f} α.",
        numbers={"halves": [short[0], long[0]], "first": [short[1], long[1]]},
    )
