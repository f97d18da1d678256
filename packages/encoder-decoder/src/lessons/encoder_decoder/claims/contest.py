"""What most claims judge: nets trained on phrase pairs, and their scores in the system."""

import dataclasses
import functools
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..bleu import from_counts
from ..config import EncoderDecoderConfig, count_parameters
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, Judgement, every, interval, paired, seeds_needed
from ..phrases import score_pairs
from . import choices, nets, system
from .nets import RECIPE, make, nats, seen, train, tuned
from .reranking import rerank

RATE = 2e-3  # the middle of the first grid
STEPS = {"test": 6, "default": 6800, "paper": 68_000}
SIZES = {  # n, m, maxout pairs, rank of G
    "test": (6, 4, 3, 3), "default": (96, 48, 48, 48), "paper": (1000, 100, 500, 100),
}  # fmt: skip
TUNED = ("gru", "tanh", "blind")
WATCHED = 2000  # new phrase pairs of dev that a training is watched on
BETWEEN = (
    "A thousandth of the paper's words, nets a hundredth as large trained for minutes, a "
    "system without jumps; manuals in the place of news"
)


def config_of(run: Run, share: float = 1.0) -> EncoderDecoderConfig:
    """Return the nets' sizes: a tenth of the paper's, or the paper's."""
    n, m, l, rank = run.pick(**SIZES)
    known = system.build(run, share).lists
    return EncoderDecoderConfig(len(known[0]), len(known[1]), m, n, l, rank)


def steps_of(run: Run, share: float = 1.0) -> int:
    """Return the steps of a training, in proportion to the share of the corpus that it has."""
    return max(round(share * run.pick(**STEPS)), 2)


def drawn(run: Run, share: float = 1.0) -> list[nets.Pair]:
    """Return as many of the table's pairs as a training sees, each once (§3.1)."""
    return _drawn(run, share)


@functools.lru_cache(1)
def _drawn(run: Run, share: float) -> list[nets.Pair]:
    s = system.build(run, share)
    pairs = list(s.counts)
    count = min(nets.BATCH * steps_of(run, share), len(pairs))
    return s.ids(random.Random(0).sample(pairs, count))


def pairs_of(
    run: Run, kind: str, part: str = "train", share: float = 1.0
) -> Sequence[nets.Pair]:  # fmt: skip
    """Return phrase pairs as a contender sees them."""
    s = system.build(run, share)
    return seen(kind, drawn(run, share) if part == "train" else s.ids(s.held[part]))


def trained(
    run: Run, kind: str, rate: float | None, seed: int, share: float = 1.0, watch=None
):  # fmt: skip
    """Return a contender after a whole training; without a rate in the paper's own way."""
    rate = None if run.scale == "paper" else rate
    net = make(kind, config_of(run, share), seed, printed=rate is None)
    pairs = pairs_of(run, kind, share=share)
    return train(run, net, pairs, rate, steps_of(run, share), seed, watch=watch)


def tune_rate(run: Run, kind: str, rate: float, seed: int) -> float:
    """Return the loss per word on dev's new phrase pairs after a whole training at a rate."""
    return nats(trained(run, kind, rate, seed), pairs_of(run, kind, "dev"))


def printed(run: Run, kind: str, seed: int) -> float:
    """Return a contender's loss on test's new phrase pairs, trained as the paper prints it."""
    return nats(trained(run, kind, None, seed), pairs_of(run, kind, "test"))


def rates(run: Run) -> dict[str, tuple[float, dict[float, float]]]:
    """Return each contender's best rate and all that were tried, on a seed apart."""
    return {
        kind: tuned(
            run, RATE,
            lambda rate, kind=kind: run.trial(tune_rate, kind=kind, rate=rate, seed=run.seed + 100),
        )
        for kind in TUNED
    }  # fmt: skip


def learn(
    run: Run, kind: str, rate: float, seed: int, both: bool, share: float = 1.0
) -> dict[str, Any]:  # fmt: skip
    """Train a contender; let its scores enter the system, if it is one whose scores do.

    Args:
        run: for its scale.
        kind: of `nets.KINDS`.
        rate: of learning.
        seed: of weights, batches and tuning.
        both: also rerank with the neural language model.
        share: of the corpus, and of the steps.
    """
    s = system.build(run, share)
    new, curve = pairs_of(run, kind, "dev", share)[:WATCHED], []
    watch = lambda net, step, loss: curve.append([step, loss, nats(net, new)])  # noqa: E731
    net = trained(run, kind, rate, seed, share, watch)
    found: dict[str, Any] = {"sentences": len(s.parts["train"]), "curve": curve}
    for part in ("dev", "test"):
        found[part] = nats(net, pairs_of(run, kind, part, share))
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
        fresh = make(kind, config_of(run, share), seed, printed=run.scale == "paper")
        fresh.to(run.device).eval()
        found |= choices.examine(run, net, fresh, s, scores, seed)
        if both:
            found["lists"] = rerank(run, s, table, found, seed)
    return found


