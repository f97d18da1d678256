"""The whole gradient of a net that torch's layer can compute too: by its kernel, which is faster.

Today's layers have a forget gate, σ(b_f + …), by which the state is multiplied at each step. It is
the carousel of 1997 where it stands open whatever comes: its weights zero, its bias so large that
σ is 1 exactly. Their g is tanh(net), h is tanh: with c = s/2, 4σ(net) − 2 = 2 tanh(net/2) and
2σ(s) − 1 = tanh(s/2) = tanh(c). So weights into cells are halved, and nothing else changes.
"""

import torch
from torch import Tensor

from .config import Config

OPEN = 40.0  # σ(40) is 1 in double precision


def misfits(c: Config) -> list[str]:
    """Return what of a wiring torch's layer has not; nothing, if it computes the same."""
    return [
        text
        for wrong, text in (
            (c.gate_recurrence, "gate_recurrence"),
            (not c.cell_recurrence, "no cell_recurrence"),
            (not c.input_gate, "no input gate"),
            (not c.output_gate, "no output gate"),
            (c.squash_in != "g2" or c.squash_out != "h1", "other squashing functions"),
        )
        if wrong
    ]


def four(rows: Tensor, c: Config, forget: float) -> Tensor:
    """Return rows of input gates, output gates, cells as torch has them: i, f, g, o for a cell."""
    gates_in, gates_out, cells = rows.split([c.num_blocks, c.num_blocks, c.cells])
    if c.block_size > 1:
        gates_in = gates_in.repeat_interleave(c.block_size, 0)
        gates_out = gates_out.repeat_interleave(c.block_size, 0)
    return torch.cat([gates_in, torch.full_like(cells, forget), cells / 2, gates_out])


def whole_bias(bias: Tensor | None, c: Config, like: Tensor) -> Tensor:
    """Return a bias for each unit, zero where it has none."""
    if bias is None:
        return like.new_zeros(c.units)
    return torch.nn.functional.pad(bias, (0, c.units - len(bias)))


def by_kernel(
    x_TBI: Tensor, weight_x: Tensor, weight_h: Tensor, bias, y_BN: Tensor, s_BN: Tensor, c: Config
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cells' outputs, the last states, and the last outputs, as `carousel` does."""
    b = four(whole_bias(bias, c, weight_x), c, OPEN)
    weights = [four(weight_x, c, 0.0), four(weight_h, c, 0.0), b, torch.zeros_like(b)]
    state = [y_BN[None], s_BN[None] / 2]
    y, h, half = torch.lstm(x_TBI, state, weights, True, 1, 0.0, False, False, False)
    return y, 2 * half[0], h[0]
