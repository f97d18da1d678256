"""Claims C1c and C8c: what waits for what, and what that costs."""

import functools
import itertools
import math
from typing import Any

import torch
from torch import nn

from ..attention import MultiHeadAttention
from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import exact, interval, judge
from ..model import Transformer
from .additive import clock
from .graph import longest_chain
from .race import COLOR, recurrent, transformer, would_decide
from .translators import TOKENS, adam, operations_of, step_of

WORDS, WIDTH = 4000, 128  # of C1a's translators


def translators(words: int, width: int, depth: int = 3) -> dict[str, Any]:
    """Return two translators, at random weights; of depth 3 and width 128 they are C1a's first."""
    layers = {"num_encoder_layers": depth, "num_decoder_layers": depth}
    sizes = {"embedding": width, "encoder": width, "decoder": 2 * width}
    return {
        "Transformer": transformer(words, 0, d_model=width, d_ff=4 * width, **layers),
        "GRU": recurrent(words, 0, **sizes),
    }


def read_of(net: Any, src: torch.Tensor, _: torch.Tensor) -> None:
    """Let an encoder read by itself, forward and backward."""
    net.zero_grad()
    out = net.encode(src) if isinstance(net, Transformer) else net.encoder(net._embed(src))[0]
    out.square().mean().backward()


