"""Whether gates learn to open and to close, in the nets of three other claims (abstract, §7)."""

import math

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Judgement, every, judge, ratio
from .lags import long
from .learning import LESS, RULE, lesson
from .shares import full, what_decides
from .solved import ORDER, SUMS, shrunk

NO_MORE = math.exp(0.2)  # two first weights of .1 and −.1 make a nearly shut gate differ by that


@claim(
    "C14",
    "abstract, §7",
    "Input gates learn to open where something is to be kept, and else to close.",
    quotes="Multiplicative gate units learn to open and close access to the constant error flow.",
    asks=f"The nets of C1a, C4a and C4c that solve their tasks. {RULE} How far input gates are "
    "open, on average over blocks and over 100 fresh sequences for each net: where something is to "
    "be kept (x and y; marked numbers), over where nothing is (distractors). The ratio's geometric "
    "mean over nets, for each task. The line is 1.22, about what first weights alone can make of "
    "it at most. Fewer than two nets that solve a task decide nothing. Output gates are not "
    "looked at, nor blocks one by one.",
    holds_if="the intervals of the ratio lie above 1.22, for all three tasks",
    fails_if="one lies below",
    full_only=True,
)
def gates(run: Run) -> Finding:
    """Compare how far input gates are open at what matters and at what does not."""
    sums = "adding 100" if run.scale != "test" else shrunk("adding")
    found = {
        "a lag of 1,001": long(run, 1000),
        "sums": lesson(run, sums, SUMS),
        "orders": lesson(run, "order 2", ORDER, 40),
    }
    judged, said, numbers = [], [], {}
    for name, one in found.items():
        pairs = [[max(v, 1e-7) for v in pair]
                 for pair, solved in zip(one["open"], one["solved"]) if solved]  # fmt: skip
        numbers[name] = pairs
        if len(pairs) < 2:
            judged.append(Judgement(UNDECIDED))
            said.append(f"{name}: {len(pairs)} nets solved it")
            continue
        times = ratio(*zip(*pairs))
        judged.append(judge(times, above=NO_MORE, paper_regime=full(run)))
        open_, shut = (sum(values) / len(pairs) for values in zip(*pairs))
        said.append(f"{name}: {times} ({len(pairs)} nets; on average {open_:.2g} and {shut:.2g})")
    worst = every(judged)
    return Finding(
        worst,
        ours=f"{worst.interval} times as far, the least of {len(found)} tasks"
        if worst.interval
        else f"too few nets in one of {len(found)} tasks",
        ran=f"{', '.join(str(len(one['solved'])) for one in found.values())} nets. {RULE}",
        measured=f"How many times as far open, {'; '.join(said)}.",
        numbers=numbers,
        between=LESS,
        would_decide=what_decides(worst),
    )
