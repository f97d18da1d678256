"""Recurrent layers in torch's place: the same arguments, names, results; and logistic units.

Shapes: T steps, B sequences, I inputs, H hidden units, D directions, L layers.
"""

import contextlib
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .recurrence import NONLINEARITIES, recurrence

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class RNN(nn.Module):
    """Recurrent layers, in place of `torch.nn.RNN`.

    Args:
        input_size, hidden_size, num_layers: I, H, L.
        nonlinearity: "tanh", "relu" or, what torch has not, "logistic".
        bias, batch_first, dropout, bidirectional, device, dtype: as `torch.nn.RNN` has them.
        checkpoint_every: keep the state at each so many steps, and compute those between again in
            the backward pass; the square root of T keeps the least. By default all are kept. Not in
            compiled or exported code, nor under torch.func or forward-mode differentiation, where
            a call with gradients raises a ValueError.

    Raises:
        ValueError: a size below 1, an unknown nonlinearity, a dropout that is no probability.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        checkpoint_every: int | None = None,
    ) -> None:
        super().__init__()
        check(input_size, hidden_size, nonlinearity)
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout is a probability, in [0, 1], got {dropout}")
        if checkpoint_every is not None and checkpoint_every < 1:
            raise ValueError(f"checkpoint_every must be at least 1, got {checkpoint_every}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.nonlinearity, self.bias, self.batch_first = nonlinearity, bias, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        self.checkpoint_every = checkpoint_every
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else hidden_size * (1 + bidirectional)
            for suffix in ("", "_reverse")[: 1 + bidirectional]:
                shapes = [(hidden_size, inputs), (hidden_size, hidden_size), *[(hidden_size,)] * 2]
                for name, shape in zip(NAMES[: 4 if bias else 2], shapes):
                    weight = nn.Parameter(torch.empty(shape, **factory))
                    setattr(self, f"{name}_l{layer}{suffix}", weight)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights from ±1/√H, in torch's order: equal seeds give equal weights."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound, generator=generator)

    def flatten_parameters(self) -> None:
        """Do nothing: there is no other layout in memory. torch's layers have this method."""

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction, as torch's layers list them."""
        names = NAMES[: 4 if self.bias else 2]
        ends = [f"_l{layer}{suffix}" for layer in range(self.num_layers)
                for suffix in ("", "_reverse")[: 1 + self.bidirectional]]  # fmt: skip
        return [[getattr(self, name + end) for name in names] for end in ends]

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run all layers.

        Args:
            input: (T, B, I), with ``batch_first`` (B, T, I); (T, I) for one sequence; or packed.
            hx: h(0), (L·D, B, H), without B for one sequence; zeros by default.
            lengths: (B,), how many steps of each sequence count; the others' outputs are zero.

        Returns:
            The last layer's outputs in the input's form, D·H wide, and h(T), (L·D, B, H).

        Raises:
            ValueError: a shape that does not fit, lengths outside 1 … T or with a packed input.
        """
        dropout = self.dropout if self.training else 0.0
        return layers(
            input, hx, lengths, self.all_weights, self.nonlinearity, self.batch_first, dropout,
            self.bidirectional, self.checkpoint_every,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the arguments that are not torch's defaults."""
        defaults = {"num_layers": 1, "nonlinearity": "tanh", "bias": True, "batch_first": False,
                    "dropout": 0.0, "bidirectional": False, "checkpoint_every": None}  # fmt: skip
        given = [f"{k}={getattr(self, k)!r}" for k, v in defaults.items() if getattr(self, k) != v]
        return ", ".join([str(self.input_size), str(self.hidden_size), *given])


class RNNCell(nn.Module):
    """One step, in place of `torch.nn.RNNCell`: h′ = f(W_ih x + b_ih + W_hh h + b_hh).

    Args:
        input_size, hidden_size: I, H.
        bias, nonlinearity, device, dtype: as for `RNN`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check(input_size, hidden_size, nonlinearity)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.bias, self.nonlinearity = bias, nonlinearity
        shapes = [(hidden_size, input_size), (hidden_size, hidden_size), *[(hidden_size,)] * 2]
        for i, (name, shape) in enumerate(zip(NAMES, shapes)):
            weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, weight if bias or i < 2 else None)
        bound = 1 / math.sqrt(hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return h′, (B, H), from input (B, I) and hx (B, H), zeros by default; B may be absent."""
        hx = None if hx is None else hx[None]
        weights = [[getattr(self, name) for name in NAMES[: 4 if self.bias else 2]]]
        x = input[None]
        return layers(x, hx, None, weights, self.nonlinearity, False, 0.0, False, None)[0][0]

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.input_size}, {self.hidden_size}, nonlinearity={self.nonlinearity!r}"


def check(input_size: int, hidden_size: int, nonlinearity: str) -> None:
    """Raise what is wrong with a layer's arguments."""
    if input_size < 1 or hidden_size < 1:
        sizes = f"{input_size} and {hidden_size}"
        raise ValueError(f"input_size and hidden_size must be at least 1, got {sizes}")
    if nonlinearity not in NONLINEARITIES:
        raise ValueError(f"nonlinearity must be one of {NONLINEARITIES}, got {nonlinearity!r}")


