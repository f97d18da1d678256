"""Two ways of the same experiment, seed by seed, and what their scores differ by."""

import dataclasses
import statistics
from typing import Any

from ..lab.claim import Finding
from ..lab.run import Run
from ..lab.statistics import Interval, Judgement, interval, judge, paired, seeds_needed
from .training import BATCH, RATE, TUNE_BATCH, best_rate, count_examples, transfer, tuning_steps
from .world import real

BETWEEN = (
    "A net of some 0.7 million weights that reads 2 million tokens, where the paper's has 220 "
    "million and reads 34 billion; two small tasks in the place of GLUE and SuperGLUE; each seed "
    "is trained for minutes, and stops where the losses still fall."
)
SEEDS = 5


@dataclasses.dataclass(frozen=True)
class Contest:
    """Trials of two ways, seed by seed."""

    ours: list[dict[str, Any]]
    theirs: list[dict[str, Any]]

    def gap(self, task: str | None = None) -> Interval:
        """Return the difference of a task's scores, or of their mean, ours minus theirs."""
        return paired(scores(self.ours, task), scores(self.theirs, task))


def scores(trials: list[dict[str, Any]], task: str | None = None) -> list[float]:
    """Return a task's score of each trial, or the mean over its tasks, as GLUE's average is."""
    if task is not None:
        return [trial["scores"][task] for trial in trials]
    return [
        statistics.mean(score for name, score in trial["scores"].items() if name != "translate")
        for trial in trials
    ]


def trials(run: Run, count: int = SEEDS, **settings: Any) -> list[dict[str, Any]]:
    """Return the trials of one way; 2 or 3 seeds where nothing is committed of them."""
    count = run.pick(test=2, default=3, full=count)
    rate, _ = best_rate(run, settings.get("pretrain", True), settings.get("way", "all"))
    return [run.trial(transfer, seed=seed, rate=rate, **settings) for seed in run.seeds(count)]


def base(run: Run, count: int = SEEDS) -> list[dict[str, Any]]:
    """Return the trials of the baseline: encoder-decoder, i.i.d. noise, spans replaced (§3.1)."""
    return trials(run, count, tasks=tasks(run))


def tasks(run: Run) -> tuple[str, ...]:
    """Return the tasks of the baseline, which the exception of Table 1 is among."""
    return ("review", "simplify", "translate") if real(run) else ("review", "simplify")


def against_base(run: Run, count: int = SEEDS, **settings: Any) -> Contest:
    """Return another way against the baseline, from the same seeds."""
    return Contest(trials(run, count, **settings), base(run, count))


def noise(run: Run, task: str | None = None) -> float:
    """Return the standard deviation of the baseline's scores over seeds (Table 1)."""
    return statistics.stdev(scores(base(run), task))


def ran(run: Run, n: int) -> str:
    """Tell what was run."""
    examples = count_examples(run)
    if real(run):
        what = (
            "King James and LibreOffice's help read without labels, 2,048 pieces; “review”, "
            "sentences of reviews to fresh or rotten, accuracy; “simplify”, verses to Basic "
            "English, BLEU"
        )
        size = "2 + 2 layers of width 96, 4 heads"
    else:
        what, size = "a made-up language, two made-up tasks", "2 + 2 layers of width 48 or less"
    rates = ", ".join(
        f"{name} {best_rate(run, *way)[0]:g} of {len(best_rate(run, *way)[1]) or 1} tried"
        for name, way in (("pre-trained", ()), ("from scratch", (False,)))
    )
    return (
        f"{what}; {size}; {examples:,} texts read in batches of {BATCH}, then "
        f"{tuning_steps(run, 'review'):,} steps of {TUNE_BATCH} on each task; Adafactor at "
        f"{RATE:g} of the weights' size, the paper's schedule, then level at a rate searched on "
        f"dev "
        f"({rates}); other architectures and objectives have the baseline's, as in the paper, and "
        f"adapters and unfreezing their own; dropout 0.1; greedy; {n} seeds."
    )


def finding(
    run: Run, gap: Interval, judgement: Judgement, contest: Contest, **more: Any
) -> Finding:
    """Tell a judged difference of scores."""
    line = judgement.line
    if isinstance(line, tuple):
        line = min(line, key=lambda end: abs(gap.mean - end))
    needed = seeds_needed(gap, line or 0.0)
    by_task = {
        task: contest.gap(task) for task in contest.ours[0]["scores"] if task != "translate"
    }  # fmt: skip
    numbers = {
        "ours": contest.ours, "theirs": contest.theirs, "line": line,
        "difference": [gap.mean, gap.low, gap.high],
    }  # fmt: skip
    for trial in (*contest.ours, *contest.theirs):
        trial.pop("cpu", None)
    told = "; ".join(f"{task} {g.text(2)}" for task, g in by_task.items())
    fields: dict[str, Any] = {
        "ours": f"{gap.text(2)} points",
        "ran": ran(run, gap.n),
        "measured": f"The mean score differs by {gap.text(2)} points (line {line:.2f}); {told}. "
        f"Scores {interval(scores(contest.ours)).text(1)} and "
        f"{interval(scores(contest.theirs)).text(1)}.",
        "numbers": numbers,
        "between": BETWEEN,
        "would_decide": f"about {needed} seeds" if needed else "no number of seeds: it is even",
    }
    return Finding(judgement, **fields | more)


def judged(run: Run, gap: Interval, **side: Any) -> Judgement:
    """Hold a difference against a line; nothing here is the paper's own regime."""
    return judge(gap, paper_regime=False, **side)
