"""What is made of the nets that solved a task: shares, and who was sooner, with exact intervals."""

import dataclasses
import functools
import math
from typing import Any

from ..lab.claim import Claim, Finding
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, Judgement, judge, proportion


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
    ours: list, theirs: list, factor: float = 1.0, limit: float = math.inf, *, paper_regime: bool
) -> Judgement:
    """Judge whether ours succeed more often than not sooner than theirs, net by net.

    A pair counts for ours where ``factor`` times our number of sequences is below theirs. Who never
    succeeds needs more than ``limit``; pairs in which both do not tell nothing and are left out.
    """
    known = [(a or math.inf, b or limit) for a, b in zip(ours, theirs) if a or b]
    if not known:
        return Judgement(UNDECIDED)
    found = proportion(sum(factor * a < b for a, b in known), len(known))
    return judge(found, above=0.5, paper_regime=paper_regime)


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
