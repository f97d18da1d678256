"""Mean and variance of the normalized images."""

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN, REFUTED
from .data import for_lenet, named


@claim(
    "C1c",
    "1998, §II-B",
    says="Normalized inputs have a mean of roughly 0 and a variance of roughly 1.",
    asks="With background −0.1 and ink 1.175 the mean input is roughly 0 and the variance roughly "
    "1.",
)
def input_statistics(run):
    """Measure mean and variance over all pixels, and over the box that holds the digits."""
    x = for_lenet(run)["train"][0]
    box = x[:, :, 6:26, 6:26]
    numbers = {
        "mean": x.mean().item(),
        "variance": x.var().item(),
        "box mean": box.mean().item(),
        "box variance": box.var().item(),
    }
    # "Roughly" is taken as within a factor of two.
    holds = abs(numbers["mean"]) < 0.5 and 0.5 < numbers["variance"] < 2
    other = REFUTED if run.scale == "full" else NOT_SEEN
    return Finding(
        HOLDS if holds else other,
        ran=f"{len(x):,} images of {named(run)}, 32 by 32.",
        measured=f"Mean {numbers['mean']:.3f}, variance {numbers['variance']:.3f}. In the 20 by 20 "
        f"pixels in the middle alone: mean {numbers['box mean']:.3f}, variance "
        f"{numbers['box variance']:.3f}.",
        numbers=numbers,
        between="These are not the paper's digits.",
    )
