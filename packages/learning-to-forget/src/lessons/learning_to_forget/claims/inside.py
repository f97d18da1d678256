"""States that grow, and whether that is what breaks the net (§2.1, §4.4, Figure 7)."""

from typing import Any

import numpy as np

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Judgement, interval, judge
from .arms import BETWEEN, CUT, DESK, both, full, others
from .frozen import Frozen
from .learning import GOOD, KEPT

STREAMS = 10
NETS = "More nets, or nets trained for longer."


def watch(net: dict[str, Any], steps: int, seed: int) -> dict[str, np.ndarray]:
    """Return what a frozen net does on ten streams: states, forget gates, symbols, what is right.

    Shapes: (T, N, B), (T, C, B), and (T, B) for the others; "node" is that behind each symbol.
    """
    frozen = Frozen(net, STREAMS, seed)
    rows: dict[str, list] = {"s": [], "forget": [], "symbol": [], "node": [], "right": []}
    for _ in range(steps):
        rows["right"].append(frozen.step())
        for name in ("s", "forget", "symbol", "node"):
            rows[name].append(getattr(frozen, name).copy())
    return {name: np.stack(values) for name, values in rows.items()}


def exponent(sizes: np.ndarray, steps: int) -> float:
    """Return the power of time with which sizes grow, by least squares on logarithms.

    From a twelfth of ``steps`` on, at each of the twelfths.
    """
    marks = np.arange(1, 13) * steps // 12
    x, y = np.log(marks), np.log(np.maximum(sizes[marks - 1], 1e-6))
    return float(np.polyfit(x, y, 1)[0])


def draw_growth(figure, numbers) -> None:
    """Draw one net's states without forget gates over a stream, as Figure 7 does."""
    axes = figure.subplots()
    for k, states in enumerate(np.array(numbers["example"]).T):
        axes.plot(states, color=(BLUE, RED, GREEN, MUTED)[k % 4], lw=1)
    for start in numbers["starts"]:
        axes.axvline(start, color=MUTED, lw=0.4)
    axes.set(xlabel="symbol (a line where a string begins)", ylabel="states of the cells")


@claim(
    "C2a",
    "§4.4, Figure 7",
    "Without forget gates the states tend to grow linearly.",
    draw_growth,
    quotes="The internal states tend to grow linearly.",
    asks=f"Standard LSTM as trained for C1a ({KEPT} nets, those with the best tests), frozen, on "
    "ten streams of 1,200 symbols that no error stops; Figure 7 has the first 130, of which the "
    "exponent is told beside. Mean |s| over cells and streams at the end of each hundred symbols, "
    "and the exponent of its power law in time, by least squares on logarithms, for each net. It "
    f"is 1 for states that grow linearly, .5 for a random walk, 0 for bounded ones. {CUT}{DESK}",
    holds_if="the interval of the exponent over nets lies within .75 and 1.25",
    fails_if="it lies outside",
    paper="linear to the eye over 130 symbols",
)
def growth(run: Run) -> Finding:
    """Fit a power law to the mean size of states."""
    nets = both(run)[1]["nets"]
    steps = run.pick(test=120, default=1200)
    exponents, early, last = [], [], []
    example: dict[str, np.ndarray] = {}
    for i, net in enumerate(nets):
        seen = watch(net, steps, run.seed + 100 + i)
        sizes = np.abs(seen["s"]).mean((1, 2))
        exponents.append(exponent(sizes, steps))
        early.append(exponent(sizes, min(steps, 132)))
        last.append(float(sizes[-1]))
        example = example or seen
    found = interval(exponents)
    judged = judge(found, within=(0.75, 1.25), paper_regime=full(run))
    shown = example["s"][:130, :, 0]
    return Finding(
        judged, ours=f"exponent {found}", ran=f"{len(nets)} nets, {steps:,} symbols.",
        measured=f"Mean |s| grows as t to the power of {found}; at the end it is "
        f"{interval(last)}. Over the first 130 symbols the power is {interval(early)}.",
        numbers={"exponents": exponents, "early": early, "last": last,
                 "example": shown.round(3).tolist(),
                 "starts": np.flatnonzero(example["symbol"][:130, 0] == 0)[::2].tolist()},
        between=BETWEEN, would_decide=NETS,
    )  # fmt: skip


