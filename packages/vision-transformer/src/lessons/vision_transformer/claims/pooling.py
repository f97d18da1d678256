"""Class token against average pooling, and their learning rates (D.3, Fig. 9)."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, interval, judge, paired
from .contest import decide
from .data import name, seen, sizes
from .nets import widths
from .train import learned

POOLS = {"cls": "class token", "gap": "average"}


def rates(run: Run) -> dict[str, Any]:
    """Return both ways' accuracies (test, and dev to choose by) at each rate, over seeds."""
    grid = run.pick(
        test=[1e-3, 2e-3], default=[1e-3, 2e-3, 4e-3],
        full=[1e-3, 2e-3, 4e-3, 8e-3],
    )  # fmt: skip
    size, width = sizes(run)[1], widths(run)[0]
    seeds = run.seeds(run.pick(test=2, default=3))
    found: dict[str, Any] = {"rates": grid, "size": size, "width": width}
    for pool in POOLS:
        how = {} if pool == "cls" else {"pool": pool}
        settings = {"net": "vit", "size": size, "width": width, **how}
        rows = [[run.trial(learned, lr=lr, seed=s, **settings) for s in seeds] for lr in grid]
        found[pool] = [[net["test"] for net in row] for row in rows]
        found[f"{pool} dev"] = [sum(net["dev"] for net in row) / len(row) for row in rows]
        found[f"{pool} best"] = found[f"{pool} dev"].index(max(found[f"{pool} dev"]))
    return found


def draw_rates(figure, numbers) -> None:
    """Draw accuracy against the rate, for both."""
    axes = figure.subplots()
    for (pool, title), color in zip(POOLS.items(), (BLUE, GREEN)):
        means = [interval(row) for row in numbers[pool]]
        ends = [[m.mean - m.low for m in means], [m.high - m.mean for m in means]]
        axes.errorbar(numbers["rates"], [m.mean for m in means], ends, fmt="o-", ms=3, color=color,
                      label=title)  # fmt: skip
    axes.set(xscale="log", xlabel="learning rate", ylabel="test accuracy (%)")
    axes.legend()


def finding(run: Run, judged, ours: str, found: dict[str, Any], line: float) -> Finding:
    """Return the finding of a claim about the two."""
    best = ", ".join(
        f"{title} {interval(found[p][found[f'{p} best']]).text(2)} at "
        f"{found['rates'][found[f'{p} best']]:g}"
        for p, title in POOLS.items()
    )
    return Finding(
        judged, ours=ours, numbers=found,
        ran=f"{name(run)}, {found['size']:,} pictures, {seen(run, found['size']):,} seen, width "
        f"{found['width']}, {len(found['rates'])} rates and {len(found['cls'][0])} seeds each; the "
        f"best rate of each is chosen on dev pictures.",
        measured=f"Test accuracy (%) at the best rate: {best}.",
        between="The paper's nets are pre-trained on JFT-300M for seven epochs.",
        would_decide=decide(judged, line) if judged.verdict == UNDECIDED else "",
    )  # fmt: skip


@claim(
    "C6a",
    "D.3, Fig. 9",
    "Class token and average pooling work similarly well.",
    draw_rates,
    quotes="Both work similarly well, but require different learning-rates.",
    asks="Test accuracy with average pooling less that with the class token, each at its own best "
    "rate (first half of the sentence).",
    holds_if="the interval lies within ±1 point",
    fails_if="it lies outside",
    paper="Fig. 9: curves",
)
def similarly(run: Run) -> Finding:
    """Judge the difference at each one's best rate."""
    found = rates(run)
    best = {p: found[p][found[f"{p} best"]] for p in POOLS}
    difference = paired(best["gap"], best["cls"])
    judged = judge(difference, within=(-1.0, 1.0), paper_regime=False)
    return finding(run, judged, f"{difference.text(2)} points", found, 1.0)


@claim(
    "C6b",
    "D.3, Fig. 9",
    "But they need different learning rates.",
    None,
    quotes="the difference in performance is fully explained by the requirement for a different "
    "learning-rate",
    asks="What average pooling loses at the class token's best rate: its accuracy at its own best "
    "less that.",
    holds_if="the interval lies above .2 points",
    fails_if="it lies below",
    paper="Fig. 9: 8·10⁻⁴ and 3·10⁻⁴",
)
def other_rate(run: Run) -> Finding:
    """Judge the loss at the other's rate."""
    found = rates(run)
    loss = paired(found["gap"][found["gap best"]], found["gap"][found["cls best"]])
    judged = judge(loss, above=0.2, paper_regime=False)
    return finding(run, judged, f"{loss.text(2)} points lost", found, 0.2)
