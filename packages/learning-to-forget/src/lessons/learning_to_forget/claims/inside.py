"""What happens inside: states that grow, gates that close (§2.1, §4.4, Figures 7 and 8)."""

from typing import Any

import numpy as np

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Judgement, interval, judge
from ..tasks import SYMBOLS
from .cerg import BETWEEN, CUT, DESK, both, full, others, with_gates
from .frozen import Frozen
from .learning import GOOD

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
    asks="Standard LSTM as trained for C1a, frozen, on ten streams of 1,200 symbols that no error "
    "stops. Mean |s| over cells and streams at the end of each hundred symbols, and the exponent "
    "of its power law in time, by least squares on logarithms, for each net. It is 1 for states "
    f"that grow linearly, .5 for a random walk, 0 for bounded ones. {CUT}{DESK}",
    holds_if="the interval of the exponent over nets lies within .75 and 1.25",
    fails_if="it lies outside",
    paper="linear to the eye over 130 symbols",
)
def growth(run: Run) -> Finding:
    """Fit a power law to the mean size of states."""
    nets = both(run)[1]["nets"]
    steps = run.pick(test=120, default=1200)
    marks = np.arange(1, 13) * steps // 12
    exponents, last = [], []
    example: dict[str, np.ndarray] = {}
    for i, net in enumerate(nets):
        seen = watch(net, steps, run.seed + 100 + i)
        sizes = np.abs(seen["s"]).mean((1, 2))
        x, y = np.log(marks), np.log(np.maximum(sizes[marks - 1], 1e-6))
        exponents.append(float(np.polyfit(x, y, 1)[0]))
        last.append(float(sizes[-1]))
        example = example or seen
    found = interval(exponents)
    judged = judge(found, within=(0.75, 1.25), paper_regime=full(run))
    shown = example["s"][:130, :, 0]
    return Finding(
        judged, ours=f"exponent {found}", ran=f"{len(nets)} nets, {steps:,} symbols.",
        measured=f"Mean |s| grows as t to the power of {found}; at the end it is "
        f"{interval(last)}.",
        numbers={"exponents": exponents, "last": last, "example": shown.round(3).tolist(),
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


def bridging(seen: dict[str, np.ndarray]) -> int:
    """Return the block that holds the mark: whose state best tells T from P when it is asked for.

    That is at nodes 9 (T is due) and 18 (P is due); best is the largest correlation of a cell's
    state with the mark.
    """
    at_t, at_p = (seen["node"] == node for node in (9, 18))
    s = seen["s"].transpose(0, 2, 1)
    values = np.concatenate([s[at_t], s[at_p]])
    mark = np.concatenate([np.ones(at_t.sum()), -np.ones(at_p.sum())])
    values, mark = values - values.mean(0), mark - mark.mean()
    scale = np.sqrt((values**2).sum(0) * (mark**2).sum()) + 1e-12
    best = int(np.argmax(np.abs(values.T @ mark) / scale))
    return best // (seen["s"].shape[1] // seen["forget"].shape[1])


def dips(seen: dict[str, np.ndarray], block: int) -> tuple[float, float]:
    """Return the mean, over strings, of a gate's minimum around their end; and how often it is up.

    Around the end: the last symbol of a string, and the first two of the next. Up: above .95.
    """
    gate, node = seen["forget"][:, block], seen["node"]
    low = []
    for b in range(node.shape[1]):
        ends = np.flatnonzero(node[:-2, b] == 0)
        low += [gate[t : t + 3, b].min() for t in ends]
    return float(np.mean(low)), float((gate > 0.95).mean())


def draw_gates(figure, numbers) -> None:
    """Draw the states of a block and its forget gate, as Figure 8 does."""
    top, bottom = figure.subplots(2, 1, sharex=True)
    figure.set_size_inches(6.4, 4.2)
    for k, states in enumerate(np.array(numbers["states"]).T):
        top.plot(states, color=(BLUE, RED)[k % 2], lw=1.2)
    bottom.plot(numbers["gate"], color=GREEN, lw=1.2)
    for axes in (top, bottom):
        for start in numbers["starts"]:
            axes.axvline(start, color=MUTED, lw=0.4)
    top.set_ylabel("states")
    bottom.set(ylabel="forget gate", xlabel="symbol (a line where a string begins)", ylim=(0, 1.05))


def learned(run: Run) -> list[dict[str, Any]]:
    """Return the nets with forget gates that are perfect or good."""
    if run.scale == "default":
        found = both(run)[0]
        return [n for n, b in zip(found["nets"], found["best"]) if b > GOOD]
    nets = []
    for arm in with_gates(run).values():
        best = sorted(arm["best"], reverse=True)
        nets += [n for n, b in zip(arm["nets"], best) if b > GOOD or run.scale == "test"]
    return nets


def gates_of(run: Run) -> tuple[list[tuple[float, float]], dict[str, Any]]:
    """Return what `dips` finds for each net that learned, and an example for the figure."""
    steps, rows, example = run.pick(test=300, default=1000), [], {}
    for i, net in enumerate(learned(run)):
        seen = watch(net, steps, run.seed + 300 + i)
        block = bridging(seen)
        rows.append(dips(seen, block))
        if not example:
            size = seen["s"].shape[1] // seen["forget"].shape[1]
            part = slice(100, 270)
            begins = np.flatnonzero(seen["node"][99:269, 0] == 0)
            example = {
                "states": seen["s"][part, size * block : size * (block + 1), 0].round(3).tolist(),
                "gate": seen["forget"][part, block, 0].round(3).tolist(),
                "starts": begins.tolist(),
                "symbols": "".join(SYMBOLS[i] for i in seen["symbol"][part, 0]),
            }  # fmt: skip
    return rows, example


GATES = (
    "Nets with forget gates that are perfect or good (of C1b and C5a), on ten streams of 1,000 "
    "symbols. The block that holds the mark is the one with the cell whose state tells T from P "
    f"best when it is due. Fewer than three nets decide nothing. {DESK}"
)


def about_gates(run: Run, which: int, line: dict[str, Any], say: str) -> Finding:
    """Judge one of the two numbers of `dips`."""
    rows, example = gates_of(run)
    values = [row[which] for row in rows]
    if len(values) < 3 - (run.scale == "test"):
        judged, said = Judgement(UNDECIDED), f"{len(values)} nets that learned it"
    else:
        found = interval(values)
        judged = judge(found, paper_regime=full(run), **line)
        said = f"{say} {found}"
    return Finding(
        judged, ours=said, ran=f"{len(values)} nets.", measured=f"Over nets, {said}.",
        numbers={"values": values, **(example or {"states": [[0.0]], "gate": [0.0], "starts": []})},
        between=BETWEEN, would_decide=NETS * (judged.verdict == UNDECIDED),
    )  # fmt: skip


@claim(
    "C2c",
    "§4.4, Figure 8",
    "Where a string ends the forget gate goes to zero.",
    draw_gates,
    quotes="At the end of an ERG string the forget gate’s activation goes to zero, thus resetting "
    "cell states to zero.",
    asks=f"{GATES}Of that block's forget gate the minimum over the last symbol of a string and the "
    "first two of the next, on average over strings. The line is .1, at which a tenth is left.",
    holds_if="the interval over nets lies below .1",
    fails_if="it lies above",
    paper="about 0 in Figure 8",
)
def closes(run: Run) -> Finding:
    """Judge the minimum."""
    return about_gates(run, 0, {"below": 0.1}, "the gate's minimum is")


@claim(
    "C2d",
    "§4.4, Figure 8",
    "Most of the time the forget gate is at 1.",
    quotes="Most of the time they are equal to 1.0, thus letting the memory cells retain their "
    "internal values.",
    asks=f"{GATES}The share of symbols at which that block's forget gate is above .95.",
    holds_if="the interval over nets lies above one half",
    fails_if="it lies below",
    paper="most of Figure 8",
)
def stays_open(run: Run) -> Finding:
    """Judge the share."""
    return about_gates(run, 1, {"above": 0.5}, "the share of the time it is up is")
