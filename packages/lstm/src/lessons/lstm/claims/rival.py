"""What the cells are held against: plain recurrent nets, side by side, with all errors sent back.

They are given what the paper's rivals had not: Adam, clipped gradients, and first weights chosen
so that errors neither grow nor vanish at once.

Shapes: T steps, S nets, B sequences, I inputs, H units, K outputs.
"""

import math

import torch
from torch import Tensor, nn


class Plain(nn.Module):
    """S nets of H units, each seen by all; logistic outputs.

    Args:
        input_size, units, output_size: I, H, K. seeds: S. generator: of the first weights.
        kind: "tanh" (uniform in ±1/√H), "orthogonal" (tanh), or "identity" (rectified linear).
        reach: how many steps errors go back; 1 is Elman's procedure. By default all.
    """

    def __init__(self, input_size, units, output_size, seeds, generator, kind="tanh", reach=None):
        super().__init__()
        self.kind, self.reach, self.input_size = kind, reach, input_size
        scale = 1 / math.sqrt(units)

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(seeds, *shape, generator=generator) - 1) * scale)

        self.weight_x, self.weight_h = drawn(units, input_size), drawn(units, units)
        self.bias, self.weight_out, self.bias_out = drawn(units), drawn(output_size, units), drawn(
            output_size
        )  # fmt: skip
        with torch.no_grad():
            if kind == "orthogonal":
                noise = torch.randn(self.weight_h.shape, generator=generator)
                self.weight_h.copy_(torch.linalg.qr(noise)[0])
            elif kind == "identity":
                self.weight_h.copy_(torch.eye(units).expand_as(self.weight_h))

    def logits(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return net inputs of the outputs (T, S, B, K), or (S, B, K) at each sequence's end."""
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
        for t, step in enumerate(net.unbind(0)):
            if self.reach is not None and t % self.reach == 0:
                h = h.detach()
            h = f(torch.baddbmm(step, h, back))
            states.append(h)
        states = torch.stack(states)
        if lengths is not None:
            at = (lengths - 1)[None, ..., None].expand(1, *states.shape[1:])
            states = states.gather(0, at)[0]
        return states @ self.weight_out.mT + self.bias_out[:, None]

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, None]:
        """Return the outputs, as `LSTM1997` does, and no state."""
        return torch.sigmoid(self.logits(x, lengths)), None
