"""Noise on the line of the signal (§5.3, Tables 4 and 5)."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import every, judge
from .learning import LESS, RULE, lesson
from .shares import full, share, told, what_decides


@claim(
    "C13",
    "§5.3, Tables 4 and 5",
    "Noise on the signal's own line is no fundamental problem.",
    quotes="LSTM does not encounter fundamental problems if noise and signal are mixed on the same "
    "input line.",
    asks=f"Tasks 3a and 3b at T = 100 with N = 3, the paper's 102 weights. {RULE} 20 nets each, "
    "at most 80,000 and 87,000 sequences, twice the paper's means. Solved: ST2, looked at every "
    "500 sequences on a test set of 256. The line is more often than not, in both.",
    holds_if="the exact intervals of both shares lie above one half",
    fails_if="one lies below",
    paper="39,850 and 43,250 sequences",
    full_only=True,
)
def mixed(run: Run) -> Finding:
    """Judge tasks 3a and 3b."""
    steps = 22 if run.scale == "test" else 100
    found = {v: lesson(run, f"two {v} 3 {steps}", most)
             for v, most in (("3a", 80_000), ("3b", 87_000))}  # fmt: skip
    judged = every([judge(share(f), above=0.5, paper_regime=full(run)) for f in found.values()])
    said = "; ".join(f"{v}: {told(one)}" for v, one in found.items())
    return Finding(
        judged,
        ours=said,
        ran=f"{len(found['3a']['solved'])} nets each, N = 3. {RULE}",
        measured=f"Solved, {said}.",
        numbers=found,
        between=LESS,
        would_decide=what_decides(judged),
    )
