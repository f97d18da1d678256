"""The contest that most claims judge: RNNsearch and RNNencdec, to 30 words and to 50."""

import time
from collections.abc import Callable
from typing import Any

from ..config import count_parameters
from ..lab.figures import AMBER, BLUE, MUTED, RED, TEAL
from ..lab.run import Run
from ..lab.statistics import Interval, interval, paired, seeds_needed
from ..model import RNNencdec
from . import looking, translators
from .translators import make, steps_of, texts, trained, tune, up_to

NAMES = ("search-50", "encdec-50", "search-30", "encdec-30")
COLOR = {"search-50": BLUE, "search-30": TEAL, "encdec-50": RED, "encdec-30": AMBER}
RATE = 1.5e-3  # the middle of the first grid
KNOWN = (
    " (Known before this rule, from a pilot of the editor's with similar nets, manuals of two "
    "programs, one seed: BLEU 26.5 at 11–20 words, 22.4 at 21–30, 15.9 beyond, of 40 texts, with "
    "attention; 12.6, 9.4 and 7.2 with one vector.)"
)
BETWEEN = (
    "A 300th of the paper's pairs, a 90th of its weights, a 360th of its updates, of 32 pairs and "
    "not 80, a third of its passes; one core in the place of a GPU for five days; pieces "
    "of words in the place of shortlists; manuals in the place of news"
)


