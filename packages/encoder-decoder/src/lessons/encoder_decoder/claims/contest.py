"""What most claims judge: nets trained on phrase pairs, and their scores in the system."""

import functools
import math
import random
from collections.abc import Sequence
from typing import Any

from ..config import EncoderDecoderConfig
from ..lab.run import Run
from ..phrases import score_pairs
from . import choices, nets, system
from .nets import make, nats, seen, train, tuned
from .reranking import rerank

RATE = 2e-3  # the middle of the first grid
STEPS = {"test": 6, "default": 6800, "paper": 68_000}
SIZES = {  # n, m, maxout pairs, rank of G
    "test": (6, 4, 3, 3), "default": (96, 48, 48, 48), "paper": (1000, 100, 500, 100),
}  # fmt: skip
TUNED = ("gru", "tanh", "blind")
WATCHED = 2000  # new phrase pairs of dev that a training is watched on


def config_of(run: Run, share: float = 1.0) -> EncoderDecoderConfig:
    """Return the nets' sizes: a tenth of the paper's, or the paper's."""
    n, m, l, rank = run.pick(**SIZES)
    known = system.build(run, share).lists
    return EncoderDecoderConfig(len(known[0]), len(known[1]), m, n, l, rank)


def steps_of(run: Run, share: float = 1.0) -> int:
    """Return the steps of a training, in proportion to the share of the corpus that it has."""
    return max(round(share * run.pick(**STEPS)), 2)


def drawn(run: Run, steps: int, share: float = 1.0, often: bool = False) -> list[nets.Pair]:
    """Return as many of the table's pairs as so many steps see, each once (§3.1).

    Or each as often as chance has it, which draws by how often a pair was counted (``often``).
    """
    return _drawn(run, steps, share, often)


@functools.lru_cache(1)
def _drawn(run: Run, steps: int, share: float, often: bool) -> list[nets.Pair]:
    s = system.build(run, share)
    return s.ids(draw(s.counts, nets.BATCH * steps, random.Random(0), often))


def draw(counts: dict, most: int, rng: random.Random, often: bool) -> list:
    """Return pairs of a table: different ones, at most all; or ``most``, by their counts."""
    pairs = list(counts)
    if often:
        return rng.choices(pairs, list(counts.values()), k=most)
    return rng.sample(pairs, min(most, len(pairs)))


def held(run: Run, kind: str, part: str, share: float = 1.0) -> Sequence[nets.Pair]:
    """Return phrase pairs of other pages, new to the table, as a contender sees them."""
    s = system.build(run, share)
    return seen(kind, s.ids(s.held[part]))


def trained(
    run: Run,
    kind: str,
    rate: float | None,
    seed: int,
    share: float = 1.0,
    watch=None,
    times: int = 1,
    often: bool = False,
    longest: float = 1.0,
):
    """Return a contender after a whole training; without a rate in the paper's own way.

    Args:
        run: for its scale.
        kind: of `nets.KINDS`.
        rate: of learning.
        seed: of weights and batches.
        share: of the corpus, and of the steps.
        watch: as `nets.train` has it.
        times: how many times as long.
        often: pairs are drawn by their counts.
        longest: the norm at which gradients are cut.
    """
    rate = None if run.scale == "paper" else rate
    net = make(kind, config_of(run, share), seed, printed=rate is None)
    steps = times * steps_of(run, share)
    pairs = seen(kind, drawn(run, steps, share, often))
    return train(run, net, pairs, rate, steps, seed, watch=watch, longest=longest)


def watcher(run: Run, kind: str, share: float = 1.0):
    """Return a list, and what writes a training's course into it: a row each time it is asked.

    Rows: steps; loss per word on the pairs of the training, and on new ones; share of steps whose
    gradient was cut.
    """
    new, curve = held(run, kind, "dev", share)[:WATCHED], []

    def watch(net, step: int, loss: float, cut: float) -> None:
        curve.append([step, loss, nats(net, new), cut])

    return curve, watch


def tune_rate(run: Run, kind: str, rate: float, seed: int) -> float:
    """Return the loss per word on dev's new phrase pairs after a whole training at a rate."""
    return nats(trained(run, kind, rate, seed), held(run, kind, "dev"))