def runs_of(run: Run, kind: str, count: int | None = None) -> list[dict[str, Any]]:
    """Return what a contender's nets found, by seed: five of each, three of the wide tanh net."""
    own = kind if kind in TUNED else "tanh"
    if count is None:
        count = run.pick(test=2, default=5 if kind in TUNED else 3)
    rate = rates(run)[own][0]
    both = kind == "gru"  # these also rerank with the language model
    return [
        run.trial(learn, kind=kind, rate=rate, seed=seed, both=both, share=1.0)
        for seed in run.seeds(count)
    ]


def smaller(run: Run) -> list[dict[str, list[dict[str, Any]]]]:
    """Return what contenders find on a quarter and on a half of the corpus, and on the whole.

    Two seeds of each, trained in proportion; the first net of a part also reranks.
    """
    best, seeds = rates(run), run.seeds(run.pick(test=1, default=2))

    def part(kind: str, share: float) -> list[dict[str, Any]]:
        return [
            run.trial(learn, kind=kind, rate=best[kind][0], seed=seed, share=share,
                      both=kind == "gru" and seed == run.seed)
            for seed in seeds
        ]  # fmt: skip

    shares = run.pick(test=(0.5,), default=(0.25, 0.5))
    found = [{kind: part(kind, share) for kind in TUNED} for share in shares]
    return [*found, {kind: runs_of(run, kind)[: len(seeds)] for kind in TUNED}]


def trend(
    run: Run,
    score: Callable[[dict[str, list[dict]]], float],
    digits: int = 2,
    of: str = "two nets each",
) -> str:
    """Tell a number at three sizes of the corpus: what "not seen at this scale" rests on."""
    told = (f"{x['gru'][0]['sentences']:,}: {score(x):.{digits}f}" for x in smaller(run))
    return f" By sentences of the training, {of}: {'; '.join(told)}."


def mean(found: Sequence[dict], of: Callable[[dict], float]) -> float:
    """Return the mean over nets of what is asked of each."""
    return sum(map(of, found)) / max(len(found), 1)


def agreed(judgements: Sequence[Judgement]) -> Judgement:
    """Return a verdict that all share, each on its own interval; otherwise undecided."""
    worst = every(judgements)
    if len({judged.verdict for judged in judgements}) == 1:
        return worst
    return dataclasses.replace(worst, verdict=UNDECIDED)


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


def would_decide(found: Interval, line: float, other: Interval | None = None) -> str:
    """Say how many seeds would take the line out of an interval over nets.

    Args:
        found: over nets.
        line: of the claim.
        other: over sentences or phrases, which more nets would not narrow.
    """
    count = seeds_needed(found, line)
    text = f"About {count} seeds." if count else "No number of seeds: the mean is on the line."
    if other is not None and other.low <= line <= other.high:
        text += " More test pages as well, as the interval over them contains the line."
    return text


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
        f"G of rank {config.output_rank} (App. A's wiring, the unit of eq. 8); "
        + ", ".join(f"{kind} {n:,} weights" for kind, n in sizes.items())
        + f". {steps_of(run):,} steps of {nets.BATCH} of the table's unique pairs, "
        f"drawn once: {len(drawn(run)) / len(s.counts):.0%} of them. {recipe(run)} "
    )


def recipe(run: Run) -> str:
    """Return how the nets begin and learn."""
    if run.scale == "paper":
        return (
            "Weights begin as printed (0.01, recurrent ones orthogonal) and Adadelta learns "
            "(ρ 0.95, ε 10⁻⁶), gradients cut at 1; there is no rate to tune."
        )
    return (
        "The rate rises for 100 steps and falls in a line over the second half; tuned for gru, "
        "tanh and blind alike, at the full length, on a seed apart (the wide tanh net takes "
        f"tanh's): {nets.told(rates(run))}. {RECIPE}"
    )
