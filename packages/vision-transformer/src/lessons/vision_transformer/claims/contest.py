"""Vision Transformer against ResNet, at four sizes of data (§1, §4.3, Fig. 4)."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, INK, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, interval, judge, paired, seeds_needed
from .data import COPIES, name, seen, sizes
from .nets import widths
from .train import cohort, rates_told, seeds_at

KINDS = ("vit", "resnet")
TITLES = {"vit": "Vision Transformer", "resnet": "ResNet", "hybrid": "hybrid"}


def field(results: list[dict[str, Any]], key: str = "test") -> list[float]:
    """Return one number of each net."""
    return [result[key] for result in results]


def contest(run: Run) -> dict[str, Any]:
    """Return accuracies and curves of both kinds at all sizes, the wider nets."""
    found: dict[str, Any] = {"sizes": sizes(run), "seen": [seen(run, n) for n in sizes(run)]}
    for net in KINDS:
        rows = [cohort(run, net, size, seeds_at(run, size)) for size in sizes(run)]
        found[net] = [field(row) for row in rows]
        found[f"{net} train"] = [field(row, "train") for row in rows]
        found[f"{net} curves"] = [row[0]["curve"] for row in rows]
        found[f"{net} operations"] = rows[0][0]["operations"]
    gaps = [paired(r, v) for r, v in zip(found["resnet"], found["vit"])]
    found["gap"] = [[g.mean, g.low, g.high, g.n] for g in gaps]
    return found


def gap_at(found: dict[str, Any], i: int) -> Interval:
    """Return ResNet − Vision Transformer at the i-th size, in points."""
    return Interval(*found["gap"][i])


def told(run: Run) -> str:
    """Return what was run, as a sentence."""
    large = widths(run)[1]
    counts = "/".join(f"{n:,}" for n in sizes(run))
    saw = "/".join(f"{seen(run, n):,}" for n in sizes(run))
    layers = run.pick(test=2, default=2, full=4)
    patch = run.pick(test=2, default=2, full=7)
    rates = rates_told(run, [("vit", large), ("resnet", large)])
    return (
        f"{name(run)}: {counts} pictures of a seed's own, of which {saw} are seen; the largest "
        f"size is the one before it with {COPIES - 1} shifted and elastically deformed copies of "
        f"each. A Vision Transformer ({layers} layers of width {large}, patch {patch}) and a "
        f"ResNet with batch norm, three stages, equal in operations (5%) and parameters (10%). "
        f"Adam, decay .1, linear warm-up and fall, stopped where dev pictures say; one rate for "
        f"all sizes, the best on dev pictures at the second ({rates} tried); "
        f"{seeds_at(run, sizes(run)[0])} seeds, {seeds_at(run, sizes(run)[-1])} at the largest."
    )


BETWEEN = "The paper's nets have 86 to 632 million weights, its largest set 303 million pictures."


def decide(judged, line: float = 0.0) -> str:
    """Return how many seeds would decide, where the line is in the interval."""
    if judged.verdict != UNDECIDED:
        return ""
    n = seeds_needed(judged.interval, line)
    return f"about {n} seeds" if n else "the mean lies on the line; no number of seeds"


def finding(run: Run, judged, ours: str, found: dict[str, Any], line: float = 0.0) -> Finding:
    """Return the finding of a claim about the contest."""
    gaps = ", ".join(f"{n:,}: {Interval(*g).text(2)}" for n, g in zip(found["sizes"], found["gap"]))
    return Finding(
        judged, ours=ours, ran=told(run), numbers=found, between=BETWEEN,
        measured=f"ResNet − Vision Transformer, points of test accuracy, by size: {gaps}.",
        would_decide=decide(judged, line),
    )  # fmt: skip


def draw_sizes(figure, numbers) -> None:
    """Draw accuracies against the number of pictures, and the gap."""
    figure.set_size_inches(6.4, 2.9)
    left, right = figure.subplots(1, 2)
    for net, color in zip(KINDS, (BLUE, RED)):
        means = [interval(values) for values in numbers[net]]
        ends = [[m.mean - m.low for m in means], [m.high - m.mean for m in means]]
        left.errorbar(numbers["sizes"], [m.mean for m in means], ends, fmt="o-", ms=3,
                      color=color, label=TITLES[net])  # fmt: skip
        left.plot(numbers["sizes"], [sum(v) / len(v) for v in numbers[f"{net} train"]], ":",
                  color=color, lw=1)  # fmt: skip
    left.set(xscale="log", xlabel="training pictures", ylabel="accuracy (%), dotted: training")
    left.legend()
    mean, low, high, _ = zip(*numbers["gap"])
    ends = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
    right.errorbar(numbers["sizes"], mean, ends, fmt="o-", ms=3, color=INK)
    right.axhline(0, color=MUTED, lw=0.6)
    right.set(xscale="log", xlabel="training pictures", ylabel="ResNet − ViT (points)")


@claim(
    "C2a",
    "§1",
    "On a mid-sized set a Vision Transformer is a few points below a ResNet.",
    draw_sizes,
    quotes="When trained on mid-sized datasets such as ImageNet without strong regularization, "
    "these models yield modest accuracies of a few percentage points below ResNets of comparable "
    "size.",
    asks="ResNet − Vision Transformer at the second of four sizes.",
    holds_if="the interval lies above 1 point (of “a few points” the least)",
    fails_if="it lies below",
    paper="“a few percentage points”",
)
def mid_sized(run: Run) -> Finding:
    """Judge the gap at the second size."""
    found = contest(run)
    gap = gap_at(found, 1)
    judged = judge(gap, above=1.0, paper_regime=False)
    return finding(run, judged, f"{gap.text(2)} points below", found, 1.0)


@claim(
    "C2b",
    "§4.3, Fig. 4",
    "On a small set the ResNet is better.",
    None,
    quotes="ResNets perform better with smaller pre-training datasets but plateau sooner than ViT",
    asks="ResNet − Vision Transformer at the smallest size (first half of the sentence).",
    holds_if="the interval lies above 0 points",
    fails_if="it lies below",
    paper="Fig. 4, at 9 million: ResNet above",
)
def small_sets(run: Run) -> Finding:
    """Judge the gap at the smallest size."""
    found = contest(run)
    gap = gap_at(found, 0)
    return finding(run, judge(gap, above=0.0, paper_regime=False), f"{gap.text(2)} points", found)


@claim(
    "C2c",
    "§4.3, Fig. 4",
    "With more data the ResNet's lead shrinks: it plateaus sooner.",
    None,
    quotes="ResNets perform better with smaller pre-training datasets but plateau sooner than ViT",
    asks="The gap ResNet − Vision Transformer at the smallest size less that at the third, where "
    "all real pictures are used; the same seeds.",
    holds_if="the interval of the difference lies above 0 points",
    fails_if="it lies below",
    paper="Fig. 4: the lines cross",
)
def plateau(run: Run) -> Finding:
    """Judge how much of the gap is gone."""
    found = contest(run)
    gaps = [[r - v for r, v in zip(found["resnet"][i], found["vit"][i])] for i in (0, 2)]
    shrunk = paired(*gaps)
    judged = judge(shrunk, above=0.0, paper_regime=False)
    return finding(run, judged, f"gap smaller by {shrunk.text(2)} points", found)


@claim(
    "C2d",
    "§1",
    "With enough data the Vision Transformer overtakes the ResNet.",
    None,
    quotes="We find that large scale training trumps inductive bias.",
    asks="Vision Transformer − ResNet at the largest of four sizes.",
    holds_if="the interval lies above 0 points",
    fails_if="it lies below",
    paper="Fig. 4: above from 90 million on",
)
def overtaking(run: Run) -> Finding:
    """Judge the gap at the largest size."""
    found = contest(run)
    gap = gap_at(found, 3)
    lead = Interval(-gap.mean, -gap.high, -gap.low, gap.n)
    return finding(run, judge(lead, above=0.0, paper_regime=False), f"{lead.text(2)} points", found)
