"""Larger Vision Transformers and the amount of data (§4.3, Fig. 3)."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN
from ..lab.run import Run
from ..lab.statistics import every, interval, judge, paired
from .contest import decide, field
from .data import name, seen, sizes
from .nets import widths
from .train import cohort, rates_told


def by_width(run: Run) -> dict[str, Any]:
    """Return accuracies of both widths at the smallest size, and with all real pictures."""
    chosen = [sizes(run)[0], sizes(run)[2]]
    seeds = run.pick(test=2, default=3, full=5)
    found: dict[str, Any] = {"sizes": chosen, "widths": list(widths(run))}
    for width in widths(run):
        rows = [cohort(run, "vit", size, seeds, width) for size in chosen]
        found[f"width {width}"] = [field(row) for row in rows]
    return found


def draw_widths(figure, numbers) -> None:
    """Draw accuracies of the smaller and the larger Vision Transformer."""
    axes = figure.subplots()
    for width, color in zip(numbers["widths"], (GREEN, BLUE)):
        means = [interval(values) for values in numbers[f"width {width}"]]
        ends = [[m.mean - m.low for m in means], [m.high - m.mean for m in means]]
        axes.errorbar(numbers["sizes"], [m.mean for m in means], ends, fmt="o-", ms=3, color=color,
                      label=f"width {width}")  # fmt: skip
    axes.set(xscale="log", xlabel="training pictures", ylabel="test accuracy (%)")
    axes.legend()


def finding(run: Run, judged, ours: str, found: dict[str, Any]) -> Finding:
    """Return the finding of a claim about the widths."""
    small, large = found["widths"]
    each = ", ".join(
        f"{n:,}: {paired(b, a).text(2)}"
        for n, a, b in zip(found["sizes"], found[f"width {small}"], found[f"width {large}"])
    )
    rates = rates_told(run, [("vit", small), ("vit", large)])
    saw = "/".join(f"{seen(run, n):,}" for n in found["sizes"])
    return Finding(
        judged, ours=ours, numbers=found,
        ran=f"{name(run)}; Vision Transformers of width {small} and {large}, alike otherwise, "
        f"trained as in C2a at two of its sizes ({saw} pictures seen; {rates} tried).",
        measured=f"Width {large} − width {small}, points of test accuracy, by size: {each}.",
        between="The paper's Large has 3.5 times the weights of its Base, trained on 1.3 to 303 "
        "million pictures; here the wider net has about 4 times those of the other.",
        would_decide=decide(judged),
    )  # fmt: skip


@claim(
    "C3a",
    "§4.3, Fig. 3",
    "On the smallest set the larger model is worse.",
    draw_widths,
    quotes="When pre-trained on the smallest dataset, ImageNet, ViT-Large models underperform "
    "compared to ViT-Base models, despite (moderate) regularization.",
    asks="The wider net's test accuracy less the narrower's at the smallest size.",
    holds_if="the interval lies below 0 points",
    fails_if="it lies above",
    paper="L/16 76.53, B/16 77.91",
)
def larger_worse(run: Run) -> Finding:
    """Judge the difference at the smallest size."""
    found = by_width(run)
    small, large = (found[f"width {w}"] for w in found["widths"])
    difference = paired(large[0], small[0])
    judged = judge(difference, below=0.0, paper_regime=False)
    return finding(run, judged, f"{difference.text(2)} points", found)


@claim(
    "C3b",
    "Fig. 3",
    "As data grow, the larger model gains on the smaller.",
    None,
    quotes="Similarly, larger ViT variants overtake smaller ones as the dataset grows.",
    asks="The wider net's lead with all real pictures, above 0 and above its lead at the smallest "
    "size: overtaking wants both.",
    holds_if="the lower of the two intervals lies above 0 points",
    fails_if="one of them lies below",
    paper="ImageNet −1.38, JFT-300M +2.97 (L/16 − B/16)",
)
def larger_overtakes(run: Run) -> Finding:
    """Judge the lead at the larger size, and its growth."""
    found = by_width(run)
    small, large = (found[f"width {w}"] for w in found["widths"])
    leads = [[b - a for a, b in zip(small[i], large[i])] for i in (0, 1)]
    at_all, growth = paired(large[1], small[1]), paired(leads[1], leads[0])
    judged = every([judge(x, above=0.0, paper_regime=False) for x in (at_all, growth)])
    return finding(run, judged, f"lead {at_all.text(2)}, grown by {growth.text(2)}", found)
