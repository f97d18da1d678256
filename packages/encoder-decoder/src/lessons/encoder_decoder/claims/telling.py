"""What claims tell: how nets were trained, differences and their intervals, trends."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from ..bleu import from_counts
from ..config import count_parameters
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, Judgement, every, interval, paired, seeds_needed
from . import nets, system
from .contest import config_of, rates, smaller, steps_of
from .nets import RECIPE, make

AS_PRINTED = (
    "Weights begin as printed (0.01 at the paper's 1,000 units, with fewer larger by the root, so "
    "that a unit hears as much; recurrent ones orthogonal), the loss is equation 4, and "
    "Adadelta learns (ρ 0.95, ε 10⁻⁶, §4.1.1): there is no rate to tune. Gradients are cut at 1, "
    "as in the authors' released code; the paper says nothing of that."
)
BETWEEN = (
    "A thousandth of the paper's words, nets a hundredth as large trained for minutes, a "
    "system without jumps; manuals in the place of news"
)


def trend(
    run: Run,
    score: Callable[[list[dict]], float],
    digits: int = 2,
    of: str = "two nets each",
) -> str:
    """Tell a number at three sizes of the corpus: what "not seen at this scale" rests on."""
    told = (f"{x[0]['sentences']:,}: {score(x):.{digits}f}" for x in smaller(run))
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


def protocol(run: Run, how: str = "") -> str:
    """Return what was trained, and how; if that is not as `recipe` has it, with other words."""
    s, config = system.build(run), config_of(run)
    sizes = {kind: count_parameters(make(kind, config, 0).config) for kind in ("gru", "tanh")}
    return (
        f"{system.told(s)}Nets: shortlists of {config.source_vocab_size:,} words, embeddings of "
        f"{config.embedding_size}, {config.hidden_size} units, {config.maxout_size} maxout pairs, "
        f"G of rank {config.output_rank} (App. A's wiring, the unit of eq. 8); "
        + ", ".join(f"{kind} {n:,} weights" for kind, n in sizes.items())
        + f". {steps_of(run):,} steps of {nets.BATCH} of the table's unique pairs, "
        f"each drawn once: {min(nets.BATCH * steps_of(run) / len(s.counts), 1):.0%} of them. "
        f"{how or recipe(run)} "
    )


def recipe(run: Run) -> str:
    """Return how the nets begin and learn."""
    if run.scale == "paper":
        return AS_PRINTED
    return (
        "The rate rises for 100 steps and falls in a line over the second half; tuned for gru, "
        "tanh and blind alike, at the full length, on a seed apart: "
        f"{nets.told(rates(run))}. {RECIPE}"
    )
