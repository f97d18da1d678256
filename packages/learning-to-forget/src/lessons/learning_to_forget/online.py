"""The paper's learning rule (§3.2): derivatives carried along, errors never sent back in time.

Shapes: B copies of a stream's net, each on its own stream (1 in the paper); N cells, C blocks, J
what a unit sees (inputs, cells' outputs, and the bias), K outputs.
"""

import torch
from torch import Tensor

from .blocks import GersLSTM


class ForwardMode:
    """Teach a net online, by equations 13 to 24; its parameters are changed in place.

    Args:
        net: one net (no ``seeds``) with outputs, truncated, whose units see no gates, without
            shortcuts.
        lr: α.

    Attributes:
        y, s: the cells' outputs and states, (N,).
        ds: ∂s/∂w for weights into the cell, its input gate and its forget gate, (N, 3, J): all
            that is kept, however long the stream is.

    Raises:
        ValueError: another wiring, or a rate that is no number of at least 0.
    """

    def __init__(self, net: GersLSTM, lr: float) -> None:
        c = net.config
        plain = not c.gates_see_gates and not c.shortcut and c.truncate
        if not plain or net.weight_out is None or net.seeds is not None:
            want = "one net with outputs, truncated, without gates_see_gates and shortcut"
            raise ValueError(f"forward mode is for {want}, got {net}")
        if not 0 <= lr < float("inf"):
            raise ValueError(f"lr must be at least 0 and finite, got {lr}")
        self.net, self.config, self.lr = net, c, lr
        self.reset()

    def reset(self) -> None:
        """Begin a stream: outputs, states and derivatives are zero (eq. 22)."""
        c, like = self.config, self.net.weight_x
        self.y, self.s = like.new_zeros(c.cells), like.new_zeros(c.cells)
        self.ds = like.new_zeros(c.cells, 3, c.input_size + c.cells + 1)

    @torch.no_grad()
    def step(self, x: Tensor, target: Tensor | None = None) -> Tensor:
        """Read one input (I,); learn if there is a target (K,). Return the outputs (K,).

        Raises:
            ValueError: an input or a target of another shape.
        """
        c, net, size = self.config, self.net, self.config.block_size
        for name, one, width in (("x", x, c.input_size), ("target", target, c.output_size)):
            if one is not None and one.shape != (width,):
                raise ValueError(f"{name} must be ({width},), is {tuple(one.shape)}")
        saw_J = torch.cat([x, self.y, x.new_ones(1)])
        net_U = net.weight_x @ x + net.weight_h @ self.y
        gates = torch.sigmoid(net_U[: c.gates] + net.bias)
        gates = [v.repeat_interleave(size) for v in gates.chunk(2 + c.forget)]
        y_in, y_out = gates[0], gates[-1]
        g = 4 * torch.sigmoid(net_U[c.gates :]) - 2
        slope_g = 1 - g * g / 4  # g′
        keep = gates[1] if c.forget else torch.full_like(g, c.fixed_decay or 1.0)
        slope_keep = keep * (1 - keep) if c.forget else torch.zeros_like(g)
        grown = torch.stack([
            slope_g * y_in,  # eq. 19
            g * y_in * (1 - y_in),  # eq. 20
            self.s * slope_keep,  # eq. 21, with s(t − 1), as eq. 18 has it
        ], 1)  # fmt: skip
        self.ds = self.ds * keep[:, None, None] + grown[:, :, None] * saw_J
        self.ds[:, 0, -1] = 0  # cells have no bias
        self.s = keep * self.s + y_in * g  # eq. 11
        h = 2 * torch.sigmoid(self.s) - 1
        self.y = y_out * h  # eq. 7
        outputs = torch.sigmoid(net.weight_out @ self.y + net.bias_out)
        if target is not None:
            self.learn(target, outputs, saw_J, h, y_out)
        return outputs

    def learn(self, target: Tensor, outputs: Tensor, saw_J: Tensor, h: Tensor, y_out) -> None:
        """Change all weights, by what an error at this step asks for."""
        net, c, shape = self.net, self.config, (self.config.num_blocks, -1)
        delta_K = outputs * (1 - outputs) * (target - outputs)  # eq. 14
        back_N = net.weight_out.T @ delta_K
        es_N = y_out * (1 - h * h) / 2 * back_N  # eq. 17
        out_C = (y_out * (1 - y_out) * h * back_N).view(shape).sum(1)  # eq. 15
        each = es_N[:, None, None] * self.ds  # eq. 16
        blocks = each.view(c.num_blocks, c.block_size, 3, -1).sum(1)  # eq. 24
        rows = [blocks[:, 1], *([blocks[:, 2]] if c.forget else []), out_C[:, None] * saw_J]
        change = self.lr * torch.cat([*rows, each[:, 0]])  # eq. 23
        net.weight_out += self.lr * delta_K[:, None] * self.y  # eq. 13
        net.bias_out += self.lr * delta_K
        net.weight_x += change[:, : c.input_size]
        net.weight_h += change[:, c.input_size : -1]
        net.bias += change[: c.gates, -1]
