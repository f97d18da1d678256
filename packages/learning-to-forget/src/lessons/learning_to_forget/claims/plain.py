"""The rivals without gates: RTRL, the whole gradient online; and Elman's, that of one step."""

from typing import Any

import numpy as np

from ..lab.run import Run
from ..tasks import LEGAL, NEXT_NODE, NEXT_SYMBOL
from .frozen import EYE, OFF

KINDS = {"RTRL": 12, "RTRL tanh": 12, "Elman": 15}  # units, as in Table 1
RATES = [0.025, 0.05, 0.1, 0.2, 0.4, 0.8]  # Table 1 has .05 and .1


class Plain:
    """Plain recurrent nets side by side, each with a rate of its own.

    All derivatives of all units are carried along. By Elman's procedure nothing is carried: what
    units see of the step before counts as an input.

    Shapes: N units, J what they see (7 symbols, units, 1), S nets, here the first axis.

    Args:
        kind: of `KINDS`. rates: (S,).
        generator: of the first weights, ± .2 as the paper's. dtype: of all numbers.
    """

    def __init__(self, kind: str, rates, generator, dtype: Any = np.float32) -> None:
        self.kind, nets, n = kind, len(rates), KINDS[kind]
        self.units, width = n, 7 + n + 1
        self.inside = generator.uniform(-0.2, 0.2, (nets, n, width)).astype(dtype)
        self.out = generator.uniform(-0.2, 0.2, (nets, 7, n + 1)).astype(dtype)
        self.rate = np.asarray(rates, dtype)[:, None, None]
        self.saw, self.shown = np.zeros((nets, width), dtype), np.ones((nets, n + 1), dtype)
        self.saw[:, -1] = 1
        self.carried = np.zeros((nets, n, n, width), dtype)  # ∂y_i / ∂w_jm

    def step(self, x_S7: np.ndarray) -> np.ndarray:
        """Read a symbol each; return the outputs, (S, 7)."""
        self.saw[:, :7] = x_S7
        net = (self.inside @ self.saw[:, :, None])[..., 0]
        if self.kind == "RTRL tanh":
            y = np.tanh(net)
            self.slope = 1 - y * y
        else:
            y = 0.5 + 0.5 * np.tanh(0.5 * net)
            self.slope = y * (1 - y)
        self.shown[:, :-1] = y
        self.outputs = 0.5 + 0.5 * np.tanh(0.5 * (self.out @ self.shown[:, :, None])[..., 0])
        return self.outputs

    def learn(self, target_S7: np.ndarray) -> None:
        """Change all weights by the errors at this step; the next one sees the units of this."""
        z, n, unit = self.outputs, self.units, np.arange(self.units)
        delta = z * (1 - z) * (target_S7 - z)
        due = (delta[:, None] @ self.out[:, :, :n])[:, 0]
        self.out += self.rate * delta[:, :, None] * self.shown[:, None]
        if self.kind == "Elman":
            change = (due * self.slope)[:, :, None] * self.saw[:, None]
        else:
            flat = self.carried.reshape(len(z), n, -1)
            self.carried = (self.inside[:, :, 7:-1] @ flat).reshape(self.carried.shape)
            self.carried[:, unit, unit] += self.saw[:, None]
            self.carried *= self.slope[:, :, None, None]
            change = (due[:, None] @ self.carried.reshape(len(z), n, -1)).reshape(self.inside.shape)
        self.inside += self.rate * change
        self.saw[:, 7:-1] = self.shown[:, :-1]

    def reset(self, which: np.ndarray) -> None:
        """Let streams begin anew."""
        self.saw[which, 7:-1] = 0
        self.carried[which] = 0


def rivals(
    run: Run, kind: str, rates: list[float], nets: int, seed: int, steps: int
) -> dict[str, Any]:
    """Let plain nets learn on the paper's streams.

    Returns:
        By net, rates outermost: the mean length of the last 500 streams ("recent"), the longest
        stream ("best"), and whether one had 100,000 symbols ("solved").
    """
    every = len(rates) * nets
    generator = np.random.default_rng(seed)
    learner = Plain(kind, np.repeat(rates, nets), generator)
    node, length, count = (np.zeros(every, np.int64) for _ in range(3))
    recent, best = np.zeros(every), np.zeros(every)
    longest = run.pick(test=60, default=100_000)
    solved: list[int | None] = [None] * every
    for _ in run.track(range(max(1, steps // 1000)), f"plain nets, {kind}"):
        for bit in generator.integers(0, 2, (min(1000, steps), every)):
            symbol = NEXT_SYMBOL[node, bit]
            node = NEXT_NODE[node, bit]
            wrong = (np.abs(LEGAL[node] - learner.step(EYE[symbol])) >= OFF).any(1)
            learner.learn(LEGAL[node])
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
                learner.reset(ended)
    return {"solved": solved, "best": best.tolist(), "recent": recent.round(2).tolist(),
            "streams": count.tolist()}  # fmt: skip


def plain_nets(run: Run, kind: str) -> dict[str, Any]:
    """Return 24 plain nets of a kind at the best of the rates.

    Their longest training stream counts as their test: no net could be worse off by that.
    """
    nets, steps = run.pick(test=2, default=24), run.pick(test=200, default=500_000)
    rates = run.pick(test=RATES[:2], default=RATES)
    apart = run.trial(rivals, kind=kind, rates=rates, nets=run.pick(test=1, default=3), steps=steps,
                      seed=run.seed + 10_000)  # fmt: skip
    size = len(apart["recent"]) // len(rates)
    best = max(range(len(rates)), key=lambda i: sum(apart["recent"][i * size : (i + 1) * size]))
    found = run.trial(rivals, kind=kind, rates=[rates[best]], nets=nets, steps=steps, seed=run.seed)
    return found | {"rate": rates[best]}