def step_times(run: Run, seed: int):
    """Return seconds by length and net, in turns: of encoders, of training; and operations."""
    sizes = run.pick(test=(50, 16), default=(WORDS, WIDTH), paper=(37000, 512, 6))
    tokens, repeats = _tokens(run), run.pick(test=2, default=6)
    nets = {name: net.to(run.device).train() for name, net in translators(*sizes).items()}
    with torch.device("meta"):
        twins = translators(*sizes)
    optimizers = {name: adam(net) for name, net in nets.items()}
    tasks: dict[str, Any] = {
        "encoders": lambda name, *ids: read_of(nets[name], *ids),
        "translators": lambda name, *ids: step_of(nets[name], optimizers[name], 1e-4, *ids),
    }
    generator = torch.Generator().manual_seed(seed)
    seconds: dict[str, Any] = {what: {} for what in tasks}
    operations: dict[str, Any] = {}
    for n in _lengths(run):
        ids = torch.randint(3, sizes[0], (tokens // n, 2 * n + 1), generator=generator)
        src, tgt = ids[:, :n].to(run.device), ids[:, n:].to(run.device)
        operations[str(n)] = {k: operations_of(t, src, tgt) for k, t in twins.items()}
        for what, task in tasks.items():
            seconds[what][str(n)] = {name: [] for name in COLOR}
            for repeat in range(repeats + 1):
                for name in nets:
                    spent = clock(run, functools.partial(task, name, src, tgt))
                    if repeat:  # the first is a warm-up
                        seconds[what][str(n)][name].append(spent)
    return {"seconds": seconds, "operations": operations}


def _tokens(run: Run) -> int:
    return run.pick(test=16, default=TOKENS, paper=25000)


def _lengths(run: Run) -> list[int]:
    return run.pick(test=[4, 8], default=[10, 20, 40, 80, 160])


@claim(
    "C1c",
    "§1, Abstract",
    "The longer the sentences, the more a recurrent net pays for its chain.",
    quotes="This inherently sequential nature precludes parallelization within training examples, "
    "which becomes critical at longer sequence lengths, as memory constraints limit batching "
    "across examples.",
    asks="The time of the encoders with which C1a's search begins, three layers of width 128 and a "
    "bidirectional GRU as wide, forward and backward, GRU over Transformer, in turns "
    "on batches of 800 tokens, from 80 sentences of 10 to 5 of 160; a slope for each repeat. "
    "Whole translators beside, whose GRU has an attention of its own that grows with the length. "
    "The Transformer's n² could weigh more. (A run on a busy machine had 0.46 at 10 words and 2.57 "
    "at 160.)",
    holds_if="the 95% interval of the slope of log(ratio of times) over log(length), over six "
    "repeats on one machine, lies above 0",
    fails_if="it lies below 0",
)
def chain_costs(run: Run) -> Finding:
    """Time ever longer sentences, in batches of as many tokens."""
    found, lengths = run.trial(step_times, seed=run.seed), _lengths(run)
    grows, means = {}, {}
    for what, seconds in found["seconds"].items():
        ratios = [  # by length, then by repeat
            [max(b, 1e-9) / max(a, 1e-9) for a, b in zip(*(seconds[str(n)][k] for k in COLOR))]
            for n in lengths
        ]
        steep = [_slope(lengths, each) for each in zip(*ratios)]
        grows[what], means[what] = interval(steep), [interval(each).mean for each in ratios]
    sums = {k: [found["operations"][str(n)][k] / 1e9 for n in lengths] for k in COLOR}
    told = {w: ", ".join(f"{m:.2f} at {n}" for m, n in zip(each, lengths))
            for w, each in means.items()}  # fmt: skip
    work = ", ".join(f"{b / a:.2f}" for a, b in zip(*sums.values()))
    judged, first = grows["encoders"], means["encoders"]
    where = "one core, whose vector units are all that can work in parallel"
    where = where if run.device.type == "cpu" else f"one device, {run.device.type}"
    return Finding(
        judgement=judge(judged, above=0.0, paper_regime=False),
        ours=f"GRU over Transformer {first[0]:.2f} at {lengths[0]} words, "
        f"{first[-1]:.2f} at {lengths[-1]}",
        ran=f"{_tokens(run):,} random tokens; encoders forward and backward, translators with "
        f"update; {where}; {judged.n} repeats: the interval is of this machine's noise, and "
        "another machine's times differ.",
        measured=f"Encoders, GRU over Transformer: {told['encoders']} words; slope "
        f"{judged.text(2)}. Whole translators: {told['translators']}; slope "
        f"{grows['translators'].text(2)}; their ratio of operations: {work}.",
        numbers={"lengths": lengths, "GFLOP a step": sums},
        timings={"seconds": found["seconds"], "GRU over Transformer": means,
                 "slope": {w: [g.mean, g.low, g.high] for w, g in grows.items()}},
        between="One core in place of eight GPUs: there is little to keep busy.",
        would_decide=would_decide(judged, 0.0, "repeats"),
    )  # fmt: skip


def _slope(lengths: list[int], ratios) -> float:
    x, y = [math.log(n) for n in lengths], [math.log(r) for r in ratios]
    middle = sum(x) / len(x)
    return sum((a - middle) * b for a, b in zip(x, y)) / sum((a - middle) ** 2 for a in x)


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
    "C8c",
    "§4, Table 1",
    "An attention layer's chain of products is constant, a recurrent layer's grows with n.",
    draw_chains,
    quotes="a self-attention layer connects all positions with a constant number of sequentially "
    "executed operations, whereas a recurrent layer requires O(n) sequential operations",
    asks="The longest chain of matrix products that wait for one another, in the graph that "
    "autograd records of a layer: self-attention (two products besides its projections) and a GRU. "
    "Whole translators, of C1a's kinds, beside. (An earlier form of this claim, of the translators "
    "alone, held.)",
    holds_if="the attention layer's is the same at every length, and the GRU's grows by the same "
    "with every symbol",
    fails_if="it is otherwise at one length",
    paper="O(1) against O(n)",
)
def chains(run: Run) -> Finding:
    """Count what waits for what in a layer, and in a whole translator."""
    lengths = run.pick(test=[8, 16, 24], default=[8, 16, 32, 64])
    found: dict[str, Any] = {"lengths": lengths}
    for name, net in translators(50, 16).items():
        found[name] = [longest_chain(net(*torch.randint(3, 50, (2, 1, n))).sum()) for n in lengths]
    attention, recurrent_layer = MultiHeadAttention(16, 4), nn.GRU(16, 16, batch_first=True)
    inputs = [torch.randn(1, n, 16) for n in lengths]
    ours = [longest_chain(attention(x).sum()) for x in inputs]
    theirs = [longest_chain(recurrent_layer(x)[0].sum()) for x in inputs]
    a_symbol = {
        (after - before) / (n - m)
        for (m, n), (before, after) in zip(*map(itertools.pairwise, (lengths, theirs)))
    }
    steady = len(a_symbol) == 1 and min(a_symbol) > 0
    same = "at every length" if len(set(ours)) == 1 else f"to {ours[-1]}"
    both = "; ".join(f"{name} {found[name][0]} to {found[name][-1]}" for name in COLOR)
    return Finding(
        judgement=exact(len(set(ours)) == 1 and steady),
        ours=f"{ours[0]} products {same}, against {theirs[0]} to {theirs[-1]}",
        ran=f"Layers of width 16, and translators of 3 + 3 layers and with a GRU, at random "
        f"weights; sequences of {lengths[0]} to {lengths[-1]}.",
        measured=f"Attention: {', '.join(map(str, ours))} products at lengths "
        f"{', '.join(map(str, lengths))}; a GRU: {', '.join(map(str, theirs))}. Whole translators, "
        f"of the same lengths on both sides: {both}.",
        numbers=found | {"attention layer": ours, "GRU layer": theirs},
    )
