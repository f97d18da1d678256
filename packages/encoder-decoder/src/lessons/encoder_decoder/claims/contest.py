"""What most claims judge: nets trained on phrase pairs, and their scores in the system."""

import functools
import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..bleu import from_counts
from ..config import EncoderDecoderConfig, count_parameters
from ..cslm import CSLM, CSLMConfig
from ..lab.run import Run
from ..lab.statistics import Interval, interval, paired, seeds_needed
from ..loglinear import LogLinear
from ..phrases import score_pairs
from ..training import clip_gradient, pad
from . import choices, nets, system
from .nets import RECIPE, make, nats, seen, train, tuned

RATE = 2e-3  # the middle of the first grid
STEPS = {"test": 6, "default": 3400}
ROWS, PASSES, LEARNING = 64, 3, 1e-3  # of the CSLM's training
TUNED = ("gru", "tanh", "blind")
BETWEEN = (
    "A thousandth of the paper's words, nets a hundredth as large trained for minutes, a "
    "system without jumps; manuals in the place of news"
)


def config_of(run: Run) -> EncoderDecoderConfig:
    """Return the nets' sizes: a tenth of the paper's."""
    n, m, l, rank = run.pick(test=(6, 4, 3, 3), default=(96, 48, 48, 48))
    known = system.build(run).lists
    return EncoderDecoderConfig(len(known[0]), len(known[1]), m, n, l, rank)


@functools.lru_cache(1)
def drawn(run: Run) -> list[nets.Pair]:
    """Return as many of the table's pairs as a training sees, each once (§3.1)."""
    s = system.build(run)
    pairs = list(s.counts)
    count = min(nets.BATCH * run.pick(**STEPS), len(pairs))
    return s.ids(random.Random(0).sample(pairs, count))


def pairs_of(run: Run, kind: str, part: str = "train") -> Sequence[nets.Pair]:
    """Return phrase pairs as a contender sees them."""
    s = system.build(run)
    return seen(kind, drawn(run) if part == "train" else s.ids(s.held[part]))


def tune_rate(run: Run, kind: str, rate: float, seed: int) -> float:
    """Return the loss per word on dev's new phrase pairs after a whole training at a rate."""
    net = make(kind, config_of(run), seed)
    train(run, net, pairs_of(run, kind), rate, run.pick(**STEPS), seed)
    return nats(net, pairs_of(run, kind, "dev"))


def rates(run: Run) -> dict[str, tuple[float, dict[float, float]]]:
    """Return each contender's best rate and all that were tried, on a seed apart."""
    return {
        kind: tuned(
            run, RATE,
            lambda rate, kind=kind: run.trial(tune_rate, kind=kind, rate=rate, seed=run.seed + 100),
        )
        for kind in TUNED
    }  # fmt: skip


def learn(run: Run, kind: str, rate: float, seed: int, both: bool) -> dict[str, Any]:
    """Train a contender; let its scores enter the system, if it is one whose scores do.

    Args:
        run: for its scale.
        kind: of `nets.KINDS`.
        rate: of learning.
        seed: of weights, batches and tuning.
        both: also rerank with the neural language model.
    """
    s, began = system.build(run), time.process_time()
    net = make(kind, config_of(run), seed)
    train(run, net, pairs_of(run, kind), rate, run.pick(**STEPS), seed)
    found: dict[str, Any] = {"seconds": time.process_time() - began}
    for part in ("dev", "test"):
        found[part] = nats(net, pairs_of(run, kind, part))
    if kind not in ("gru", "blind"):
        return found
    options = [(e, f) for e, span in s.options.items() for f in span.targets]
    scores = dict(zip(options, score_pairs(net, seen(kind, s.ids(options)))))
    table = system.with_scores(s, scores)
    active = [*system.BASE, "rnn"]
    found["rnn"] = system.tune(run, s, table, active, seed)
    if kind == "gru":
        found["base"] = system.tune(run, s, table, system.BASE, seed)
        found["penalty"] = system.tune(run, s, table, [*active, "unknown"], seed)
        found |= choices.examine(run, net, s, scores, seed)
        if both:
            found["lists"] = rerank(run, s, table, found, seed)
    return found


def language_model(run: Run, s: system.System, seed: int) -> CSLM:
    """Train the neural language model on the French of the training: §4.1.2, smaller."""
    m, sizes = run.pick(test=(4, (6,)), default=(48, (128, 64)))
    generator = torch.Generator().manual_seed(seed)
    net = CSLM(CSLMConfig(len(s.lists[1]), 7, m, sizes), generator).to(run.device)
    for name, weight in net.named_parameters():
        if weight.dim() > 1:  # the paper's 0.01 is for wide layers and long training
            spread = 1.0 if "embedding" in name else weight.shape[1] ** -0.5
            torch.nn.init.normal_(weight, 0, spread, generator=generator)
    texts = sorted((s.lists[1].ids(f) for _, f in s.parts["train"]), key=len)
    passes = run.pick(test=1, default=PASSES)
    cut = [texts[i : i + ROWS] for i in range(0, len(texts), ROWS)]
    order = [
        k for _ in range(passes) for k in torch.randperm(len(cut), generator=generator).tolist()
    ]
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    for step, k in enumerate(run.track(order, f"language model, seed {seed}")):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING * min(1.0, 2 * (len(order) - step) / len(order))
        optimizer.zero_grad()
        net.loss(pad(cut[k])[0].to(run.device)).backward()
        clip_gradient(net.parameters(), 1.0)
        optimizer.step()
    return net.eval()


