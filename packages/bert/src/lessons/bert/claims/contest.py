"""What the claims are judged by: differences of contenders on a task, and how they are told."""

import dataclasses
from collections.abc import Callable
from typing import Any

from ..lab.claim import Finding
from ..lab.figures import AMBER, BLUE, GREEN, MUTED, PURPLE, RED, TEAL
from ..lab.run import Run
from ..lab.statistics import (
    NOT_SEEN,
    UNDECIDED,
    Interval,
    Judgement,
    interval,
    judge,
    paired,
    seeds_needed,
)
from .finetuning import BATCH, CONTENDERS, chance, scores, steps_of, tuning_of
from .pretraining import batch_size, config_of, ends_of, grid, rate_of, steps
from .reading import TASKS
from .world import world

COLORS = {
    "MLM + NSP": GREEN, "MLM": BLUE, "LTR": RED, "LTR + BiLSTM": AMBER, "LTR and RTL": PURPLE,
    "frozen LTR and RTL + BiLSTM": TEAL, "small MLM": MUTED, "from scratch": MUTED,
    "BiLSTM": AMBER,
}  # fmt: skip
UNLEARNED = "; undecided where neither net is above the most frequent label"
PILOTS = (
    "Known before any run: rules, tasks and sizes are older than two pilots at the default scale, "
    "on a seed apart. In the first, of 800 steps, weights began at 0.02 as in the released code: "
    "hidden words taught next to nothing (tags 40% right, pairs 52%, sentiment 35%), words from "
    "the left more (58%, 67%, 82%; with a BiLSTM tags 93%). After that the start was scaled to the "
    "width and training made longer, for all alike. In the second, of 1,000 steps, hidden words "
    "gave tags 93%, pairs 53%; nets from the left were not tried again, so the two do not compare. "
    "No line was moved; nothing was piloted at the full scale."
)


def gap(
    run: Run, ours: str, theirs: str, task: str, end: int | None = None, n: int | None = None
) -> Interval:
    """Return in points by how much one contender is better than another; paired by seed."""
    a, b = (scores(run, contender, task, end, n) for contender in (ours, theirs))
    both = min(len(a), len(b))
    return paired(*([100 * x for x in each[:both]] for each in (a, b)))


def points(values: list[float]) -> Interval:
    """Return a mean in per cent."""
    return interval([100 * value for value in values])


def trend(run: Run, measure: Callable[[int], Interval]) -> str:
    """Tell a measure after each mark of pre-training; at the default scale at its end only."""
    ends = ends_of(run)[-1:] if run.scale == "default" else ends_of(run)
    told = [f"{measure(end).text(1)} after {end:,}" for end in ends]
    return f"{', '.join(told)} steps of pre-training"


def would_decide(found: Interval, line: float = 0.0) -> str:
    """Say how many seeds would take the line out of an interval."""
    count = seeds_needed(found, line)
    return f"About {count:,} seeds." if count else "No number of seeds: the mean is on the line."


def held(
    run: Run, found: Interval, *, above: float | None = None, below: float | None = None
) -> Judgement:
    """Judge; the paper's regime is that of its own size and data."""
    return judge(found, above=above, below=below, paper_regime=run.scale == "paper")


def learned(run: Run, judgement: Judgement, task: str, *contenders: str) -> Judgement:
    """Return a judgement, undecided if no contender's interval lies above chance on the task."""
    floor = 100 * chance(run, task)
    if any(points(scores(run, contender, task)).low > floor for contender in contenders):
        return judgement
    return dataclasses.replace(judgement, verdict=UNDECIDED)


def scene(run: Run) -> str:
    """Tell what is read and what is learned."""
    if run.scale in ("test", "default"):
        return (
            "a made-up language of 96 words, whose sentences have a meaning that lies in the "
            "relation of their halves; tags: it at each word, sentiment: it of the sentence, "
            "pairs: whether two sentences are of one class"
        )
    if run.scale == "paper":
        return "the user's text; CoNLL-2003 (tags), SST-2 (sentiment), QNLI (pairs), scores on dev"
    return (
        "LibreOffice's help, the King James Bible and Shakespeare, in 2,048 word pieces; tags of "
        "the Brown corpus (the 40 most frequent and one for the others), sentiment of film "
        "reviews, pairs of a heading and a paragraph of the help's held-out pages that belong "
        "together or not"
    )


