"""Vision Transformer, ResNet and hybrid at equal compute, where data does not bound (§4.4)."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import judge, paired, ratio
from .contest import BETWEEN, KINDS, TITLES, decide, field, told
from .data import sizes
from .nets import widths
from .train import cohort, seeds_at


def budgets(run: Run) -> dict[str, Any]:
    """Return both kinds at the largest size, at two widths, hence two amounts of compute."""
    size = sizes(run)[-1]
    found: dict[str, Any] = {"size": size, "widths": list(widths(run))}
    for net in KINDS:
        rows = [cohort(run, net, size, seeds_at(run, size), width) for width in widths(run)]
        found[net] = [field(row) for row in rows]
        found[f"{net} curves"] = [[r["curve"] for r in row] for row in rows]
        # Training costs three forward passes: the backward pass has two products for each.
        found[f"{net} compute"] = [3 * row[0]["operations"] * row[0]["seen"] for row in rows]
    return found


def compute_to(curve: list[list[float]], target: float) -> float:
    """Return the share of training after which a curve of accuracies first reaches a target.

    Between two points it is taken as straight; the target is one that the curve reaches.
    """
    before = (0.0, 10.0)  # ten classes: chance
    for share, right in curve:
        if right >= target:
            rise = max(right - before[1], 1e-9)
            return before[0] + (share - before[0]) * max(target - before[1], 0.0) / rise
        before = (share, right)
    raise ValueError(f"the curve never reaches {target}")


def draw_compute(figure, numbers) -> None:
    """Draw dev accuracy against training compute."""
    axes = figure.subplots()
    for net, color in zip(KINDS, (BLUE, RED)):
        for i, style in enumerate(("--", "-")):
            total = numbers[f"{net} compute"][i]
            for j, curve in enumerate(numbers[f"{net} curves"][i]):
                label = f"{TITLES[net]}, {'smaller' if i == 0 else 'larger'}" if j == 0 else None
                axes.plot([total * p[0] / 1e12 for p in curve], [p[1] for p in curve], style,
                          color=color, lw=1, label=label)  # fmt: skip
    axes.set(xscale="log", xlabel="training compute (10¹² operations)",
             ylabel="accuracy on dev pictures (%)")  # fmt: skip
    axes.legend()


@claim(
    "C1a",
    "§4.4, Fig. 5",
    "At equal compute, Vision Transformers beat ResNets.",
    draw_compute,
    quotes="Vision Transformers generally outperform ResNets with the same computational budget.",
    asks="Test accuracy of both at the largest size, where each picture is seen once and data does "
    "not bound (§4.4), at two budgets, the mean of the two by seed.",
    holds_if="the interval of Vision Transformer − ResNet lies above 0 points",
    fails_if="it lies below",
    paper="Table 6: B/16 84.15, R152x2 84.97 for 2.5 times the compute",
)
def same_budget(run: Run) -> Finding:
    """Average the difference over both budgets."""
    found = budgets(run)
    means = {net: [(a + b) / 2 for a, b in zip(*found[net])] for net in KINDS}
    difference = paired(means["vit"], means["resnet"])
    judged = judge(difference, above=0.0, paper_regime=False)
    each = ", ".join(
        f"width {w}: {paired(v, r).text(2)}"
        for w, v, r in zip(found["widths"], found["vit"], found["resnet"])
    )
    return Finding(
        judged, ours=f"{difference.text(2)} points", ran=told(run), numbers=found, between=BETWEEN,
        measured=f"Vision Transformer − ResNet, points: {each}; mean {difference.text(2)}.",
        would_decide=decide(judged),
    )  # fmt: skip


@claim(
    "C1b",
    "§4.4",
    "For the same accuracy a Vision Transformer needs a half to a quarter of the compute.",
    None,
    quotes="ViT uses approximately 2 − 4× less compute to attain the same performance (average "
    "over 5 datasets).",
    asks="Compute of the ResNet over that of the Vision Transformer until the dev accuracy that "
    "both reach (the lower of their two best), on the curves of C1a's larger nets, paired.",
    holds_if="the interval of the ratio lies above 2",
    fails_if="it lies below 2",
    paper="2 to 4",
)
def less_compute(run: Run) -> Finding:
    """Read the ratio off the curves."""
    found, spent = budgets(run), {net: [] for net in KINDS}
    for a, b in zip(found["vit curves"][1], found["resnet curves"][1]):
        target = min(max(p[1] for p in a), max(p[1] for p in b))
        for net, curve in zip(KINDS, (a, b)):
            total = found[f"{net} compute"][1]
            spent[net].append(max(compute_to(curve, target) * total, 1.0))
    times = ratio(spent["resnet"], spent["vit"])
    judged = judge(times, above=2.0, paper_regime=False)
    return Finding(
        judged, ours=f"{times.text(2)} times", ran=told(run), between=BETWEEN,
        measured=f"The ResNet takes {times.text(2)} of the Vision Transformer's compute.",
        numbers=spent | {"ratio": [times.mean, times.low, times.high, times.n]},
        would_decide=decide(judged, 2.0),
    )  # fmt: skip


@claim(
    "C1c",
    "§4.4",
    "At small budgets a hybrid is slightly better.",
    None,
    quotes="hybrids slightly outperform ViT at small computational budgets, but the difference "
    "vanishes for larger models",
    asks="Only the first half: at the largest size and the smaller width, a hybrid of no more "
    "operations (a root and one block of a ResNet, and a layer less) against the Vision "
    "Transformer, its rate tuned as all.",
    holds_if="the interval of hybrid − Vision Transformer lies above 0 points",
    fails_if="it lies below",
    paper="Table 6: R50+B/32 84.90, B/32 80.73",
    full_only=True,
)
def hybrids(run: Run) -> Finding:
    """Compare at the small budget."""
    size, width = sizes(run)[-1], widths(run)[0]
    rows = {net: cohort(run, net, size, seeds_at(run, size), width) for net in ("hybrid", "vit")}
    difference = paired(field(rows["hybrid"]), field(rows["vit"]))
    judged = judge(difference, above=0.0, paper_regime=False)
    share = rows["hybrid"][0]["operations"] / rows["vit"][0]["operations"]
    return Finding(
        judged, ours=f"{difference.text(2)} points", between=BETWEEN,
        ran=f"{told(run)} The hybrid pads pictures to 32 × 32 and has {share:.2f} of the "
        f"Vision Transformer's operations.",
        measured=f"Hybrid − Vision Transformer: {difference.text(2)} points.",
        numbers={net: field(row) for net, row in rows.items()} | {"operations": share},
        would_decide=decide(judged),
    )  # fmt: skip
