"""The net of the paper: memory cells, and outputs that see them (§4.3, Figure 2).

Shapes: T steps, B sequences, I inputs, U units (gates, then cells), R what they see of the step
before (cells, then gates), N cells, K outputs; S nets side by side, where there are several.
"""

import contextlib
import dataclasses
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .carousel import carousel, plain
from .config import PRESETS, Config
from .kernel import by_kernel, misfits

State = tuple[Tensor, Tensor]


class LSTM1997(nn.Module):
    """Memory cells with a carousel whose weight is 1, gated, and logistic outputs.

    Args:
        config: sizes and wiring.
        seeds: S nets with weights of their own, side by side; by default one, without that axis.
        generator: of the first weights. device, dtype: as torch's modules have them.

    Attributes:
        weight_x: (U, I), weights from inputs to input gates, output gates, cells.
        weight_h: (U, R), from cells and gates.
        bias: (U,), of gates alone (2C,) with ``bias="gates"``, or None.
        weight_out: (K, N), with ``shortcut`` (K, N + I); None without outputs.
        bias_out: (K,) with ``bias="all"``, else None.
    """

    weight_x: Tensor
    weight_h: Tensor
    bias: Any  # these three may be None
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
        outputs = c.output_size or 0
        shapes = {
            "weight_x": (c.units, c.input_size),
            "weight_h": (c.units, c.sources),
            "bias": (c.biased,) if c.biased else None,
            "weight_out": (outputs, c.cells + c.shortcut * c.input_size) if outputs else None,
            "bias_out": (outputs,) if outputs and c.bias == "all" else None,
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
        """Draw the weights from ± init; biases of gates that the config gives are set."""
        c = self.config
        for weight in self.parameters():
            if not weight.is_meta:
                weight.uniform_(-c.init, c.init, generator=generator)
        for given, there, at in (
            (c.input_gate_bias, c.input_gate, 0),
            (c.output_gate_bias, c.output_gate, c.gates - c.num_blocks),
        ):
            if given is not None and there:
                self.bias[..., at : at + c.num_blocks] = self.bias.new_tensor(given)

    def forward(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run over sequences.

        Args:
            x: (T, B, I), or numbers of symbols (T, B) where the config has ``embed``; with several
                nets (T, S, B, I).
            state: what cells and gates put out (B, R), and the cells' states (B, N); by default 0.
            lengths: (B,), how many steps of each sequence count.

        Returns:
            The outputs (T, B, K), of cells (T, B, N) where the net has no output layer; and the
            state after the last step. With ``lengths``, only the outputs at each sequence's last
            step, (B, K), and the state is that after T steps.

        Raises:
            ValueError: shapes that do not fit, lengths outside 1 … T. TypeError: integers that
                are no symbols, as the config has no ``embed``.
        """
        y, after = self.cells(x, state)
        if lengths is not None:
            at = last_steps(lengths, y)
            y, x = take(y, at), take(x, at)
        return self.readout(y, x), after

    def cells(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return the cells' outputs (T, B, N), and the state after the last step."""
        return run(x, state, self.weight_x, self.weight_h, self.bias, self.config, self.seeds)

    def readout(self, y: Tensor, x: Tensor) -> Tensor:
        """Return what the output units make of the cells' outputs, y (…, B, N)."""
        if self.weight_out is None:
            return y
        if self.config.shortcut:
            x = self.one_hot(x) if not x.is_floating_point() else x
            y = torch.cat([y, x.to(y)], -1)
        net = y @ self.weight_out.mT
        if self.bias_out is not None:
            net = net + (self.bias_out if self.seeds is None else self.bias_out[:, None])
        return torch.sigmoid(net)

    def one_hot(self, x: Tensor) -> Tensor:
        """Return symbols as vectors."""
        check_symbols(x, self.config.input_size)
        return F.one_hot(x, self.config.input_size).to(self.weight_x.dtype)

    @torch.no_grad()
    def grown(self, generator: torch.Generator | None = None) -> "LSTM1997":
        """Return a net with one block more (§4.7, solution 1); all that was learned is kept.

        The new block's biases are drawn as weights are.
        """
        c, more = self.config, {}
        for kind in ("input_gate_bias", "output_gate_bias"):
            old = getattr(c, kind)
            more[kind] = None if old is None else (*old, 0.0)
        config = dataclasses.replace(c, num_blocks=c.num_blocks + 1, **more)
        new = type(self)(config, self.seeds, generator, self.weight_x.device, self.weight_x.dtype)
        rows, columns = places(c, config)
        if new.bias is not None:
            new.bias.uniform_(-c.init, c.init, generator=generator)
            kept = rows[: c.biased]
            new.bias[..., kept] = self.bias
        new.weight_x[..., rows, :] = self.weight_x
        if columns:
            new.weight_h[..., torch.tensor(rows)[:, None], torch.tensor(columns)] = self.weight_h
        if self.weight_out is not None:
            seen = [*range(c.cells), *range(config.cells, new.weight_out.shape[-1])]
            new.weight_out[..., seen] = self.weight_out
            if self.bias_out is not None:
                new.bias_out.copy_(self.bias_out)
        return new

    def extra_repr(self) -> str:
        """Return what is not a default."""
        given = []
        for field in dataclasses.fields(self.config):
            value = getattr(self.config, field.name)
            if value != field.default:
                given.append(f"{field.name}={value!r}")
        return ", ".join(given + ([f"seeds={self.seeds}"] if self.seeds else []))


class LSTM1997Cell(LSTM1997):
    """One step of `LSTM1997`: x (B, I) and the state in, outputs (B, K) and the state out."""

    def forward(
        self, x: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Advance by one step, of which all sequences have just one: no lengths are taken."""
        if lengths is not None:
            raise ValueError("a cell runs one step, and takes no lengths")
        y, after = super().forward(x[None], state)
        return y[0], after


def places(old: Config, new: Config) -> tuple[list[int], list[int]]:
    """Return where the rows and the columns of an old net stand in one with more blocks."""
    rows: list[int] = []
    for kind in range(old.input_gate + old.output_gate):
        rows += range(kind * new.num_blocks, kind * new.num_blocks + old.num_blocks)
    gates, cells = list(rows), range(old.cells)
    rows += [new.gates + i for i in cells]
    columns = list(cells) if old.cell_recurrence else []
    if old.gate_recurrence:
        columns += [new.cells * old.cell_recurrence + i for i in gates]
    return rows, columns


def last_steps(lengths: Tensor, y: Tensor) -> Tensor:
    """Return the index of each sequence's last step; a ValueError says which length is wrong."""
    lengths = torch.as_tensor(lengths, device=y.device)
    if lengths.shape != y.shape[1:-1] or lengths.is_floating_point():
        want = tuple(y.shape[1:-1])
        raise ValueError(f"lengths must be {want} integers, are {tuple(lengths.shape)}")
    if torch.compiler.is_compiling():
        return lengths - 1
    wrong = ((lengths < 1) | (lengths > len(y))).nonzero()
    if len(wrong):
        index = tuple(wrong[0].tolist())
        got = lengths[index].item()
        raise ValueError(f"lengths must be in 1 … {len(y)}, lengths{list(index)} is {got}")
    return lengths - 1


def check_symbols(x: Tensor, input_size: int) -> None:
    """Raise a ValueError unless all symbols are below the number of inputs, and none is negative.

    Side by side, the weights of all nets lie in one table: a symbol beyond would read another's.
    """
    traced = x.is_meta or torch.compiler.is_compiling()
    if traced or torch._C._are_functorch_transforms_active() or not x.numel():
        return  # nothing is there to look at, or no branch may depend on it
    low, high = (int(v) for v in x.aminmax())
    if low < 0 or high >= input_size:
        got = f"{low} … {high}"
        raise ValueError(f"x must have symbols in 0 … {input_size - 1} (input_size), has {got}")


def take(x: Tensor, at: Tensor) -> Tensor:
    """Return the step of each sequence that ``at`` names."""
    at = at[(None, ...) + (None,) * (x.dim() - 1 - at.dim())]
    return x.gather(0, at.expand(1, *x.shape[1:]))[0]


@torch.fx.wrap  # a leaf: what traces symbolically does not look inside
def run(x, state, weight_x, weight_h, bias, config: Config, seeds) -> tuple[Tensor, State]:
    """Run the cells over sequences, as `LSTM1997.cells` says."""
    c, single = config, seeds is None
    if single:
        weight_x, weight_h = weight_x[None], weight_h[None]
        bias = None if bias is None else bias[None]
    symbols = not x.is_floating_point()
    if symbols and not c.embed:
        raise TypeError(f"x has integers ({x.dtype}), and the config no embed=True: give floats")
    form = ("T", "B") if single else ("T", f"S = {seeds}", "B")
    form += () if symbols else (f"I = input_size = {c.input_size}",)
    fits = x.dim() == len(form) and len(x) > 0 and (single or x.shape[1] == seeds)
    if not fits or (not symbols and x.shape[-1] != c.input_size):
        raise ValueError(f"x must be ({', '.join(form)}) with T > 0, is {tuple(x.shape)}")
    x = x[:, None] if single else x
    with full_precision(x):  # a sum of many steps needs its digits
        batch = x.shape[2]
        if state is None:
            seen = weight_x.new_zeros(len(weight_x), batch, c.sources)
            s = weight_x.new_zeros(len(weight_x), batch, c.cells)
        else:
            lead = () if single else (seeds,)
            for name, one, last in zip(("outputs", "states"), state, (c.sources, c.cells)):
                if not torch.compiler.is_compiling() and one.shape != (*lead, batch, last):
                    want = (*lead, batch, last)
                    raise ValueError(f"state's {name} must be {want}, are {tuple(one.shape)}")
            seen, s = (one[None] if single else one for one in state)
        seen, s = seen.to(weight_x.dtype), s.to(weight_x.dtype)
        if single and not symbols and not c.truncate and plain(x) and kernel_fits(x, c):
            given = x[:, 0].to(weight_x.dtype), weight_x[0], weight_h[0]
            one = None if bias is None else bias[0]
            y, s, seen = by_kernel(*given, one, seen[0], s[0], c)
            return y, (seen, s)
        net = project(x, weight_x, bias, symbols, c)
        y, s, seen = carousel(net, weight_h, seen, s, c)
    return (y[:, 0], (seen[0], s[0])) if single else (y, (seen, s))


def kernel_fits(x: Tensor, c: Config) -> bool:
    """Return whether torch's kernel computes the same on this device as it stands."""
    return x.device.type == "cpu" and not misfits(c)


def full_precision(x: Tensor) -> contextlib.AbstractContextManager:
    """Return a context in which autocast, where it is on, is off."""
    kind = x.device.type
    if kind == "meta" or not torch.is_autocast_enabled(kind):
        return contextlib.nullcontext()
    return torch.autocast(kind, enabled=False)


def project(x, weight_SUI, bias_SB, symbols: bool, c: Config) -> Tensor:
    """Return weights times inputs, and biases, for all steps at once: (T, S, B, U)."""
    seeds, units, inputs = weight_SUI.shape
    if symbols:
        check_symbols(x, inputs)
        table_VU = weight_SUI.mT.reshape(seeds * inputs, units)
        first = inputs * torch.arange(seeds, device=x.device)[:, None]
        net = F.embedding(x + first, table_VU)
    else:
        x = x.to(weight_SUI.dtype)
        if seeds == 1:
            net = F.linear(x, weight_SUI[0])
        else:
            flat = x.transpose(0, 1).flatten(1, 2)
            net = (flat @ weight_SUI.mT).unflatten(1, (x.shape[0], x.shape[2])).transpose(0, 1)
    if bias_SB is None:
        return net
    return net + F.pad(bias_SB, (0, c.units - bias_SB.shape[1]))[:, None]
