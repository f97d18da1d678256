"""Claim C1c and demonstration D3: what waits for what, and what that costs."""

import itertools
import math
import time
from typing import Any

import torch

from ..lab.claim import Finding, claim, demonstration
from ..lab.run import Run
from ..lab.statistics import interval, judge, seeds_needed, slope
from .graph import longest_chain
from .race import COLOR, recurrent, transformer
from .translators import TOKENS, adam, operations_of, step_of

WORDS, WIDTH = 4000, 128  # of C1a's translators


def translators(words: int, width: int) -> dict[str, Any]:
    """Return C1a's two translators, at random weights."""
    layers = {"num_encoder_layers": 3, "num_decoder_layers": 3}
    sizes = {"embedding": width, "encoder": width, "decoder": 2 * width}
    return {
        "Transformer": transformer(words, 0, d_model=width, d_ff=4 * width, **layers),
        "GRU": recurrent(words, 0, **sizes),
    }


def step_times(run: Run, seed: int):
    """Return CPU seconds of training steps by length and net, in turns, and operations."""
    sizes = run.pick(test=(50, 16), default=(WORDS, WIDTH))
    tokens, repeats = run.pick(test=16, default=TOKENS), run.pick(test=2, default=4)
    nets = {name: net.to(run.device).train() for name, net in translators(*sizes).items()}
    with torch.device("meta"):
        twins = translators(*sizes)
    optimizers = {name: adam(net) for name, net in nets.items()}
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, Any] = {"seconds": {}, "operations": {}}
    for n in _lengths(run):
        ids = torch.randint(3, sizes[0], (tokens // n, 2 * n + 1), generator=generator)
        src, tgt = ids[:, :n].to(run.device), ids[:, n:].to(run.device)
        found["seconds"][str(n)] = {name: [] for name in COLOR}
        found["operations"][str(n)] = {k: operations_of(t, src, tgt) for k, t in twins.items()}
        for repeat in range(repeats + 1):
            for name, net in nets.items():
                began = time.process_time()
                step_of(net, optimizers[name], 1e-4, src, tgt)
                if repeat:  # the first is a warm-up
                    found["seconds"][str(n)][name].append(time.process_time() - began)
    return found


def _lengths(run: Run) -> list[int]:
    return run.pick(test=[4, 8], default=[10, 20, 40, 80, 160])


@claim(
    "C1c",
    "§1, Abstract",
    "The longer the sentences, the more a recurrent net pays for its chain.",
    quotes="This inherently sequential nature precludes parallelization within training examples, "
    "which becomes critical at longer sequence lengths, as memory constraints limit batching "
    "across examples.",
    asks="The time of a step of training of C1a's nets, GRU over Transformer, measured in turns on "
    "batches of 800 tokens, from 80 sentences of 10 to 5 of 160. Attention's n² could weigh more.",
    holds_if="the 95% interval of the slope of log(ratio of times) over log(length) lies above 0",
    fails_if="it lies below 0",
)
def chain_costs(run: Run) -> Finding:
    """Time steps on ever longer sentences, in batches of as many tokens."""
    found, lengths = run.trial(step_times, seed=run.seed), _lengths(run)
    ratios = {
        n: [b / max(a, 1e-9) for a, b in zip(*(found["seconds"][str(n)][k] for k in COLOR))]
        for n in lengths
    }
    points = [(math.log(n), math.log(max(r, 1e-9))) for n, rs in ratios.items() for r in rs]
    grows = slope(*zip(*points))
    means = {n: interval(each).mean for n, each in ratios.items()}
    sums = {k: [found["operations"][str(n)][k] / 1e9 for n in lengths] for k in COLOR}
    told = ", ".join(f"{means[n]:.2f} at {n}" for n in lengths)
    work = ", ".join(f"{b / a:.2f}" for a, b in zip(*sums.values()))
    return Finding(
        judgement=judge(grows, above=0.0, paper_regime=False),
        ours=f"GRU over Transformer {means[lengths[0]]:.2f} at {lengths[0]} words, "
        f"{means[lengths[-1]]:.2f} at {lengths[-1]}",
        ran=f"Forward, backward and update on {TOKENS} random tokens; nets of C1a; one core, whose "
        f"vector units are all that can work in parallel; {len(points)} pairs of steps.",
        measured=f"GRU over Transformer: {told} words; slope {grows.text(2)}. The same ratio of "
        f"operations: {work}.",
        numbers={"lengths": lengths, "GFLOP a step": sums},
        timings={"seconds": found["seconds"], "GRU over Transformer": means,
                 "slope": [grows.mean, grows.low, grows.high]},
        between="One core in place of eight GPUs: there is little to keep busy.",
        would_decide=f"About {seeds_needed(grows, 0.0)} pairs of steps.",
    )  # fmt: skip


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


@demonstration(
    "D3",
    "Its chain of dependent products does not grow with the sentence.",
    draw_chains,
    source="Table 1, §4",
    asks="The longest chain of matrix products that wait for one another, in the graph that "
    "autograd records of C1a's two translators (two products for each attention).",
    paper="O(1) against O(n)",
)
def chains(run: Run) -> Finding:
    """Count what waits for what in a whole translator."""
    lengths = run.pick(test=[8, 16], default=[8, 16, 32, 64])
    found: dict[str, Any] = {"lengths": lengths}
    for name, net in translators(50, 16).items():
        found[name] = [longest_chain(net(*torch.randint(3, 50, (2, 1, n))).sum()) for n in lengths]
    ours, theirs = found["Transformer"], found["GRU"]
    grows = all(a < b for a, b in itertools.pairwise(theirs))
    a_word = (theirs[-1] - theirs[0]) / (lengths[-1] - lengths[0])
    same = "at every length" if len(set(ours)) == 1 else f"to {ours[-1]} at the longest"
    return Finding(
        judgement=None,
        ours=f"{ours[0]} products {same}, against {theirs[0]} to {theirs[-1]}",
        ran=f"Translators of 3 + 3 layers and with a GRU, at random weights; sentences of "
        f"{lengths[0]} to {lengths[-1]} words on both sides.",
        measured=f"The Transformer's chain has {ours[0]} products {same}, the GRU's {theirs[0]} at "
        f"{lengths[0]} words and {theirs[-1]} at {lengths[-1]}: "
        f"{'growing with each length, ' if grows else ''}{a_word:g} a word.",
        numbers=found,
    )
