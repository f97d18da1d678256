"""The trainings that most claims judge: both orders of the source, depths, standard nets."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from ..config import count_parameters
from ..lab.figures import AMBER, BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import Interval, interval, paired, seeds_needed
from ..model import Seq2Seq
from . import translators
from .translators import BATCH, keep, kept_at, make, recall, steps, texts, trained, tune

RATE = 3e-3  # the middle of the first grid
# Figure 3, left, read from the vectors of the drawing in the PDF (v3): BLEU by length.
FIGURE_3 = {
    "words": (4, 7, 8, 12, 17, 22, 28, 35, 79),
    "LSTM": (17.2, 31.2, 23.9, 33.8, 33.2, 34.7, 35.8, 36.4, 34.3),
    "baseline": (17.2, 27.7, 23.4, 31.1, 31.2, 33.2, 33.9, 33.6, 34.1),
}
BETWEEN = (
    "a three-hundredth of the paper's sentences, a 500th of its weights, four passes in the "
    "place of 7.5, minutes of one core in the place of ten days of eight GPUs; manuals, not news"
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
    """Train one translator; return its scores after each length of training, and keep it."""
    net, known = make(run, kind, seed), texts(run)["ids"]["train"]
    began, found = time.process_time(), []
    for end, other in trained(run, net, rate, ends, known, seed):
        spent = time.process_time() - began
        found.append({"step": end, "seconds": spent, **translators.scores(run, other, seed)})
        if end == max(ends):
            keep(run, other, kind, seed)
    return found


def rate_of(run: Run, kind: str) -> tuple[float, dict[float, float]]:
    """Return a kind's best rate, and its dev losses by rate: for the full length, a seed apart.

    A grid of factors 2, which grows until the best is not at its edge, to eight rates at most.
    """
    if run.scale == "test":
        return RATE, {RATE: 0.0}

    def loss(rate: float) -> float:
        return run.trial(tune, kind=kind, rate=rate, seed=run.seed + 100)

    tried = {rate: loss(rate) for rate in (RATE / 2, RATE, 2 * RATE)}
    while True:
        best = min(tried, key=tried.__getitem__)
        if min(tried) < best < max(tried) or len(tried) > 7:
            return best, tried
        edge = best / 2 if best == min(tried) else best * 2
        tried[edge] = loss(edge)


def runs_of(run: Run, kind: str) -> list[Any]:
    """Return a kind's scores, by seed and length of training: five seeds of both orders, else 3."""
    main = kind in ("reversed", "forward")
    whole = steps(run)
    ends = sorted({whole // 4, whole // 2, whole})
    count = run.pick(test=2, default=5 if main else 3)
    rate = rate_of(run, kind)[0]
    return [
        run.trial(learn, kind=kind, rate=rate, ends=ends, seed=seed) for seed in run.seeds(count)
    ]


def nets(run: Run, kind: str = "reversed") -> list[Seq2Seq]:
    """Return a kind's trained nets; one that was not kept is trained again."""
    found = []
    for seed, curve in zip(run.seeds(len(runs_of(run, kind))), runs_of(run, kind)):
        if not kept_at(run, kind, seed).is_file():
            ends = [each["step"] for each in curve]
            learn(run, kind, rate_of(run, kind)[0], ends, seed)
        found.append(recall(run, kind, seed))
    return found


def last(found: Sequence[Any], score: Callable[[dict], float]) -> list[float]:
    """Return a score of every seed at the end of its training."""
    return [score(curve[-1]) for curve in found]


def gap(ours: Sequence[Any], theirs: Sequence[Any], score: Callable[[dict], float]) -> Interval:
    """Return ours less theirs, paired by seed; of as many seeds as both have."""
    n = min(len(ours), len(theirs))
    return paired(last(ours[:n], score), last(theirs[:n], score))


def bounds(values: Sequence[float]) -> list[float]:
    """Return a mean and the ends of its interval."""
    found = interval(values)
    return [found.mean, found.low, found.high]


def ends_of(found: Interval) -> list[float]:
    """Return an interval as JSON holds it."""
    return [found.mean, found.low, found.high]


def trend(run: Run, score: Callable[[dict], float], kind: str, other: str | None = None) -> str:
    """Tell a score, or a difference between two kinds, at three lengths of training."""
    curves = [runs_of(run, k) for k in (kind, other) if k]
    count = min(map(len, curves))
    curves = [each[:count] for each in curves]
    told = []
    for i in range(len(curves[0][0])):
        values = [[score(curve[i]) for curve in each] for each in curves]
        found = paired(*values) if other else interval(values[0])
        told.append(found.text(2))
    return "; ".join(told)


def would_decide(found: Interval, line: float) -> str:
    """Say how many seeds would take the line out of an interval."""
    count = seeds_needed(found, line)
    return f"About {count} seeds." if count else "No number of seeds: the mean is on the line."


def protocol(run: Run, *kinds: str) -> str:
    """Return what was trained, and how."""
    known = texts(run)
    parts = {name: len(ids) for name, ids in known["ids"].items()}
    told = []
    for kind in kinds:
        size = count_parameters(make(run, kind, 0).config)["total"] / 1e6
        best, tried = rate_of(run, kind)
        grid = ", ".join(f"{rate:g}" for rate in sorted(tried))
        edge = "" if min(tried) < best < max(tried) or len(tried) < 3 else ", at the edge"
        told.append(f"{kind}: {size:.2f}M weights, rate {best:g} of {grid}{edge}")
    return (
        "LibreOffice's manuals, English to French, sentences and uncut paragraphs of 3 to 60 "
        f"words: {parts['train']:,} pairs to train, {parts['test']:,} from other pages to test, "
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
