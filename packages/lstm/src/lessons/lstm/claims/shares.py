"""What is made of the nets that solved a task: shares, and who was sooner, with exact intervals."""

import dataclasses
import functools
import math
from typing import Any

from ..lab.claim import Claim, Finding
from ..lab.run import Run
from ..lab.statistics import HOLDS, UNDECIDED, Interval, Judgement, judge, proportion


def share(found: dict[str, Any]) -> Interval:
    """Return the share of nets that have solved the task, with its exact interval."""
    solved = found["solved"]
    return proportion(sum(t is not None for t in solved), len(solved))


def apart(ours: Interval, theirs: Interval) -> Interval:
    """Return the difference of two shares: above 0 where their exact intervals do not meet."""
    low, high = ours.low - theirs.high, ours.high - theirs.low
    return Interval(ours.mean - theirs.mean, low, high, ours.n + theirs.n)


def full(run: Run) -> bool:
    """Return whether this is the paper's regime: as many nets and sequences as a claim asks for."""
    return run.scale in ("full", "paper")


def sooner(
    ours: list,
    theirs: list,
    factor: float = 1.0,
    limits: tuple[float, float] = (math.inf, math.inf),
    *,
    paper_regime: bool,
) -> Judgement:
    """Judge whether ours succeed more often than not sooner than theirs, net by net.

    A pair counts for ours where ``factor`` times our number of sequences is below theirs. Who never
    succeeds is known to need more than its limit (ours, theirs), and no more than that: where this
    does not tell, the pair is counted once for ours and once against, and the interval reaches from
    the one's low end to the other's high end. Pairs in which both never do are left out.
    """
    sure = unknown = n = 0
    for a, b in zip(ours, theirs):
        if not a and not b:
            continue
        n += 1
        if a and b:
            sure += factor * a < b
        elif a and factor * a <= limits[1]:
            sure += 1
        elif a or factor * limits[0] < b:
            unknown += 1
    if not n:
        return Judgement(UNDECIDED)
    low, high = proportion(sure, n), proportion(sure + unknown, n)
    found = Interval((low.mean + high.mean) / 2, low.low, high.high, n)
    return judge(found, above=0.5, paper_regime=paper_regime)


def controlled(judged: Judgement, *controls: Interval) -> Judgement:
    """Return a judgement that holds only where most of each control's nets succeed."""
    if judged.verdict == HOLDS and any(control.low <= 0.5 for control in controls):
        return dataclasses.replace(judged, verdict=UNDECIDED)
    return judged


def what_decides(judged: Judgement, *controls: Interval) -> str:
    """Return what would decide what is undecided: more nets, or a control that learns."""
    if judged.verdict != UNDECIDED:
        return ""
    if any(control.low <= 0.5 for control in controls):
        return "More sequences, until most nets of the control learn."
    if judged.interval is None:
        return "More sequences, until some nets learn."
    return f"About {4 * judged.interval.n} nets, or more sequences where a limit cuts times off."


def most_solved(found: dict[str, Any], groups: int, parts: int) -> tuple[int, dict[str, Any]]:
    """Return which of equal groups of nets solves most, and those nets of it that did not choose.

    One of so many parts of each group chooses: who solves most, at a tie with the lowest error, and
    if none solves anything, the middle group. The rest is what is judged.
    """
    size = len(found["solved"]) // groups
    first = size // parts

    def score(i: int) -> tuple[int, float]:
        mine = slice(i * size, i * size + first)
        return sum(map(bool, found["solved"][mine])), -sum(found["error"][mine])

    best = max(range(groups), key=score)
    best = best if score(best)[0] else groups // 2
    mine = slice(best * size + first, (best + 1) * size)
    return best, {name: values[mine] for name, values in found.items()}


def told(found: dict[str, Any]) -> str:
    """Return "9 of 10 (median 31,000 sequences)"; the median is of those that succeeded."""
    times = sorted(t for t in found["solved"] if t)
    behind = f" (median {times[len(times) // 2]:,})" if times else ""
    return f"{len(times)} of {len(found['solved'])}{behind}"


def on_this_device(claim: Claim) -> Claim:
    """Return a claim that refuses another device than the CPU, where alone nets learn abreast."""

    @functools.wraps(claim.experiment)
    def asked(run: Run) -> Finding:
        if run.device.type != "cpu":
            why = "nets of 93 weights learn a sequence at a time, which no accelerator makes faster"
            raise ValueError(f"--device must be cpu, got {run.device}: {why}")
        return claim.experiment(run)

    return dataclasses.replace(claim, experiment=asked)
