"""§6.3: whether v̂ vanishes in the convolutional network of Fig. 3."""

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.statistics import interval, judge
from .convolutional import BETWEEN, EPS, described, measure, percent
from .training import if_open, plain_ticks


def draw_moments(figure, numbers):
    """Draw √v̂ of the middle parameter and of the outer tenths against passes, beside ε."""
    axes = figure.subplots()
    moments = torch.tensor(numbers["moments"])  # seed, pass, what
    count = range(1, moments.shape[1] + 1)
    low, middle, high = moments.median(0).values.T[:3]
    axes.fill_between(count, low.clamp(min=1e-12), high, color=BLUE, alpha=0.25, lw=0)
    axes.plot(count, middle, color=BLUE, label="√v̂: median, and from a tenth to nine tenths")
    axes.axhline(EPS, color=RED, ls="--", label="ε of Algorithm 1")
    axes.set(yscale="log", xlabel="passes over the data", ylabel="√v̂", ylim=(1e-10, 1))
    plain_ticks(axes.yaxis, range(-10, 1, 2))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 0.25))
    axes.tick_params(axis="y", colors=MUTED)


@claim(
    "C8",
    "§6.3",
    quotes="We notice the second moment estimate v̂ vanishes to zeros after a few epochs and is "
    "dominated by the ε in algorithm 1.",
    says="In a convolutional net √v̂ falls below ε.",
    asks="The share of all parameters for which √v̂ is below ε = 10^−8, after the last pass, Adam "
    "at its best α. The sentence is about the estimate as a whole, hence about most of its "
    "entries.",
    holds_if="the 95% interval of the share lies above one half",
    fails_if="it lies below one half",
    paper="",
    draw=draw_moments,
)
def vanishing(run):
    """Count the parameters for which ε is the larger summand, pass by pass."""
    result, seeds = measure(run)
    moments = [r["moments"] for r in result["Adam"]["runs"]]
    share = interval([m[-1][3] for m in moments])
    judged = judge(share, above=0.5, paper_regime=run.scale == "paper")
    count, below = len(moments[0]), sum(m[-1][4] for m in moments) / len(moments)
    at = sorted({min(5, count), min(15, count), count})
    trend = ", ".join(
        f"{sum(m[t - 1][1] for m in moments) / len(moments):.0e} after {t}".replace(
            "e-0", " × 10^−"
        )
        for t in at
    )
    return Finding(
        judged,
        ours=f"√v̂ < ε in {percent(share)} of the parameters",
        ran=described(run, seeds),
        measured=f"√v̂ of the median parameter: {trend} passes; ε is 10^−8. It is below ε for "
        f"{100 * share.mean:.1f}% of the parameters at the end, v̂ itself for {100 * below:.0f}%.",
        numbers={"moments": moments, "share": [m[-1][3] for m in moments]},
        **if_open(judged, BETWEEN),
    )