def apart(run: Run) -> str:
    """Tell what stands between a run and the paper's."""
    if run.scale in ("test", "default"):
        return "a made-up language of 96 words, a net of some 90,000 weights, minutes of training"
    return (
        "a net of half a million weights in the place of 110 million, two passes through two "
        "million words in the place of 3.3 billion, 2,000 labelled examples where most tasks of "
        "the paper have more"
    )


def protocol(run: Run, *contenders: str, tasks: tuple[str, ...] = TASKS) -> str:
    """Return what was trained, and how."""
    w, config, told = world(run), config_of(run), []
    for contender in contenders:
        rates = [f"{task} {grid(*tuning_of(run, contender, task))}" for task in tasks]
        told.append(f"{contender}: {', '.join(rates)}")
    arms = [arm for c in contenders for arm in CONTENDERS[c].get("arms", [])]
    before = [f"{arm} {grid(*rate_of(run, arm))}" for arm in dict.fromkeys(arms)]
    n = len(w.task(tasks[0], run.seed).train.ids)
    return (
        f"Read: {scene(run)}. {config.num_hidden_layers} layers of {config.hidden_size}, "
        f"{config.num_attention_heads} heads, inputs of {w.rows.shape[1]} pieces; "
        f"{steps(run):,} steps of {batch_size(run)}, Adam, the rate rises over a fiftieth and "
        f"falls in a line ({'; '.join(before) or 'none'}). Fine-tuned on {n:,} examples, "
        f"{steps_of(run, n)} steps of {min(BATCH, n)}, dropout 0.1 (but for attention weights); "
        f"rates chosen on dev examples "
        f"({'; '.join(told)}). Each seed has a pre-training, new layers, and labelled examples of "
        f"its own; all count, none is chosen. {PILOTS}"
    )


def finding(
    run: Run,
    found: Interval,
    judgement: Judgement,
    measured: str,
    numbers: dict[str, Any],
    ran: str,
    line: float = 0.0,
    between: str = "",
) -> Finding:
    """Return the finding of a difference in points; ``between`` adds to what is always between."""
    missed = judgement.verdict == NOT_SEEN
    return Finding(
        judgement,
        ours=f"{found.text(1)} points, {found.n} seeds",
        ran=ran,
        measured=measured,
        numbers={"difference": [found.mean, found.low, found.high], **numbers},
        between=f"{apart(run)}{between}" if missed else "",
        would_decide=would_decide(judgement.interval or found, line),
    )


def table(run: Run, contenders: list[str], tasks: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return each contender's accuracy on each task: mean, low, high, all in per cent."""
    found: dict[str, dict[str, Any]] = {}
    for task in tasks:
        found[task] = {"chance": 100 * chance(run, task)}
        for contender in contenders:
            one = points(scores(run, contender, task))
            found[task][contender] = [one.mean, one.low, one.high]
    return found


def tell(rows: dict[str, dict[str, Any]]) -> str:
    """Tell a table in a sentence for each task."""
    told = []
    for task, row in rows.items():
        each = [f"{name} {value[0]:.1f}" for name, value in row.items() if name != "chance"]
        told.append(f"{task}: {', '.join(each)}; the most frequent label {row['chance']:.1f}")
    return f"Accuracy in per cent, {'. '.join(told)}."


def draw_table(figure, numbers) -> None:
    """Draw accuracies by task, a dot and its interval for each contender."""
    rows = numbers["table"]
    names = [name for name in next(iter(rows.values())) if name != "chance"]
    figure.set_size_inches(6.4, 0.9 + 0.3 * len(names))
    axes = figure.subplots(1, len(rows), sharey=True)
    for one, (task, row) in zip(axes if len(rows) > 1 else [axes], rows.items()):
        for i, name in enumerate(names):
            mean, low, high = row[name]
            one.errorbar([mean], [i], xerr=[[mean - low], [high - mean]], fmt="o", capsize=2,
                         color=COLORS[name], markersize=5)  # fmt: skip
        one.axvline(row["chance"], color=MUTED, linewidth=1, linestyle=":")
        one.set_title(task)
        one.set_xlabel("right (%)")
        one.grid(visible=True, axis="x")
    figure.axes[0].set_yticks(range(len(names)), names)
    figure.axes[0].set_ylim(len(names) - 0.5, -0.5)
