"""What is read off the curves of two translators: at equal cost, or at an equal score."""

import itertools
import math
from collections.abc import Callable
from typing import Any

from ..lab.statistics import interval
from .race import COLOR


def at(curve: list[dict], step: float, score: Callable[[dict], float]) -> float:
    """Return a score at a length of training, in a line in its logarithm between those trained."""
    pairs = list(itertools.pairwise(curve))
    before, after = next((p for p in pairs if step <= p[1]["step"]), pairs[-1])
    share = math.log(step / before["step"]) / math.log(after["step"] / before["step"])
    share = min(max(share, 0.0), 1.0)  # nothing is read off beyond what was trained
    return (1 - share) * score(before) + share * score(after)


def steps_to(curve: list[dict], bleu: float) -> float:
    """Return the length of training at which a curve first has a BLEU that it reaches."""
    if curve[0]["bleu"] >= bleu:
        return curve[0]["step"]
    before, after = next(p for p in itertools.pairwise(curve) if p[1]["bleu"] >= bleu)
    share = (bleu - before["bleu"]) / (after["bleu"] - before["bleu"])
    return before["step"] * (after["step"] / before["step"]) ** share


def times(contest: dict[str, Any]) -> dict[str, list[float]]:
    """Return by net and seed the time, in steps of the GRU, to the BLEU with which both end.

    That is the lower of the two at the end of the longest training, which both have reached: the
    one at its end, the other earlier.
    """
    found: dict[str, list[float]] = {name: [] for name in COLOR}
    for ours, theirs in zip(*(contest["curves"][name] for name in COLOR)):
        both = min(ours[-1]["bleu"], theirs[-1]["bleu"])
        found["Transformer"].append(steps_to(ours, both) / contest["per step"]["time"])
        found["GRU"].append(steps_to(theirs, both))
    return found


def lengths(contest: dict[str, Any], basis: str, size: int) -> dict[str, float]:
    """Return the lengths of equal cost, with so many steps of the GRU.

    Where the Transformer was not trained so far: its longest one, and the GRU's of that cost.
    """
    ratio, longest = contest["per step"][basis], contest["ends"]["Transformer"][-1]
    if round(size * ratio) <= longest:
        return {"Transformer": round(size * ratio), "GRU": size}
    return {"Transformer": longest, "GRU": longest / ratio}


def values(contest, name: str, basis: str, size: int, score=lambda s: s["bleu"]) -> list[float]:
    """Return a score of every seed where both have cost the same."""
    step = lengths(contest, basis, size)[name]
    return [at(curve, step, score) for curve in contest["curves"][name]]


def bounds(values: list[float]) -> tuple[float, float, float]:
    """Return a mean and the ends of its interval."""
    found = interval(values)
    return found.mean, found.low, found.high
