"""The rival without gates: logistic units that learn online by the whole gradient (RTRL)."""

from typing import Any

import numpy as np

from ..lab.run import Run
from ..tasks import LEGAL, NEXT_NODE, NEXT_SYMBOL
from .frozen import EYE, OFF

UNITS = 12  # Table 1
RATES = [0.05, 0.1, 0.2, 0.5]  # Table 1 has .05 and .1


def rtrl(run: Run, rates: list[float], nets: int, seed: int, steps: int) -> dict[str, Any]:
    """Let nets learn on the paper's streams; all derivatives of all units are carried along.

    Shapes: N units, J what they see (symbols, units, 1), S nets, here the first axis.

    Returns:
        By net, rates outermost: the mean length of the last 500 streams ("recent"), the longest
        stream ("best"), and whether one had 100,000 symbols ("solved").
    """
    every, n = len(rates) * nets, UNITS
    generator = np.random.default_rng(seed)
    width = 7 + n + 1
    inside = generator.uniform(-0.2, 0.2, (every, n, width)).astype(np.float32)
    out = generator.uniform(-0.2, 0.2, (every, 7, n + 1)).astype(np.float32)
    rate = np.repeat(np.array(rates, np.float32), nets)[:, None, None]
    saw = np.zeros((every, width), np.float32)
    shown = np.ones((every, n + 1), np.float32)
    carried = np.zeros((every, n, n, width), np.float32)  # ∂y_i / ∂w_jm
    unit = np.arange(n)
    node, length, count = (np.zeros(every, np.int64) for _ in range(3))
    recent, best = np.zeros(every), np.zeros(every)
    longest = run.pick(test=60, default=100_000)
    solved: list[int | None] = [None] * every
    for _ in run.track(range(max(1, steps // 1000)), "plain nets, RTRL"):
        for bit in generator.integers(0, 2, (min(1000, steps), every)):
            symbol = NEXT_SYMBOL[node, bit]
            node = NEXT_NODE[node, bit]
            saw[:, :7], saw[:, -1] = EYE[symbol], 1
            y = 0.5 + 0.5 * np.tanh(0.5 * (inside @ saw[:, :, None])[..., 0])
            slope = y * (1 - y)
            back = inside[:, :, 7:-1]
            carried = (back @ carried.reshape(every, n, -1)).reshape(carried.shape)
            carried[:, unit, unit] += saw[:, None]
            carried *= slope[:, :, None, None]
            shown[:, :n] = y
            z = 0.5 + 0.5 * np.tanh(0.5 * (out @ shown[:, :, None])[..., 0])
            error = LEGAL[node] - z
            wrong = (np.abs(error) >= OFF).any(1)
            delta = z * (1 - z) * error
            due = (delta[:, None] @ out[:, :, :n])[:, 0]
            out += rate * delta[:, :, None] * shown[:, None]
            change = (due[:, None] @ carried.reshape(every, n, -1)).reshape(inside.shape)
            inside += rate * change
            saw[:, 7:-1] = y
            length += ~wrong
            ended = wrong | (length >= longest)
            if ended.any():
                for k in np.flatnonzero(ended):
                    count[k] += 1
                    recent[k] += (length[k] - recent[k]) / min(count[k], 500)
                    best[k] = max(best[k], length[k])
                    if length[k] >= longest:
                        solved[k] = solved[k] or int(count[k])
                node[ended], length[ended] = 0, 0
                saw[ended], carried[ended] = 0, 0
    return {"solved": solved, "best": best.tolist(), "recent": recent.round(2).tolist(),
            "streams": count.tolist()}  # fmt: skip


def plain_nets(run: Run) -> dict[str, Any]:
    """Return 20 plain nets at the best of the rates.

    Their longest training stream counts as their test: no net could be worse off by that.
    """
    nets, steps = run.pick(test=2, default=20), run.pick(test=200, default=500_000)
    rates = run.pick(test=RATES[:2], default=RATES)
    apart = run.trial(rtrl, rates=rates, nets=run.pick(test=1, default=5), steps=steps,
                      seed=run.seed + 10_000)  # fmt: skip
    size = len(apart["recent"]) // len(rates)
    best = max(range(len(rates)), key=lambda i: sum(apart["recent"][i * size : (i + 1) * size]))
    found = run.trial(rtrl, rates=[rates[best]], nets=nets, steps=steps, seed=run.seed)
    return found | {"rate": rates[best]}
