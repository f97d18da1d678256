"""How layers and directions are put together, and what a wiring makes of the weights.

Shapes: T steps, B sequences, I inputs, H cells, G = 4H, P what a layer puts out.
"""

import contextlib
import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

from .scan import plain, scan


@dataclasses.dataclass(frozen=True)
class Wiring:
    """What differs from torch's layer, and can be said by its weights.

    Attributes:
        activations: "modern", or "1999". With c = s/2, 4σ(z) − 2 = 2 tanh(z/2) and 2σ(s) − 1 =
            tanh(c): halve the rows of g, and eqs. 5, 8 and 11 are torch's.
        coupled: f = 1 − i. As 1 − σ(z) = σ(−z), the forget gate's rows are those of i, negated.
    """

    activations: str = "modern"
    coupled: bool = False

    def __post_init__(self) -> None:
        if self.activations not in ("modern", "1999"):
            raise ValueError(f"activations must be 'modern' or '1999', got {self.activations!r}")

    @property
    def size(self) -> float:
        """How large the cell's state is, in torch's."""
        return 2.0 if self.activations == "1999" else 1.0

    def whole(self, rows: Tensor | None) -> Tensor | None:
        """Return the rows of a weight or bias as torch's layer would have them."""
        if rows is None or (not self.coupled and self.size == 1):
            return rows
        i, f, g, o = rows.chunk(4) if not self.coupled else insert(rows)
        return torch.cat([i, f, g / self.size, o])

    def peepholes(self, rows: Tensor | None) -> Tensor | None:
        """Return weights from cells to i, f and o, of a cell of torch's size: (3, H)."""
        if rows is None:
            return None
        if self.coupled:
            rows = torch.stack([rows[0], -rows[0], rows[1]])
        return rows * self.size


def insert(rows: Tensor) -> tuple[Tensor, ...]:
    """Return i, f, g, o from i, g, o."""
    i, g, o = rows.chunk(3)
    return i, -i, g, o


def layers(
    input, hx, lengths, weights, wiring: Wiring, batch_first, dropout, bidirectional, backend, every
) -> tuple[Any, tuple[Tensor, Tensor]]:
    """Run layers of weights over sequences, as `LSTM.forward` says."""
    packed = input if isinstance(input, PackedSequence) else None
    single = False
    if packed is not None:
        if lengths is not None:
            raise ValueError("lengths are those of the packed input: give one of the two")
        x, lengths = pad_packed_sequence(packed)
    else:
        single = input.dim() == 2
        x = input[:, None] if single else input
        x = x.transpose(0, 1) if batch_first and x.dim() == 3 and not single else x
    w_ih, w_hh = weights[0][:2]
    hidden = len(w_hh) // (3 if wiring.coupled else 4)
    if x.dim() != 3 or x.shape[2] != w_ih.shape[1] or not x.shape[0]:
        form = "(B, T, I)" if batch_first else "(T, B, I)"
        raise ValueError(
            f"input must be {form}, or (T, I) for one sequence, with T > 0 and I = input_size = "
            f"{w_ih.shape[1]}; is {tuple(input.shape) if packed is None else tuple(x.shape)}"
        )
    h_0, c_0 = first(hx, x, len(weights), w_hh.shape[1], hidden, single)
    if (dtype := autocast_type(x)) is not None:  # as it treats torch's layer
        x, h_0, c_0 = x.to(dtype), h_0.to(dtype), c_0.to(dtype)
        weights = [[w if w is None else w.to(dtype) for w in one] for one in weights]
    at = None if lengths is None else order(x, lengths)
    directions, lasts = 1 + bidirectional, []
    with torch.autocast(x.device.type, enabled=False) if dtype else contextlib.nullcontext():
        for layer in range(0, len(weights), directions):
            if layer and dropout:
                x = F.dropout(x, dropout, True)
            ways = []
            for way in range(directions):
                n = layer + way
                seen = reverse(x, at) if way else x
                h, h_last, c_last = one_way(
                    seen, h_0[n], c_0[n] / wiring.size, weights[n], wiring, backend, every, at
                )
                lasts.append((h_last, c_last * wiring.size))
                ways.append(reverse(h, at) if way else h)
            x = ways[0] if directions == 1 else torch.cat(ways, 2)
    if at is not None:
        x = x.masked_fill(~at[0][:, :, None], 0)
    h_n, c_n = (torch.stack(parts) for parts in zip(*lasts))
    if packed is not None:
        return pack_again(x, at, packed), (h_n, c_n)
    if single:
        return x[:, 0], (h_n[:, 0], c_n[:, 0])
    return (x.transpose(0, 1) if batch_first else x), (h_n, c_n)


