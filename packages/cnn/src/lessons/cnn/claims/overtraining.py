"""Whether the test error rises again."""

import math

from ..lab.claim import Finding, claim
from ..lab.figures import MUTED, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from .compare import mean, percent
from .data import apart, for_lenet, named
from .lenets import amounts, lenets, passes_of, recipe


def draw_passes(figure, numbers):
    """Draw training and test error against passes, as the paper's Fig. 5."""
    axes = figure.subplots()
    for i, curve in enumerate(numbers["curves"]):
        passes = range(1, len(curve) + 1)
        train, test = ([100 * point[k] for point in curve] for k in (0, 1))
        axes.plot(passes, train, color=MUTED, lw=1, label=None if i else "training, as it goes")
        axes.plot(passes, test, color=RED, label=None if i else "test")
    top = 300 * max(point[1] for curve in numbers["curves"] for point in curve)
    axes.set(xlabel="pass", ylabel="error (%)", ylim=(0, top))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()


@claim(
    "C6",
    "1998, §III-B, Fig. 5",
    says="Over-training was not observed: the test error does not rise again.",
    asks="Over-training was not observed: the test error does not rise again while the training "
    "error falls.",
    draw=draw_passes,
)
def no_overtraining(run):
    """Judge how far the last test error lies above the lowest, against sampling error."""
    trials = lenets(run, amounts(run)[-1])
    curves = [t["curve"] for t in trials]
    ends = [curve[-1][1] for curve in curves]
    rises = [curve[-1][1] - min(point[1] for point in curve) for curve in curves]
    count = len(for_lenet(run)["test"][0])
    sampling = math.sqrt(mean(ends) * (1 - mean(ends)) / count)
    # The lowest of many noisy errors lies below the true one: two sampling errors are allowed.
    holds = mean(rises) <= 2 * sampling
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"{recipe(run)}, on {amounts(run)[-1]:,} images of {named(run)}, {len(trials)} seeds.",
        measured=f"The last test error, {percent(ends, 2)}, lies {100 * mean(rises):.2f} points "
        f"above the lowest of its run; the sampling error is {100 * sampling:.2f}. The last "
        f"training error is {percent([curve[-1][0] for curve in curves], 2)}.",
        numbers={"curves": curves},
        between=apart(run, f"{passes_of(run)} passes instead of 20."),
    )