def rerank(run: Run, s: system.System, table, found: dict, seed: int) -> dict[str, Any]:
    """Return sums of BLEU for all four of: neither, RNN, CSLM, both, on the same candidates.

    The candidates are those of the system without and with the RNN's scores.
    """
    net = language_model(run, s, seed)
    names, beam = [*system.NAMES, "cslm"], run.pick(test=4, default=system.BEAM)
    pools: dict[str, list] = {}
    for part in ("dev", "test"):
        pools[part] = [{} for _ in s.parts[part]]
        for which in ("base", "rnn"):
            weights = np.array([found[which]["weights"][name] for name in system.NAMES])
            for pool, rows in zip(pools[part], system.decode(s, table, part, weights, beam)):
                for said, features in rows:
                    pool.setdefault(said, features)
        with_language(run, net, s, pools[part])
    result: dict[str, Any] = {}
    dev = system.candidates(s, "dev", pools["dev"])
    test = system.candidates(s, "test", pools["test"])
    start = dict(zip(system.NAMES, system.START)) | {"cslm": 0.3}
    for which, more in (("neither", []), ("rnn", ["rnn"]), ("cslm", ["cslm"]),
                        ("both", ["rnn", "cslm"])):  # fmt: skip
        active = [*system.BASE, *more]
        loglinear = LogLinear(names, [start[n] if n in active else 0.0 for n in names])
        fixed = [n for n in names if n not in active]
        restarts = run.pick(test=0, default=3)
        loglinear.fit(*dev, from_counts, restarts, np.random.default_rng(seed), fixed)
        chosen = loglinear.choose(test[0])
        rows = np.array([sums[k] for sums, k in zip(test[1], chosen)])
        result[which] = {"test": float(from_counts(rows.sum(0))), "test sums": system.packed(rows)}
    ids = [s.lists[1].ids(f) for _, f in s.parts["test"]]
    words = sum(map(len, ids))
    log = sum(float(x) for x in of_texts(run, net, ids))
    result["perplexity"] = float(np.exp(-log / words))
    return result


@torch.no_grad()
def of_texts(run: Run, net: CSLM, texts: list[list[int]], rows: int = 500) -> list[float]:
    """Return log p of each text."""
    found = [0.0] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        text = pad([texts[i] for i in chosen])[0].to(run.device)
        for i, value in zip(chosen, net.log_probability(text).sum(-1).tolist()):
            found[i] = value
    return found


def with_language(run: Run, net: CSLM, s: system.System, pools: list[dict]) -> None:
    """Add the language model's score to the features of all candidates."""
    said = [(pool, words) for pool in pools for words in pool]
    logs = of_texts(run, net, [s.lists[1].ids(words) for _, words in said])
    for (pool, words), log in zip(said, logs):
        pool[words] = np.append(pool[words], log)


def runs_of(run: Run, kind: str, count: int | None = None) -> list[dict[str, Any]]:
    """Return what a contender's nets found, by seed: five of each, three of the wide tanh net."""
    own = kind if kind in TUNED else "tanh"
    if count is None:
        count = run.pick(test=2, default=5 if kind in TUNED else 3)
    rate = rates(run)[own][0]
    few = run.pick(test=1, default=3)  # that also rerank with the language model
    return [
        run.trial(
            learn, kind=kind, rate=rate, seed=seed, both=kind == "gru" and seed < run.seed + few
        )
        for seed in run.seeds(count)
    ]


def gain(found: list[dict], ours: str = "rnn", theirs: str = "base") -> Interval:
    """Return BLEU on test of one system less another's, paired by seed."""
    return paired(*([f[name]["test"] for f in found] for name in (ours, theirs)))


def resampled(found: list[dict], ours: str = "rnn", theirs: str = "base", seed: int = 0):
    """Return the same difference, mean over seeds, with its interval over test sentences.

    A paired bootstrap: both systems are judged on the same 1,000 draws of sentences.
    """
    a, b = (
        np.array([system.unpacked(f[name]["test sums"]) for f in found]) for name in (ours, theirs)
    )
    n = a.shape[1]
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), 1000)
    many = [from_counts(np.einsum("rs,nsf->rnf", draws, x)).mean(1) for x in (a, b)]
    low, high = np.quantile(many[0] - many[1], [0.025, 0.975])
    mean = float((from_counts(a.sum(1)) - from_counts(b.sum(1))).mean())
    return Interval(mean, float(min(low, mean)), float(max(high, mean)), n)


def bounds(found: Interval) -> list[float]:
    """Return a mean and the ends of its interval."""
    return [found.mean, found.low, found.high]


def mean_of(values) -> list[float]:
    """Return the mean of runs and the ends of its interval."""
    return bounds(interval(list(values)))


def would_decide(found: Interval, line: float) -> str:
    """Say how many seeds would take the line out of an interval."""
    count = seeds_needed(found, line)
    return f"About {count} seeds." if count else "No number of seeds: the mean is on the line."


def protocol(run: Run) -> str:
    """Return what was trained, and how."""
    s, config = system.build(run), config_of(run)
    sizes = {
        kind: count_parameters(make(kind, config, 0).config)
        for kind in ("gru", "tanh", "tanh, as many weights")
    }
    return (
        f"{system.told(s)}Nets: shortlists of {config.source_vocab_size:,} words, embeddings of "
        f"{config.embedding_size}, {config.hidden_size} units, {config.maxout_size} maxout pairs, "
        f"G of rank {config.output_rank}; "
        + ", ".join(f"{kind} {n:,} weights" for kind, n in sizes.items())
        + f". {run.pick(**STEPS):,} steps of {nets.BATCH} of the table's unique pairs, "
        "drawn once. The rate rises for 100 steps and falls in a line over the second half; tuned "
        "for gru, tanh and blind alike, at the full length, on a seed apart: "
        f"{nets.told(rates(run))}. {RECIPE} "
    )
