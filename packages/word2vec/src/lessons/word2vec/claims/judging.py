"""How answers become verdicts: intervals over runs and words, and the line for "slightly"."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..lab.run import Run
from ..lab.statistics import (
    NOT_SEEN,
    UNDECIDED,
    Interval,
    Judgement,
    interval,
    judge,
    seeds_needed,
    t_quantile,
)
from .learn import parts, percent, trained, tuned
from .world import World, build

# What the paper calls "slightly better" goes up to 59 ÷ 53 (NEG and NCE, 2013b, Table 1), what it
# calls "works better" begins at 64 ÷ 53 (CBOW and NNLM, 2013a, Table 3): halfway, as a ratio.
SLIGHT = math.sqrt(59 / 53 * 64 / 53)
OVER = (
    " Intervals are over runs and words: the variance over seeds, and what seeds have in common of "
    "that of leaving out each word of the questions in turn (jackknife, by relation), added up."
)
Among = str | list[bool]  # the name of a part of the questions, or which they are


@dataclasses.dataclass(frozen=True)
class Spread(Interval):
    """An estimate with its interval over runs and over the words of the questions.

    Attributes:
        runs, words: what each adds to the square of the standard error.
        asked: words that questions were left out for. freedom: theirs, less one for each relation.
        log: whether these are of the logarithm.
    """

    runs: float = 0.0
    words: float = 0.0
    asked: int = 0
    freedom: int = 1
    log: bool = False


def spread(
    run: Run, among: Among, value: Callable[..., Tensor], *arms: list[str], log: bool = False
) -> Spread:
    """Return a value of some models' percentages, with its interval over runs and words.

    The same few words are asked for again and again, so that questions are not independent. So each
    word is left out in turn, with all questions whose example or answer it is; the sum of squares
    is taken within each relation (the jackknife, which for pairs of words is that of a U-statistic,
    Arvesen 1969). What a seed alone answers is in the variance over seeds already, so of two
    different seeds the products are taken, not the squares. Degrees of freedom are Satterthwaite's.

    Args:
        run: says which questions there are.
        among: which of them count.
        value: of a percentage for each arm, elementwise.
        arms: for each model, for each seed which questions were answered, "1" for yes.
        log: the value is a logarithm; the interval is of what it is the logarithm of.
    """
    world = build(run)
    among = parts(world)[among] if isinstance(among, str) else among
    places = [i for i, there in enumerate(among) if there]
    hits_ASQ = torch.tensor(
        [[[right[i] == "1" for i in places] for right in arm] for arm in arms]
    ).double()
    goes_WQ, strata = members(world, places)
    n = len(places)
    value_S = value(*(100 * hits_ASQ.sum(2) / max(1, n)))
    left_AS, left_n = hits_ASQ.sum(2, keepdim=True) - hits_ASQ @ goes_WQ.T, n - goes_WQ.sum(1)
    value_SW = value(*(100 * left_AS / left_n.clamp(min=1)))
    S, words, freedom = len(value_S), 0.0, 0
    for stratum in set(strata):
        of_SW = value_SW[:, [i for i, name in enumerate(strata) if name == stratum]]
        of_SW = of_SW - of_SW.mean(1, keepdim=True)
        W = of_SW.shape[1]
        products = of_SW.sum(0).square().sum() - of_SW.square().sum()  # of two different seeds
        words += float((W - 1) / W * products / (S * (S - 1)))
        freedom += W - 1
    words = max(0.0, words)
    runs = float(value_S.var()) / S
    total = runs + words
    half = 0.0
    if total:
        each = runs**2 / (S - 1) + (words**2 / freedom if freedom else 0.0)
        half = t_quantile(total**2 / each) * math.sqrt(total)
    mean = float(value_S.mean())
    ends = [math.exp(x) if log else x for x in (mean, mean - half, mean + half)]
    return Spread(*ends, S, runs, words, len(strata), max(1, freedom), log)


def members(world: World, places: list[int]) -> tuple[Tensor, list[str]]:
    """Return which questions each word goes with, (words, questions), and each word's relation.

    A pair is known by its second word: several cities lie in one state. The two lists of capitals
    are one relation.
    """
    rows: dict[tuple[str, str], list[int]] = {}
    for column, i in enumerate(places):
        kind, question = world.relations[i].partition("-")[0], world.questions[i]
        for word in {question[1], question[3]}:
            rows.setdefault((kind, word), []).append(column)
    goes_WQ = torch.zeros(len(rows), len(places), dtype=torch.float64)
    for row, columns in zip(goes_WQ, rows.values()):
        row[columns] = 1
    return goes_WQ, [kind for kind, _ in rows]


def lead(
    run: Run, ours: list[str], theirs: list[str], among: Among, millions: float, **line
) -> Judgement:
    """Judge the points by which one leads another; a line above 0 if none is given."""
    found = spread(run, among, lambda a, b: a - b, ours, theirs)
    return judge(found, **(line or {"above": 0.0}), paper_regime=paper_regime(run, millions))


def times(
    run: Run, ours: list[str], theirs: list[str], part: str, millions: float, **line
) -> Judgement:
    """Judge the ratio of two percentages.

    Where a model answers nothing at all half an answer is put in its place, so that the ratio can
    be shown; it then decides nothing.
    """
    among = parts(build(run))[part]
    half = 50 / max(1, sum(among))
    found = spread(
        run, among, lambda a, b: (a.clamp(min=half) / b.clamp(min=half)).log(), ours, theirs,
        log=True,
    )  # fmt: skip
    judged = judge(found, **line, paper_regime=paper_regime(run, millions))
    if any(percent(right, among) < half for right in (*ours, *theirs)):
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
    if isinstance(found, Spread):
        return needed_of(found, inside)
    needed = [seeds_needed(found, x) for x in inside]
    n = "many" if None in needed else max(n for n in needed if n is not None)
    return f"About {n} {what} a model."


def needed_of(found: Spread, lines: list[float]) -> str:
    """Return how many seeds would take lines out of an interval, or how many more words."""
    scale = math.log if found.log else float
    gap = min(abs(scale(found.mean) - scale(x)) for x in lines)
    width = t_quantile(found.freedom)  # of many seeds: the words remain
    rest = (gap / width) ** 2 - found.words
    if not gap:
        return "Nothing that can be reckoned: the mean lies on the line."
    if rest > 0:
        return f"About {max(found.n + 1, math.ceil(found.runs * found.n / rest))} seeds a model."
    more = max(2, math.ceil(found.words * (width / gap) ** 2))
    often = f"About {more}" if more <= 100 else "More than a hundred"
    return f"{often} times as many words in the questions; more seeds alone do not."


def smaller(
    run: Run, judged: Judgement, arms: dict[str, tuple[str, dict[str, Any]]], among: Among,
    key: str = "right",
) -> dict[str, list]:  # fmt: skip
    """Return what models answer after a quarter, a half and the whole of the text.

    Only where a claim is not seen: is it on its way? One seed, the rate of the judged runs, the
    same questions.

    Args:
        run: of all.
        judged: the claim's judgement.
        arms: for each name a model and its settings.
        among: which questions count.
        key: what of a run is counted.
    """
    if judged.verdict != NOT_SEEN:
        return {}
    world = build(run)
    among, found = parts(world)[among] if isinstance(among, str) else among, {}
    for name, (model, changes) in arms.items():
        lr, _ = tuned(run, model, **changes)
        found[name] = []
        for every in (4, 2, 1):
            how = changes | ({"every": every} if every > 1 else {})
            right = trained(run, model, run.seed, lr=lr, **how)[key]
            found[name].append([len(world.part(every)[0]), percent(right, among)])
    return found


def said_smaller(found: dict[str, list]) -> str:
    """Return the trend with the size of the text, in words."""
    rows = [
        f"{name} " + ", ".join(f"{share:.1f} of {n:,}" for n, share in rows)
        for name, rows in found.items()
    ]
    return f" Right answers (%) by words of text, one seed: {'; '.join(rows)}." if rows else ""


def points(judged: Judgement) -> str:
    """Return a difference as text."""
    return judged.interval.text(1, "points") if judged.interval else ""


def mean(values: list[float]) -> str:
    """Return the mean of percentages with its interval over seeds, as text."""
    return interval(values).text(1)
