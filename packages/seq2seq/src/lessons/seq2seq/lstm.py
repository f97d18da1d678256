r"""Deep LSTMs (§3.4), in the formulation of Graves 2013, and the standard recurrent net (§2).

$$
\begin{aligned}
i_t &= \sigma(W_{xi}x_t + W_{hi}h_{t-1} + w_{ci}\circ c_{t-1} + b_i) && (7)\\
f_t &= \sigma(W_{xf}x_t + W_{hf}h_{t-1} + w_{cf}\circ c_{t-1} + b_f) && (8)\\
c_t &= f_t\circ c_{t-1} + i_t\circ\tanh(W_{xc}x_t + W_{hc}h_{t-1} + b_c) && (9)\\
o_t &= \sigma(W_{xo}x_t + W_{ho}h_{t-1} + w_{co}\circ c_t + b_o) && (10)\\
h_t &= o_t\circ\tanh(c_t) && (11)
\end{aligned}
$$

The $w_c$ are *peepholes*: gates that see the cell. torch's LSTM has none.

**Padding.** Behind a sentence's end no state may move. Put the padding before the words instead,
as vectors of zeros, and let the bias count only where there is a word: then the candidate is
$\tanh 0 = 0$, the cell stays $0$ and so does $h = o\circ\tanh 0$. All sentences end at the last
step, and torch's fastest kernel, which knows nothing of lengths, computes them exactly.

Shapes: T steps, B batch, I inputs, H units, G = 4H (i, f, g, o, torch's order) or H, L layers.
"""

from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .reversal import checked_lengths, to_the_end, to_the_start
from .scan import LSTMScan, fast

Cell = Literal["lstm", "tanh"]
Backend = Literal["auto", "torch", "scan", "readable"]
State = tuple[Tensor, ...]  # h and c, each (L, B, H); of "tanh" h alone


