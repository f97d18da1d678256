"""The arms that learn the continual grammar: how many nets, for how long, what is told of them."""

import math
from typing import Any

from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, proportion
from .learning import GOOD, streams_of, today

NETS = 24  # of each arm; as many in all, so that first weights are equal
FORGET = ["forget", "forget falling"]
BIASES = [f"forget falling bias {b}" for b in (0, 1, 3)]
KEEPS = [f"keep {1 - 0.5**k:.10g}" for k in range(1, 11)]  # .5 to .999; 1 − keep by factors of 2
LOSSES = [f"{1e-6 * 2**k:.6g}" for k in range(11)]  # 1e-6 to .001
SHRINKS = [f"shrink {loss}" for loss in LOSSES]
ELIMINATIONS = [f"eliminate {loss}" for loss in LOSSES]
EASY = 0.18  # Table 2: the share of perfect nets that the abstract calls easily solving
MUCH = (0.01 + 0.47) / 2  # Table 2: midway between standard LSTM and forget gates, perfect or good
EFFECT = (0.62 - 0.18) / 2  # Table 2: half of what a falling rate does for perfect solutions
MORE = 0.44
RULE = (
    "The paper's regime: 375 weights (311 are in use without forget gates), squared error, a "
    "change after every symbol with rate .5, the rule of §3.2; a stream ends at the first wrong "
    "prediction or after 100,000 symbols; at most 30,000 streams. A net is perfect if ten test "
    "streams all have 100,000 symbols right, good if their mean is over 1,000. Tests follow "
    "training streams of 1,000 symbols or more that are longer than all before, or of 100,000. "
)
CUT = (
    "A full run stops at a number of symbols (7 million for nets with forget gates, 3 million for "
    "others); what a net has not reached by then counts as not reached, and where nets that were "
    "cut off so are on the losing side, nothing is refuted. "
)
DESK = (
    "By default, in place of this, whole gradients, Adam, softmax, batches of 32 streams, 16 "
    "cells, and a prediction is right if all legal symbols outrank all others; the first 100 "
    "symbols of a test do not count, and it ends at 10,000. "
)
BETWEEN = "Whole gradients and Adam in batches, where the paper learns online."
SHORT = "Nets that our limit of symbols cut off before the paper's 30,000 streams."


def full(run: Run) -> bool:
    """Return whether this is the paper's regime."""
    return run.scale in ("full", "paper")


def regime(run: Run, *found: dict[str, Any]) -> bool:
    """Return whether this is the paper's regime, and none of the nets was cut off."""
    return full(run) and not any(any(arm.get("cut", [])) for arm in found)


def between(run: Run) -> str:
    """Return what stands between this run and the paper's."""
    return SHORT if full(run) else BETWEEN


def difference(a: Interval, b: Interval) -> Interval:
    """Return the difference of two shares, with an interval from their exact ones.

    Newcombe 1998, method 10: the two distances to the limits, as sides of a right angle. Unlike
    Student's t on zeros and ones it has a width where all or none of the nets succeed.
    """
    gap = a.mean - b.mean
    low = gap - math.hypot(a.mean - a.low, b.high - b.mean)
    high = gap + math.hypot(a.high - a.mean, b.mean - b.low)
    return Interval(gap, low, high, a.n + b.n)


def family(run: Run, arms: list[str], nets: int, steps: int, seed: int | None = None) -> dict:
    """Return what nets of some arms have learned."""
    nets = run.pick(test=2, default=2, full=nets, paper=100)
    steps = run.pick(test=400, default=2000, full=steps, paper=10 * steps)
    streams = run.pick(test=30, default=100, full=30_000)
    seed = run.seed if seed is None else seed
    return run.trial(streams_of, arms=arms, nets=nets, seed=seed, streams=streams, steps=steps)


def with_gates(run: Run) -> dict:
    """Return the arms with forget gates: at the two rates, and from other first biases."""
    return family(run, FORGET + BIASES, NETS, 7_000_000)


def tuned(run: Run) -> tuple[str, str, str]:
    """Return the best decay of states, weight decay and weight elimination, on nets apart."""
    few = KEEPS[:2] + SHRINKS[:1] + ELIMINATIONS[:1]
    arms = run.pick(test=few, default=few, full=KEEPS + SHRINKS + ELIMINATIONS)
    found = family(run, arms, 5, 2_000_000, run.seed + 10_000)

    def score(name: str) -> tuple[float, float]:
        return sum(b > GOOD for b in found[name]["best"]), sum(found[name]["recent"])

    def best(kind: str) -> str:
        return max((name for name in arms if name.startswith(kind)), key=score)

    return best("keep"), best("shrink"), best("eliminate")


def others(run: Run) -> tuple[dict, str, list[str]]:
    """Return the arms without forget gates; which decay of states; which two decays of weights."""
    keep, *losses = tuned(run)
    arms = ["standard", "standard falling", "reset", "reset falling", keep, f"{keep} falling"]
    return family(run, arms + losses, NETS, 3_000_000), keep, losses


def share(found: dict[str, Any], perfect: bool = False) -> Interval:
    """Return the share of nets that are perfect, or at least good, with its exact interval."""
    if perfect:
        return proportion(sum(s is not None for s in found["solved"]), len(found["solved"]))
    return proportion(sum(b > GOOD for b in found["best"]), len(found["best"]))


def told(found: dict[str, Any]) -> str:
    """Return "3 perfect, 5 good, of 20"."""
    perfect = sum(s is not None for s in found.get("solved", []))
    good = sum(b > GOOD for b in found["best"]) - perfect
    return f"{perfect} perfect, {good} good, of {len(found['best'])}"


def progress(found: dict[str, Any]) -> str:
    """Return how many nets were good and perfect by each third of the symbols; who was cut off."""
    if "thirds" not in found:
        return ""
    good, perfect = (", ".join(map(str, counts)) for counts in found["thirds"])
    cut = f"{sum(found['cut'])} cut off by the limit"
    return f" (by thirds of the symbols {good} good or perfect, {perfect} perfect; {cut})"


def slim(found: dict[str, Any]) -> dict[str, Any]:
    """Return what a record keeps of an arm: no weights."""
    return {k: v for k, v in found.items() if k not in ("nets", "curve")}


def desk(run: Run, forget: bool, cells: int = 16) -> dict:
    """Return nets that learned as one would today."""
    # All of six against none of six: the fewest whose exact intervals lie apart.
    nets, updates = run.pick(test=2, default=6), run.pick(test=3, default=400, full=600)
    return run.trial(today, forget=forget, nets=nets, cells=cells, updates=updates, seed=run.seed)


def both(run: Run) -> tuple[dict, dict]:
    """Return nets with forget gates (constant rate) and without, of the regime of this run."""
    if run.scale == "default":
        return desk(run, True), desk(run, False)
    return with_gates(run)["forget"], others(run)[0]["standard"]


def decides(judged) -> str:
    """Return what would decide what is undecided."""
    return "About four times as many nets, or longer training." * (judged.verdict == UNDECIDED)
