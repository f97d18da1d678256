"""What the cells are held against: plain recurrent nets.

`Conventional` learns as in 1997: online, plain descent, errors sent back over all steps (which is
what RTRL computes, too) or, by Elman's procedure, over one. `Plain` is for what came later, with
batches and Adam, and for guesses.

Shapes: T steps, S nets, B sequences, I inputs, H units, K outputs.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Conventional:
    """S nets of H logistic units that see each other and all inputs, with logistic outputs.

    Args:
        inputs, units, outputs: I, H, K.
        rate: of each net, (S,).
        generator: of the first weights, uniform in ± ``init``, a number or one for each net.
        elman: whether errors go back one step only.
    """

    def __init__(
        self, inputs: int, units: int, outputs: int, rate: Tensor, generator: torch.Generator,
        init: float | Tensor = 0.2, elman: bool = False,
    ) -> None:  # fmt: skip
        seeds = len(rate)

        def drawn(*shape: int) -> np.ndarray:
            return ((2 * torch.rand(*shape, seeds, generator=generator) - 1) * init).numpy()

        self.inside, self.outside = drawn(units, units), drawn(inputs, units)
        self.out, self.bias, self.bias_out = drawn(outputs, units), drawn(units), drawn(outputs)
        self.rate, self.elman = rate.numpy(), elman

    def run(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the units (T + 1, H, S), from zeros on, and the outputs (T, K, S)."""
        nets = np.arange(x.shape[1])
        given = (self.outside[x, :, nets].transpose(0, 2, 1) + self.bias) / 2
        y = np.zeros((len(x) + 1, *self.bias.shape), given.dtype)
        half = self.inside / 2
        for t, now in enumerate(given):
            np.tanh((half * y[t]).sum(1) + now, y[t + 1])
            y[t + 1] += 1
            y[t + 1] /= 2
        net = np.einsum("kns,tns->tks", self.out, y[1:]) + self.bias_out
        return y, (1 + np.tanh(net / 2)) / 2

    def learn(self, x: np.ndarray, due: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Show each net a sequence of symbols, and change its weights; return the outputs.

        Args:
            x: (T, S).
            due: (T, K, S).
            counts: (T, 1, S), 1 where an output is due, else 0.
        """
        y, shown = self.run(x)
        error = shown * (1 - shown) * (due - shown) * counts
        back = np.einsum("kns,tks->tns", self.out, error)
        slope, delta = y[1:] * (1 - y[1:]), np.empty_like(back)
        after = np.zeros_like(back[0])
        if self.elman:
            np.multiply(back, slope, delta)
        else:
            for t in reversed(range(len(x))):
                delta[t] = (back[t] + after) * slope[t]
                after = (self.inside * delta[t][:, None]).sum(0)
        rate, nets = self.rate, np.broadcast_to(np.arange(x.shape[1]), x.shape)
        self.inside += rate * np.einsum("tus,tns->uns", delta, y[:-1])
        self.out += rate * np.einsum("tks,tns->kns", error, y[1:])
        place: Any = (x, slice(None), nets)
        np.add.at(self.outside, place, (rate * delta).transpose(0, 2, 1))
        self.bias += rate * delta.sum(0)
        self.bias_out += rate * error.sum(0)
        return shown


class Plain(nn.Module):
    """S nets of H units, each seen by all; logistic outputs.

    Args:
        input_size, units, output_size: I, H, K. seeds: S. generator: of the first weights.
        kind: "tanh" (uniform in ±1/√H), "orthogonal" (tanh), or "identity" (rectified linear, which
            is a carousel without gates).
    """

    def __init__(self, input_size, units, output_size, seeds, generator, kind="tanh"):
        super().__init__()
        self.kind = kind
        scale = 1 / math.sqrt(units)

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(seeds, *shape, generator=generator) - 1) * scale)

        self.weight_x, self.weight_h = drawn(units, input_size), drawn(units, units)
        self.bias, self.weight_out = drawn(units), drawn(output_size, units)
        self.bias_out = drawn(output_size)
        with torch.no_grad():
            if kind == "orthogonal":
                noise = torch.randn(self.weight_h.shape, generator=generator)
                self.weight_h.copy_(torch.linalg.qr(noise)[0])
            elif kind == "identity":
                self.weight_h.copy_(torch.eye(units).expand_as(self.weight_h))

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, None]:
        """Return the outputs (T, S, B, K), or (S, B, K) at each sequence's end, and no state."""
        seeds, units, inputs = self.weight_x.shape
        if x.is_floating_point():
            net = (x.transpose(0, 1).flatten(1, 2) @ self.weight_x.mT).unflatten(
                1, (x.shape[0], x.shape[2])
            )
            net = net.transpose(0, 1)
        else:
            table = self.weight_x.mT.reshape(seeds * inputs, units)
            net = torch.nn.functional.embedding(x + inputs * torch.arange(seeds)[:, None], table)
        net = net + self.bias[:, None]
        back, f = self.weight_h.mT, torch.relu if self.kind == "identity" else torch.tanh
        h, states = net.new_zeros(*net.shape[1:]), []
        for step in net.unbind(0):
            h = f(torch.baddbmm(step, h, back))
            states.append(h)
        states = torch.stack(states)
        if lengths is not None:
            at = (lengths - 1)[None, ..., None].expand(1, *states.shape[1:])
            states = states.gather(0, at)[0]
        return torch.sigmoid(states @ self.weight_out.mT + self.bias_out[:, None]), None


class Adam:
    """Adam for nets side by side: a rate and a clipped norm for each of them."""

    def __init__(self, net: nn.Module, lr: Tensor, clip: float = 1.0) -> None:
        self.weights = list(net.parameters())
        self.lr, self.clip, self.step_number = lr, clip, 0
        self.first = [torch.zeros_like(w) for w in self.weights]
        self.second = [torch.zeros_like(w) for w in self.weights]

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights by their gradients, which are then forgotten."""
        gradients = [w.grad if w.grad is not None else torch.zeros_like(w) for w in self.weights]
        norm = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        scale = (self.clip / norm.clamp_min(1e-12)).clamp_max(1.0).nan_to_num(0.0)
        self.step_number += 1
        one, two = (1 - beta**self.step_number for beta in (0.9, 0.999))
        for w, g, m, v in zip(self.weights, gradients, self.first, self.second):
            shape: Any = (-1, *[1] * (w.dim() - 1))
            g = (g * scale.view(shape)).nan_to_num_(0.0)
            m.lerp_(g, 0.1)
            v.lerp_(g * g, 0.001)
            w.sub_(self.lr.view(shape) * (m / one) / ((v / two).sqrt() + 1e-8))
            w.grad = None
