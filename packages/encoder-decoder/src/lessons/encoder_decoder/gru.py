"""Gated units as layers: a cell and whole sequences, in the place of torch.nn.GRUCell and GRU.

What a step computes stands in `unit`. Here are weights under torch's names, layers, directions,
contexts, lengths.

Shapes: T steps, B batch, I inputs, H hidden units, C context, D directions, G rows of gates and
candidate: 3H for reset gate, update gate, candidate, in torch's order.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .config import GATES, Reset, check_reset, order_gates
from .unit import step, unroll


class GRUCell(nn.Module):
    """One step of gated units; with ``reset="after"`` torch.nn.GRUCell, names and all.

    Args:
        input_size: I.
        hidden_size: H.
        bias: one for each gate and candidate; "after" has torch's two.
        reset: "before" the product, as eq. 8, or "after" it.
        context_size: width of a context that each step sees; None: there is none.
        gate_context: the reset gate scales the context's part, too (App. A's decoder).
        gates: which there are; none: an ordinary tanh unit.
        generator: randomness of the initial weights (§4.1.1).
        device: where the weights live.
        dtype: of the weights.

    Raises:
        ValueError: a size below 1, an unknown gate or reset, a gated context without a context or
            with the gate before the product.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        reset: Reset = "before",
        context_size: int | None = None,
        gate_context: bool = False,
        gates: Iterable[str] = GATES,
        generator: torch.Generator | None = None,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self.gates = _checked(input_size, hidden_size, reset, context_size, gate_context, gates)
        self.reset, self.context_size, self.gate_context = reset, context_size, gate_context
        make = {"device": device, "dtype": dtype}
        _make(self, "", input_size, self, make)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Start as §4.1.1: recurrent matrices orthogonal, the others N(0, 0.01²), biases 0."""
        start_recurrent(self, self.hidden_size, generator)

    def forward(self, input: Tensor, hx: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """Return the next state, (B, H) or (H,).

        Args:
            input: (B, I), or (I,) of one case.
            hx: the state, of the same batch; None: zero.
            c: the context (B, C), of a cell that has one.

        Raises:
            ValueError: other widths or batches, a context where there is none or none where there
                is one.
        """
        if input.dim() not in (1, 2):
            raise ValueError(f"input must have 1 or 2 dimensions, got {input.dim()}")
        if input.dim() == 1:
            rest = (None if x is None else x[None] for x in (hx, c))
            return self(input[None], *rest)[0]
        if hx is None:
            hx = input.new_zeros(input.shape[0], self.hidden_size)
        _check_inputs(self, input, hx, c)
        x_BG, inside_BH = _project(self, "", input, c)
        return step(x_BG, hx, self.weight_hh, inside_BH, self.reset, self.gates)  # type: ignore

    def extra_repr(self) -> str:
        """Say what it is."""
        return f"{self.input_size}, {self.hidden_size}, reset={self.reset!r}"


class GRU(nn.Module):
    """Layers of gated units over time; with ``reset="after"`` torch.nn.GRU, names and all.

    Args:
        input_size: I.
        hidden_size: H, of each direction and layer.
        num_layers: each above the first reads the one below.
        bias: one for each gate and candidate; "after" has torch's two.
        batch_first: inputs and outputs are (B, T, …).
        dropout: between layers, in training.
        bidirectional: a second set of units reads from the end.
        reset: "before" the product, as eq. 8, or "after" it.
        context_size: width of a context that each step of each layer sees.
        gate_context: the reset gate scales the context's part, too (App. A's decoder).
        gates: which there are; none: an ordinary tanh unit.
        generator: randomness of the initial weights (§4.1.1).
        device: where the weights live.
        dtype: of the weights.

    Raises:
        ValueError: as `GRUCell`, or num_layers below 1, or a dropout outside [0, 1].
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        reset: Reset = "before",
        context_size: int | None = None,
        gate_context: bool = False,
        gates: Iterable[str] = GATES,
        generator: torch.Generator | None = None,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be in [0, 1], got {dropout}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional = bidirectional
        self.gates = _checked(input_size, hidden_size, reset, context_size, gate_context, gates)
        self.reset, self.context_size, self.gate_context = reset, context_size, gate_context
        make = {"device": device, "dtype": dtype}
        for layer, suffix in self._parts():
            width = input_size if layer == 0 else hidden_size * (1 + bidirectional)
            _make(self, suffix, width, self, make)
        self.reset_parameters(generator)

    def _parts(self) -> list[tuple[int, str]]:
        ends = ("", "_reverse")[: 1 + self.bidirectional]
        return [(k, f"_l{k}{end}") for k in range(self.num_layers) for end in ends]

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Start as §4.1.1: recurrent matrices orthogonal, the others N(0, 0.01²), biases 0."""
        start_recurrent(self, self.hidden_size, generator)

    def flatten_parameters(self) -> None:
        """Do nothing: torch's layer of that name lays weights out for another library."""

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Tensor | None = None,
        c: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Return the last layer's states (T, B, D·H), and the last states of all (layers·D, B, H).

        Args:
            input: (T, B, I); (B, T, I) if ``batch_first``; (T, I) of one case; or packed.
            hx: the first states (layers·D, B, H), or (layers·D, H) of one case; None: zero.
            c: the context (B, C), or (C,) of one case, of a layer that has one.
            lengths: (B,): how many steps each case has. Behind its end its state stays as it is.

        Raises:
            TypeError: lengths that are no tensor of integers.
            ValueError: no steps, other widths or batches, a context where there is none or none
                where there is one, lengths that do not fit.
        """
        if isinstance(input, PackedSequence):
            return self._packed(input, hx, c, lengths)
        if input.dim() == 2:
            out, last = self(
                input[None] if self.batch_first else input[:, None],
                None if hx is None else hx[:, None], None if c is None else c[None],
                lengths if lengths is None else lengths.reshape(1),
            )  # fmt: skip
            return out[0] if self.batch_first else out[:, 0], last[:, 0]
        if input.dim() != 3:
            raise ValueError(f"input must have 2 or 3 dimensions, got {input.dim()}")
        x_TBI = input.transpose(0, 1) if self.batch_first else input
        _check_lengths(lengths, x_TBI)
        parts = self._parts()
        if hx is None:
            hx = x_TBI.new_zeros(len(parts), x_TBI.shape[1], self.hidden_size)
        elif len(hx) != len(parts) or hx.dim() != 3:
            shape = (len(parts), x_TBI.shape[1], self.hidden_size)
            raise ValueError(f"hx must have shape {shape}, got {tuple(hx.shape)}")
        _check_inputs(self, x_TBI[0], hx[0], c)
        below, last = x_TBI, []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                below = F.dropout(below, self.dropout, self.training)
            found = [
                self._run(suffix, below, hx[len(last) + k], c, lengths, k == 1)
                for k, (of, suffix) in enumerate(p for p in parts if p[0] == layer)
            ]
            last += [end_BH for _, end_BH in found]
            below = found[0][0] if len(found) == 1 else torch.cat([s for s, _ in found], -1)
        return below.transpose(0, 1) if self.batch_first else below, torch.stack(last)

    def _run(self, suffix, below_TBI, h_BH, c, lengths, backward) -> tuple[Tensor, Tensor]:
        """Return the states (T, B, H) of one layer and direction, and the last."""
        if backward:
            below_TBI = reverse_within(below_TBI, lengths)
        x_TBG, inside_BH = _project(self, suffix, below_TBI, c)
        weight = getattr(self, f"weight_hh{suffix}")
        states_TBH = unroll(x_TBG, h_BH, weight, inside_BH, self.reset, self.gates)
        end_BH = states_TBH[-1]
        if lengths is not None:  # behind its end a case's state stays as it is
            place_T = torch.arange(len(states_TBH), device=lengths.device)[:, None]
            at_TB1 = torch.minimum(place_T, lengths - 1)[:, :, None]
            states_TBH = states_TBH.gather(0, at_TB1.expand_as(states_TBH))
            end_BH = states_TBH[-1]
        return reverse_within(states_TBH, lengths) if backward else states_TBH, end_BH

    def _packed(self, input: PackedSequence, hx, c, lengths) -> tuple[PackedSequence, Tensor]:
        if lengths is not None:
            raise ValueError("lengths belong to padded inputs: a packed sequence has its own")
        padded_TBI, length_B = pad_packed_sequence(input)
        first = self.batch_first
        x = padded_TBI.transpose(0, 1) if first else padded_TBI
        out, last = self(x, hx, c, length_B.to(padded_TBI.device))
        if input.sorted_indices is not None:  # in the very order that the input has
            out = out.index_select(0 if first else 1, input.sorted_indices)
            length_B = length_B[input.sorted_indices.cpu()]
        data = pack_padded_sequence(out, length_B, first).data
        order = (input.sorted_indices, input.unsorted_indices)
        return PackedSequence(data, input.batch_sizes, *order), last

    def extra_repr(self) -> str:
        """Say what it is."""
        return f"{self.input_size}, {self.hidden_size}, reset={self.reset!r}"


def reverse_within(x_TBX: Tensor, lengths: Tensor | None) -> Tensor:
    """Turn each case round within its own length; what is behind it stays where it is."""
    if lengths is None:
        return x_TBX.flip(0)
    place_T1 = torch.arange(len(x_TBX), device=x_TBX.device)[:, None]
    from_TB = lengths - 1 - place_T1
    from_TB = torch.where(from_TB < 0, place_T1, from_TB)
    return x_TBX.gather(0, from_TB[:, :, None].expand_as(x_TBX))


def start_recurrent(module: nn.Module, size: int, generator: torch.Generator | None) -> None:
    """Fill weights as §4.1.1: left singular vectors of Gaussians, N(0, 0.01²), biases 0."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.is_meta:
                return
            if parameter.dim() == 1:
                parameter.zero_()
            elif name.startswith("weight_hh"):
                for square in parameter.split(size):
                    draw = torch.empty(size, size, dtype=torch.float64)
                    draw.normal_(generator=generator)
                    square.copy_(torch.linalg.svd(draw)[0])
            else:
                parameter.normal_(0, 0.01, generator=generator)


