"""The paper's net: memory blocks with forget gates, and logistic outputs (§2, §3.1, Figure 6).

A *block* has cells that share an input gate, a forget gate and an output gate.

Shapes: T steps, S nets side by side, B sequences, I inputs, C blocks, N cells, U units (C input
gates, C forget gates, C output gates, N cells), R what units see of the step before (cells, then
with ``gates_see_gates`` the gates), K outputs.
"""

import dataclasses
import math
from typing import Any, Self

import torch
from torch import Tensor, nn

from .scan import scan

State = tuple[Tensor, Tensor]
OPEN = 40.0  # σ(40) is 1 in double precision


@dataclasses.dataclass(frozen=True)
class Config:
    """The sizes and the wiring of a net.

    Attributes:
        input_size: I. num_blocks: C. block_size: cells in a block.
        output_size: K logistic units that see the cells; None for no output layer.
        forget: whether blocks have forget gates (eq. 11), or a carousel of weight 1 (eq. 6).
        fixed_decay: without forget gates, the weight by which states are multiplied at each step:
            "State Decay" of Table 2.
        gates_see_gates: whether units see the gates too, as in 1997; §3.3 has it otherwise.
        shortcut: whether the outputs see the inputs, as §4.2 says. 375 weights have none.
        truncate: whether errors end where they would leave a cell or gate (§3.2).
        gate_bias: the first bias of input and output gates: in block j that is j times this (§4.2).
        forget_bias: likewise; or a tuple, one for each block.
        init: all other weights are drawn from ± this.
    """

    input_size: int
    num_blocks: int
    block_size: int = 1
    output_size: int | None = None
    _: dataclasses.KW_ONLY
    forget: bool = True
    fixed_decay: float | None = None
    gates_see_gates: bool = False
    shortcut: bool = False
    truncate: bool = True
    gate_bias: float = -0.5
    forget_bias: float | tuple[float, ...] = 0.5
    init: float = 0.2

    def __post_init__(self) -> None:
        for name in ("input_size", "num_blocks", "block_size", "output_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.fixed_decay is not None:
            if self.forget:
                raise ValueError("fixed_decay is for nets without forget gates: give forget=False")
            if not 0 < self.fixed_decay <= 1:
                raise ValueError(f"fixed_decay must be in (0, 1], got {self.fixed_decay}")
        if not isinstance(self.forget_bias, tuple | float | int):
            kind = type(self.forget_bias).__name__
            raise ValueError(f"forget_bias must be a number or a tuple, is a {kind}")
        if isinstance(self.forget_bias, tuple) and len(self.forget_bias) != self.num_blocks:
            want = f"{self.num_blocks} numbers, one a block"
            raise ValueError(f"forget_bias must have {want}, has {len(self.forget_bias)}")

    @property
    def cells(self) -> int:
        """N."""
        return self.num_blocks * self.block_size

    @property
    def gates(self) -> int:
        """How many gate units there are."""
        return self.num_blocks * (2 + self.forget)

    @property
    def sources(self) -> int:
        """R."""
        return self.cells + self.gates * self.gates_see_gates


PRESETS = {
    "cerg": Config(7, 4, 2, 7),  # §4.2: 375 weights
    "cerg-standard": Config(7, 4, 2, 7, forget=False),
    "cerg-decay": Config(7, 4, 2, 7, forget=False, fixed_decay=0.9),
    "cnto": Config(8, 4, 2, 8),  # §4.6: "the network topology described in section 4.2"
    "cnto-standard": Config(8, 4, 2, 8, forget=False),
}


class GersLSTM(nn.Module):
    """Memory blocks with forget gates, and logistic outputs.

    Args:
        config: sizes and wiring.
        seeds: S nets with weights of their own, side by side; by default one, without that axis.
        generator: of the first weights. device, dtype: as torch's modules have them.

    Attributes:
        weight_x: (U, I), from inputs to input gates, forget gates, output gates, cells.
        weight_h: (U, R). bias: of gates alone. weight_out: (K, N), with ``shortcut`` (K, N + I).
        bias_out: (K,). The last two are None without outputs.
    """

    weight_x: Tensor
    weight_h: Tensor
    bias: Tensor
    weight_out: Any
    bias_out: Any

    def __init__(
        self,
        config: Config,
        seeds: int | None = None,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if seeds is not None and seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {seeds}")
        self.config, self.seeds, c = config, seeds, config
        units, k = c.gates + c.cells, c.output_size
        shapes = {
            "weight_x": (units, c.input_size),
            "weight_h": (units, c.sources),
            "bias": (c.gates,),
            "weight_out": (k, c.cells + c.shortcut * c.input_size) if k else None,
            "bias_out": (k,) if k else None,
        }
        for name, shape in shapes.items():
            if shape is not None:
                shape = shape if seeds is None else (seeds, *shape)
                shape = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, shape)
        self.reset_parameters(generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, *, seeds: int | None = None,
        device: torch.device | str | None = None, dtype: torch.dtype | None = None, **changes: Any,
    ) -> Self:  # fmt: skip
        """Build a net of the paper's experiments by its name in `PRESETS`."""
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), seeds, generator, device, dtype)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights from ± init; gates' biases are set block by block (§4.2)."""
        c = self.config
        for weight in self.parameters():
            if weight.is_meta:
                return
            weight.uniform_(-c.init, c.init, generator=generator)
        blocks = torch.arange(1, c.num_blocks + 1).to(self.bias)
        kinds = [c.gate_bias * blocks]
        if c.forget:
            given = c.forget_bias
            kinds.append(self.bias.new_tensor(given) if isinstance(given, tuple)
                         else given * blocks)  # fmt: skip
        self.bias.copy_(torch.cat([*kinds, kinds[0]]))

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run over sequences.

        Args:
            x: (T, B, I); with several nets (T, S, B, I).
            state: what cells (and gates) put out (B, R), and the cells' states s (B, N); by default
                zero.

        Returns:
            The outputs (T, B, K), of cells (T, B, N) where there is no output layer; and the state.

        Raises:
            ValueError: shapes that do not fit.
        """
        y, s, seen = self.run(x, state)
        return self.readout(y, x), (seen, s[-1])

    def run(self, x: Tensor, state: State | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the cells' outputs and states at all steps, and what the next step sees."""
        c, single = self.config, self.seeds is None
        form = ("T", "B", "I") if single else ("T", f"S = {self.seeds}", "B", "I")
        fits = x.dim() == len(form) and len(x) > 0 and x.shape[-1] == c.input_size
        if not fits or (not single and x.shape[1] != self.seeds):
            want = f"({', '.join(form)}) with T > 0 and I = input_size = {c.input_size}"
            raise ValueError(f"x must be {want}, is {tuple(x.shape)}")
        lead = x.shape[1:-1]
        if state is None:
            state = x.new_zeros(*lead, c.sources), x.new_zeros(*lead, c.cells)
        for name, one, width in zip(("outputs", "states"), state, (c.sources, c.cells)):
            if not torch.compiler.is_compiling() and one.shape != (*lead, width):
                raise ValueError(f"state's {name} must be {(*lead, width)}, is {tuple(one.shape)}")
        parts = (x, *state, self.weight_x, self.weight_h, self.bias)
        if single:  # an axis of one net
            parts = (x[:, None], *(part[None] for part in parts[1:]))
        way = blocks_reference if c.gates_see_gates else blocks_by_scan
        y, s, seen = way(*parts, c)
        return (y[:, 0], s[:, 0], seen[0]) if single else (y, s, seen)

    def readout(self, y: Tensor, x: Tensor) -> Tensor:
        """Return what the output units make of the cells' outputs (eq. 9)."""
        if self.weight_out is None:
            return y
        if self.config.shortcut:
            y = torch.cat([y, x.to(y)], -1)
        bias = self.bias_out if self.seeds is None else self.bias_out[:, None]
        return torch.sigmoid(y @ self.weight_out.mT + bias)

    def extra_repr(self) -> str:
        """Return the configuration."""
        return f"{self.config}" + ("" if self.seeds is None else f", seeds={self.seeds}")


