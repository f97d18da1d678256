"""How accuracies become verdicts, and the one line for "slightly", "about the same"."""

import math

from ..lab.run import Run
from ..lab.statistics import (
    NOT_SEEN,
    UNDECIDED,
    Interval,
    Judgement,
    interval,
    judge,
    paired,
    ratio,
    seeds_needed,
)
from .learn import parts, percent, sizes, trained
from .world import build

# What the paper calls "slightly better" goes up to 59 ÷ 53 (NEG and NCE, 2013b, Table 1), what it
# calls "works better" begins at 64 ÷ 53 (CBOW and NNLM, 2013a, Table 3): halfway, as a ratio.
SLIGHT = math.sqrt(59 / 53 * 64 / 53)


def lead(run: Run, ours: list[float], theirs: list[float], millions: float, **line) -> Judgement:
    """Judge the points by which one leads another; a line above 0 if none is given."""
    line = line or {"above": 0.0}
    return judge(paired(ours, theirs), **line, paper_regime=paper_regime(run, millions))


def times(
    run: Run, ours: list[float], theirs: list[float], part: str, millions: float, **line
) -> Judgement:
    """Judge the ratio of two accuracies.

    Where a model answers nothing at all half an answer is put in its place, so that the ratio can
    be shown; it then decides nothing.
    """
    half = 50 / max(1, sum(parts(build(run))[part]))
    found = ratio(*([max(x, half) for x in values] for values in (ours, theirs)))
    judged = judge(found, **line, paper_regime=paper_regime(run, millions))
    if min(*ours, *theirs) < half:
        return Judgement(UNDECIDED, judged.interval, judged.side, judged.line)
    return judged


def paper_regime(run: Run, millions: float) -> bool:
    """Return whether this run reads as many words as the paper did."""
    return run.scale == "paper" and build(run).words >= 1e6 * millions


def decide(judged: Judgement, what: str = "seeds") -> str:
    """Return what would decide an undecided verdict."""
    if judged.verdict != UNDECIDED or judged.interval is None:
        return ""
    found, line = judged.interval, judged.line
    lines = line if isinstance(line, tuple) else (line or 0.0,)
    inside = [x for x in lines if found.low <= x <= found.high]
    if not inside:
        return "More text: one of the models answers none of these questions."
    return f"About {max_needed(found, inside) or 'many'} {what} a model."


def max_needed(found: Interval, lines: list[float]) -> int | None:
    """Return how many seeds would take all lines out of an interval."""
    needed = [seeds_needed(found, line) for line in lines]
    return None if None in needed else max(n for n in needed if n is not None)


def longer(run: Run, judged: Judgement, models: tuple[str, ...], part: str, **changes) -> dict:
    """Return accuracies after one pass, as many as are judged, and three times as many.

    Only where a claim is not seen: is it on its way? One seed, the rate of the judged runs.
    """
    if judged.verdict != NOT_SEEN:
        return {}
    among, passes = parts(build(run))[part], sizes(run)["epochs"]
    return {
        model: [
            [n, percent(trained(run, model, run.seed, epochs=n, **changes)["right"], among)]
            for n in (1, passes, 3 * passes)
        ]
        for model in models
    }


def said_longer(found: dict) -> str:
    """Return the trend with the number of passes, in words."""
    rows = [
        f"{model} " + ", ".join(f"{share:.1f} after {n}" for n, share in rows)
        for model, rows in found.items()
    ]
    return f" Right answers (%) by passes, one seed: {'; '.join(rows)}." if rows else ""


def points(judged: Judgement) -> str:
    """Return a difference as text."""
    return judged.interval.text(1, "points") if judged.interval else ""


def mean(values: list[float]) -> str:
    """Return the mean of percentages with its interval, as text."""
    return interval(values).text(1)
