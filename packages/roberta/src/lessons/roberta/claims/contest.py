"""What the claims are judged by: paired differences of recipes, and how they are told."""

from statistics import median
from typing import Any

from ..lab.claim import Finding
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import NOT_SEEN, Interval, Judgement, interval, judge, paired, seeds_needed
from .finetuning import BATCH, means, scores, tuning_of
from .pretraining import Recipe, batch_tokens, config_of, dev_losses, rate_of, tell, unit
from .world import world

PILOTS = (
    "Rules are older than one pilot at the default scale, one seed, of a made-up language that has "
    "been changed since: tags 35% right by BERT's recipe and 37% by RoBERTa's, pairs 77% and 63%. "
    "No rule was moved; nothing was piloted at the full scale, whose sizes follow from timed steps."
)


def seeds(run: Run) -> range:
    """Return the seeds of a comparison: the paper's five."""
    return run.seeds(run.pick(test=2, default=3, full=5))


def points(run: Run, ours: Recipe, theirs: Recipe, task: str | None = None) -> Interval:
    """Return by how many points of accuracy ours is better, on a task or in the mean of all."""
    if task is None:
        return paired(*(means(run, recipe, seeds(run)) for recipe in (ours, theirs)))
    return paired(*(scores(run, recipe, task, seeds(run)) for recipe in (ours, theirs)))


def nats(run: Run, ours: Recipe, theirs: Recipe) -> Interval:
    """Return by how much ours has more loss on texts apart."""
    return paired(*(dev_losses(run, recipe, seeds(run)) for recipe in (ours, theirs)))


def held(
    run: Run, found: Interval, above: float | None = None, below: float | None = None
) -> Judgement:
    """Judge; the paper's regime is that of its own size and data."""
    return judge(found, above=above, below=below, paper_regime=run.scale == "paper")


def table(run: Run, recipes: dict[str, Recipe]) -> dict[str, dict[str, Any]]:
    """Return each recipe's scores by seed on each task, and its losses on texts apart."""
    rows = {}
    for name, recipe in recipes.items():
        row = {task: scores(run, recipe, task, seeds(run)) for task in world(run).tasks}
        rows[name] = row | {"mean": means(run, recipe, seeds(run)),
                            "nats": dev_losses(run, recipe, seeds(run))}  # fmt: skip
    return rows


def told(rows: dict[str, dict[str, Any]]) -> str:
    """Tell a table by medians over seeds, as the paper does."""
    parts = []
    for name, row in rows.items():
        each = ", ".join(f"{task} {median(values):.1f}" for task, values in row.items()
                         if task not in ("nats", "mean"))  # fmt: skip
        parts.append(f"{name}: {each}, mean {median(row['mean']):.1f}, "
                     f"{median(row['nats']):.3f} nats")  # fmt: skip
    return "; ".join(parts)


def scene(run: Run) -> str:
    """Tell what is read and what is learned."""
    if run.scale in ("test", "default"):
        return (
            "a made-up language of 96 words, whose documents have a topic (tags: a sentence's kind "
            "and the topic at each word; pairs: whether two texts are of one topic)"
        )
    if run.scale == "paper":
        return "the user's text; MNLI, SST-2 and QNLI, scores on dev"
    return (
        "two fifths of the documents of the Brown corpus, the King James Bible, Shakespeare and "
        "LibreOffice's help in 2,048 byte-level tokens (“small” is a tenth of them); tags of "
        "Brown's other files, sentiment of film reviews, topics of Reuters' news (R8)"
    )


def between(run: Run) -> str:
    """Tell what stands between a run and the paper's."""
    if run.scale in ("test", "default"):
        return "a made-up language, a net of some 70,000 weights, seconds of training"
    return (
        "a net of half a million weights in the place of 110 or 355 million, a few million tokens "
        "in the place of tens of thousands of millions, 1,000 labelled examples"
    )


