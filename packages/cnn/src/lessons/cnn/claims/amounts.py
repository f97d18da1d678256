"""More training images, and distorted ones."""

import itertools

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from .compare import clearly_less, mean, percent
from .data import apart, named
from .lenets import amounts, lenets, passes_of, recipe


def draw_amounts(figure, numbers):
    """Draw test error against the size of the training set, as the paper's Fig. 6."""
    axes = figure.subplots()
    sizes = [int(many) for many in numbers["plain"]]
    means = [100 * mean(errors) for errors in numbers["plain"].values()]
    axes.plot(sizes, means, color=BLUE, label="as they are")
    for many, errors in numbers["plain"].items():
        axes.plot([int(many)] * len(errors), [100 * e for e in errors], "o", ms=4, color=BLUE)
    errors = [100 * e for e in numbers["distorted"]["errors"]]
    many = [numbers["distorted"]["many"]] * len(errors)
    axes.plot(many, errors, "s", ms=4, color=RED, label="distorted anew in each pass")
    axes.set(xlabel="training images", ylabel="test error (%)", ylim=(0, None), xscale="log")
    axes.set_xticks(sizes, [f"{n:,}" for n in sizes])
    axes.minorticks_off()
    axes.legend()


def of_amounts(run):
    """Return the test errors by the size of the training set, and with distortions."""
    plain = {str(many): [t["test"] for t in lenets(run, many)] for many in amounts(run)}
    many = run.pick(test=20, default=300, full=60_000)
    errors = [t["test"] for t in lenets(run, many, distorted=True)]
    return {"plain": plain, "distorted": {"many": many, "errors": errors}}


@claim(
    "C3a",
    "1998, §III-B, Fig. 6",
    says="More training data lower the test error even of a specialized architecture.",
    asks="More training data lower the test error even of a specialized architecture.",
    draw=draw_amounts,
)
def more_data(run):
    """Judge that each doubling lowers the mean error, and the last is clearly below the first."""
    numbers = of_amounts(run)
    errors = list(numbers["plain"].values())
    falls = all(mean(b) <= mean(a) for a, b in itertools.pairwise(errors))
    holds = falls and clearly_less(errors[-1], errors[0])
    listed = ", ".join(f"{int(m):,} images {percent(e, 2)}" for m, e in numbers["plain"].items())
    rejected = mean([t["reject"] for t in lenets(run, amounts(run)[-1])])
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"{recipe(run)}, on {named(run)}, {len(errors[0])} seeds.",
        measured=f"Test error: {listed} (the paper: 0.95% with 60,000 after 20 passes). With all, "
        f"{100 * rejected:.1f}% must be rejected for 0.5% error on the rest.",
        numbers=numbers,
        between=apart(run, f"{passes_of(run)} passes instead of 20."),
    )


@claim(
    "C3b",
    "1998, §III-B, Fig. 6",
    says="Distorted training images lower the test error, at an unchanged number of presentations.",
    asks="Training images distorted by random planar affine maps lower the test error, from 0.95 "
    "to 0.8%, at an unchanged number of presentations.",
)
def distortions(run):
    """Judge against the same images undistorted: clearly lower, by 15% (the paper: 16%)."""
    numbers = of_amounts(run)
    many, errors = numbers["distorted"]["many"], numbers["distorted"]["errors"]
    plain = numbers["plain"][str(many)]
    holds = clearly_less(errors, plain) and mean(errors) <= 0.85 * mean(plain)
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"{recipe(run)}, on {many:,} images of {named(run)}, distorted anew in each pass, "
        f"{len(plain)} seeds.",
        measured=f"Test error with distortions {percent(errors, 2)}, without {percent(plain, 2)}.",
        numbers={"distorted": errors, "plain": plain},
        between="Distortions make every pass new, so they pay where passes are many; here there "
        f"are {passes_of(run)} instead of 20. The amounts of the paper's are not known.",
    )
