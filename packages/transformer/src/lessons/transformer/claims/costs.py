"""Demonstrations D2 and D9: what layers cost."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ..attention import MultiHeadAttention, scaled_dot_product_attention
from ..lab.claim import Finding, demonstration
from ..lab.figures import AMBER, MUTED, RED, TEAL
from ..lab.run import Run

GATES = {"tanh": 1, "GRU": 3, "LSTM": 4}  # d x d matrices for the input, and as many for the state
WIDTH = 512  # the paper's


def operations(function, *shapes: tuple[int, ...]) -> int:
    """Return how many operations a function has (a product and a sum are two), by shapes alone."""
    arguments = [torch.empty(shape, device="meta") for shape in shapes]
    with FlopCounterMode(display=False) as counter, torch.device("meta"), torch.no_grad():
        function(*arguments)
    return counter.get_total_flops()


def recurrence(gates: int):
    """Return a recurrent layer's products: the input's in one, the state's step by step."""

    def layer(x_ND: Tensor, w_x: Tensor, w_h: Tensor) -> None:
        inputs = x_ND @ w_x
        state = torch.empty(1, x_ND.shape[1])
        for t in range(len(x_ND)):
            state = (inputs[t : t + 1] + state @ w_h)[:, : x_ND.shape[1]]

    return lambda n, d: operations(layer, (n, d), (d, gates * d), (d, gates * d))


def attend(n: int, d: int) -> int:
    """Return the operations of the attention function alone, eq. 1."""
    return operations(scaled_dot_product_attention, *[(1, 1, n, d)] * 3)


def attention_layer(n: int, d: int) -> int:
    """Return the operations of a self-attention layer with its four projections, §3.2.2."""
    with torch.device("meta"):
        layer = MultiHeadAttention(d, 8)
    return operations(layer, (1, n, d))


def convolution(n: int, d: int, gated: bool = False, separable: bool = False) -> int:
    """Return the operations of a convolution of width 3, with ConvS2S's gate, or separable."""
    if separable:
        across = operations(F.conv1d, (1, d, n), (d, d, 1))
        return across + 2 * 3 * n * d  # and three products for each channel by itself
    return operations(F.conv1d, (1, d, n + 2), ((1 + gated) * d, d, 3))


def _lengths(run: Run, d: int) -> list[int]:
    return run.pick(test=[d // 4, d, 2 * d], default=[d // 8, d // 4, d // 2, d, 2 * d])


@demonstration(
    "D2",
    "Table 1's terms, counted.",
    source="Table 1, §4",
    asks="softmax(QKᵀ)V of eq. 1 and a convolution of width 3, plain, gated (as in ConvS2S) and "
    "separable, over a plain recurrence with its two matrices: operations counted from shapes.",
    paper="n²d, knd² and knd + nd², over nd²",
)
def table_1(run: Run) -> Finding:
    """Count the operations of all."""
    d = run.pick(test=64, default=WIDTH)
    plain = recurrence(1)
    ratio = {n: attend(n, d) / plain(n, d) for n in _lengths(run, d)}
    over = {
        "plain": convolution(d, d) / plain(d, d),
        "gated": convolution(d, d, gated=True) / plain(d, d),
        "separable": convolution(d, d, separable=True) / plain(d, d),
    }
    text = ", ".join(f"{r:g} at n = {n}" for n, r in ratio.items())
    return Finding(
        judgement=None,
        ours=f"attention {ratio[d]:g} at n = d; convolution {over['plain']:g}, gated "
        f"{over['gated']:g}",
        ran=f"Counted on the meta device, nothing timed; d = {d}.",
        measured=f"Attention over recurrence: {text}; that is n/d. A convolution of width 3 costs "
        f"{over['plain']:g} recurrent layers at every length, ConvS2S's gated one "
        f"{over['gated']:g}, a separable one {over['separable']:.2f}: the table's factor k = 3 "
        "counts one matrix of the recurrence, which has two. The four projections of an attention "
        "layer are not in the table; D9 counts them.",
        numbers={"width": d, "ratio": ratio, "convolutions": over},
    )


def draw_layers(figure, numbers):
    """Draw the operations of whole layers over those of attention's."""
    axes = figure.subplots()
    lengths = [int(n) for n in numbers["attention"]]
    for kind, color in zip(GATES, (RED, AMBER, TEAL)):
        ratio = [numbers["attention"][str(n)] / numbers[kind][str(n)] for n in lengths]
        axes.loglog(lengths, ratio, "o-", color=color, label=kind)
    axes.axhline(1, color=MUTED, linewidth=1)
    axes.axvline(numbers["width"], color=MUTED, linewidth=1, linestyle=":")
    axes.text(numbers["width"] * 1.05, axes.get_ylim()[0] * 1.1, "n = d", color=MUTED)
    axes.set_xticks(lengths, [str(n) for n in lengths])
    axes.set_yticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    axes.minorticks_off()
    axes.set(xlabel="sequence length n", ylabel="attention layer, over a recurrent one")
    axes.legend(title="whole layers, d = 512")


@demonstration(
    "D9",
    "Whole layers, counted: attention with its projections beside three recurrences.",
    draw_layers,
    source="§4",
    asks="“… self-attention layers are faster than recurrent layers when the sequence length n is "
    "smaller than the representation dimensionality d”: operations of whole layers, counted from "
    "shapes: attention with its four projections, a plain tanh layer, a GRU and an LSTM with all "
    "their matrices, d = 512. Algebra decides it, so nothing is judged.",
)
def whole_layers(run: Run) -> Finding:
    """Count all matrices of all four layers."""
    d = run.pick(test=64, default=WIDTH)
    lengths = _lengths(run, d)
    found: dict[str, dict[str, int]] = {
        "attention": {str(n): attention_layer(n, d) for n in lengths}
    }
    found |= {k: {str(n): recurrence(g)(n, d) for n in lengths} for k, g in GATES.items()}
    cheaper = {
        kind: [n for n in lengths if found["attention"][str(n)] < found[kind][str(n)]]
        for kind in GATES
    }
    plain = {n: found["attention"][str(n)] / found["tanh"][str(n)] for n in lengths}
    return Finding(
        judgement=None,
        ours="cheaper up to n = 2d (LSTM), n = d (GRU), never (plain layer)",
        ran=f"Counted on the meta device, nothing timed; d = {d}, n from {lengths[0]} to "
        f"{lengths[-1]}. Projections of attention 8nd², its two products 4n²d; a plain recurrent "
        "layer 4nd², a GRU 12nd², an LSTM 16nd².",
        measured=f"Attention over a plain layer is n/d + 2: {plain[lengths[0]]:g} at "
        f"n = {lengths[0]}, {plain[d]:g} at n = d. It is below a GRU up to n = "
        f"{max(cheaper['GRU'])} (equal at {d}) and below an LSTM up to n = "
        f"{max(cheaper['LSTM'])} (equal at {2 * d}).",
        numbers={"width": d, **found},
    )
