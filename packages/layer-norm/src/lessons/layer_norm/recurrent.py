"""Layer-normalized recurrent networks: RNN (eq. 4), LSTM (eqs 20-22, 31) and GRU (eqs 26-28).

Each is a pair of functions of a dict of parameters: ``project``, which needs no state and is
called for all time steps at once, and ``step``. A cell is one step; a network is many, in layers
and directions. Names and order of weights and gates are torch's, so that `torch.nn.LSTM`'s state
dicts fit: its two biases are the paper's β₂ (ih) and β₁ (hh), the gains are new. The paper's b
beside them would add nothing.

Shapes: T steps, B sequences, N rows (all steps of all sequences), I inputs, H hidden units,
G gates.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from .norm import layer_norm

Parameters = dict[str, Tensor]
State = tuple[Tensor, ...]  # h first


def norm(a: Tensor, gain: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Return LN(a; gain, bias) over the last dimension; without a gain only add the bias."""
    if gain is None:
        return a if bias is None else a + bias
    return layer_norm(a, gain.shape, gain, bias, eps)


def rnn_project(x_NI: Tensor, p: Parameters, eps: float) -> Tensor:
    """Return W x; what eq. 4 normalizes is its sum with the recurrent part."""
    return F.linear(x_NI, p["weight_ih"])


def rnn_step(z_BH: Tensor, state: State, p: Parameters, eps: float) -> State:
    """Return h = tanh(LN(W h + W x)) (eq. 4)."""
    a_BH = z_BH + F.linear(state[0], p["weight_hh"])
    return (norm(a_BH, p["gain"], p.get("bias"), eps).tanh(),)


def lstm_project(x_NI: Tensor, p: Parameters, eps: float) -> Tensor:
    """Return LN(W x; α₂, β₂), for the gates i, f, g, o (eq. 20)."""
    return norm(F.linear(x_NI, p["weight_ih"]), p.get("gain_ih"), p.get("bias_ih"), eps)


def lstm_step(z_BG: Tensor, state: State, p: Parameters, eps: float) -> State:
    """Return h and c (eqs 20-22; without gains eqs 17-19; with gain_c alone eqs 29-31)."""
    h_BH, c_BH = state
    recurrent_BG = F.linear(h_BH, p["weight_hh"])
    gates_BG = z_BG + norm(recurrent_BG, p.get("gain_hh"), p.get("bias_hh"), eps)
    i_BH, f_BH, g_BH, o_BH = gates_BG.chunk(4, dim=-1)
    c_BH = f_BH.sigmoid() * c_BH + i_BH.sigmoid() * g_BH.tanh()
    # What is carried on is the cell itself; only the way out is normalized.
    out_BH = norm(c_BH, p.get("gain_c"), p.get("bias_c"), eps)
    return o_BH.sigmoid() * out_BH.tanh(), c_BH


