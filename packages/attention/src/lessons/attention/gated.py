r"""The gated hidden unit (A.1.1): update gates keep the past, reset gates let go of it.

$s_i = (1 - z_i) \circ s_{i-1} + z_i \circ \tilde s_i$. Here $z$ lets the *new* state in; in Cho et
al. 2014, torch and Keras it keeps the old one. Here the reset gate acts *before* the product with
$U$, in torch.nn.GRU after it.

Shapes: B batch, T steps, I inputs, H hidden units, C context, G = 3H (z, r, candidate).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Reset


class GatedUnit(nn.Module):
    """A layer of gated hidden units, with a context or without (A.1.1, footnote 8).

    Args:
        input_size: width of the inputs.
        hidden_size: n.
        context_size: width of a context that every step sees, or None.
        reset: "before" the product with the state's matrix, as in the paper, or "after" it.
        bias: one for each gate and candidate.
        generator: randomness of the initial weights (B.1).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        context_size: int | None = None,
        reset: Reset = "before",
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if reset not in ("before", "after"):
            raise ValueError(f"reset must be 'before' or 'after', got {reset!r}")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.context_size, self.reset = context_size, reset
        h = hidden_size
        self.weight_input = nn.Parameter(torch.empty(3 * h, input_size))  # W_z, W_r, W
        self.weight_gates = nn.Parameter(torch.empty(2 * h, h))  # U_z, U_r
        self.weight_state = nn.Parameter(torch.empty(h, h))  # U
        c = context_size
        self.weight_context = None if c is None else nn.Parameter(torch.empty(3 * h, c))  # C_z …
        self.bias = nn.Parameter(torch.empty(3 * h)) if bias else None
        # torch.nn.GRU's b_hn: inside the product that its reset gate scales.
        inside = bias and reset == "after"
        self.bias_state = nn.Parameter(torch.empty(h)) if inside else None
        self.reset_parameters(generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Start as B.1: recurrent matrices orthogonal, the others N(0, 0.01²), biases 0."""
        for parameter in self.parameters():
            if parameter.is_meta:
                return
        for square in (*self.weight_gates.chunk(2), self.weight_state):
            square.copy_(nn.init.orthogonal_(torch.empty_like(square), generator=generator))
        for matrix in (self.weight_input, self.weight_context):
            if matrix is not None:
                matrix.normal_(0, 0.01, generator=generator)
        for bias in (self.bias, self.bias_state):
            if bias is not None:
                bias.zero_()

    def project(self, inputs: Tensor) -> Tensor:
        """Return what the inputs (…, I) give to gates and candidate, (…, 3H): of all steps at once.

        Raises:
            ValueError: another width than input_size.
        """
        if inputs.shape[-1] != self.input_size:
            raise ValueError(
                f"inputs must have width input_size ({self.input_size}), got {inputs.shape[-1]}"
            )
        return F.linear(inputs, self.weight_input, self.bias)

    def step(self, x_BG: Tensor, s_BH: Tensor, c_BC: Tensor | None = None) -> Tensor:
        """Return the next state (B, H).

        Args:
            x_BG: `project` of the inputs.
            s_BH: the state.
            c_BC: the context, of a unit that has one.
        """
        if self.weight_context is not None and c_BC is not None:
            x_BG = x_BG + F.linear(c_BC, self.weight_context)
        h = self.hidden_size
        z_BH, r_BH = (x_BG[..., : 2 * h] + F.linear(s_BH, self.weight_gates)).sigmoid().chunk(2, -1)
        if self.reset == "before":
            back_BH = F.linear(r_BH * s_BH, self.weight_state)
        else:
            back_BH = r_BH * F.linear(s_BH, self.weight_state, self.bias_state)
        candidate_BH = (x_BG[..., 2 * h :] + back_BH).tanh()
        return (1 - z_BH) * s_BH + z_BH * candidate_BH

    def forward(
        self, x_BTI: Tensor, s_BH: Tensor | None = None, c_BTC: Tensor | None = None
    ) -> Tensor:
        """Return the states s_1 … s_T, (B, T, H): the readable path.

        Args:
            x_BTI: the inputs.
            s_BH: s_0; None: zero.
            c_BTC: contexts, of a unit that has them.

        Raises:
            ValueError: wrong widths, or a context where there is none, or none where there is one.
        """
        if (c_BTC is None) != (self.context_size is None):
            have, got = self.context_size, None if c_BTC is None else c_BTC.shape[-1]
            raise ValueError(f"context_size is {have}, got a context of width {got}")
        x_BTG = self.project(x_BTI)
        if s_BH is None:
            s_BH = x_BTG.new_zeros(x_BTG.shape[0], self.hidden_size)
        states = []
        for t in range(x_BTG.shape[1]):
            s_BH = self.step(x_BTG[:, t], s_BH, None if c_BTC is None else c_BTC[:, t])
            states.append(s_BH)
        return torch.stack(states, 1) if states else s_BH[:, None][:, :0]