def protocol(run: Run, *recipes: Recipe) -> str:
    """Return what was trained, and how."""
    w = world(run)
    config = config_of(run, recipes[0])
    rates = {(r.batch, r.width): rate_of(run, r) for r in recipes}
    listed = "; ".join(
        f"batch of {batch_tokens(run, Recipe(batch=batch)):,} tokens at {best:g}"
        + (f" of {', '.join(f'{rate:g}' for rate in sorted(tried))}" if tried else ", untuned")
        for (batch, _), (best, tried) in rates.items()
    )
    tuning = {task: tuning_of(run, task)[0] for task in w.tasks}
    return (
        f"Read: {scene(run)}. {config.num_hidden_layers} layers of {config.hidden_size}, "
        f"{config.num_attention_heads} heads, inputs of {w.length} tokens; a unit is "
        f"{unit(run):,} tokens read. Recipes: {' | '.join(tell(r) for r in recipes)}. Peak rates: "
        f"{listed}. Fine-tuned on {len(w.task(w.tasks[0], run.seed).train.ids):,} examples in "
        f"batches of {BATCH}, rates {', '.join(f'{t} {r:g}' for t, r in tuning.items())}, chosen "
        f"with BERT's recipe. Each of {len(seeds(run))} seeds has its own first weights, masks, "
        f"order and labelled examples; differences are paired. {PILOTS}"
    )


def decide(found: Interval, line: float) -> str:
    """Say how many seeds would take the line out of an interval."""
    n = seeds_needed(found, line)
    return f"About {n:,} seeds." if n else "No number of seeds: the mean is on the line."


def finding(
    run: Run,
    judgement: Judgement,
    unit_: str,
    measured: str,
    numbers: dict[str, Any],
    ran: str,
    digits: int = 2,
) -> Finding:
    """Return the finding of a judged interval; ``unit_`` is its unit."""
    found, line = judgement.interval, judgement.line
    assert found is not None
    assert isinstance(line, float)
    return Finding(
        judgement,
        ours=f"{found.text(digits)} {unit_}, {found.n} seeds",
        ran=ran,
        measured=measured,
        numbers={"difference": [found.mean, found.low, found.high], **numbers},
        between=between(run) if judgement.verdict == NOT_SEEN else "",
        would_decide=decide(found, line),
    )


def contest(
    run: Run, ours: tuple[str, Recipe], theirs: tuple[str, Recipe], line: float = 0.0
) -> Finding:
    """Judge whether ours has a higher mean accuracy than theirs, by more than a line in points."""
    rows = table(run, dict([theirs, ours]))
    found = points(run, ours[1], theirs[1])
    each = ", ".join(
        f"{task} {points(run, ours[1], theirs[1], task).text(1)}" for task in world(run).tasks
    )
    return finding(
        run, held(run, found, above=line), "points",
        f"Medians: {told(rows)}. {ours[0]} less {theirs[0]}: {found.text(2)} points in the mean of "
        f"the tasks ({each}), {nats(run, ours[1], theirs[1]).text(3)} nats on texts apart.",
        {"table": rows}, protocol(run, theirs[1], ours[1]),
    )  # fmt: skip


def draw_rows(figure, numbers: dict[str, Any]) -> None:
    """Draw the mean accuracy and the loss of each recipe: seeds as dots, means with intervals."""
    rows = numbers["table"]
    figure.set_size_inches(6.4, 1.0 + 0.36 * len(rows))
    axes = figure.subplots(1, 2, sharey=True)
    labels = (("mean", "mean accuracy (%)", BLUE), ("nats", "loss on texts apart (nats)", RED))
    for one, (what, label, color) in zip(axes, labels):
        for i, row in enumerate(rows.values()):
            found = interval(row[what])
            one.plot(row[what], [i] * len(row[what]), "o", color=MUTED, markersize=3, alpha=0.6)
            one.errorbar([found.mean], [i], xerr=[[found.mean - found.low],
                         [found.high - found.mean]], fmt="o", color=color, capsize=2)  # fmt: skip
        one.set_xlabel(label)
        one.grid(visible=True, axis="x")
    axes[0].set_yticks(range(len(rows)), list(rows))
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