def one_way(x_TBI, h_BP, c_BH, weights, wiring, backend, every, at) -> tuple[Tensor, ...]:
    """Run one layer in one direction; return its outputs, and h and c where sequences end."""
    w_ih, w_hh, b_ih, b_hh, project, peephole = weights
    w_ih, w_hh = wiring.whole(w_ih), wiring.whole(w_hh)
    b_ih, b_hh, peephole = wiring.whole(b_ih), wiring.whole(b_hh), wiring.peepholes(peephole)
    ordinary = plain(x_TBI, h_BP, c_BH, *weights)
    if every and not ordinary:
        where = "compiled or exported code, torch.func or forward-mode differentiation"
        raise ValueError(f"checkpoint_every is {every}: it does nothing in {where}")
    # Where sequences end at different steps, the kernel's last cell is not what is asked for.
    if backend == "torch" and ordinary and at is None and x_TBI.shape[1]:
        own = [w for w in (w_ih, w_hh, b_ih, b_hh, project) if w is not None]
        state = [h_BP[None].contiguous(), c_BH[None].contiguous()]
        train = torch.is_grad_enabled()
        h, h_n, c_n = torch._VF.lstm(x_TBI, state, own, b_ih is not None, 1, 0.0, train, False,
                                     False)  # fmt: skip
        return h, h_n[0], c_n[0]
    bias = None if b_ih is None else b_ih + b_hh

    def part(x_TBI, h_BP, c_BH):
        net_TSBG = F.linear(x_TBI, w_ih, bias)[:, None]
        return scan(
            net_TSBG, h_BP[None], c_BH[None], w_hh[None],
            None if peephole is None else peephole[None],
            None if project is None else project[None],
        )  # fmt: skip

    if every is None or not torch.is_grad_enabled():
        h, c = part(x_TBI, h_BP, c_BH)
    else:
        outputs, cells = [], []
        for piece in x_TBI.split(every):
            h, c = checkpoint(part, piece, h_BP, c_BH, use_reentrant=False)
            outputs.append(h)
            cells.append(c)
            h_BP, c_BH = h[-1, 0], c[-1, 0]
        h, c = torch.cat(outputs), torch.cat(cells)
    h, c = h[:, 0], c[:, 0]
    return h, *((h[-1], c[-1]) if at is None else (last(h, at), last(c, at)))


def first(hx, x_TBI, count: int, seen: int, hidden: int, single: bool) -> tuple[Tensor, Tensor]:
    """Return h(0) and c(0), checked, zeros by default."""
    if hx is None:
        return x_TBI.new_zeros(count, x_TBI.shape[1], seen), x_TBI.new_zeros(
            count, x_TBI.shape[1], hidden
        )
    if not isinstance(hx, tuple | list) or len(hx) != 2 or not all(
        isinstance(v, Tensor) for v in hx
    ):  # fmt: skip
        raise ValueError(f"hx must be a pair (h, c) of tensors, is {type(hx).__name__}")
    lead = "" if single else "B, "
    for name, one, width in (("h", hx[0], seen), ("c", hx[1], hidden)):
        one = one[:, None] if single and one.dim() == 2 else one
        fits = one.dim() == 3 and one.shape[0] == count and one.shape[2] == width
        if not torch.compiler.is_compiling():
            fits = fits and one.shape[1] == x_TBI.shape[1]
        if not fits:
            want = f"({count}, {lead}{width}) with B = {x_TBI.shape[1]}"
            raise ValueError(f"hx's {name} must be (layers · directions, {lead}width) = {want}, "
                             f"is {tuple(one.shape)}")  # fmt: skip
    h, c = ((v[:, None] if single and v.dim() == 2 else v) for v in hx)
    return h, c


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
    if lengths.shape != (batch,) or lengths.is_floating_point() or lengths.dtype == torch.bool:
        got = f"{tuple(lengths.shape)} of {lengths.dtype}"
        raise ValueError(f"lengths must be ({batch},) integers, are {got}")
    # Values are looked at where they can be: not in code that is compiled, exported or mapped.
    if batch and plain(x_TBI) and not (lengths.min() >= 1 and lengths.max() <= steps):
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
