"""The trainings that most claims judge: both orders of the source, depths, standard nets."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..config import count_parameters
from ..lab.figures import AMBER, BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import Interval, interval, paired, seeds_needed
from ..model import Seq2Seq
from . import translators
from .sentences import Both, over_sentences, unpack
from .translators import (
    BATCH,
    BINS,
    SCORES,
    WATCH,
    WATCHED,
    forced,
    groups_of,
    keep,
    kept_at,
    make,
    recall,
    steps,
    texts,
    trained,
    tune,
)

RATE = 3e-3  # the middle of the first grid
# Figure 3, left, read from the vectors of the drawing in the PDF (v3): BLEU by length.
FIGURE_3 = {
    "words": (4, 7, 8, 12, 17, 22, 28, 35, 79),
    "LSTM": (17.2, 31.2, 23.9, 33.8, 33.2, 34.7, 35.8, 36.4, 34.3),
    "baseline": (17.2, 27.7, 23.4, 31.1, 31.2, 33.2, 33.9, 33.6, 34.1),
}
# Figure 3, right, read in the same way: BLEU up to the sentence of each number, by rare words.
FIGURE_3_RIGHT = {
    "sentences": (10, 100, 200, 500, 1000, 1500, 2000, 2500, 3003),
    "LSTM": (23.8, 40.4, 39.1, 38.6, 36.9, 36.4, 35.1, 32.5, 28.8),
    "baseline": (26.2, 36.9, 35.3, 34.7, 33.9, 33.8, 34.2, 32.2, 30.1),
}
BETWEEN = (
    "a three-hundredth of the paper's sentences, a 500th of its weights, three and a half passes "
    "in the place of 7.5, an hour of one core in the place of ten days of eight GPUs; manuals, not "
    "news"
)
TOLD = (
    "Not piloted: rules and sizes were set before any of these nets was trained. Known from the "
    "editors: on these manuals, an attentive GRU of similar size learned best at rates of 0.0015 "
    "to 0.006, and embeddings that began with a deviation of 1 were far ahead of 0.1; the paper's "
    "own start (±0.08) and rate (0.7) are for 1000 units: at 64 units they left perplexity at 8 "
    "to 20 where torch's start reached 2. So nets begin as torch's do, and Adam takes the place of "
    "plain descent, for all alike."
)


def learn(run: Run, kind: str, rate: float, ends: list[int], seed: int) -> list[dict[str, Any]]:
    """Train one translator; return its scores after each length of training, and keep it.

    The last has also what each test sentence adds, and the losses on the way: of each step's
    batch, means of a hundred, and of some dev sentences.
    """
    net, known = make(run, kind, seed), texts(run)["ids"]
    began, found, curve, losses = time.process_time(), [], [], []
    dev, every = known["dev"][:WATCHED], run.pick(test=2, default=WATCH)
    pieces = sum(len(b) for _, b in dev)

    def watch(step: int, net: Seq2Seq, loss: float) -> None:
        losses.append(loss)
        if step % every == 0:
            ours = sum(losses[-every:]) / every
            theirs = float(forced(run, net, dev)["nats"].sum() / pieces)
            curve.append([step, round(ours, 4), round(theirs, 4)])

    for end, other in trained(run, net, rate, ends, known["train"], seed, watch):
        spent = time.process_time() - began
        told, rows = translators.scores(run, other, seed)
        found.append({"step": end, "seconds": spent, **told})
        if kind in ("reversed", "forward"):  # they decode and rescore
            keep(run, other, kind, seed, end)
    return [*found[:-1], found[-1] | {"rows": rows, "curve": curve}]


def tuned(
    start: float, loss: Callable[[float], float], most: int = 8
) -> tuple[float, dict[float, float]]:
    """Return the best rate, and the losses by rate.

    A grid of factors 2, which grows until the best is not at its edge, to so many rates at most.
    """
    tried = {rate: loss(rate) for rate in (start / 2, start, 2 * start)}
    while True:
        best = min(tried, key=tried.__getitem__)
        if min(tried) < best < max(tried) or len(tried) >= most:
            return best, tried
        edge = best / 2 if best == min(tried) else best * 2
        tried[edge] = loss(edge)


def grid(best: float, tried: dict[float, float]) -> str:
    """Tell a rate and those it was chosen from."""
    edge = "" if min(tried) < best < max(tried) or len(tried) < 3 else ", at the edge"
    return f"{best:g} of {', '.join(f'{rate:g}' for rate in sorted(tried))}{edge}"


def rate_of(run: Run, kind: str) -> tuple[float, dict[float, float]]:
    """Return a kind's best rate, and its dev losses by rate: for the full length, a seed apart."""
    if run.scale == "test":
        return RATE, {RATE: 0.0}
    return tuned(
        RATE, lambda rate: run.trial(tune, kind=kind, rate=rate, seed=run.seed + 100)
    )  # fmt: skip


