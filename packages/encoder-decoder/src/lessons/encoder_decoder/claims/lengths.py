"""Demonstrations D2, D3: one vector for a whole sentence (Cho et al. 2014b)."""

import time
from typing import Any

import torch

from ..bleu import counts, from_counts
from ..config import EncoderDecoderConfig
from ..decoding import greedy
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE
from ..lab.run import Run
from ..phrases import Shortlist
from ..training import pad
from . import nets, system
from .contest import mean_of

BINS = {"3–10": (3, 10), "11–20": (11, 20), "21–40": (21, 40)}
UNKNOWN = {"0": (0, 0), "1": (1, 1), "2": (2, 2), "3 or more": (3, 99)}
RATE = 1.5e-3
ABSTRACT = (
    "“…performs relatively well on short sentences without unknown words, but its performance "
    "degrades rapidly as the length of the sentence and the number of unknown words increase” "
    "(Cho et al. 2014b, abstract)"
)


def sentences(run: Run) -> tuple[dict[str, list], tuple[Shortlist, Shortlist]]:
    """Return the system's sentences as ids, and the words known."""
    s = system.build(run)
    size = run.pick(test=20, default=2500)
    lists = tuple(Shortlist((pair[k] for pair in s.parts["train"]), size) for k in (0, 1))
    ids = {n: [(lists[0].ids(e), lists[1].ids(f)) for e, f in p] for n, p in s.parts.items()}
    return ids, lists  # type: ignore


def learn_sentences(run: Run, seed: int) -> dict[str, Any]:
    """Train a net on whole sentences; return BLEU on the test by length and by unknown words."""
    ids, lists = sentences(run)
    m, n, l, rank = run.pick(test=(4, 6, 3, None), default=(64, 192, 64, 64))
    config = EncoderDecoderConfig(len(lists[0]), len(lists[1]), m, n, l, rank)
    began, steps = time.process_time(), run.pick(test=4, default=1200)
    net = nets.train(run, nets.make("gru", config, seed), ids["train"], RATE, steps, seed)
    spent = time.process_time() - began
    pairs = system.build(run).parts["test"]
    order = sorted(range(len(pairs)), key=lambda i: len(ids["test"][i][0]))
    rows: list[Any] = [None] * len(pairs)
    for start in range(0, len(order), 100):
        chosen = order[start : start + 100]
        src, length = pad([ids["test"][i][0] for i in chosen])
        longest = run.pick(test=9, default=60)
        said = greedy(net, src.to(run.device), length.to(run.device), longest).tolist()
        for i, row in zip(chosen, said):
            rows[i] = counts(lists[1].phrase(row), pairs[i][1])

    def of(keep) -> float:
        own = [row for row, (e, _) in zip(rows, pairs) if keep(e)]
        return float(from_counts(sum(own))) if own else 0.0

    return {
        "all": of(lambda e: True),
        "length": {k: of(lambda e, b=b: b[0] <= len(e) <= b[1]) for k, b in BINS.items()},
        "unknown": {
            k: of(lambda e, b=b: len(e) <= 20 and b[0] <= lists[0].unknown(e) <= b[1])
            for k, b in UNKNOWN.items()
        },
        "counts": {
            "length": {k: sum(b[0] <= len(e) <= b[1] for e, _ in pairs) for k, b in BINS.items()},
            "unknown": {
                k: sum(len(e) <= 20 and b[0] <= lists[0].unknown(e) <= b[1] for e, _ in pairs)
                for k, b in UNKNOWN.items()
            },
        },
        "seconds": spent,
        "threads": torch.get_num_threads(),
    }


def runs_of(run: Run) -> list[dict[str, Any]]:
    """Return what two nets found."""
    return [run.trial(learn_sentences, seed=seed) for seed in run.seeds(2)]


def draw_bins(figure, numbers) -> None:
    """Draw BLEU by bin."""
    figure.set_size_inches(6.4, 2.6)
    axes = figure.subplots()
    names = list(numbers["bleu"])
    for k in range(len(numbers["each"])):
        axes.plot(names, [numbers["each"][k][n] for n in names], "o-", color=BLUE, alpha=0.6)
    axes.set(ylabel="BLEU", xlabel=numbers["axis"], ylim=(0, None))


def finding(run: Run, which: str, axis: str) -> Finding:
    """Return BLEU by one of the two."""
    found = runs_of(run)
    bins = {k: mean_of(f[which][k] for f in found) for k in found[0][which]}
    many = found[0]["counts"][which]
    first, last = (list(bins.values())[k][0] for k in (0, -1))
    whole = mean_of(f["all"] for f in found)[0]
    return Finding(
        None,
        ours=f"{first:.1f} BLEU at {next(iter(bins))}, {last:.1f} at {list(bins)[-1]}",
        ran=f"Sentences of C1a's system, 2,500 words a language, 192 units; "
        f"{run.pick(test=4, default=1200):,} steps of 64 with Adam at {RATE:g}, two nets; greedy.",
        measured=f"BLEU {whole:.1f} in all; by {axis}: "
        + ", ".join(f"{k}: {v[0]:.1f} (n = {many[k]})" for k, v in bins.items())
        + ".",
        numbers={"bleu": bins, "axis": axis, "each": [f[which] for f in found]},
        timings={"CPU seconds of training": [f["seconds"] for f in found]},
    )


@demonstration(
    "D2",
    "One vector for a whole sentence: worse, the longer it is.",
    draw_bins,
    asks=f"{ABSTRACT}: BLEU by words of the source. A longer vector, and a remedy, are the "
    "subject of this project's package on attention.",
    source="Cho et al. 2014b",
    full_only=True,
)
def by_length(run: Run) -> Finding:
    """Score sentences by length."""
    return finding(run, "length", "words of the source")


@demonstration(
    "D3",
    "One vector for a whole sentence: worse, the more words are unknown.",
    draw_bins,
    asks=f"{ABSTRACT}: BLEU by unknown words of the source, in sentences of up to 20 words, as "
    "longer ones have more of them.",
    source="Cho et al. 2014b",
    full_only=True,
)
def by_unknown(run: Run) -> Finding:
    """Score sentences by unknown words."""
    return finding(run, "unknown", "unknown words of the source")
