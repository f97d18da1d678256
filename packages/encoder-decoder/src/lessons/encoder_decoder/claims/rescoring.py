"""Demonstrations D6, D7: a made-up phrase table rescored; what a step of each unit costs."""

import math
import random
import time
from typing import Any

import torch
from torch import nn

from ..config import EncoderDecoderConfig
from ..gru import GRU
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, MUTED
from ..lab.run import Run
from ..phrases import Shortlist, score_pairs
from . import made_up, nets
from .contest import draw
from .telling import mean_of
from .toy import SIZES


def rescore(run: Run, seed: int) -> dict[str, dict[str, float]]:
    """Return how often the right target is on top: by counts, by a net, by both.

    Two nets are asked: one that saw the table's pairs once each, most of which are wrong, and one
    that saw them as often as they are counted. Of each also how far it ranks as the counts do.
    """
    made = made_up.phrases(run.pick(test=40, default=3000), seed, 2, 6)
    right, rows = dict(made), made_up.noisy_table(made, seed)
    lists = [Shortlist((pair[k] for pair in made), 40) for k in (0, 1)]
    ids = {(e, f): (lists[0].ids(e), lists[1].ids(f)) for e, f, _ in rows}
    counts = {(e, f): n for e, f, n in rows}
    sizes: dict[str, Any] = run.pick(test={**SIZES, "hidden_size": 6}, default=SIZES)
    config = EncoderDecoderConfig(len(lists[0]), len(lists[1]), **sizes)
    steps = run.pick(test=3, default=400, full=1200)
    dev = set(random.Random(seed).sample(list(right), len(right) // 5))
    found = {}
    for name in ("unique", "frequencies"):
        often = name == "frequencies"
        # With frequencies as many pairs as all updates take; unique ones are gone through again.
        most = nets.BATCH * steps if often else len(ids)
        pairs = [ids[p] for p in draw(counts, most, random.Random(seed), often)]
        net = nets.make("gru", config, seed)
        nets.train(run, net, pairs, 3e-3, steps, seed)
        scores = dict(zip(ids, score_pairs(net, list(ids.values()))))
        found[name] = on_top(right, counts, scores, dev)
    return found


def on_top(right: dict, counts: dict, scores: dict, dev: set) -> dict[str, float]:
    """Return the shares of sources whose right target is on top, and the ranks' correlation.

    Args:
        right: each source's right target.
        counts: of each pair of the table.
        scores: of each pair, by a net.
        dev: the sources that the two weights are tuned on; the others are asked.
    """
    from scipy.stats import spearmanr

    entries: dict[Any, list] = {}
    for (e, f), n in counts.items():
        entries.setdefault(e, []).append((f, math.log(n), scores[e, f]))

    def accuracy(weight: float, sources) -> float:
        top = (
            max(entries[e], key=lambda r: weight * r[1] + (1 - weight) * r[2])[0] == right[e]
            for e in sources
        )
        return sum(top) / max(len(sources), 1)

    test = [e for e in right if e not in dev]
    best = max((k / 20 for k in range(1, 20)), key=lambda w: accuracy(w, dev))
    ranks = [
        float(spearmanr(*columns).statistic)
        for e in test
        for columns in [list(zip(*entries[e]))[1:]]
        if all(len(set(column)) > 1 for column in columns)
    ]
    return {
        "counts": accuracy(1.0, test), "net": accuracy(0.0, test), "both": accuracy(best, test),
        "right": len(right) / len(counts), "ranks": sum(ranks) / max(len(ranks), 1),
    }  # fmt: skip


def draw_shares(figure, numbers) -> None:
    """Draw how often each is right."""
    figure.set_size_inches(6.4, 2.0)
    axes = figure.subplots()
    names = list(numbers["percent"])
    colors = [MUTED if name == "counts" else BLUE for name in names]
    axes.barh(names, [v[0] for v in numbers["percent"].values()], color=colors)
    axes.set_xlabel("% of sources whose right target is on top")
    axes.invert_yaxis()
    axes.grid(visible=True, axis="x")


@demonstration(
    "D6",
    "A net that learned from a noisy table finds the right entries in it.",
    draw_shares,
    asks="A made-up table: each source phrase of 2 to 6 words has its right target, which "
    "occurs once to three times, and two to nine with a fault, with heavy-tailed counts. One net "
    "sees each pair once (§3.1), another as often as it is counted, both for as many updates. "
    "Which target is on top by counts, by either net, by net and counts together (weights tuned "
    "on a fifth)? How far does either net rank targets as the counts do?",
    source="§3.1",
)
def noisy(run: Run) -> Finding:
    """Rescore the table."""
    found = [
        run.trial(rescore, seed=seed) for seed in run.seeds(run.pick(test=2, default=2, full=3))
    ]
    of = lambda name, key: mean_of(100 * f[name][key] for f in found)  # noqa: E731
    percent = {"counts": of("unique", "counts")}
    for name in ("unique", "frequencies"):
        percent |= {f"net, {name}": of(name, "net"), f"both, {name}": of(name, "both")}
    ranks = {name: mean_of(f[name]["ranks"] for f in found) for name in found[0]}
    return Finding(
        None,
        ours=f"{percent['counts'][0]:.0f}% by counts, {percent['net, unique'][0]:.0f}% by the net",
        ran=f"{len(found)} tables; {100 * found[0]['unique']['right']:.0f}% of their pairs are "
        f"right; 64 units, {run.pick(test=3, default=400, full=1200):,} steps of 64.",
        measured="The right target is on top: "
        + "; ".join(f"{k} {v[0]:.0f}%" for k, v in percent.items())
        + f". Rank correlation of a net's scores with the counts: {ranks['unique'][0]:.2f} if it "
        f"saw each pair once, {ranks['frequencies'][0]:.2f} with frequencies.",
        numbers={"percent": percent, "ranks": ranks},
    )


def timed(run: Run) -> dict[str, float]:
    """Return milliseconds of CPU of a training step of each layer, the median of turns."""
    steps, batch, width = run.pick(test=(3, 2, 4), default=(30, 64, 128))
    x, times = torch.randn(steps, batch, width), {}
    layers = {"gated unit": GRU(width, width), "LSTM": nn.LSTM(width, width),
              "tanh": nn.RNN(width, width)}  # fmt: skip
    for _ in range(run.pick(test=2, default=9)):
        for name, layer in layers.items():
            began = time.process_time()
            layer(x)[0].sum().backward()
            times.setdefault(name, []).append(1e3 * (time.process_time() - began))
    return {name: sorted(values)[len(values) // 2] for name, values in times.items()}


@demonstration(
    "D7",
    "A gated unit has three quarters of an LSTM unit’s weights and products.",
    asks="“…motivated by the LSTM unit but is much simpler to compute and implement” (§2.3): three "
    "blocks of weights to four, counted at 1,000 units and inputs of 100; time of a training "
    "step on this machine, 128 inputs and units, 30 steps of 64.",
    source="§2.3",
)
def cheaper(run: Run) -> Finding:
    """Count weights and take times."""
    with torch.device("meta"):
        sizes = {
            "gated unit": sum(p.numel() for p in GRU(100, 1000).parameters() if p.dim() > 1),
            "LSTM": sum(p.numel() for p in nn.LSTM(100, 1000).parameters() if p.dim() > 1),
        }
    times = run.trial(timed)
    ratio = sizes["gated unit"] / sizes["LSTM"]
    return Finding(
        None,
        ours=f"{ratio:.2f} of the weights and products",
        ran="Counted; time by turns, median, one thread.",
        measured=f"{sizes['gated unit']:,} weights in matrices against {sizes['LSTM']:,}.",
        numbers={"weights": sizes, "ratio": ratio},
        timings={"ms a training step": times},
    )