def gru_norm(a_NG: Tensor, p: Parameters, side: str, eps: float) -> Tensor:
    """Return LN of the two gates together (2H), and LN of the candidate (H), side by side."""
    gain_G, bias_G = p[f"gain_{side}"], p.get(f"bias_{side}")
    sizes = (2 * gain_G.shape[0] // 3, gain_G.shape[0] // 3)
    biases = (None, None) if bias_G is None else bias_G.split(sizes)
    parts = zip(a_NG.split(sizes, dim=-1), gain_G.split(sizes), biases)
    return torch.cat([norm(a, gain, bias, eps) for a, gain, bias in parts], dim=-1)


def gru_project(x_NI: Tensor, p: Parameters, eps: float) -> Tensor:
    """Return LN(W x; α₂, β₂) for the gates r, z and LN(W x; α₃, β₃) for the candidate."""
    return gru_norm(F.linear(x_NI, p["weight_ih"]), p, "ih", eps)


def gru_step(z_BG: Tensor, state: State, p: Parameters, eps: float) -> State:
    """Return h = (1 − z) h + z ĥ (eqs 26-28); torch's z is the paper's 1 − z."""
    (h_BH,) = state
    inputs = z_BG.chunk(3, dim=-1)
    recurrent = gru_norm(F.linear(h_BH, p["weight_hh"]), p, "hh", eps).chunk(3, dim=-1)
    r_BH, z_BH = ((a + b).sigmoid() for a, b in zip(inputs[:2], recurrent[:2]))
    candidate_BH = (inputs[2] + r_BH * recurrent[2]).tanh()
    return (torch.lerp(h_BH, candidate_BH, z_BH),)


@dataclass(frozen=True)
class Kind:
    """A recurrence: its gates, its functions, the names of its state, what has a gain."""

    gates: int
    project: Callable[[Tensor, Parameters, float], Tensor]
    step: Callable[[Tensor, State, Parameters, float], State]
    state: tuple[str, ...] = ("h",)
    sizes: dict[str, int] = field(default_factory=dict)  # gains and biases, in units of H

    def parameters(self, input_size, hidden_size, bias=True, gain=1.0, device=None, dtype=None):
        """Return fresh parameters: weights uniform as torch's, gains ``gain``, biases 0 (§6)."""
        bound = 1 / math.sqrt(hidden_size)
        made = {}
        for name, width in (("weight_ih", input_size), ("weight_hh", hidden_size)):
            empty = torch.empty(self.gates * hidden_size, width, device=device, dtype=dtype)
            made[name] = nn.Parameter(nn.init.uniform_(empty, -bound, bound))
        for name, size in self.sizes.items():
            if name.startswith("gain") or bias:
                value = gain if name.startswith("gain") else 0.0
                full = torch.full((size * hidden_size,), value, device=device, dtype=dtype)
                made[name] = nn.Parameter(full)
        return made


RNN = Kind(1, rnn_project, rnn_step, sizes={"gain": 1, "bias": 1})
GRU = Kind(3, gru_project, gru_step, sizes={"bias_ih": 3, "bias_hh": 3, "gain_ih": 3, "gain_hh": 3})
BIASES, AT_GATES = {"bias_ih": 4, "bias_hh": 4}, {"gain_ih": 4, "gain_hh": 4}
AT_OUTPUT = {"gain_c": 1, "bias_c": 1}
LSTM = {
    variant: Kind(4, lstm_project, lstm_step, ("h", "c"), BIASES | gains)
    for variant, gains in (
        ("full", AT_GATES | AT_OUTPUT),  # eqs 20-22
        ("output", AT_OUTPUT),  # eqs 29-31, for DRAW
        ("none", {}),  # eqs 17-19, the baseline: torch.nn.LSTM
    )
}


def kind_of(name: str, variant: str) -> Kind:
    """Return the recurrence "rnn", "lstm" or "gru"; variants are the LSTM's."""
    if variant not in LSTM:
        raise ValueError(f"variant must be one of {', '.join(LSTM)}, got {variant!r}")
    return {"rnn": RNN, "gru": GRU, "lstm": LSTM[variant]}[name]


def checked_state(kind: Kind, hx, shape: tuple[int, ...], like: Tensor) -> State:
    """Return the state as a tuple: zeros for None; a ValueError names what has a wrong shape."""
    if hx is None:
        return tuple(like.new_zeros(shape) for _ in kind.state)
    state = (hx,) if isinstance(hx, Tensor) else tuple(hx)
    if len(state) != len(kind.state):
        raise ValueError(f"the state should be {', '.join(kind.state)}, got {len(state)} tensors")
    for name, tensor in zip(kind.state, state):
        if tensor.shape != shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, and should be {shape}")
    return state


class _Cell(nn.Module):
    """One step. Its public forms are below."""

    name = "rnn"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device=None,
        dtype=None,
        *,
        variant: str = "full",
        gain: float = 1.0,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.eps = input_size, hidden_size, eps
        self.kind = kind_of(self.name, variant)
        made = self.kind.parameters(input_size, hidden_size, bias, gain, device, dtype)
        for name, parameter in made.items():
            self.register_parameter(name, parameter)

    def forward(self, x, hx=None):
        """Map (B, I), or (I,), and a state to the next state: h, or (h, c) of an LSTM."""
        if x.shape[-1] != self.input_size or x.ndim not in (1, 2):
            raise ValueError(f"the input should be (B, {self.input_size}), it is {tuple(x.shape)}")
        state = checked_state(self.kind, hx, (*x.shape[:-1], self.hidden_size), x)
        p: Parameters = dict(self.named_parameters())
        state = self.kind.step(self.kind.project(x, p, self.eps), state, p, self.eps)
        return state[0] if len(state) == 1 else state


class LayerNormRNNCell(_Cell):
    """A step of eq. 4. Args: as `torch.nn.RNNCell`, and ``gain``, its first value; ``eps``."""


class LayerNormLSTMCell(_Cell):
    """A step of eqs 20-22, in place of `torch.nn.LSTMCell`.

    Args:
        input_size, hidden_size, bias, device, dtype: as torch has them.
        variant: "full"; "output" (eq. 31, for DRAW), norm on the cell's way out only; "none".
        gain: the first value of all gains (the supplement's 0 would make the output constant).
        eps: added to variances.
    """

    name = "lstm"


class LayerNormGRUCell(_Cell):
    """A step of eqs 26-28. Args: as `torch.nn.GRUCell`, and ``gain``, its first value; ``eps``.

    The update gate is the paper's: z near 1 takes the candidate, where torch's keeps the state.
    """

    name = "gru"


def unroll(
    data_NI: Tensor,
    batch_sizes: list[int],
    state: State,
    kind: Kind,
    p: Parameters,
    eps: float,
    reverse: bool,
) -> tuple[Tensor, State]:
    """Run through packed sequences, the longest first.

    Args:
        data_NI: the rows of step 0, then those of step 1, …
        batch_sizes: how many sequences reach each step.
        state: of all sequences, (B, H) each.
        kind: the recurrence.
        p: its parameters.
        eps: added to variances.
        reverse: from each sequence's end to its beginning.

    Returns:
        h of all rows (N, H), and the state after each sequence's last step.
    """
    projected = kind.project(data_NI, p, eps).split(batch_sizes)  # no recurrence: in one call
    outputs: list[Tensor] = [data_NI] * len(batch_sizes)
    times = range(len(batch_sizes))
    ended: list[State] = []
    live = tuple(s[: batch_sizes[-1 if reverse else 0]] for s in state)
    for t in reversed(times) if reverse else times:
        rows, before = batch_sizes[t], live[0].shape[0]
        if rows < before:  # the shorter sequences end, or …
            ended.append(tuple(s[rows:] for s in live))
            live = tuple(s[:rows] for s in live)
        elif rows > before:  # … coming from the end, begin
            live = tuple(torch.cat([s, first[before:rows]]) for s, first in zip(live, state))
        live = kind.step(projected[t], live, p, eps)
        outputs[t] = live[0]
    if ended:
        live = tuple(torch.cat(parts) for parts in zip(live, *reversed(ended)))
    return torch.cat(outputs), live


class _Network(nn.Module):
    """Layers and directions of a recurrence. Its public forms are below."""

    name = "rnn"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device=None,
        dtype=None,
        *,
        variant: str = "full",
        gain: float = 1.0,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.dropout, self.eps = batch_first, dropout, eps
        self.bidirectional = bidirectional
        self.kind = kind_of(self.name, variant)
        self.names: dict[str, list[str]] = {}  # of the parameters, by layer and direction
        for layer in range(num_layers):
            size = input_size if layer == 0 else hidden_size * (1 + bidirectional)
            for suffix in self.suffixes(layer):
                made = self.kind.parameters(size, hidden_size, bias, gain, device, dtype)
                self.names[suffix] = list(made)
                for name, parameter in made.items():
                    self.register_parameter(name + suffix, parameter)

    def suffixes(self, layer: int) -> list[str]:
        """Return torch's endings of a layer's parameter names, one a direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def forward(self, x, hx=None, lengths=None):
        """Run through sequences.

        Args:
            x: (T, B, I), (B, T, I) with ``batch_first``, (T, I), or a PackedSequence.
            hx: the first state, h or (h, c), each (layers · directions, B, H); None: zeros.
            lengths: of padded sequences, (B,), each at most T; None: all are T long.

        Returns:
            h at all steps, in the input's form with H · directions features, 0 on padding; and the
            last state, in hx's form.
        """
        if isinstance(x, PackedSequence):
            order = (x.sorted_indices, x.unsorted_indices)
            data, last = self.run(x.data, x.batch_sizes.tolist(), hx, *order)
            return x._replace(data=data), last
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            form = "(B, T, " if self.batch_first else "(T, B, "
            raise ValueError(f"the input should be {form}{self.input_size}), is {tuple(x.shape)}")
        if x.ndim == 2:
            hx = _mapped(lambda s: s.unsqueeze(1), hx)
            out, last = self.forward(x.unsqueeze(0 if self.batch_first else 1), hx, lengths)
            return out.squeeze(0 if self.batch_first else 1), _mapped(lambda s: s.squeeze(1), last)
        x_TBI = x.transpose(0, 1) if self.batch_first else x
        T, B, _ = x_TBI.shape
        if lengths is None:
            data, last = self.run(x_TBI.flatten(0, 1), [B] * T, hx)
            out_TBH = data.unflatten(0, (T, B))
            return out_TBH.transpose(0, 1) if self.batch_first else out_TBH, last
        lengths = torch.as_tensor(lengths)
        if lengths.shape != (B,) or lengths.min() < 1 or lengths.max() > T:
            raise ValueError(f"lengths should be {B} numbers from 1 to {T}, got {lengths.tolist()}")
        packed = pack_padded_sequence(x_TBI, lengths.cpu(), enforce_sorted=False)
        out, last = self.forward(packed, hx)
        return pad_packed_sequence(out, self.batch_first, total_length=T)[0], last

    def run(self, data, batch_sizes: list[int], hx, order=None, back=None):
        """Run all layers over rows packed as for `unroll`; return rows, and the last state.

        ``order`` and ``back`` are the permutations of the sequences to the packed order, and back.
        """
        directions = 1 + self.bidirectional
        shape = (self.num_layers * directions, batch_sizes[0], self.hidden_size)
        state, last = checked_state(self.kind, hx, shape, data), []
        state = state if order is None else tuple(s.index_select(1, order) for s in state)
        for layer in range(self.num_layers):
            if layer and self.dropout:
                data = F.dropout(data, self.dropout, self.training)
            outputs = []
            for direction, suffix in enumerate(self.suffixes(layer)):
                p = {name: getattr(self, name + suffix) for name in self.names[suffix]}
                first = tuple(s[layer * directions + direction] for s in state)
                reverse = direction == 1
                out, end = unroll(data, batch_sizes, first, self.kind, p, self.eps, reverse)
                outputs.append(out)
                last.append(end)
            data = torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0]
        state = tuple(torch.stack(parts) for parts in zip(*last))
        state = state if back is None else tuple(s.index_select(1, back) for s in state)
        return data, state[0] if len(state) == 1 else state


def _mapped(function, hx):
    """Apply a function to every tensor of a state."""
    if hx is None or isinstance(hx, Tensor):
        return hx if hx is None else function(hx)
    return tuple(function(s) for s in hx)


class LayerNormRNN(_Network):
    """Many steps of eq. 4. Args: as `torch.nn.RNN` with tanh, and `LayerNormLSTM`'s last two."""


class LayerNormLSTM(_Network):
    """Many steps of eqs 20-22, in place of `torch.nn.LSTM`.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device,
            dtype: as torch has them.
        variant: "full", "output" or "none", see `LayerNormLSTMCell`.
        gain: the first value of all gains.
        eps: added to variances.
    """

    name = "lstm"


class LayerNormGRU(_Network):
    """Many steps of eqs 26-28. Args: as `torch.nn.GRU`, and `LayerNormLSTM`'s last two.

    The update gate is the paper's, see `LayerNormGRUCell`.
    """

    name = "gru"