def _checked(input_size, hidden_size, reset, context_size, gate_context, gates) -> tuple[str, ...]:
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    if context_size is not None and context_size < 1:
        raise ValueError(f"context_size must be at least 1 or None, got {context_size}")
    check_reset(reset)
    if gate_context and (context_size is None or reset != "after"):
        raise ValueError(
            "gate_context needs a context and reset='after': "
            "a gate before the product scales the state alone"
        )
    return order_gates(gates)


def _make(module: nn.Module, suffix: str, width: int, like, make: dict) -> None:
    """Give a module the weights of one layer and direction, under torch's names."""
    size = like.hidden_size
    rows = size * (1 + len(like.gates))
    shapes = {"weight_ih": (rows, width), "weight_hh": (rows, size)}
    if like.bias:
        shapes["bias_ih"] = (rows,)
        if like.reset == "after":  # its last third is within what the reset gate scales
            shapes["bias_hh"] = (rows,)
    if like.context_size is not None:
        shapes["weight_ch"] = (rows, like.context_size)
    for name, shape in shapes.items():
        module.register_parameter(f"{name}{suffix}", nn.Parameter(torch.empty(*shape, **make)))


def _project(
    layer: nn.Module, suffix: str, x: Tensor, c: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Return what inputs and context give to gates and candidate, and what the gate scales."""
    more, inside = context_rows(layer, suffix, c)
    x = F.linear(x, getattr(layer, f"weight_ih{suffix}"), row_bias(layer, suffix))
    return (x if more is None else x + more), inside


def row_bias(layer: nn.Module, suffix: str) -> Tensor | None:
    """Return the bias of gates and candidate, but for what the reset gate scales."""
    bias = getattr(layer, f"bias_ih{suffix}", None)
    second = getattr(layer, f"bias_hh{suffix}", None)
    if second is None:
        return bias
    cut = layer.hidden_size * len(layer.gates)  # type: ignore
    return bias + F.pad(second[:cut], (0, layer.hidden_size))  # type: ignore


def context_rows(
    layer: nn.Module, suffix: str, c: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    """Return what a context gives to gates and candidate, once for all steps, and what is gated."""
    inside, cut = None, layer.hidden_size * len(layer.gates)  # type: ignore
    second = getattr(layer, f"bias_hh{suffix}", None)
    if second is not None:
        inside = second[cut:]
    if c is None:
        return None, inside
    more = F.linear(c, getattr(layer, f"weight_ch{suffix}"))
    if layer.gate_context:
        gated = more[..., cut:]
        inside = gated if inside is None else gated + inside
        more = F.pad(more[..., :cut], (0, layer.hidden_size))  # type: ignore
    return more, inside


def _check_inputs(layer, x_BI: Tensor, h_BH: Tensor, c_BC: Tensor | None) -> None:
    if x_BI.shape[-1] != layer.input_size:
        raise ValueError(
            f"input must have width input_size ({layer.input_size}), got {x_BI.shape[-1]}"
        )
    batch = x_BI.shape[0]  # len() would make a number of it that an export cannot vary
    if h_BH.shape != (batch, layer.hidden_size):
        raise ValueError(
            f"a state must have shape (batch, hidden_size) = ({batch}, {layer.hidden_size}), "
            f"got {tuple(h_BH.shape)}"
        )
    if c_BC is None and layer.context_size is not None:
        raise ValueError(f"context_size is {layer.context_size}, and no context was given")
    if c_BC is not None and layer.context_size is None:
        raise ValueError(f"context_size is None, got a context of shape {tuple(c_BC.shape)}")
    if c_BC is not None and c_BC.shape != (batch, layer.context_size):
        raise ValueError(
            f"a context must have shape (batch, context_size) = "
            f"({batch}, {layer.context_size}), got {tuple(c_BC.shape)}"
        )


def _check_lengths(lengths: Tensor | None, x_TBI: Tensor) -> None:
    if not len(x_TBI):
        raise ValueError("input must have at least one step, got none")
    if lengths is None:
        return
    if not isinstance(lengths, Tensor) or lengths.dtype not in (torch.int64, torch.int32):
        got = lengths.dtype if isinstance(lengths, Tensor) else type(lengths).__name__
        raise TypeError(f"lengths must be a tensor of integers, got {got}")
    if torch.compiler.is_compiling() or lengths.is_meta:
        return
    if lengths.shape != x_TBI.shape[1:2]:
        raise ValueError(
            f"lengths must have one number for each of {x_TBI.shape[1]} cases, "
            f"got shape {tuple(lengths.shape)}"
        )
    wrong = (lengths < 1) | (lengths > len(x_TBI))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"lengths must lie in 1 … {len(x_TBI)}, got {int(lengths[row])} in row {row}"
        )