class LSTM(nn.Module):
    """Layers of memory cells, one above the other.

    Args:
        input_size: width of the inputs.
        hidden_size: units of each layer.
        num_layers: L.
        peephole: gates see the cell (Graves 2013, eqs. 7, 8, 10).
        bias: one for each gate (torch has two that add up).
        cell: "lstm", or "tanh": a standard recurrent net.
        backend: "auto" takes the fastest that fits: "torch" (its kernel, without peepholes), "scan"
            (the gradient written out), "readable" (step by step; what compiles, maps over cases or
            differentiates forward goes this way, and what torch's kernel cannot differentiate twice
            needs it).
        init: weights begin uniform in ± init; None: ± 1/√hidden_size, as torch's.
        generator: randomness of the first weights.

    Raises:
        ValueError: a size below 1, an unknown choice, or one that the cell or backend has not.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        peephole: bool = False,
        bias: bool = True,
        cell: Cell = "lstm",
        backend: Backend = "auto",
        init: float | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size),
                           ("num_layers", num_layers)):  # fmt: skip
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        for name, value, kind in (("cell", cell, Cell), ("backend", backend, Backend)):
            if value not in get_args(kind):
                raise ValueError(
                    f"{name} must be one of {', '.join(get_args(kind))}, got {value!r}"
                )
        if cell == "tanh" and (peephole or backend == "scan"):
            raise ValueError("peepholes and the scan are for cell='lstm': 'tanh' has no gates")
        if peephole and backend == "torch":
            raise ValueError("backend 'torch' has no peepholes: take 'auto' or 'scan'")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.peephole, self.cell, self.backend = peephole, cell, backend
        self.bias, self.init = bias, init
        h, gates = hidden_size, 4 if cell == "lstm" else 1
        for l in range(num_layers):
            inputs = input_size if l == 0 else h
            self.register_parameter(f"weight_ih_l{l}", _empty(gates * h, inputs))
            self.register_parameter(f"weight_hh_l{l}", _empty(gates * h, h))
            self.register_parameter(f"bias_l{l}", _empty(gates * h) if bias else None)
            self.register_parameter(f"peephole_l{l}", _empty(3, h) if peephole else None)
        self.reset_parameters(generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights, biases included, from ± init (§3.4)."""
        spread = self.hidden_size**-0.5 if self.init is None else self.init
        for parameter in self.parameters():
            if not parameter.is_meta:
                parameter.uniform_(-spread, spread, generator=generator)

    def layer(self, l: int) -> tuple[Any, Any, Any, Any]:
        """Return a layer's weights: of inputs, of states, bias, peepholes (i, f, o)."""
        names = ("weight_ih", "weight_hh", "bias", "peephole")
        return tuple(getattr(self, f"{name}_l{l}") for name in names)

    def zero_state(self, x_TBI: Tensor) -> State:
        """Return the state before anything was read."""
        shape = (self.num_layers, x_TBI.shape[1], self.hidden_size)
        count = 2 if self.cell == "lstm" else 1
        return tuple(x_TBI.new_zeros(shape) for _ in range(count))

    def forward(
        self, x_TBI: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run over sequences.

        Args:
            x_TBI: inputs, padded at the end.
            state: h and c, each (L, B, H); None: zero.
            lengths: how many steps of each sequence count (B,); None: all.

        Returns:
            The last layer's h_1 … h_T (T, B, H), zero behind a sequence's end, and every layer's
            state at that end.

        Raises:
            ValueError: wrong shapes; lengths outside 1 … T.
        """
        if x_TBI.dim() != 3 or x_TBI.shape[-1] != self.input_size:
            raise ValueError(
                f"x must be (T, B, input_size = {self.input_size}), got {tuple(x_TBI.shape)}"
            )
        if state is not None:
            self.check_state(state, x_TBI.shape[1])
        if lengths is None:
            return self.unroll(x_TBI, state)
        lengths = checked_lengths(lengths, x_TBI.transpose(0, 1))
        t = torch.arange(len(x_TBI), device=x_TBI.device)[:, None]
        if state is not None:  # the state before the first word is not zero: step by step
            return self.unroll(x_TBI, state, t < lengths, "readable")
        x_BTI = to_the_end(x_TBI.transpose(0, 1), lengths)
        y_TBH, last = self.unroll(x_BTI.transpose(0, 1), None, t >= len(x_TBI) - lengths)
        return to_the_start(y_TBH.transpose(0, 1), lengths).transpose(0, 1), last

    def check_state(self, state: State, batch: int) -> None:
        """Raise a ValueError unless a state has this net's shapes."""
        want = (self.num_layers, batch, self.hidden_size)
        got = [tuple(part.shape) for part in state]
        if got != [want] * (2 if self.cell == "lstm" else 1):
            parts = "(h, c), each" if self.cell == "lstm" else "(h,), of"
            raise ValueError(f"state must be {parts} (L, B, H) = {want}, got {got}")

    def unroll(
        self,
        x_TBI: Tensor,
        state: State | None = None,
        word_TB: Tensor | None = None,
        backend: Backend | None = None,
    ) -> tuple[Tensor, State]:
        """Return what `forward` returns; all that is no word lies before the words.

        Args:
            x_TBI: inputs.
            state: where to begin; None: zero.
            word_TB: true where there is a word; None: everywhere. With a state, and only then, what
                is no word may also lie behind the words, if the backend is "readable".
            backend: another than the net's own.
        """
        backend = self.backend if backend is None else backend
        if len(x_TBI) == 0 or x_TBI.shape[1] == 0 or not fast(x_TBI, *self.parameters()):
            backend = "readable"
        elif backend == "auto":
            backend = "scan" if self.peephole else "torch"
        first = self.zero_state(x_TBI) if state is None else state
        if backend == "torch" and word_TB is None:  # all layers in one call
            return self._whole(x_TBI, first)
        word_TB1 = None if word_TB is None else word_TB[..., None].to(x_TBI.dtype)
        y, lasts = x_TBI if word_TB1 is None else x_TBI * word_TB1, []
        for l in range(self.num_layers):
            begin = tuple(part[l] for part in first)
            if backend == "torch":
                y, last = by_kernel(y, begin, *self.layer(l)[:3], word_TB1)
            else:
                run = scan if backend == "scan" else readable
                y, last = run(y, begin, *self.layer(l), word_TB1)
            lasts.append(last)
        return y, tuple(torch.stack(parts) for parts in zip(*lasts))

    def _whole(self, x_TBI: Tensor, state: State) -> tuple[Tensor, State]:
        weights = []
        for l in range(self.num_layers):
            w_ih, w_hh, bias, _ = self.layer(l)
            weights += [w_ih, w_hh]
            if bias is not None:  # torch adds two biases
                weights += [bias, torch.zeros_like(bias)]
        first = [part.to(x_TBI.dtype).contiguous() for part in state]
        settings = (self.bias, self.num_layers, 0.0, torch.is_grad_enabled(), False, False)
        if self.cell == "tanh":
            y_TBH, *last = torch._VF.rnn_tanh(x_TBI, first[0], weights, *settings)
        else:
            y_TBH, *last = torch._VF.lstm(x_TBI, first, weights, *settings)
        return y_TBH, tuple(last)

    def extra_repr(self) -> str:
        """Return the sizes, and what is no default."""
        own = {"num_layers": 1, "peephole": False, "bias": True, "cell": "lstm", "backend": "auto"}
        more = [f"{k}={getattr(self, k)!r}" for k, v in own.items() if getattr(self, k) != v]
        return ", ".join([str(self.input_size), str(self.hidden_size), *more])


def _empty(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape))