def after_failure(net: dict[str, Any], seed: int, most: int) -> list[float] | None:
    """Return the shares of strings right: early ones, and those that follow on a first failure.

    A net that learned with external resets runs without them. Where a string is not right
    throughout, the stream goes on twice from the beginning of the next one, with the same symbols:
    as it is; and with each cell's state scaled to the size that it had at the end of the first
    string. The share of the next five strings that are right, each way, over ten streams.

    Returns:
        Early (the first five strings), as it is, scaled; None if a stream never fails.
    """
    shares = []
    for stream in range(STREAMS):
        frozen = Frozen({**net, "reset": False}, 1, seed + stream)
        size, good, early = None, True, []
        for _ in range(most):
            good &= bool(frozen.step()[0])
            if frozen.node[0]:
                continue
            if size is None:
                size = np.abs(frozen.s).copy()
            early.append(good)
            if not good:
                break
            good = True
        else:
            return None
        kept = frozen.s.copy(), frozen.saw.copy(), frozen.bits.copy(), frozen.generator
        state = frozen.generator.bit_generator.state
        both_ways = []
        for scaled in (False, True):
            frozen.s, frozen.saw, frozen.bits = (v.copy() for v in kept[:3])
            frozen.generator.bit_generator.state = state
            frozen.node = np.zeros(1, np.int64)
            if scaled:
                frozen.s *= size / np.maximum(np.abs(frozen.s), 1e-6)
            done, good = [], True
            while len(done) < 5:
                good &= bool(frozen.step()[0])
                if not frozen.node[0]:
                    done.append(good)
                    good = True
            both_ways.append(sum(done) / 5)
        shares.append([sum(early[:5]) / len(early[:5]), *both_ways])
    return np.mean(shares, 0).tolist()


def failures(run: Run, nets: list, seed: int) -> list[list[float] | None]:
    """Return `after_failure` for each net."""
    most = run.pick(test=300, default=20_000)
    return [after_failure(net, seed + 1000 * i, most) for i, net in enumerate(nets)]


@claim(
    "C2b",
    "abstract",
    "It is the growing state that breaks the network down.",
    quotes="Without resets, the state may grow indefinitely and eventually cause the network to "
    "break down.",
    asks="Nets without forget gates that learned the grammar with external resets, perfect or "
    "good, run without them. At the first string that is not right throughout, the stream goes on "
    "twice: as it is, and with every state scaled back to its size at the end of the first string "
    "(not to zero, and with its sign). Share of the next five strings that are right, ten streams "
    "a net. If the size is the cause, scaling gives back at least half of what was lost since the "
    "first five strings. Nets that never fail, or fewer than three nets, decide nothing.",
    holds_if="the interval over nets of (scaled − midway between early and as it is) lies above 0",
    fails_if="it lies below 0",
    full_only=True,
)
def cause(run: Run) -> Finding:
    """Scale states back at the first failure."""
    found = others(run)[0]
    arms = [found[name] for name in ("reset", "reset falling")]
    nets = [net for arm in arms
            for net, best in zip(arm["nets"], sorted(arm["best"], reverse=True))
            if best > GOOD or run.scale == "test"]  # fmt: skip
    rows = [row for row in failures(run, nets[:20], run.seed + 500) if row]
    numbers: dict[str, Any] = {"early, as it is, scaled": rows, "nets": len(nets)}
    if len(rows) < 3 - (run.scale == "test"):
        judged = Judgement(UNDECIDED)
        said = f"{len(rows)} nets that solve it with resets and fail without"
    else:
        gain = interval([scaled - (early + as_is) / 2 for early, as_is, scaled in rows])
        judged = judge(gain, above=0, paper_regime=full(run))
        means = np.mean(rows, 0)
        said = f"right early {means[0]:.2f}, as it is {means[1]:.2f}, scaled {means[2]:.2f}"
        numbers["means"] = means.tolist()
    return Finding(
        judged, ours=said, ran=f"{len(rows)} nets, ten streams each.",
        measured=f"Shares of strings: {said}.", numbers=numbers,
        between="Nets at another scale.", would_decide=NETS * (judged.verdict == UNDECIDED),
    )  # fmt: skip