def learn(
    run: Run, kind: str, limit: int, rate: float, ends: list[int], seed: int
) -> list[dict[str, Any]]:
    """Train one translator; return its scores after each length of training."""
    net, pairs = make(run, kind, seed), up_to(run, limit)
    began, found = time.process_time(), []
    for end, other in trained(run, net, rate, ends, pairs, seed):
        spent = time.process_time() - began
        every = 1 if end == max(ends) else 2  # on the way half of the test pairs tell enough
        found.append({"step": end, "seconds": spent, **translators.scores(run, other, every)})
        few = pairs[:: max(len(pairs) // run.pick(test=10, default=500), 1)]
        found[-1]["train nats"] = translators.forced(run, other, few)["nats"]
        found[-1]["dev nats"] = translators.forced(run, other, up_to(run, limit, "dev"))["nats"]
        if end == max(ends) and not isinstance(other, RNNencdec):
            found[-1] |= looking.examine(run, other, seed)
    return found


def rates(run: Run, kinds=("search", "encdec")) -> dict[str, tuple[float, dict[float, float]]]:
    """Return each model's best rate, and the dev losses by rate: tuned alike, for the full length.

    A grid of factors 2, which grows until the best is not at its edge, to six rates at most; a
    seed apart.
    """
    found = {}
    for kind in kinds:
        if run.scale == "test":
            found[kind] = RATE, {RATE: 0.0}
            continue
        end = steps_of(run, f"{kind}-50")

        def loss(rate: float, kind=kind, end=end) -> float:
            return run.trial(tune, kind=kind, rate=rate, end=end, seed=run.seed + 100)

        tried = {rate: loss(rate) for rate in (RATE / 2, RATE, 2 * RATE)}
        while True:
            best = min(tried, key=tried.__getitem__)
            if min(tried) < best < max(tried) or len(tried) > 5:
                break
            edge = best / 2 if best == min(tried) else best * 2
            tried[edge] = loss(edge)
        found[kind] = best, tried
    return found


def runs_of(
    run: Run, name: str, count: int | None = None, kind: str | None = None, part: int = 1
) -> list[Any]:
    """Return a model's scores, by seed and length of training.

    Args:
        run: keeps them.
        name: one of `NAMES`: its limit of words and length of training.
        count: of seeds; None: five to 50 words, three to 30.
        kind: another model than the name's, trained as that one.
        part: that model's steps are divided by it.
    """
    own, limit = name.split("-")
    whole = steps_of(run, name) // part
    ends = [whole // 4, whole // 2, whole] if limit == "50" and kind is None else [whole]
    if count is None:
        count = run.pick(test=2, default=5 if limit == "50" else 3)
    return [
        run.trial(
            learn, kind=kind or own, limit=int(limit), rate=rates(run, (own,))[own][0],
            ends=sorted(set(ends)), seed=seed,
        )
        for seed in run.seeds(count)
    ]  # fmt: skip


def last(found: list[Any], score: Callable[[dict], float]) -> list[float]:
    """Return a score of every seed at the end of its training."""
    return [score(curve[-1]) for curve in found]


def fall(score: dict[str, Any]) -> float:
    """Return BLEU of 31 to 50 words less that of 11 to 20: below 0, if long ones are worse."""
    return score["by length"]["31–50"] - score["by length"]["11–20"]


def kept(score: dict[str, Any]) -> float:
    """Return BLEU of 31 to 50 words as a share of that of 11 to 20: 1, if length costs nothing.

    A share, since our nets stand lower than the paper's, and half of little is few points.
    """
    short = score["by length"]["11–20"]
    return score["by length"]["31–50"] / short if short else 0.0


def gap(
    ours: list[Any], theirs: list[Any], score: Callable[[dict], float] = lambda s: s["bleu"]
) -> Interval:
    """Return ours less theirs, paired by seed; of as many seeds as both have."""
    n = min(len(ours), len(theirs))
    return paired(last(ours[:n], score), last(theirs[:n], score))


def bounds(values: list[float]) -> list[float]:
    """Return a mean and the ends of its interval."""
    found = interval(values)
    return [found.mean, found.low, found.high]


def trend(
    run: Run,
    score: Callable[[dict], float],
    name: str,
    other: str | None = None,
    digits: int = 1,
) -> str:
    """Tell a score, or its difference between two models, at three lengths of training."""
    curves = [runs_of(run, n) for n in (name, other) if n]
    told = []
    for i in range(len(curves[0][0])):
        values = [[score(curve[i]) for curve in each] for each in curves]
        found = paired(*values) if other else interval(values[0])
        told.append(found.text(digits))
    return "; ".join(told)


def would_decide(found: Interval, line: float) -> str:
    """Say how many seeds would take the line out of an interval."""
    count = seeds_needed(found, line)
    return f"About {count} seeds." if count else "No number of seeds: the mean is on the line."


def protocol(run: Run) -> str:
    """Return what was trained, and how."""
    known, found = texts(run), rates(run)
    parts = {name: len(ids) for name, ids in known["ids"].items()}
    steps = {name: steps_of(run, name) for name in NAMES}
    sizes = {
        kind: count_parameters(make(run, kind, 0).config, kind == "search")
        for kind in ("search", "encdec")
    }
    edge = "".join(
        f"; {kind}'s is at the edge" for kind, (best, tried) in found.items()
        if len(tried) > 1 and best in (min(tried), max(tried))
    )  # fmt: skip
    grids = "; ".join(
        f"{kind} {best:g} of {', '.join(f'{rate:g}' for rate in sorted(tried))}"
        for kind, (best, tried) in found.items()
    )
    return (
        "LibreOffice's manuals, English to French, sentences and uncut paragraphs: "
        f"{parts['train']:,} pairs to train, {parts['test']:,} from other pages to test, of which "
        f"no sentence is trained on; {len(up_to(run, 30)):,} of up to 30 words and "
        f"{len(up_to(run, 50)):,} of up to 50 (the translation a quarter longer). 2,000 pieces a "
        "language. Embeddings of 64, encoder 96 each direction (RNNencdec: forward alone), "
        f"decoder, alignment 192, maxout 64: {sizes['search'] / 1e6:.2f}M and "
        f"{sizes['encdec'] / 1e6:.2f}M weights; no dropout, as the paper. Batches of 32 pairs, 20 "
        "of them sorted together (B.2); steps in the proportion of Table 2's updates "
        f"({_told(steps)}), in which RNNencdec, that is faster, gets more. Adam, gradients clipped "
        "at 1; the rate rises for 200 steps and falls in a line over the last fifth; tuned for "
        f"both models to 50 words at the full length, on a seed apart ({grids}{edge}), and the "
        "same for their other nets. Greedy decoding; BLEU on words and marks (13a). "
    )


def _told(steps: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in steps.items())


def draw_lengths(figure, numbers) -> None:
    """Draw BLEU by length of the source: ours, and the paper's Figure 2."""
    figure.set_size_inches(6.4, 3.0)
    ours, paper = figure.subplots(1, 2)
    names = list(numbers["by length"]["search-50"])
    for shift, name in zip((-0.15, -0.05, 0.05, 0.15), NAMES):
        mean, low, high = zip(*numbers["by length"][name].values())
        where = [i + shift for i in range(len(names))]
        error = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
        style: dict[str, Any] = {"color": COLOR[name], "markersize": 4, "capsize": 2}
        ours.errorbar(where, mean, error, fmt="o-", label=name, **style)
    ours.set_xticks(range(len(names)), names)
    ours.set(xlabel="words of the source, here", ylabel="BLEU", ylim=(0, None))
    for name in NAMES:
        paper.plot(numbers["paper"]["lengths"], numbers["paper"][name], color=COLOR[name])
    paper.set(xlabel="words, Figure 2 of the paper", ylim=(0, None))
    ours.legend(fontsize=8)
    paper.axvspan(30, 60, color=MUTED, alpha=0.08, linewidth=0)