def project(x_TBI: Tensor, weight_GI: Tensor, bias_G: Tensor | None, word_TB1) -> Tensor:
    """Return what the inputs give to the gates, of all steps at once."""
    if word_TB1 is None or bias_G is None:
        return F.linear(x_TBI, weight_GI, bias_G)
    return F.linear(x_TBI, weight_GI) + word_TB1 * bias_G


def readable(
    x_TBI: Tensor, state: State, weight_GI, weight_GH, bias_G, peephole_3H, word_TB1=None
) -> tuple[Tensor, State]:
    """Run one layer step by step: the specification of the others."""
    x_TBG = project(x_TBI, weight_GI, bias_G, word_TB1)
    return steps(x_TBG, state, weight_GH, peephole_3H, word_TB1)


def steps(
    x_TBG: Tensor, state: State, weight_GH, peephole_3H, word_TB1=None
) -> tuple[Tensor, State]:
    """Run one layer from what its inputs give to the gates."""
    found = []
    if len(state) == 1:
        (h_BH,) = state
        for t, x_BG in enumerate(x_TBG.unbind(0)):
            h_BH = _kept((x_BG + F.linear(h_BH, weight_GH)).tanh(), h_BH, word_TB1, t)
            found.append(h_BH)
        state = (h_BH,)
    else:
        h_BH, c_BH = state
        for t, x_BG in enumerate(x_TBG.unbind(0)):
            i, f, g, o = (x_BG + F.linear(h_BH, weight_GH)).chunk(4, -1)
            if peephole_3H is not None:
                i, f = i + peephole_3H[0] * c_BH, f + peephole_3H[1] * c_BH  # eqs. 7, 8
            new_BH = f.sigmoid() * c_BH + i.sigmoid() * g.tanh()  # eq. 9
            if peephole_3H is not None:
                o = o + peephole_3H[2] * new_BH  # eq. 10
            c_BH = _kept(new_BH, c_BH, word_TB1, t)
            h_BH = _kept(o.sigmoid() * new_BH.tanh(), h_BH, word_TB1, t)  # eq. 11
            found.append(h_BH)
        state = (h_BH, c_BH)
    if not found:
        return x_TBG.new_zeros(0, *state[0].shape), state
    y_TBH = torch.stack(found)
    return (y_TBH if word_TB1 is None else y_TBH * word_TB1), state


def _kept(new: Tensor, old: Tensor, word_TB1: Tensor | None, t: int) -> Tensor:
    return new if word_TB1 is None else torch.where(word_TB1[t] > 0, new, old)


def scan(
    x_TBI: Tensor, state: State, weight_GI, weight_GH, bias_G, peephole_3H, word_TB1=None
) -> tuple[Tensor, State]:
    """Run one layer with its gradient written out."""
    x_TBG = project(x_TBI, weight_GI, bias_G, word_TB1)
    y_TBH, c_BH = LSTMScan.apply(x_TBG, *state, weight_GH, peephole_3H, scanned)
    return y_TBH, (y_TBH[-1], c_BH)


def scanned(x_TBG: Tensor, h_BH: Tensor, c_BH: Tensor, weight_GH, peephole_3H):
    """Return what `LSTMScan` returns, by `steps`."""
    y_TBH, (_, last_BH) = steps(x_TBG, (h_BH, c_BH), weight_GH, peephole_3H)
    return y_TBH, last_BH


def by_kernel(
    x_TBI: Tensor, state: State, weight_GI, weight_GH, bias_G, word_TB1=None
) -> tuple[Tensor, State]:
    """Run one layer by torch's kernel; with padding before the words, the bias is a column.

    That column's input is 1 at a word and 0 elsewhere: so the bias counts only there.
    """
    weights = [weight_GI, weight_GH]
    if bias_G is not None and word_TB1 is not None:
        x_TBI = torch.cat([x_TBI, word_TB1], -1)
        weights[0] = torch.cat([weight_GI, bias_G[:, None]], 1)
    elif bias_G is not None:
        weights += [bias_G, torch.zeros_like(bias_G)]
    first = [part[None].to(x_TBI.dtype).contiguous() for part in state]
    settings = (len(weights) == 4, 1, 0.0, torch.is_grad_enabled(), False, False)
    if len(state) == 1:
        y_TBH, *last = torch._VF.rnn_tanh(x_TBI, first[0], weights, *settings)
    else:
        y_TBH, *last = torch._VF.lstm(x_TBI, first, weights, *settings)
    return y_TBH, tuple(part[0] for part in last)
