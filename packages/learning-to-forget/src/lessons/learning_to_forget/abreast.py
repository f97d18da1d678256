"""`online` for many nets at once, each on a stream of its own: this is how the claims are measured.

An online rule cannot be spread over a batch, since each step needs the weights that the last one
changed. Nets can be set side by side; and numpy's calls on a few thousand numbers take a third of
the time of torch's.

Shapes: N cells, C blocks of V cells, U units (N cells, C input, C forget, C output gates), J what
they see (I inputs, N cells' outputs, 1), K outputs, S nets, which are the last axis.
"""

from typing import Any

import numpy as np
import torch

from .blocks import GersLSTM


class Abreast:
    """S nets of one size, each with its own stream, its own rate, with or without forget gates.

    Args:
        net: with ``seeds`` and outputs, without gates_see_gates and shortcut; with forget gates,
            which ``forget`` may switch off for some.
        lr: α, (S,), which ``decay`` multiplies after each step of a stream.
        forget: whether each net uses its forget gates, (S,); by default all do.
        keep: what states are multiplied by in nets that do not, (S,); by default 1.
        decay: (S,), by default 1. shrink: weight decay; all weights lose α times this, (S,).
        about: with ``shrink``, weight elimination (Weigend et al. 1991), (S,): what a weight loses
            is divided by (1 + (about · w)²)², so that those above 1/about are spared.

    Raises:
        ValueError: nets of another wiring, or a rate that is no number of at least 0.
    """

    def __init__(
        self, net: GersLSTM, lr, forget=None, keep=None, decay=None, shrink=None, about=None
    ) -> None:
        c = net.config
        if (
            net.seeds is None or net.weight_out is None or c.gates_see_gates or c.shortcut
            or not c.forget or not c.truncate
        ):  # fmt: skip
            want = "nets with seeds, outputs and forget gates, truncated, without gates_see_gates"
            raise ValueError(f"abreast learn {want} and shortcut, got {net}")
        self.config, self.seeds = c, net.seeds
        n, i, g = c.cells, c.input_size, c.gates
        weights = [v.detach().cpu().double() for v in (net.weight_x, net.weight_h)]
        bias = torch.cat([net.bias.detach().cpu().double(), torch.zeros(net.seeds, n)], 1)
        rows = torch.cat([*weights, bias[..., None]], 2)  # gates, then cells
        rows = torch.cat([rows[:, g:], rows[:, :g]], 1).permute(1, 2, 0)
        out = torch.cat([net.weight_out, net.bias_out[..., None]], 2).detach().cpu()
        kind: Any = np.float64 if net.weight_x.dtype == torch.float64 else np.float32
        self.inside = np.ascontiguousarray(rows.numpy().astype(kind))  # (U, J, S)
        self.out = np.ascontiguousarray(out.permute(1, 2, 0).numpy().astype(kind))  # (K, N + 1, S)

        def each(value, default):
            value = default if value is None else value
            return np.zeros(self.seeds, kind) + np.asarray(value, kind)

        self.lr, self.decay = each(lr, 0), each(decay, 1)
        if not ((self.lr >= 0) & np.isfinite(self.lr)).all():
            raise ValueError(f"lr must be at least 0 and finite, got {lr}")
        self.forget, self.keep, self.shrink = each(forget, 1), each(keep, 1), each(shrink, 0)
        self.about = each(about, 0)
        self.rate, self.kind, self.first = self.lr.copy(), kind, i
        self.reserve()

    def reserve(self) -> None:
        """Hold room for all that a step computes."""
        c, s, kind = self.config, self.inside.shape[-1], self.kind
        units, width = self.inside.shape[:2]
        self.saw = np.zeros((width, s), kind)
        self.saw[-1] = 1
        self.s, self.shown = np.zeros((c.cells, s), kind), np.ones((c.cells + 1, s), kind)
        self.ds = np.zeros((c.cells, 3, width, s), kind)
        self.more, self.product = np.empty_like(self.ds), np.empty_like(self.inside)
        self.grown, self.net = np.empty((c.cells, 3, s), kind), np.empty((units, s), kind)
        self.by_forget = self.forget.any()
        losing = np.flatnonzero(self.shrink)
        self.losing = slice(losing[0], losing[-1] + 1) if len(losing) else None

    def select(self, which: np.ndarray) -> None:
        """Go on with some of the nets only."""
        names = ("inside", "out", "lr", "decay", "forget", "keep", "shrink", "about", "rate")
        kept = {name: getattr(self, name)[..., which].copy() for name in names}
        carried = {name: getattr(self, name)[..., which].copy() for name in ("saw", "s", "ds")}
        for name, value in kept.items():
            setattr(self, name, value)
        self.reserve()
        for name, value in carried.items():
            getattr(self, name)[:] = value

    def step(self, x: np.ndarray, fresh: np.ndarray | None = None) -> np.ndarray:
        """Read an input each, (I, S); return the outputs, (K, S).

        Args:
            x: the inputs.
            fresh: 0 for nets whose outputs, states and derivatives are first set to zero, else 1.

        Raises:
            ValueError: inputs of another shape.
        """
        c, s = self.config, self.s
        n, blocks, i = c.cells, c.num_blocks, self.first
        if x.shape != (i, s.shape[1]):
            raise ValueError(f"x must be {(i, s.shape[1])}, is {x.shape}")
        by_block = (blocks, c.block_size, -1)
        saw, net, grown = self.saw, self.net, self.grown
        saw[:i] = x
        if fresh is not None:
            saw[i:-1] *= fresh
            s *= fresh
        np.multiply(self.inside, saw, self.product)
        np.add.reduce(self.product, axis=1, out=net)
        net *= 0.5
        np.tanh(net, net)  # σ(net) = (1 + tanh(net/2))/2, and g = 4σ − 2 = 2 tanh(net/2)
        half, gates = net[:n], net[n:]
        gates += 1
        gates *= 0.5
        y_in, y_keep, self.y_out = gates[:blocks], gates[blocks : 2 * blocks], gates[2 * blocks :]
        keep = y_keep * self.forget + (1 - self.forget) * self.keep
        slope_keep = y_keep * (1 - y_keep) * self.forget
        g = (2 * half).reshape(by_block)
        grown[:, 0] = ((1 - half * half).reshape(by_block) * y_in[:, None]).reshape(n, -1)  # eq. 19
        grown[:, 1] = (g * (y_in * (1 - y_in))[:, None]).reshape(n, -1)  # eq. 20
        grown[:, 2] = (s.reshape(by_block) * slope_keep[:, None]).reshape(n, -1)  # eq. 21
        scale = keep if fresh is None else keep * fresh
        scale = scale.repeat(c.block_size, 0)
        self.ds *= scale[:, None, None]
        np.multiply(grown[:, :, None], saw, self.more)
        self.more[:, 0, -1] = 0  # cells have no bias
        self.ds += self.more
        s *= scale
        s += (g * y_in[:, None]).reshape(n, -1)  # eq. 11
        self.h = np.tanh(0.5 * s)
        self.shown[:-1] = (self.h.reshape(by_block) * self.y_out[:, None]).reshape(n, -1)  # eq. 7
        self.outputs = 0.5 + 0.5 * np.tanh(0.5 * (self.out * self.shown).sum(1))
        self.keeps = keep
        return self.outputs

    def see(self) -> None:
        """Let the next step see what cells put out at this one."""
        self.saw[self.first : -1] = self.shown[:-1]

    def learn(self, target: np.ndarray) -> None:
        """Change all weights by the errors at this step; ``target`` (K, S). Ends with `see`."""
        c, saw, rate = self.config, self.saw, self.rate
        n, blocks = c.cells, c.num_blocks
        by_block = (blocks, c.block_size, -1)
        delta = self.outputs * (1 - self.outputs) * (target - self.outputs)  # eq. 14
        back = (self.out[:, :n] * delta[:, None]).sum(0)
        delta *= rate
        if self.losing is not None:
            part = self.losing  # from the first net that loses something to the last
            loss = (rate * self.shrink)[part]
            for weight in (self.inside[..., part], self.out[..., part]):
                lost = weight * self.about[part]
                lost *= lost
                lost += 1
                lost *= lost
                np.divide(weight, lost, lost)
                lost *= loss
                weight -= lost
        self.out += delta[:, None] * self.shown  # eq. 13
        y_out, h = self.y_out, self.h
        error = (h * back).reshape(by_block).sum(1) * y_out * (1 - y_out) * rate  # eq. 15
        state = (back * (1 - h * h) * (0.5 * rate)).reshape(by_block) * y_out[:, None]  # eq. 17
        np.multiply(self.ds, state.reshape(n, 1, 1, -1), self.more)  # eq. 16
        inside = self.inside
        inside[:n] += self.more[:, 0]  # eq. 23
        for k in (1, 2) if self.by_forget else (1,):  # eq. 24
            rows = inside[n + (k - 1) * blocks : n + k * blocks]
            for v in range(c.block_size):
                rows += self.more[v :: c.block_size, k]
        inside[n + 2 * blocks :] += error[:, None] * saw
        self.rate = self.rate * self.decay
        self.see()

    def begin(self, which: np.ndarray) -> None:
        """Give streams that begin the first rate again."""
        self.rate[which] = self.lr[which]

    def weights(self, which: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one net's weights: of units (U, J), and of outputs (K, N + 1)."""
        return self.inside[..., which].copy(), self.out[..., which].copy()

    @torch.no_grad()
    def write(self, net: GersLSTM) -> GersLSTM:
        """Give the weights to nets of the same size, and return these."""
        c = self.config
        rows = torch.from_numpy(self.inside).permute(2, 0, 1)
        rows = torch.cat([rows[:, c.cells :], rows[:, : c.cells]], 1)
        net.weight_x.copy_(rows[..., : c.input_size])
        net.weight_h.copy_(rows[..., c.input_size : -1])
        net.bias.copy_(rows[:, : c.gates, -1])
        out = torch.from_numpy(self.out).permute(2, 0, 1)
        net.weight_out.copy_(out[..., :-1])
        net.bias_out.copy_(out[..., -1])
        return net