def printed(run: Run, kind: str, seed: int, cut: bool) -> dict[str, Any]:
    """Train a contender as the paper prints it; return its loss on test's new pairs, its course.

    The rate does not fall, and the loss goes up and down to the end: of twelve states on the way
    the one with the least loss on dev is asked.

    Args:
        run: for its scale.
        kind: of `nets.KINDS`.
        seed: of weights and batches.
        cut: whether gradients are cut at 1, as the released code does, and no word of the paper.
    """
    (curve, watch), best = watcher(run, kind), {}

    def keep(net, step: int, loss: float, share: float) -> None:
        watch(net, step, loss, share)
        if curve[-1][2] <= min(row[2] for row in curve):
            best.update({name: value.clone() for name, value in net.state_dict().items()})

    net = trained(run, kind, None, seed, watch=keep, longest=1.0 if cut else math.inf)
    net.load_state_dict(best or net.state_dict())
    return {"test": nats(net, held(run, kind, "test")), "curve": curve}


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
        both: also tune with the penalty, and rerank with the neural language model.
        share: of the corpus, and of the steps.
    """
    s = system.build(run, share)
    curve, watch = watcher(run, kind, share)
    net = trained(run, kind, rate, seed, share, watch)
    found: dict[str, Any] = {"sentences": len(s.parts["train"]), "curve": curve}
    for part in ("dev", "test"):
        found[part] = nats(net, held(run, kind, part, share))
    if kind not in ("gru", "blind"):
        return found
    scores = scored(net, kind, s)
    table = system.with_scores(s, scores)
    lists: dict[str, dict] = {"base": {}, "rnn": {}}
    active = [*system.BASE, "rnn"]
    found["rnn"] = system.tune(run, s, table, active, seed, lists["rnn"])
    if kind == "gru":
        found["base"] = system.tune(run, s, table, system.BASE, seed, lists["base"])
        fresh = make(kind, config_of(run, share), seed, printed=run.scale == "paper")
        fresh.to(run.device).eval()
        found |= choices.examine(run, net, fresh, s, scores, seed)
        if both:
            found["penalty"] = system.tune(run, s, table, [*active, "unknown"], seed)
            found["lists"] = rerank(run, s, lists, seed)
    return found


def scored(net, kind: str, s: system.System) -> dict:
    """Return a net's score of each option that the search has."""
    options = [(e, f) for e, span in s.options.items() for f in span.targets]
    return dict(zip(options, score_pairs(net, seen(kind, s.ids(options)))))


def learn_otherwise(run: Run, rate: float, seed: int, times: int, often: bool) -> dict[str, Any]:
    """Train a net with gates for longer, or with frequencies; let its scores enter the system.

    Args:
        run: for its scale.
        rate: of learning, as that of the other nets.
        seed: of weights, batches and tuning.
        times: how many times as many steps.
        often: pairs are drawn by their counts (§3.1 has each once).
    """
    s = system.build(run)
    net = trained(run, "gru", rate, seed, times=times, often=often)
    scores = scored(net, "gru", s)
    active, table = [*system.BASE, "rnn"], system.with_scores(s, scores)
    return {
        "steps": times * steps_of(run), "test": nats(net, held(run, "gru", "test")),
        "rnn": system.tune(run, s, table, active, seed), "ranks": choices.ranked(s, scores),
    }  # fmt: skip


def longer(run: Run) -> dict[str, Any]:
    """Return what one net finds that is trained three times as long."""
    rate = rates(run)["gru"][0]
    return run.trial(learn_otherwise, rate=rate, seed=run.seed, times=3, often=False)


def with_frequencies(run: Run) -> list[dict[str, Any]]:
    """Return what nets find that saw pairs as often as they were counted, for as many steps."""
    rate = rates(run)["gru"][0]
    return [
        run.trial(learn_otherwise, rate=rate, seed=seed, times=1, often=True)
        for seed in run.seeds(run.pick(test=2, default=3))
    ]


def runs_of(run: Run, kind: str, count: int | None = None) -> list[dict[str, Any]]:
    """Return what a contender's nets found, by seed: five with gates, three blind, two without."""
    if count is None:
        count = run.pick(test=2, default={"gru": 5, "blind": 3, "tanh": 2}[kind])
    rate = rates(run)[kind][0]
    both = kind == "gru"  # these also rerank with the language model
    return [
        run.trial(learn, kind=kind, rate=rate, seed=seed, both=both, share=1.0)
        for seed in run.seeds(count)
    ]


def smaller(run: Run) -> list[list[dict[str, Any]]]:
    """Return what nets with gates find on a quarter and a half of the corpus, and on the whole.

    Two seeds, trained in proportion; the first net of a part also has the penalty, and reranks.
    """
    rate, seeds = rates(run)["gru"][0], run.seeds(run.pick(test=1, default=2))
    shares = run.pick(test=(0.5,), default=(0.25, 0.5))
    found = [
        [
            run.trial(learn, kind="gru", rate=rate, seed=seed, share=share, both=seed == run.seed)
            for seed in seeds
        ]
        for share in shares
    ]  # fmt: skip
    return [*found, runs_of(run, "gru")[: len(seeds)]]
