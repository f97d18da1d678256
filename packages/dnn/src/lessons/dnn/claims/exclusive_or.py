"""Exclusive-or: that it is learned, and how often not."""

from ..counting import wilson
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import HOLDS, REFUTED
from .experiment import best, both_modes, counted, draw_rates, listed, said

XOR = {"2-1-1, direct": ("xor-2-1-1", 0.5), "2-2-1": ("xor-2-2-1", 0.25)}


def xor_counts(run: Run) -> dict[str, dict[str, dict]]:
    """Count the nets of Figs. 3 and 4 that learn exclusive-or."""
    n, sweeps = run.pick(test=(3, 20), default=(200, 4000), full=(1000, 8000))
    return {
        name: both_modes(run, n, sweeps, net=net, task="xor", lr=lr)
        for name, (net, lr) in XOR.items()
    }


def draw_xor(figure, numbers):
    """Draw the rates of C1a."""
    figure.set_size_inches(6.4, 2.2)
    flat = {f"{net}, {mode}": c for net, modes in numbers.items() for mode, c in modes.items()}
    axes = figure.subplots()
    draw_rates(axes, flat, [RED, RED, BLUE, BLUE, MUTED, MUTED])
    axes.set(xlabel="nets that learned exclusive-or (%), with 95% intervals", xlim=(-2, 102))


@claim(
    "C1a",
    "pp. 330-331, Fig. 3",
    says="With hidden units a net learns exclusive-or; without any it cannot.",
    asks="With hidden units a net learns exclusive-or, in 558 sweeps at η = .5 for instance; "
    "without any it cannot.",
    draw=draw_xor,
)
def xor_is_learned(run):
    """Judge both nets in their better mode; without hidden units none may succeed."""
    numbers = xor_counts(run)
    n, sweeps = run.pick(test=(3, 20), default=(200, 1000), full=(1000, 2000))
    without = both_modes(run, n, sweeps, net="2-1", task="xor", lr=0.5)
    # 95%: what is learned "almost always" may fail once in twenty.
    holds = all(best(modes)["solved"] >= 0.95 * best(modes)["n"] for modes in numbers.values())
    holds = holds and all(count["solved"] == 0 for count in without.values())
    return Finding(
        HOLDS if holds else REFUTED,
        ran="2-1-1 with direct connections (η = .5) and 2-2-1 without (η = .25), α = .9, targets "
        ".1 and .9, initial weights within ±.5, weights changed by sweep or by pattern; "
        f"{run.pick(test=20, default=4000, full=8000):,} sweeps at most.",
        measured=". ".join(f"{name}: {listed(modes)}" for name, modes in numbers.items())
        + f". Without hidden units: {listed(without)}.",
        numbers=numbers | {"no hidden units": without},
    )


@claim(
    "C1b",
    "pp. 331-332",
    says="Local minima are rare: only two among hundreds of runs on exclusive-or.",
    asks="Local minima are rare: among hundreds of runs on exclusive-or there were only two, both "
    "with the 2-2-1 net.",
)
def minima_are_rare(run):
    """Compare the rates of failure with two in two hundred, the least that "hundreds" can be."""
    counts = xor_counts(run)
    n = 2 * best(counts["2-2-1"])["n"]
    # The better mode of each net; what fails here has had ten times the sweeps of the median.
    failed = {name: best(modes)["n"] - best(modes)["solved"] for name, modes in counts.items()}
    low, high = wilson(sum(failed.values()), n)
    upper = wilson(2, 200)[1]
    each = {name: counted([True] * k + [None] * (n // 2 - k)) for name, k in failed.items()}
    return Finding(
        HOLDS if low <= upper else REFUTED,
        ran="The nets of C1a, each in its better mode; failed is what had not learned at the end.",
        measured="Failed: "
        + "; ".join(f"{name} {said(count, sweeps=False)}" for name, count in each.items())
        + f"; together {100 * low:.1f}–{100 * high:.1f}%. Two of 200 would mean "
        f"{100 * wilson(2, 200)[0]:.1f}–{100 * upper:.1f}%.",
        numbers={"failed": failed, "n": n, "low": low, "high": high, "stated": upper},
    )
