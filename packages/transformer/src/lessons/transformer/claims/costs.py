"""Claims C8a and C8b: what layers cost (Table 1)."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ..attention import MultiHeadAttention, scaled_dot_product_attention
from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, MUTED, RED, TEAL
from ..lab.run import Run
from ..lab.statistics import exact

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


SENTENCE = (
    "In terms of computational complexity, self-attention layers are faster than recurrent layers "
    "when the sequence length n is smaller than the representation dimensionality d"
)


@claim(
    "C8a",
    "§4, Table 1",
    "As Table 1 counts, attention is the cheaper while n < d.",
    quotes=SENTENCE,
    asks="Table 1's terms, n²d and nd², as operations counted from shapes: softmax(QKᵀ)V of eq. 1 "
    "and a plain recurrence with its two matrices, at lengths on both sides of d = 512. Algebra "
    "knows the outcome, and an earlier run, at d = 64, had it.",
    holds_if="attention has fewer operations at every length below d, and at none from d on",
    fails_if="it is otherwise at one length",
    paper="n²d against nd²",
)
def terms(run: Run) -> Finding:
    """Count the operations of both terms."""
    d = run.pick(test=64, default=WIDTH)
    plain = recurrence(1)
    ratio = {n: attend(n, d) / plain(n, d) for n in _lengths(run, d)}
    text = ", ".join(f"{r:g} at n = {n}" for n, r in ratio.items())
    return Finding(
        judgement=exact(all((r < 1) == (n < d) for n, r in ratio.items())),
        ours=f"attention over recurrence {text.split(', ')[0]}, {ratio[d]:g} at n = d",
        ran=f"Counted on the meta device, nothing timed; d = {d}.",
        measured=f"Attention over recurrence: {text}. The four projections of an attention layer "
        "are not in the table; C8b counts them.",
        numbers={"width": d, "ratio": ratio},
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


@claim(
    "C8b",
    "§4",
    "Whole attention layers cost less than recurrent layers while n < d.",
    draw_layers,
    quotes=SENTENCE,
    asks="Whole layers, as §3.2.2 has them: operations counted from shapes, attention with its "
    "four projections, a plain tanh layer, a GRU and an LSTM with all their matrices, d = 512. "
    "(The rule is that of an earlier form. In between this was a demonstration, without a verdict: "
    "algebra, 8nd² + 4n²d against 4, 12 and 16 times nd², knows the outcome.)",
    holds_if="attention costs less at every length below d, for all three recurrent layers",
    fails_if="one of them costs less, or as much, at one length below d",
)
def whole_layers(run: Run) -> Finding:
    """Count all matrices of all four layers."""
    d = run.pick(test=64, default=WIDTH)
    lengths = _lengths(run, d)
    found: dict[str, dict[str, int]] = {
        "attention": {str(n): attention_layer(n, d) for n in lengths}
    }
    found |= {k: {str(n): recurrence(g)(n, d) for n in lengths} for k, g in GATES.items()}
    ratio = {k: {n: found["attention"][str(n)] / found[k][str(n)] for n in lengths} for k in GATES}
    below = {k: [n for n, r in of.items() if r < 1] for k, of in ratio.items()}
    level = {k: [n for n, r in of.items() if r == 1] for k, of in ratio.items()}
    told = "; ".join(
        f"{kind}: cheaper at {_places(below[kind])}, equal at {_places(level[kind])}, "
        f"{of[lengths[0]]:.3g} to {of[lengths[-1]]:.3g} of it"
        for kind, of in ratio.items()
    )
    short = ", ".join(f"{k}: {f'to {of[-1]}' if of else 'never'}" for k, of in below.items())
    return Finding(
        judgement=exact(all(r < 1 for of in ratio.values() for n, r in of.items() if n < d)),
        ours=f"cheaper than {short} (d = {d})",
        ran=f"Counted on the meta device, nothing timed; d = {d}, n of {_places(lengths)}. "
        "Projections of attention 8nd², its two products 4n²d; a plain recurrent layer 4nd², a GRU "
        "12nd², an LSTM 16nd².",
        measured=f"Attention over each, by lengths: {told}. Over the plain layer that is n/d + 2. "
        "Translators were made of the gated ones.",
        numbers={"width": d, **found},
    )


def _places(lengths: list[int]) -> str:
    return " ".join(map(str, lengths)) or "none"
