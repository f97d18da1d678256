"""Nets that learn no more, on streams of embedded Reber strings: how far they get, what they do.

Shapes: N cells, C blocks, U units, J what they see, B streams, which are the last axis.
"""

from typing import Any

import numpy as np

from ..tasks import LEGAL, NEXT_NODE, NEXT_SYMBOL

OFF = 0.49  # §4.1
EYE = np.eye(7, dtype=np.float32)


class Frozen:
    """One net on B streams.

    Args:
        net: "inside" (U, J) and "out" (K, N + 1), as `Abreast.weights` gives them; "keep", what
            states are multiplied by where there are no forget gates, or None; "reset", whether all
            is set to zero before a string begins; "blocks"; "rank", whether a prediction is right
            if all legal symbols outrank all others, in place of the paper's criterion.
        streams: B. seed: of what is drawn.
    """

    saw: Any
    s: Any
    bits: Any
    node: Any

    def __init__(self, net: dict[str, Any], streams: int, seed: int) -> None:
        self.inside = np.asarray(net["inside"], np.float32)
        self.out = np.asarray(net["out"], np.float32)
        self.keep, self.resets, self.blocks = net["keep"], net["reset"], net["blocks"]
        self.ranks = net.get("rank", False)
        self.cells = self.out.shape[1] - 1
        self.saw = np.zeros((self.inside.shape[1], streams), np.float32)
        self.saw[-1] = 1
        self.s = np.zeros((self.cells, streams), np.float32)
        self.shown = np.ones((self.cells + 1, streams), np.float32)
        self.node = np.zeros(streams, np.int64)
        self.generator = np.random.default_rng(seed)
        self.bits = np.empty((0, streams), np.int64)

    def step(self) -> np.ndarray:
        """Read the next symbol of each stream; return which predictions are right, (B,)."""
        if not len(self.bits):
            self.bits = self.generator.integers(0, 2, (1000, len(self.node)))
        bit, self.bits = self.bits[0], self.bits[1:]
        if self.resets:
            fresh = self.node != 0
            self.saw[7:-1] *= fresh
            self.s *= fresh
        self.symbol = NEXT_SYMBOL[self.node, bit]
        self.node = NEXT_NODE[self.node, bit]
        self.saw[:7] = EYE[:, self.symbol]
        net = np.tanh(0.5 * (self.inside @ self.saw))
        gates = 0.5 + 0.5 * net[self.cells :]
        size, c = self.cells // self.blocks, self.blocks
        self.forget = gates[c : 2 * c]
        wide = gates.repeat(size, 0)
        n = self.cells
        keep = wide[n : 2 * n] if self.keep is None else np.float32(self.keep)
        self.s = keep * self.s + wide[:n] * 2 * net[:n]
        self.shown[:-1] = wide[2 * n :] * np.tanh(0.5 * self.s)
        self.saw[7:-1] = self.shown[:-1]
        z, legal = self.out @ self.shown, LEGAL[self.node].T
        if self.ranks:
            return np.where(legal > 0, z, np.inf).min(0) > np.where(legal > 0, -np.inf, z).max(0)
        return (np.abs(0.5 + 0.5 * np.tanh(0.5 * z) - legal) < OFF).all(0)


def lengths(
    net: dict[str, Any], seed: int, longest: int, streams: int = 10, warm: int = 0
) -> list[int]:
    """Return how many predictions are right before the first wrong one, in each of some streams.

    The first ``warm`` symbols do not count: a net that has learned on states that were carried on
    has not seen a zero state.
    """
    frozen, found = Frozen(net, streams, seed), np.full(streams, longest)
    for _ in range(warm):
        frozen.step()
    going = np.full(streams, True)
    for t in range(longest):
        wrong = going & ~frozen.step()
        if wrong.any():
            found[wrong], going = t, going & ~wrong
            if not going.any():
                break
    return found.tolist()