def blocks_reference(
    x_TSBI: Tensor, seen_SBR: Tensor, s_SBN: Tensor, weight_x: Tensor, weight_h: Tensor,
    bias: Tensor, c: Config,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Return the cells' outputs and states at all steps, and what the next step sees.

    Eqs. 1 to 8, with 10 and 11 in the place of 6: the specification.
    """
    outputs, states, size = [], [], c.block_size
    for x_SBI in x_TSBI.unbind(0):
        if c.truncate:  # §3.2: "all errors are cut off once they leak out of a memory cell or gate"
            seen_SBR = seen_SBR.detach()
        net_SBU = x_SBI @ weight_x.mT + seen_SBR @ weight_h.mT
        gates_SBG = torch.sigmoid(net_SBU[..., : c.gates] + bias[:, None])  # eqs. 1, 2, 10
        g_SBN = 4 * torch.sigmoid(net_SBU[..., c.gates :]) - 2  # eqs. 4, 5
        gates = [v.repeat_interleave(size, -1) for v in gates_SBG.chunk(2 + c.forget, -1)]
        keep = gates[1] if c.forget else 1.0 if c.fixed_decay is None else c.fixed_decay
        s_SBN = keep * s_SBN + gates[0] * g_SBN  # eq. 11
        y_SBN = gates[-1] * (2 * torch.sigmoid(s_SBN) - 1)  # eqs. 7, 8
        outputs.append(y_SBN)
        states.append(s_SBN)
        seen_SBR = torch.cat([y_SBN, gates_SBG], -1)[..., : c.sources]
    return torch.stack(outputs), torch.stack(states), seen_SBR


def four(rows: Tensor, c: Config, keep: float) -> Tensor:
    """Return (S, U, …) as (S, 4N, …): i, f, g, o for each cell, as torch has them.

    With c = s/2, 4σ(net) − 2 = 2 tanh(net/2) and 2σ(s) − 1 = tanh(c): rows of cells are halved.
    Where there is no forget gate its rows are 0, and the bias ``keep``.
    """
    gates = [v.repeat_interleave(c.block_size, 1)
             for v in rows[:, : c.gates].chunk(2 + c.forget, 1)]  # fmt: skip
    g = rows[:, c.gates :] / 2
    f = gates[1] if c.forget else torch.full_like(g, keep)
    return torch.cat([gates[0], f, g, gates[-1]], 1)


def four_bias(bias_SG: Tensor, c: Config) -> Tensor:
    """Return the same for biases, (S, 4N); cells have none."""
    decay = c.fixed_decay
    keep = OPEN if decay in (None, 1) else math.log(decay / (1 - decay))
    zeros = bias_SG.new_zeros(len(bias_SG), c.cells)
    return four(torch.cat([bias_SG, zeros], 1), c, keep)


def blocks_by_scan(x, seen, s, weight_x, weight_h, bias, c: Config):
    """Return what `blocks_reference` does, by the scan that serves `LSTM` too."""
    inputs, back = four(weight_x, c, 0.0), four(weight_h, c, 0.0)
    net = x @ inputs.mT + four_bias(bias, c)[:, None]
    y, half = scan(net, seen, s / 2, back, truncate=c.truncate)
    return y, 2 * half, y[-1]
