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
from .contest import mean_of
from .gates import SIZES


def rescore(run: Run, seed: int) -> dict[str, float]:
    """Return how often the right target is on top: by counts, by the net, by both.

    The net is trained on the table's unique pairs, most of which are wrong.
    """
    made = made_up.phrases(run.pick(test=40, default=3000), seed, 2, 6)
    right, rows = dict(made), made_up.noisy_table(made, seed)
    lists = [Shortlist((pair[k] for pair in made), 40) for k in (0, 1)]
    ids = [(lists[0].ids(e), lists[1].ids(f)) for e, f, _ in rows]
    sizes: dict[str, Any] = run.pick(test={**SIZES, "hidden_size": 6}, default=SIZES)
    net = nets.make("gru", EncoderDecoderConfig(len(lists[0]), len(lists[1]), **sizes), seed)
    nets.train(run, net, ids, 3e-3, run.pick(test=3, default=400, full=1200), seed)
    scores = score_pairs(net, ids)
    rng = random.Random(seed)
    dev = set(rng.sample(list(right), len(right) // 5))
    entries: dict[Any, list] = {}
    for (e, f, n), score in zip(rows, scores):
        entries.setdefault(e, []).append((f, math.log(n), score))

    def accuracy(weight: float, sources) -> float:
        hits = 0
        for e in sources:
            hits += (
                max(entries[e], key=lambda r: weight * r[1] + (1 - weight) * r[2])[0] == right[e]
            )
        return hits / max(len(sources), 1)

    test = [e for e in right if e not in dev]
    grid = [k / 20 for k in range(1, 20)]
    best = max(grid, key=lambda w: accuracy(w, dev))
    return {"counts": accuracy(1.0, test), "net": accuracy(0.0, test), "both": accuracy(best, test),
            "right": len(right) / len(rows)}  # fmt: skip


def draw_shares(figure, numbers) -> None:
    """Draw how often each is right."""
    figure.set_size_inches(6.4, 2.0)
    axes = figure.subplots()
    names = list(numbers["percent"])
    axes.barh(names, [v[0] for v in numbers["percent"].values()], color=[MUTED, BLUE, BLUE])
    axes.set_xlabel("% of sources whose right target is on top")
    axes.invert_yaxis()
    axes.grid(visible=True, axis="x")


@demonstration(
    "D6",
    "A net that learned from a noisy table finds the right entries in it.",
    draw_shares,
    asks="A made-up table: each source phrase of 2 to 6 words has its right target, which "
    "occurs once to three times, and two to nine with a fault, with heavy-tailed counts. The net "
    "sees each pair once (§3.1). Which target is on top by counts, by the net, by both (weights "
    "tuned on a fifth)?",
    source="§3.1",
)
def noisy(run: Run) -> Finding:
    """Rescore the table."""
    found = [run.trial(rescore, seed=seed) for seed in run.seeds(2)]
    percent = {k: mean_of(100 * f[k] for f in found) for k in ("counts", "net", "both")}
    return Finding(
        None,
        ours=f"{percent['counts'][0]:.0f}% by counts, {percent['net'][0]:.0f}% by the net",
        ran=f"Two tables; {100 * found[0]['right']:.0f}% of their pairs are right; 64 units, "
        f"{run.pick(test=3, default=400, full=1200):,} steps of 64.",
        measured="The right target is on top: "
        + ", ".join(f"by {k} {v[0]:.0f}%" for k, v in percent.items())
        + ".",
        numbers={"percent": percent},
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
