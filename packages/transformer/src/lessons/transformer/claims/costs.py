"""Claims C1c and C2: what layers cost, what waits for what, and how far a signal travels."""

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ..attention import MultiHeadAttention, scaled_dot_product_attention
from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, GREEN, MUTED, RED, TEAL
from ..lab.run import Run
from ..lab.statistics import exact
from .graph import longest_chain, reaches, shortest_chain
from .race import COLOR, recurrent, transformer
from .translation import SENTENCE

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


def _lengths(run: Run, d: int) -> list[int]:
    return run.pick(test=[d // 4, d, 2 * d], default=[d // 8, d // 4, d // 2, d, 2 * d])


@claim(
    "C2a",
    "Table 1",
    "Attention costs n²d and a recurrence nd²: less while n < d.",
    quotes="In terms of computational complexity, self-attention layers are faster than recurrent "
    "layers when the sequence length n is smaller than the representation dimensionality d",
    asks="The two terms of Table 1 as operations counted from shapes: softmax(QKᵀ)V, eq. 1, "
    "against a plain recurrence with its two matrices, at lengths on both sides of the width.",
    holds_if="the ratio of operations is n/d at every length",
    fails_if="it is another at one of them",
    paper="O(n²·d) and O(n·d²)",
)
def table_1(run: Run) -> Finding:
    """Count the operations of both."""
    d = run.pick(test=64, default=WIDTH)
    ratio = {n: attend(n, d) / recurrence(1)(n, d) for n in _lengths(run, d)}
    text = ", ".join(f"{r:g} at n = {n}" for n, r in ratio.items())
    return Finding(
        judgement=exact(all(r == n / d for n, r in ratio.items())),
        ours=f"ratio n/d at all {len(ratio)} lengths: {ratio[d]:g} at n = d",
        ran=f"Counted on the meta device, nothing timed; d = {d}.",
        measured=f"Attention over recurrence: {text}. The four projections of an attention layer "
        "are not in the table; C2b counts them.",
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
    "C2b",
    "§4",
    "Whole attention layers cost less than recurrent ones while n < d.",
    draw_layers,
    quotes="In terms of computational complexity, self-attention layers are faster than recurrent "
    "layers when the sequence length n is smaller than the representation dimensionality d",
    asks="As C2a, but whole layers: attention with its four projections, a plain tanh layer, a GRU "
    "and an LSTM with all their matrices, d = 512.",
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
    cheaper = {
        kind: [n for n in lengths if found["attention"][str(n)] < found[kind][str(n)]]
        for kind in GATES
    }
    below = [n for n in lengths if n < d]
    plain = {n: found["attention"][str(n)] / found["tanh"][str(n)] for n in lengths}
    holds = all(set(below) <= set(cheaper[kind]) for kind in GATES)
    return Finding(
        judgement=exact(holds),
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


def draw_chains(figure, numbers):
    """Draw the longest chain of products against the length of the sentence."""
    axes = figure.subplots()
    for name, color in COLOR.items():
        axes.loglog(numbers["lengths"], numbers[name], "o-", color=color, label=name)
    axes.set_yticks([50, 100, 200, 300], ["50", "100", "200", "300"])
    axes.set_xticks(numbers["lengths"], [str(n) for n in numbers["lengths"]])
    axes.minorticks_off()
    axes.set(xlabel="words of source and of target",
             ylabel="products, one after the other")  # fmt: skip
    axes.legend()


@claim(
    "C1c",
    "Abstract, §4",
    "More parallel: its chain of dependent products does not grow with the sentence.",
    draw_chains,
    quotes=SENTENCE,
    asks="The longest chain of matrix products that wait for one another, in the graph that "
    "autograd records of C1a's two translators (two products for each attention).",
    holds_if="the Transformer's is the same at every length and the GRU's grows at every step",
    fails_if="the Transformer's grows, or is the longer one at 16 words",
    paper="O(1) against O(n)",
)
def parallel(run: Run) -> Finding:
    """Count what waits for what in a whole translator."""
    lengths = run.pick(test=[8, 16], default=[8, 16, 32, 64])
    nets: dict[str, Any] = {
        "Transformer": transformer(50, 0, num_encoder_layers=3, num_decoder_layers=3),
        "GRU": recurrent(50, 0),
    }
    found: dict[str, Any] = {"lengths": lengths}
    for name, net in nets.items():
        found[name] = [longest_chain(net(*torch.randint(3, 50, (2, 1, n))).sum()) for n in lengths]
    ours, theirs = found["Transformer"], found["GRU"]
    grows = all(a < b for a, b in itertools.pairwise(theirs))
    holds = len(set(ours)) == 1 and grows and ours[1] < theirs[1]
    a_word = (theirs[-1] - theirs[0]) / (lengths[-1] - lengths[0])
    return Finding(
        judgement=exact(holds),
        ours=f"{ours[0]} products at any length, against {theirs[0]} to {theirs[-1]}",
        ran=f"Translators of 3 + 3 layers and with a GRU, at random weights; sentences of "
        f"{lengths[0]} to {lengths[-1]} words on both sides.",
        measured=f"The Transformer's chain has {ours[0]} products at every length, the GRU's "
        f"{theirs[0]} at {lengths[0]} words and {theirs[-1]} at {lengths[-1]}: {a_word:g} a word.",
        numbers=found,
    )


def steps_between(kind: str, n: int) -> int:
    """Return how many layers or steps lie between the first input and the last output."""
    d, generator = 8, torch.Generator().manual_seed(0)
    if kind == "recurrent":
        x = [torch.randn(1, d, generator=generator, requires_grad=True) for _ in range(n)]
        w = torch.randn(d, d, generator=generator) / d
        state = torch.zeros(1, d)
        for row in x:
            state = ((row + state) @ w).tanh()
        return shortest_chain(state.sum(), x[0])
    for layers in range(1, n + 1):
        x_ND = torch.randn(n, d, generator=generator, requires_grad=True, dtype=torch.float64)
        y = x_ND
        for i in range(layers):
            if kind == "attention":
                y = MultiHeadAttention(d, 2).double()(y[None])[0]
            else:
                gap = 1 if kind == "convolutions" else 2**i
                kernel = torch.rand(d, d, 3, generator=generator, dtype=torch.float64)
                y = F.conv1d(y.T, kernel, padding=gap, dilation=gap).T
        if reaches(y[-1].sum(), x_ND, row=0):
            return layers
    raise RuntimeError(f"{n} layers of {kind} do not reach from end to end")


def draw_paths(figure, numbers):
    """Draw the length of the longest path against that of the sequence."""
    axes = figure.subplots()
    styles = {"recurrent": RED, "convolutions": GREEN, "dilated": TEAL, "attention": BLUE}
    labels = {
        "recurrent": "recurrence, steps", "convolutions": "convolutions of 3 (ConvS2S)",
        "dilated": "dilated convolutions (ByteNet)", "attention": "self-attention",
    }  # fmt: skip
    for kind, color in styles.items():
        axes.loglog(numbers["lengths"], numbers[kind], "o-", color=color, label=labels[kind])
    axes.set_xticks(numbers["lengths"], [str(n) for n in numbers["lengths"]])
    axes.minorticks_off()
    axes.set(xlabel="sequence length n", ylabel="layers or steps, end to end")
    axes.legend()


@claim(
    "C2c",
    "§2, Table 1",
    "One attention layer joins any two positions; recurrence and convolutions need more.",
    draw_paths,
    quotes="In the Transformer this is reduced to a constant number of operations, albeit at the "
    "cost of reduced effective resolution due to averaging attention-weighted positions",
    asks="How many steps of a recurrence, or layers of width 3, plain or dilated 1, 2, 4 …, it "
    "takes until the last output depends on the first input: by autograd, at random weights.",
    holds_if="one layer of attention at every length, against n steps, O(n) and O(log n) layers",
    fails_if="another number at one length",
    paper="O(1), against O(n), O(n/k) and O(log n)",
)
def path_lengths(run: Run) -> Finding:
    """Look for the first input's trace in the last output."""
    lengths = run.pick(test=[4, 8], default=[8, 16, 32, 64, 128])
    kinds = ("attention", "recurrent", "convolutions", "dilated")
    found: dict[str, list] = {k: [steps_between(k, n) for n in lengths] for k in kinds}
    expected = {  # dilated 1, 2, 4 …: L layers reach 2^L - 1 to either side
        "attention": [1] * len(lengths), "recurrent": lengths,
        "convolutions": [n - 1 for n in lengths],
        "dilated": [(n - 1).bit_length() for n in lengths],
    }  # fmt: skip
    last = {kind: values[-1] for kind, values in found.items()}
    return Finding(
        judgement=exact(found == expected),
        ours=f"1, against {last['recurrent']}, {last['convolutions']} and {last['dilated']} at "
        f"n = {lengths[-1]}",
        ran=f"n from {lengths[0]} to {lengths[-1]}, double precision. Only the length of the path "
        "is measured: what arrives at its end depends on the weights, and gates can keep it.",
        measured=f"At n = {lengths[-1]}: attention 1 layer, recurrence {last['recurrent']} steps, "
        f"convolutions of width 3 {last['convolutions']} layers, dilated ones {last['dilated']}. "
        "A first form of this claim compared gradients at initial weights, where a contractive "
        "recurrence cannot win; it held, and is replaced.",
        numbers={"lengths": lengths, **found},
    )
