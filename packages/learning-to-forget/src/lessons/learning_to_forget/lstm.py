"""Layers with forget gates in torch's place: the same arguments, names and results, and more.

Shapes: T steps, B sequences, I inputs, H cells, P what a layer puts out (H, or proj_size), D
directions, L layers.
"""

import math
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .layers import Wiring, layers

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "peephole")
State = tuple[Tensor, Tensor]
torch.fx.wrap("layers")  # a leaf, as torch's layer is one: symbolic tracing does not look inside


class LSTM(nn.Module):
    """LSTM layers with forget gates, in place of `torch.nn.LSTM`.

    Args:
        input_size, hidden_size, num_layers: I, H, L.
        bias, batch_first, dropout, bidirectional, proj_size, device, dtype: as torch's.
        forget_bias: the forget gates' first bias, on one of the two bias vectors; the other's is 0.
            By default all are drawn as torch draws them, around 0.
        peephole: gates see the cell, by a weight for each (Graves 2013, eqs. 7, 8, 10).
        coupled_input_forget: f = 1 − i. Weights then have three rows a cell: i, g, o.
        activations: "modern": g and h are tanh. "1999": g = 4σ − 2 and h = 2σ − 1 (eqs. 5, 8).
        chrono: T_max; gates' first biases then suit lags up to that (`chrono_init_`).
        backend: "scan", with its gradient written out here; or "torch", its kernel, which has
            neither peepholes nor, for float32 on a CPU, second derivatives.
        checkpoint_every: keep states at each so many steps, and compute those between again in the
            backward pass. Not under compilation, torch.func, or forward-mode differentiation, where
            a call raises a ValueError.

    Raises:
        ValueError: a size below 1, a projection that is no narrower than H, a dropout that is no
            probability, options that exclude each other.
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
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        forget_bias: float | None = None,
        peephole: bool = False,
        coupled_input_forget: bool = False,
        activations: str = "modern",
        chrono: float | None = None,
        backend: str = "scan",
        checkpoint_every: int | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size),
                           ("num_layers", num_layers)):  # fmt: skip
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if not 0 <= proj_size < hidden_size:
            want = f"at least 0 and below hidden_size ({hidden_size})"
            raise ValueError(f"proj_size must be {want}, got {proj_size}")
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"dropout is a probability, in [0, 1], got {dropout}")
        if dropout and num_layers == 1:
            why = "it acts between layers, and there is one"
            warnings.warn(f"dropout ({dropout}) does nothing: {why}", stacklevel=2)
        if checkpoint_every is not None and checkpoint_every < 1:
            raise ValueError(f"checkpoint_every must be at least 1, got {checkpoint_every}")
        if backend not in ("scan", "torch"):
            raise ValueError(f"backend must be 'scan' or 'torch', got {backend!r}")
        if backend == "torch" and (peephole or checkpoint_every):
            raise ValueError("torch's kernel has neither peepholes nor checkpoints: take 'scan'")
        if not bias and (forget_bias is not None or chrono is not None):
            raise ValueError("forget_bias and chrono set biases, and bias is False")
        if forget_bias is not None and chrono is not None:
            raise ValueError("forget_bias and chrono both set the forget gates' biases: give one")
        self.wiring = Wiring(activations, coupled_input_forget)  # checks activations
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size, self.peephole = bidirectional, proj_size, peephole
        self.forget_bias, self.chrono, self.backend = forget_bias, chrono, backend
        self.checkpoint_every = checkpoint_every
        rows = (3 if coupled_input_forget else 4) * hidden_size
        seen = proj_size or hidden_size
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else seen * (1 + bidirectional)
            shapes = {
                "weight_ih": (rows, inputs), "weight_hh": (rows, seen),
                "bias_ih": (rows,) if bias else None, "bias_hh": (rows,) if bias else None,
                "weight_hr": (proj_size, hidden_size) if proj_size else None,
                "peephole": (rows // hidden_size - 1, hidden_size) if peephole else None,
            }  # fmt: skip
            for suffix in ("", "_reverse")[: 1 + bidirectional]:
                for name, shape in shapes.items():
                    if shape is not None:
                        weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                        setattr(self, f"{name}_l{layer}{suffix}", weight)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights from ±1/√H, in torch's order, then set the biases that were asked for.

        Without these, equal seeds give torch's weights.
        """
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound, generator=generator)
        if self.forget_bias is not None:
            init_forget_bias_(self, self.forget_bias)
        if self.chrono is not None:
            chrono_init_(self, self.chrono, generator)

    def flatten_parameters(self) -> None:
        """Do nothing: there is no other layout in memory. torch's layers have this method."""

    @property
    def ends(self) -> list[str]:
        """What the names of weights end with, for each layer and direction."""
        return [f"_l{layer}{suffix}" for layer in range(self.num_layers)
                for suffix in ("", "_reverse")[: 1 + self.bidirectional]]  # fmt: skip

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction, as torch's layers list them."""
        return [[getattr(self, n + end) for n in NAMES if hasattr(self, n + end)]
                for end in self.ends]  # fmt: skip

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: State | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor | PackedSequence, State]:
        """Run all layers.

        Args:
            input: (T, B, I), with ``batch_first`` (B, T, I); (T, I) for one sequence; or packed.
            hx: h(0) (L·D, B, P) and c(0) (L·D, B, H), without B for one sequence; by default 0.
            lengths: (B,), how many steps of each sequence count; the others' outputs are zero.

        Returns:
            The last layer's outputs in the input's form, D·P wide, and h(T), c(T).

        Raises:
            ValueError: a shape that does not fit, lengths outside 1 … T or with a packed input.
        """
        own = [[getattr(self, name + end, None) for name in NAMES] for end in self.ends]
        return layers(
            input, hx, lengths, own, self.wiring, self.batch_first,
            self.dropout if self.training else 0.0, self.bidirectional, self.backend,
            self.checkpoint_every,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the arguments that are not the defaults."""
        defaults = {
            "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0,
            "bidirectional": False, "proj_size": 0, "forget_bias": None, "peephole": False,
            "chrono": None, "backend": "scan", "checkpoint_every": None,
        }  # fmt: skip
        given = [f"{k}={getattr(self, k)!r}" for k, v in defaults.items() if getattr(self, k) != v]
        if self.wiring.coupled:
            given.append("coupled_input_forget=True")
        if self.wiring.activations != "modern":
            given.append(f"activations={self.wiring.activations!r}")
        return ", ".join([str(self.input_size), str(self.hidden_size), *given])


class PeepholeLSTM(LSTM):
    """`LSTM` whose gates see the cell: c before for i and f, c after for o (Graves 2013)."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__(*sizes, peephole=True, **options)


class LSTMCell(nn.Module):
    """One step, in place of `torch.nn.LSTMCell`.

    Args:
        input_size, hidden_size: I, H.
        bias, device, dtype: as torch's.
        forget_bias: as for `LSTM`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        forget_bias: float | None = None,
    ) -> None:
        super().__init__()
        if input_size < 1 or hidden_size < 1:
            sizes = f"{input_size} and {hidden_size}"
            raise ValueError(f"input_size and hidden_size must be at least 1, got {sizes}")
        if forget_bias is not None and not bias:
            raise ValueError("forget_bias sets a bias, and bias is False")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = 4 * hidden_size
        shapes = [(rows, input_size), (rows, hidden_size), (rows,), (rows,)]
        for i, (name, shape) in enumerate(zip(NAMES, shapes)):
            weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, weight if bias or i < 2 else None)
        bound = 1 / math.sqrt(hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)
        if forget_bias is not None:
            init_forget_bias_(self, forget_bias)

    def forward(self, input: Tensor, hx: State | None = None) -> State:
        """Return h′ and c′, (B, H), from input (B, I) and (h, c), by default 0; B may be absent.

        Raises:
            ValueError: a shape that does not fit.
        """
        if input.dim() not in (1, 2) or input.shape[-1] != self.input_size:
            want = f"({self.input_size},) or (B, {self.input_size})"
            raise ValueError(f"input must be {want}, is {tuple(input.shape)}")
        hx = None if hx is None else (hx[0][None], hx[1][None])
        own = [[getattr(self, name) for name in NAMES[:4]] + [None, None]]
        _, (h, c) = layers(input[None], hx, None, own, Wiring(), False, 0.0, False, "scan", None)
        return h[0], c[0]

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


@torch.no_grad()
def init_forget_bias_(module: nn.Module, bias: float) -> nn.Module:
    """Set the bias of all forget gates, of torch's layers as of ours; return the module.

    torch has two bias vectors, which add up: one gets the value, the other zero.

    Raises:
        ValueError: forget gates without a bias, or none at all.
    """
    found = []
    for name, weight in module.named_parameters():
        owner, _, last = name.rpartition(".")
        if last.startswith(("bias_ih", "bias_hh")):
            rows = forget_rows(module.get_submodule(owner), weight)
            found.append((weight, rows, bias if last.startswith("bias_ih") else 0.0))
    if not found:
        raise ValueError(f"{type(module).__name__} has no LSTM with biases")
    for weight, rows, value in found:  # all have forget gates: nothing is half done
        weight[rows] = value
    return module


@torch.no_grad()
def chrono_init_(
    module: nn.Module, t_max: float, generator: torch.Generator | None = None
) -> nn.Module:
    """Set gates' biases for lags up to ``t_max``: b_f = ln U(1, t_max − 1), b_i = −b_f.

    A forget gate at σ(b_f) keeps for about 1 + exp(b_f) steps (Tallec and Ollivier 2018, §2).

    Raises:
        ValueError: t_max that is not above 2; no biases.
    """
    if not t_max > 2:
        raise ValueError(f"t_max must be above 2, got {t_max}")
    init_forget_bias_(module, 0.0)
    for name, weight in module.named_parameters():
        if not name.rpartition(".")[2].startswith(("bias_ih", "bias_hh")):
            continue
        owner = module.get_submodule(name.rpartition(".")[0])
        rows = forget_rows(owner, weight)
        hidden = rows.stop - rows.start
        if name.rpartition(".")[2].startswith("bias_hh"):
            weight[:hidden] = 0.0
            continue
        drawn = torch.empty(hidden, dtype=weight.dtype, device=weight.device)
        weight[rows] = drawn.uniform_(1, t_max - 1, generator=generator).log_()
        weight[:hidden] = -weight[rows]
    return module


def forget_rows(owner: nn.Module, bias: Tensor) -> slice:
    """Return which rows of a bias are the forget gates'."""
    hidden = getattr(owner, "hidden_size", None)
    if not isinstance(hidden, int) or len(bias) != 4 * hidden:
        what = "four rows for each cell (i, f, g, o)"
        raise ValueError(f"{type(owner).__name__}'s biases have not {what}: no forget gates")
    return slice(hidden, 2 * hidden)
