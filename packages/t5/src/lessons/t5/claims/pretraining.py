"""C0: what pre-training gives, and the task that it gives nothing (§3.1.5, Table 1)."""

from typing import Any

from ..lab.claim import claim
from ..lab.figures import BLUE, MUTED
from ..lab.statistics import every, interval
from .contest import Contest, base, finding, judged, noise, tasks, trials
from .world import real


def contest(run) -> Contest:
    """Return pre-trained nets and nets from scratch, tuned for as many steps."""
    return Contest(base(run), trials(run, tasks=tasks(run), pretrain=False))


def draw_gains(figure: Any, numbers: Any) -> None:
    """Draw the scores of each task, with and without."""
    names = list(numbers["ours"][0]["scores"])
    for axes, task in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
        for x, (key, color) in enumerate((("theirs", MUTED), ("ours", BLUE))):
            values = [trial["scores"][task] for trial in numbers[key]]
            axes.plot([x] * len(values), values, "o", color=color)
            found = interval(values)
            half = (found.high - found.low) / 2
            axes.errorbar(x + 0.15, found.mean, half, fmt="_", color=color)
        axes.set_xticks([0, 1], ["from scratch", "pre-trained"])
        axes.set_xlim(-0.5, 1.6)
        axes.set_title(task)
    figure.axes[0].set_ylabel("accuracy or BLEU")


@claim(
    "C1a",
    "§3.1.5, Table 1",
    says="Pre-training helps on almost all tasks.",
    quotes="Unsurprisingly, we find that pre-training provides significant gains across almost all "
    "benchmarks.",
    asks="Scores of nets that have read text without labels, less those of nets that have not, "
    "after as many steps of fine-tuning, on reviews and on simplification, from the same first "
    "weights.",
    holds_if="on each of the two tasks the 95% interval of the difference lies above 0",
    fails_if="on one of them it lies below 0",
    paper="GLUE 66.22 to 83.28",
    draw=draw_gains,
)
def gains(run):
    """Compare task by task."""
    both = contest(run)
    gaps = {task: both.gap(task) for task in ("review", "simplify")}
    judgement = every([judged(run, gap, above=0.0) for gap in gaps.values()])
    told = ", ".join(f"{task} {gap.text(1)}" for task, gap in gaps.items())
    worst = min(gaps.values(), key=lambda gap: gap.low)
    return finding(run, worst, judgement, both, ours=f"{told} points")


@claim(
    "C1b",
    "§3.1.5, Table 1",
    says="A task with much data of its own gains nothing.",
    quotes="The only exception is WMT English to French, which is a large enough data set that "
    "gains from pre-training tend to be marginal.",
    asks="The same for the largest task, manuals from English to German, of which the net has read "
    "the English side. σ is the standard deviation of the baseline's BLEU over its seeds.",
    holds_if="the 95% interval of the difference lies within ±2σ, the paper's own mark of what is "
    "significant",
    fails_if="it lies outside",
    paper="39.82 against 39.77 BLEU, σ 0.09",
    full_only=True,
)
def exception(run):
    """Compare on the largest task."""
    both, task = contest(run), "translate" if real(run) else "simplify"
    gap, sigma = both.gap(task), max(noise(run, task), 1e-6)
    judgement = judged(run, gap, within=(-2 * sigma, 2 * sigma))
    return finding(
        run, gap, judgement, both, ours=f"{gap.text(2)} BLEU, σ {sigma:.2f}",
        between="The translator learns from 21,000 pairs, where the paper's has 36 million; such a "
        "task is a small one here.",
    )  # fmt: skip
