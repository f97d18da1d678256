"""The paper's rule for many nets at once, each with weights and a sequence of its own.

Online learning cannot be spread over a batch: the next sequence needs the weights that the last
one has changed. Nets can: S of them take a step in hardly more time than one. Here errors are not
carried along as in `online`, but summed from the end, which comes to the same; and the steps run
in numpy, whose calls on a few hundred numbers take a third of the time of torch's.

All is doubled, since σ(net) = (1 + tanh(net/2))/2: a gate is kept as 2σ = 1 + tanh(net/2), a cell's
g = 4σ − 2 as tanh(net/2) = g/2, what it puts out as 2y = 2σ h. Then s grows by 2σ · g/2, as it is.

Shapes: T steps; C blocks of V cells, N = C V; U units (cells, then input gates, then output
gates), R what they see (gates, then cells); I inputs, K outputs; S nets, the last axis in numpy.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .network import LSTM1997, check_symbols, last_steps


class Abreast:
    """Teach S nets, a sequence each at a time; their weights move by α times minus the gradient.

    The gradient is that of half the squared error (A.17), truncated where the config says so, else
    whole.

    Args:
        net: with ``seeds``, both squashing functions of A.2 and A.3, an input gate, and units that
            see both cells and gates.
        lr: α, a number or one for each net, (S,). `rest` sets it to 0.

    Raises:
        ValueError: nets of another wiring, without outputs, without ``seeds``; no such rate.
    """

    def __init__(self, net: LSTM1997, lr: float | Tensor) -> None:
        c = net.config
        fits = c.input_gate and c.cell_recurrence and c.gate_recurrence and not c.shortcut
        fits = fits and (c.squash_in, c.squash_out) == ("g2", "h1")
        if not fits or net.weight_out is None or net.seeds is None:
            want = "nets with seeds, outputs, g2, h1, an input gate, and units that see all others"
            raise ValueError(f"abreast learn {want}, got {net}")
        if net.weight_x.device.type != "cpu" or net.weight_x.dtype not in (
            torch.float32, torch.float64,
        ):  # fmt: skip
            raise ValueError(f"the nets must be float32 or float64 on the CPU, are {net.weight_x}")
        rate = torch.as_tensor(lr, dtype=net.weight_x.dtype).expand(net.seeds).clone()
        if not (rate.isfinite() & (rate >= 0)).all():
            raise ValueError(f"lr must be at least 0, a number or one for each net, got {lr}")
        self.net, self.config, self.rate = net, c, rate
        first = torch.arange(c.units)
        # The net's rows are gates, then cells; its columns cells, then gates. Here the other way.
        self.rows = torch.cat([first[c.gates :], first[: c.gates]])
        self.columns = torch.cat([first[c.cells :], first[: c.cells]])
        self.capacity = 0
        self.read()

    @torch.no_grad()
    def read(self) -> None:
        """Take the weights from the nets."""
        net, c = self.net, self.config
        inside = net.weight_h[:, self.rows][:, :, self.columns]
        self.inside = inside.permute(1, 2, 0).contiguous().numpy() / 4  # halved, of doubled sources
        self.table = net.weight_x[:, self.rows].mT.contiguous()  # (S, I, U)
        self.bias = torch.zeros(len(inside), c.units, dtype=inside.dtype)
        if c.biased:
            self.bias[:, self.rows < c.biased] = net.bias[:, self.rows[self.rows < c.biased]]
        self.out = net.weight_out.permute(1, 2, 0).contiguous().numpy().copy()  # (K, N, S)
        bias_out = net.bias_out if net.bias_out is not None else net.weight_out[..., 0] * 0
        self.bias_out = bias_out.T.contiguous().numpy().copy()

    @torch.no_grad()
    def write(self) -> LSTM1997:
        """Give the weights back to the nets, and return these."""
        net, c = self.net, self.config
        inside = 4 * torch.from_numpy(self.inside).permute(2, 0, 1)
        back = torch.argsort(self.rows)
        net.weight_h.copy_(inside[:, back][:, :, torch.argsort(self.columns)])
        net.weight_x.copy_(self.table.mT[:, back])
        if c.biased:
            net.bias.copy_(self.bias[:, back][:, : c.biased])
        net.weight_out.copy_(torch.from_numpy(self.out).permute(2, 0, 1))
        if net.bias_out is not None:
            net.bias_out.copy_(torch.from_numpy(self.bias_out).T)
        return net

    def rest(self, which: Any) -> None:
        """Let some of the nets learn no more."""
        self.rate[which] = 0

    def reserve(self, steps: int) -> None:
        """Hold room for sequences of so many steps, and views of each of them."""
        if steps <= self.capacity:
            return
        c, seeds, self.capacity = self.config, len(self.table), steps
        blocks, cells, kind = c.num_blocks, c.cells, self.inside.dtype
        shape = (steps, blocks, c.block_size, seeds)
        # Cells, input gates, output gates, and what the cells put out: the last three are seen.
        self.buffer = buffer = np.zeros((steps + 1, c.units + cells, seeds), kind)
        self.states = np.zeros((steps + 1, *shape[1:]), kind)
        self.h = np.empty(shape, kind)
        now = buffer[1:]
        views = {
            "saw": buffer[:-1, None, cells:],
            "net": now[:, : c.units],
            "gates": now[:, cells : c.units],
            "cells": now[:, :cells].reshape(shape),
            "given": now[:, cells : cells + blocks, None],
            "shown": now[:, c.units - blocks : c.units, None],
            "y": now[:, c.units :].reshape(shape),
            "s": self.states[:-1], "next": self.states[1:], "h": self.h,
        }  # fmt: skip
        self.views = [list(view) for view in views.values()]

    def run(self, inputs: np.ndarray) -> None:
        """Run all nets over a sequence each; ``inputs`` are halved net inputs, (T, U, S)."""
        self.steps = len(inputs)
        self.reserve(self.steps)
        product = np.empty(self.inside.shape, self.inside.dtype)
        grown = np.empty(self.h.shape[1:], self.inside.dtype)
        multiply, add, tanh, total = np.multiply, np.add, np.tanh, np.add.reduce
        weights, half, one = self.inside, inputs.dtype.type(0.5), inputs.dtype.type(1)
        two, gated = inputs.dtype.type(2), self.config.output_gate
        for given, saw, net, gates, cells, open_, shown, y, s, after, h in zip(inputs, *self.views):
            multiply(weights, saw, product)
            total(product, 1, None, net)
            add(net, given, net)
            tanh(net, net)
            add(gates, one, gates)
            multiply(open_, cells, grown)
            add(s, grown, after)
            multiply(after, half, grown)
            tanh(grown, h)
            multiply(h, shown if gated else two, y)

    @torch.no_grad()
    def learn(self, x: Tensor, target: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Show each net a sequence, and change its weights.

        Args:
            x: (T, S, I), or symbols (T, S).
            target: (S, K), due at each sequence's end; or (T, S, K), due at every step that counts.
            lengths: (S,), by default T.

        Returns:
            The outputs before the change, of target's shape.
        """
        c, steps, seeds = self.config, len(x), len(self.table)
        symbols = not x.is_floating_point()
        if x.shape != (steps, seeds) + (() if symbols else (c.input_size,)) or not steps:
            want = f"(T, {seeds})" if symbols else f"(T, {seeds}, {c.input_size})"
            raise ValueError(f"x must be {want} with T > 0, is {tuple(x.shape)}")
        shape = (seeds, c.output_size)
        if target.shape not in (shape, (steps, *shape)):
            want = f"{shape} or {(steps, *shape)}"
            raise ValueError(f"target must be {want}, is {tuple(target.shape)}")
        lengths = torch.full((seeds,), steps) if lengths is None else lengths
        at = last_steps(lengths, x[..., None] if symbols else x).numpy()
        if symbols:
            check_symbols(x, c.input_size)
            place = (x + c.input_size * torch.arange(seeds)).flatten()
            net = self.table.view(-1, c.units)[place].view(steps, seeds, c.units)
        else:
            x_STI = x.transpose(0, 1).to(self.table)
            net = (x_STI @ self.table).transpose(0, 1)
        self.run(((net + self.bias) / 2).transpose(1, 2).contiguous().numpy())
        due = target.to(self.table).transpose(-1, -2).numpy()
        outputs, change = (self.at_the_end if due.ndim == 2 else self.at_all)(due, at)
        moved_STU = torch.from_numpy(change).permute(2, 0, 1) * self.rate[:, None, None]
        saw_STR = torch.from_numpy(self.buffer[:steps, c.cells :]).permute(2, 0, 1)
        self.inside += (moved_STU.mT @ saw_STR / 8).permute(1, 2, 0).numpy()
        if symbols:
            rows = moved_STU.transpose(0, 1).reshape(-1, c.units)
            self.table.view(-1, c.units).index_add_(0, place, rows)
        else:
            self.table += x_STI.mT @ moved_STU
        if c.biased:
            self.bias += moved_STU.sum(1).masked_fill_(self.rows >= c.biased, 0)
        return torch.from_numpy(outputs).transpose(-1, -2)

    def at_the_end(self, due: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the outputs, and what errors at the ends are for net inputs, (T, U, S).

        What an error has put into a state is the same at all steps before (A.33).
        """
        c, nets, steps = self.config, np.arange(len(at)), self.steps
        end, h = self.buffer[at + 1, :, nets].T, self.h[at, :, :, nets].transpose(1, 2, 0)
        outputs, back = self.answer(end[None, c.units :] / 2, due[None])
        back = back.reshape(h.shape)
        if not c.truncate:
            each = np.zeros((steps, *h.shape), h.dtype)
            each[at, :, :, nets] = back.transpose(2, 0, 1)
            return outputs[0], self.whole(each)
        two = end[c.units - c.num_blocks : c.units] if c.output_gate else np.full(1, 2, h.dtype)
        change = self.spread((back * two[:, None] * (1 - h * h) / 4)[None], steps)  # A.21
        change *= (np.arange(steps)[:, None] <= at)[:, None]
        if c.output_gate:
            gate = (h * back).sum(1) * two * (2 - two) / 4  # A.19
            change[at, c.units - c.num_blocks :, nets] = gate.T
        return outputs[0], change

    def at_all(self, due: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the same for errors at every step that counts."""
        c, steps = self.config, len(due)
        counts = (np.arange(steps)[:, None] <= at)[:, None]
        now, h = self.buffer[1 : steps + 1], self.h[:steps]
        outputs, back = self.answer(now[:, c.units :] / 2, due, counts)
        back = back.reshape(h.shape)
        if not c.truncate:
            return outputs, self.whole(back)
        two = now[:, c.units - c.num_blocks : c.units] if c.output_gate else np.full(1, 2, h.dtype)
        state = back * (two[:, :, None] if c.output_gate else two) * (1 - h * h) / 4
        change = self.spread(state[::-1].cumsum(0)[::-1], steps)  # A.33
        if c.output_gate:
            change[:, c.units - c.num_blocks :] = (h * back).sum(2) * two * (2 - two) / 4
        return outputs, change

    def answer(self, y: np.ndarray, due: np.ndarray, counts=None) -> tuple[np.ndarray, np.ndarray]:
        """Return outputs and the errors at cells' outputs; change the weights in between."""
        net = np.einsum("kns,tns->tks", self.out, y) + self.bias_out
        outputs = (1 + np.tanh(net / 2)) / 2
        error = outputs * (1 - outputs) * (due - outputs)  # A.17
        if counts is not None:
            error *= counts
        back = np.einsum("kns,tks->tns", self.out, error)
        rate = self.rate.numpy()
        self.out += rate * np.einsum("tks,tns->kns", error, y)  # A.20
        if self.net.bias_out is not None:
            self.bias_out += rate * error.sum(0)
        return outputs, back

    def spread(self, state: np.ndarray, steps: int) -> np.ndarray:
        """Return what errors in the states are for the net inputs of cells and input gates."""
        c = self.config
        now = self.buffer[1 : steps + 1]
        half = now[:, : c.cells].reshape(steps, *self.h.shape[1:])  # g/2
        two = now[:, c.cells : c.cells + c.num_blocks]  # twice the input gates
        change = np.zeros((steps, c.units, now.shape[2]), state.dtype)
        cells = state * two[:, :, None] * (1 - half * half) / 2  # A.25: g′ is 1 − (g/2)²
        change[:, : c.cells] = cells.reshape(steps, c.cells, -1)
        gates = (state * half).sum(2) * two * (2 - two) / 2  # A.23: g σ (1 − σ)
        change[:, c.cells : c.cells + c.num_blocks] = gates
        return change

    def whole(self, back: np.ndarray) -> np.ndarray:
        """Return the same for the full gradient: errors also go back through what units see."""
        c, steps, shape = self.config, len(back), back.shape[1:]
        first, last = slice(c.cells, c.cells + c.num_blocks), slice(c.units - c.num_blocks, c.units)
        change = np.zeros((steps, c.units, shape[-1]), back.dtype)
        state, seen = np.zeros(shape, back.dtype), np.zeros((c.units, shape[-1]), back.dtype)
        for t in reversed(range(steps)):
            row, h, now = self.buffer[t + 1], self.h[t], change[t]
            half, given = row[: c.cells].reshape(shape), row[first]
            error = back[t] + seen[c.gates :].reshape(shape)
            shown = row[last] if c.output_gate else np.full((1, 1), 2, h.dtype)
            state += error * shown[:, None] * (1 - h * h) / 4
            if c.output_gate:
                gate = (error * h).sum(1) + seen[c.gates - c.num_blocks : c.gates]
                now[last] = gate * shown * (2 - shown) / 4
            now[: c.cells] = (state * given[:, None] * (1 - half * half) / 2).reshape(c.cells, -1)
            gate = 2 * (state * half).sum(1) + seen[: c.num_blocks]
            now[first] = gate * given * (2 - given) / 4
            seen = 4 * (self.inside * now[:, None]).sum(0)
        return change
