"""What forget gates do in nets that learned the grammar (§4.4, Figure 8)."""

from typing import Any

import numpy as np

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Judgement, interval, judge
from ..tasks import SYMBOLS
from .arms import BETWEEN, DESK, both, full, with_gates
from .inside import NETS, exponent, watch
from .learning import GOOD


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


@claim(
    "C2e",
    "§4.4, Figure 8",
    "With forget gates the states never drift out of bounds.",
    quotes="The internal states oscillate around zero; they never drift out of bounds as with "
    "standard LSTM",
    asks=f"Nets with forget gates that are perfect or good (of C1b and C5a), as C2a has them: the "
    "exponent of the growth of mean |s| in time, from symbol 100 to 1,200. It is 0 for bounded "
    "states, .5 for a random walk, 1 for linear growth; the line is half of a random walk's. "
    f"Fewer than three nets decide nothing. {DESK}",
    holds_if="the interval of the exponent over nets lies below .25",
    fails_if="it lies above",
    paper="within ±20 over 170 symbols",
)
def bounded(run: Run) -> Finding:
    """Fit a power law to the mean size of states, as for standard LSTM."""
    steps, exponents, last = run.pick(test=120, default=1200), [], []
    for i, net in enumerate(learned(run)):
        sizes = np.abs(watch(net, steps, run.seed + 100 + i)["s"]).mean((1, 2))
        exponents.append(exponent(sizes, steps))
        last.append(float(sizes[-1]))
    numbers: dict[str, Any] = {"exponents": exponents, "last": last}
    if len(exponents) < 3 - (run.scale == "test"):
        judged, said = Judgement(UNDECIDED), f"{len(exponents)} nets that learned it"
    else:
        found = interval(exponents)
        judged = judge(found, below=0.25, paper_regime=full(run))
        said = f"exponent {found}"
        numbers["mean"] = interval(last).mean
    return Finding(
        judged, ours=said, ran=f"{len(exponents)} nets, {steps:,} symbols.",
        measured=f"Over nets, {said}; mean |s| at the end {np.mean(last or [0]):.2f}.",
        numbers=numbers, between=BETWEEN, would_decide=NETS * (judged.verdict == UNDECIDED),
    )  # fmt: skip


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
