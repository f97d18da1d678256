"""Subsampling of frequent words: faster, and better for rare ones? (2013b, §2.3, §3, Table 1)."""

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, GREEN, INK, MUTED
from ..lab.run import Run
from ..lab.statistics import interval
from .judging import decide, lead, points
from .learn import THRESHOLDS, trained
from .objectives import (
    BETWEEN,
    CLOCKED,
    LOSSES,
    MILLIONS,
    against,
    finding,
    how_ran,
    right_of,
    seconds,
    settings,
    speed,
)
from .world import build

COLORS = {"neg": BLUE, "hs": GREEN, "nce": AMBER}
SUBSAMPLING = (
    "The subsampling of the frequent words improves the training speed several times and makes the "
    "word representations significantly more accurate."
)
RARE = (
    "It accelerates learning and even significantly improves the accuracy of the learned vectors "
    "of the rare words, as will be shown in the following sections."
)


def draw(figure, numbers) -> None:
    """Draw accuracies of each objective without and with subsampling, total and rare."""
    found_ = numbers["accuracy"]
    for axes, part in zip(figure.subplots(1, 2, sharey=True), ("total", "rare")):
        for k, (loss, label) in enumerate(LOSSES.items()):
            for i, suffix in enumerate(("", ", subsampled")):
                if label + suffix in found_:
                    found = interval(found_[label + suffix][part])
                    at = i + 0.25 * (k - 1)
                    axes.bar(at, found.mean, 0.22, color=COLORS[loss], label=None if i else label)
                    axes.plot([at, at], [found.low, found.high], color=INK, lw=1)
        axes.set_xticks([0, 1], ["all words", "subsampled"])
        axes.set_title("all questions" if part == "total" else "rare answers", color=MUTED)
        if part == "total":
            axes.set(ylabel="right answers (%)")
            axes.legend(loc="upper left")
    axes.set(ylim=(0, 1.5 * axes.get_ylim()[1]))  # of both; the legend stands above the bars


@claim(
    "C3a",
    "2013b, §1, §3, Table 1",
    "Subsampling frequent words makes training several times faster.",
    quotes=SUBSAMPLING,
    asks=f"{CLOCKED}, negative sampling without ÷ with subsampling, the tree beside it. Several "
    "times: 2 or more, as §1 says “around 2x - 10x”. Pilots with t = 10⁻⁴: before the rule 4 times "
    "as fast, with the programs of now, on a busy machine, 2.0.",
    holds_if="the interval of (without ÷ with), negative sampling, lies above 2",
    fails_if="it lies below 2",
    paper="38 ÷ 14 = 2.7; the tree 41 ÷ 21 = 1.95 (Table 1)",
    full_only=True,
)
def faster(run: Run) -> Finding:
    """Judge the ratio of times without and with subsampling."""
    spent = {
        x: [seconds(run, x, subsampled)[0] for subsampled in (False, True)] for x in ("neg", "hs")
    }
    judged, tree = (speed(run, *spent[loss], 2.0) for loss in ("neg", "hs"))
    kept, all_ = (
        trained(run, "skip-gram", run.seed, **settings(run, "neg", s))["words"]
        for s in (True, False)
    )
    vocab = build(run).vocab
    shares = {
        t: float((vocab.counts * vocab.subsample_keep(t)).sum() / vocab.total) for t in THRESHOLDS
    }
    would = ", ".join(f"{100 * share:.0f}% with t of {t:g}" for t, share in shares.items())
    return Finding(
        judged,
        ours=f"{judged.interval} times; the tree {tree.interval}",
        ran=how_ran(run),
        measured=f"With subsampling {100 * kept / all_:.0f}% of the words are trained on ({would}; "
        f"how many words there are does not matter). Time without ÷ with: NEG-5 {judged.interval}, "
        f"HS {tree.interval}.",
        numbers={"share": kept / all_, "by t": list(shares.items())},
        timings={"CPU seconds, without and with": spent},
        between=BETWEEN,
        would_decide=decide(judged, "runs"),
    )


@claim(
    "C3b",
    "2013b, §1, §2.3, §7",
    "Subsampling frequent words improves the vectors of rare ones.",
    draw,
    quotes=RARE,
    asks="Right answers among the questions whose answer is of the rarest third of answers, "
    "negative sampling with and without subsampling. The paper shows no number for rare words.",
    holds_if="the interval of (with − without), in points, lies above 0",
    fails_if="it lies below 0",
    paper="in the total 59 → 60%; none for rare words",
    full_only=True,
)
def rare_words(run: Run) -> Finding:
    """Judge the gain of subsampling on rare answers."""
    both = [right_of(run, "neg", subsampled) for subsampled in (True, False)]
    judged = lead(run, *both, "rare", MILLIONS)
    return finding(run, judged, points(judged), "rare", ("neg", True), ("neg", False))


@claim(
    "C3c",
    "2013b, §3, Table 1",
    "Subsampling frequent words makes the vectors more accurate.",
    quotes=SUBSAMPLING,
    asks="All questions, negative sampling and the tree, each with and without subsampling.",
    holds_if="both intervals of (with − without), in points, lie above 0",
    fails_if="one of them lies below 0",
    paper="59 → 60; the tree 47 → 55%",
    full_only=True,
)
def more_accurate(run: Run) -> Finding:
    """Judge the gain of subsampling on all questions."""
    return against(run, "total", [((loss, True), (loss, False)) for loss in ("neg", "hs")])