def lengths_of(run: Run) -> list[int]:
    """Return the lengths of training that are looked at: a quarter, a half and the whole."""
    whole = steps(run)
    return sorted({whole // 4, whole // 2, whole})


def runs_of(run: Run, kind: str) -> list[Any]:
    """Return a kind's scores, by seed and length of training: five seeds of both orders, else 3."""
    count = run.pick(test=2, default=5 if kind in ("reversed", "forward") else 3)
    rate = rate_of(run, kind)[0]
    return [
        run.trial(learn, kind=kind, rate=rate, ends=lengths_of(run), seed=seed)
        for seed in run.seeds(count)
    ]


def nets(run: Run, kind: str = "reversed", end: int | None = None) -> list[Seq2Seq]:
    """Return a kind's nets of a length of training; one that was not kept is trained again."""
    end, found = steps(run) if end is None else end, []
    for seed in run.seeds(len(runs_of(run, kind))):
        if not kept_at(run, kind, seed, end).is_file():
            learn(run, kind, rate_of(run, kind)[0], lengths_of(run), seed)
        found.append(recall(run, kind, seed, end))
    return found


def last(run: Run, kind: str, score: str) -> list[float]:
    """Return a score of every seed at the end of its training."""
    return [curve[-1]["scores"][score] for curve in runs_of(run, kind)]


def rows_of(run: Run, kind: str) -> list[Any]:
    """Return what each test sentence adds, of every seed at the end of its training."""
    return [unpack(curve[-1]["rows"]) for curve in runs_of(run, kind)]


def single(run: Run, kind: str, score: str) -> Both:
    """Return a kind's score with its intervals over nets and over sentences."""
    sentences = over_sentences(
        [(rows,) for rows in rows_of(run, kind)], lambda a: a(SCORES[score]), groups_of(run),
        run.seed,
    )  # fmt: skip
    return Both(interval(last(run, kind, score)), sentences)


def gap(run: Run, kind: str, other: str, score: str, share: float = 1.0) -> Both:
    """Return a kind's score less another's, or a share of it; paired, of the seeds both have."""
    ours, theirs = last(run, kind, score), last(run, other, score)
    n, one = min(len(ours), len(theirs)), SCORES[score]
    nets = paired(ours[:n], [share * value for value in theirs[:n]])
    pairs = list(zip(rows_of(run, kind)[:n], rows_of(run, other)[:n]))
    sentences = over_sentences(
        pairs, lambda a, b: a(one) - share * b(one), groups_of(run), run.seed
    )
    return Both(nets, sentences)


def bounds(values: Sequence[float]) -> list[float]:
    """Return a mean and the ends of its interval."""
    found = interval(values)
    return [found.mean, found.low, found.high]


def ends_of(found: Interval) -> list[float]:
    """Return an interval as JSON holds it."""
    return [found.mean, found.low, found.high]


def by_length(run: Run, kinds: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Return each kind's BLEU by the length of the source."""
    return {
        kind: {b: bounds(last(run, kind, f"bleu {b}")) for b in BINS} for kind in kinds
    }  # fmt: skip


def trend(run: Run, score: str, kind: str, other: str | None = None) -> str:
    """Tell a score, or a difference between two kinds, at three lengths of training."""
    curves = [runs_of(run, k) for k in (kind, other) if k]
    count = min(map(len, curves))
    told = []
    for i in range(len(curves[0][0])):
        values = [[curve[i]["scores"][score] for curve in each[:count]] for each in curves]
        found = paired(*values) if other else interval(values[0])
        told.append(found.text(2))
    return "; ".join(told)


def would_decide(found: Both | Interval, line: float) -> str:
    """Say how many nets, and how many sentences, would take the line out of the intervals.

    Spread and mean are taken as they are.
    """
    nets, sentences = (
        (found, None) if isinstance(found, Interval) else (found.nets, found.sentences)
    )
    told = []
    if nets.low <= line <= nets.high:
        count = seeds_needed(nets, line)
        told.append(f"about {count:,} nets" if count else "no number of nets (the mean is there)")
    if sentences is not None and sentences.low <= line <= sentences.high:
        count = sentences_needed(sentences, line)
        told.append(
            f"about {count:,} sentences, of which these are {sentences.n:,}" if count
            else "no number of sentences (the mean is there)"
        )  # fmt: skip
    text = ", and ".join(told)
    return f"{text[:1].upper()}{text[1:]}." if text else "Nothing more: neither has the line in it."


def sentences_needed(found: Interval, line: float) -> int | None:
    """Return about how many sentences would take the line out of an interval over sentences.

    It narrows with the root of their number. None where that would be more than a hundred million.
    """
    half = found.mean - found.low if found.mean > line else found.high - found.mean
    gap = abs(found.mean - line)
    if gap * 1e4 <= half / math.sqrt(found.n):
        return None
    return math.ceil(found.n * (half / gap) ** 2)


def protocol(run: Run, *kinds: str) -> str:
    """Return what was trained, and how."""
    known = texts(run)
    parts = {name: len(ids) for name, ids in known["ids"].items()}
    tested = int(groups_of(run)["all"].sum())
    told = []
    for kind in kinds:
        size = count_parameters(make(run, kind, 0).config)["total"] / 1e6
        told.append(f"{kind}: {size:.2f}M weights, rate {grid(*rate_of(run, kind))}")
    return (
        "LibreOffice's manuals, English to French, sentences and uncut paragraphs of 3 to 60 "
        f"words: {parts['train']:,} pairs to train, {tested:,} from other pages to test, drawn "
        f"once ({parts['test'] - tested} more have 35 to 60 words and count for these alone), "
        "of which no sentence is trained on. 2,000 pieces a language, embeddings of 64, nets of "
        "two layers (if nothing else is said) of 96 units, no peepholes; "
        f"{steps(run):,} steps of {BATCH} pairs of similar length, "
        f"{steps(run) * BATCH / max(parts['train'], 1):.1f} passes. "
        "Adam, gradients clipped at 1; the rate rises for 100 steps and falls in a line over the "
        f"last fifth; tuned for each kind at the full length, on a seed apart ({'; '.join(told)}). "
        "Greedy decoding, if nothing else is said; BLEU on words and marks (13a). "
    )


def draw_lengths(figure, numbers) -> None:
    """Draw BLEU by length of the source: ours in both orders, and the paper's Figure 3."""
    figure.set_size_inches(6.4, 3.0)
    ours, paper = figure.subplots(1, 2)
    names = list(numbers["by length"]["reversed"])
    for shift, (kind, color) in zip((-0.06, 0.06), (("reversed", BLUE), ("forward", RED))):
        mean, low, high = zip(*numbers["by length"][kind].values())
        where = [i + shift for i in range(len(names))]
        error = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
        ours.errorbar(where, mean, error, fmt="o-", label=kind, color=color, markersize=4,
                      capsize=2)  # fmt: skip
    ours.set_xticks(range(len(names)), names)
    ours.set(xlabel="words of the source, here", ylabel="BLEU", ylim=(0, None))
    ours.legend(fontsize=8)
    words = numbers["paper"]["words"]
    for what, color in (("LSTM", BLUE), ("baseline", AMBER)):
        paper.plot(range(len(words)), numbers["paper"][what], "o-", color=color, markersize=3,
                   label=what)  # fmt: skip
    paper.set_xticks(range(len(words)), [str(n) for n in words])
    paper.set(xlabel="words, Figure 3 of the paper", ylim=(0, None))
    paper.axvspan(7, 8, color=MUTED, alpha=0.08, linewidth=0)
    paper.legend(fontsize=8)