@torch.fx.wrap  # a leaf, as torch's layer is one: what traces symbolically does not look inside
def layers(
    input, hx, lengths, weights, nonlinearity, batch_first, dropout, bidirectional, every
) -> tuple[Any, Tensor]:
    """Run layers of weights over a sequence, as `RNN.forward` says."""
    packed = input if isinstance(input, PackedSequence) else None
    if packed is not None:
        if lengths is not None:
            raise ValueError("lengths are those of the packed input: give one of the two")
        x, lengths = pad_packed_sequence(packed)
    else:
        single = input.dim() == 2
        if single:
            x = input[:, None]
            hx = hx if hx is None or hx.dim() != 2 else hx[:, None]
        else:
            x = input.transpose(0, 1) if batch_first and input.dim() == 3 else input
    w_ih, count, directions = weights[0][0], len(weights), 1 + bidirectional
    hidden = len(w_ih)
    if x.dim() != 3 or x.shape[2] != w_ih.shape[1] or not x.shape[0]:
        form = "(B, T, I)" if batch_first else "(T, B, I)"
        raise ValueError(
            f"input must be {form}, or (T, I) for one sequence, with T > 0 and I = input_size = "
            f"{w_ih.shape[1]}; is {tuple(input.shape) if packed is None else tuple(x.shape)}"
        )
    if hx is None:
        hx = x.new_zeros(count, x.shape[1], hidden)
    elif hx.dim() != 3 or hx.shape[0] != count or hx.shape[2] != hidden:
        raise ValueError(f"hx must be ({count}, B, {hidden}), is {tuple(hx.shape)}")
    elif not torch.compiler.is_compiling() and hx.shape[1] != x.shape[1]:
        raise ValueError(f"hx must have the input's batch, {x.shape[1]}, has {hx.shape[1]}")
    if (dtype := autocast_type(x)) is not None:  # as it treats torch's layer
        x, hx = x.to(dtype), hx.to(dtype)
        weights = [[w.to(dtype) for w in one] for one in weights]
    at = None if lengths is None else order(x, lengths)
    finals = []
    with torch.autocast(x.device.type, enabled=False) if dtype else contextlib.nullcontext():
        for layer in range(0, count, directions):
            if layer and dropout:
                x = F.dropout(x, dropout, True)
            ways = []
            for way in range(directions):
                seen = reverse(x, at) if way else x
                own, h0 = weights[layer + way], hx[layer + way]
                h = recurrence(seen, h0, *own, kind=nonlinearity, every=every)
                finals.append(h[-1] if at is None else last(h, at))
                ways.append(reverse(h, at) if way else h)
            x = ways[0] if len(ways) == 1 else torch.cat(ways, 2)
    if at is not None:
        x = x.masked_fill(~at[0][:, :, None], 0)
    h_n = torch.stack(finals)
    if packed is not None:
        return pack_again(x, at, packed), h_n
    if single:
        return x[:, 0], h_n[:, 0]
    return (x.transpose(0, 1) if batch_first else x), h_n


def autocast_type(x: Tensor) -> torch.dtype | None:
    """Return the type that autocast computes in; None where it is off or leaves x alone."""
    kind = x.device.type
    if kind == "meta" or x.dtype == torch.float64 or not torch.is_autocast_enabled(kind):
        return None
    return torch.get_autocast_dtype(kind)


def order(x_TBI: Tensor, lengths) -> tuple[Tensor, Tensor, Tensor]:
    """Return which steps count (T, B), where each step lies in reverse (T, B), and lengths."""
    lengths = torch.as_tensor(lengths, device=x_TBI.device)
    steps, batch = x_TBI.shape[:2]
    if lengths.shape != (batch,) or lengths.is_floating_point():
        raise ValueError(f"lengths must be ({batch},) integers, are {tuple(lengths.shape)}")
    if batch and not (lengths.min() >= 1 and lengths.max() <= steps):
        raise ValueError(f"lengths must be in 1 … {steps}, got {lengths.tolist()}")
    t = torch.arange(steps, device=x_TBI.device)[:, None]
    counts = t < lengths
    return counts, torch.where(counts, lengths - 1 - t, t), lengths


def reverse(x_TBF: Tensor, at) -> Tensor:
    """Turn each sequence around, within its own length."""
    if at is None:
        return x_TBF.flip(0)
    return x_TBF.gather(0, at[1][:, :, None].expand(-1, -1, x_TBF.shape[2]))


def last(h_TBH: Tensor, at) -> Tensor:
    """Return each sequence's last state, (B, H)."""
    return h_TBH.gather(0, (at[2] - 1)[None, :, None].expand(1, -1, h_TBH.shape[2]))[0]


def pack_again(x: Tensor, at, like: PackedSequence) -> PackedSequence:
    """Return outputs in the packed form of their input."""
    lengths = at[2].cpu()
    if like.sorted_indices is not None:
        x = x.index_select(1, like.sorted_indices)
        lengths = lengths[like.sorted_indices.cpu()]
    data = pack_padded_sequence(x, lengths).data
    return PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)
