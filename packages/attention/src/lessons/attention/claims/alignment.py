"""Claims C4a to C4d: the alignments that nobody taught."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import interval, judge
from . import made_up
from .contest import BETWEEN, last, protocol, runs_of, would_decide

LANGUAGE = (
    "A made-up language of 52 words, whose right translation and alignment are known: "
    "subject-object-verb, adjectives behind the noun in reversed order, agreement of article, "
    "adjective and verb; sentences of 6 to 19 words, none of the test in the training. Embeddings "
    "of 32, encoder 48 each direction, decoder 96, alignment 48; batches of 64, Adam, rate 0.003 "
    "falling over the last half, embeddings that begin with a deviation of 1. "
)
SMALL = (
    "A made-up language of 52 words and a small net for news of 30,000 words and 80 million "
    "weights; the paper looked at four pictures and counted nothing"
)


def draw_example(figure, numbers) -> None:
    """Draw one alignment as squares whose area is the weight, as Figure 3 does in shades."""
    from matplotlib.patches import Rectangle

    source, target, weights = numbers["example"] or (["–"], ["–"], [[0.0]])
    figure.set_size_inches(max(0.42 * len(source) + 1.5, 3.2), max(0.34 * len(target) + 1.3, 2.4))
    axes = figure.subplots()
    for i, row in enumerate(weights):
        for j, weight in enumerate(row):
            side = 0.92 * weight**0.5
            corner = (j - side / 2, i - side / 2)
            axes.add_patch(Rectangle(corner, side, side, color=BLUE, linewidth=0))
    axes.set_xticks(range(len(source)), source, rotation=45, ha="left")
    axes.set_yticks(range(len(target)), target)
    axes.xaxis.tick_top()
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set(xlim=(-0.6, len(source) - 0.4), ylim=(len(target) - 0.4, -0.6))
    axes.set_aspect("equal")


@claim(
    "C4a",
    "§5.2.1, Fig. 3",
    "Alignments of English and French are largely monotonic.",
    quotes="We can see from the alignments in Fig. 3 that the alignment of words between English "
    "and French is largely monotonic.",
    asks="RNNsearch-50 of C1a translates test sentences of 10 to 20 words. For each: Kendall's τ "
    "of the translation's words and the places that they look at (mean place, by words): 1 in "
    "order, 0 without any. Figure 3's four pictures have 0.82, 0.90, 0.96 and 0.85, measured in "
    "their pixels. Largely: three pairs of words in four stand in order, τ above one half.",
    holds_if="the 95% interval over seeds of the mean τ lies above 0.5",
    fails_if="it lies below",
    paper="Fig. 3: 0.82 to 0.96",
    full_only=True,
)
def monotonic(run: Run) -> Finding:
    """Measure the order of what is looked at."""
    found = interval(last(runs_of(run, "search-50"), lambda s: s["tau"]))
    return Finding(
        judge(found, above=0.5, paper_regime=False),
        ours=f"τ {found.text(2)}",
        ran=protocol(run),
        measured=f"Mean τ of the translations' words and the places they look at: {found.text(2)}; "
        f"{100 * (1 + found.mean) / 2:.0f}% of pairs of words in order.",
        numbers={"tau": [found.mean, found.low, found.high],
                 "in order": 100 * (1 + found.mean) / 2},
        between=BETWEEN + ".",
        would_decide=would_decide(found, 0.5),
    )  # fmt: skip


@claim(
    "C4b",
    "§5.2.1, Fig. 3",
    "Where nouns and adjectives change places, the alignment jumps as it should.",
    draw_example,
    quotes="However, we also observe a number of non-trivial, non-monotonic alignments. Adjectives "
    "and nouns are typically ordered differently between French and English",
    asks="The made-up language: nouns and adjectives of phrases that have both, in sentences "
    "translated without an error. Does the largest weight lie on the word that is translated? "
    "Observed, in the plain sense: for most of them. (Known before any run, when the rule had been "
    "written: one net after 700 steps, 100%.)",
    holds_if="the 95% interval over seeds of the share that look at their own word lies above ½",
    fails_if="it lies below",
)
def non_monotonic(run: Run) -> Finding:
    """Count where moved words look."""
    return _count(run, "moved", 0.5, "nouns and adjectives that change places")


@claim(
    "C4c",
    "§7",
    "Each target word is aligned correctly: a language with known alignments.",
    quotes="the model can correctly align each target word with the relevant words, or their "
    "annotations, in the source sentence as it generated a correct translation.",
    asks="The made-up language, sentences translated without an error: does the largest weight of "
    "each target word lie on the source word that it renders? In Figure 3, of which this was said, "
    "it does for 50 of 64 words, 78%, measured in the pixels (an annotation next to the word also "
    "tells of it): correctly aligned, as far as the paper shows it. (Known before any run, when "
    "the rule had been written: one net after 700 steps, 71% of the words and 99.9% of the "
    "sentences right.)",
    holds_if="the 95% interval over seeds of the share of words lies above 0.78",
    fails_if="it lies below",
    paper="Fig. 3: 50 of 64 words",
)
def each_word(run: Run) -> Finding:
    """Count where all words look."""
    return _count(run, "words", 0.78, "all words")


def _count(run: Run, what: str, line: float, name: str) -> Finding:
    found = made_up.lessons(run)
    shares = interval([made_up.share(each, what) for each in found])
    exact = interval([made_up.share(each, "sentences") for each in found])
    steps = run.pick(test=3, default=500, full=1200)
    return Finding(
        judge(shares, above=line, paper_regime=False),
        ours=f"{100 * shares.mean:.1f}% [{100 * shares.low:.1f}, {100 * shares.high:.1f}]",
        ran=LANGUAGE + f"{steps:,} steps, {len(found)} seeds.",
        measured=f"Of {name}, {100 * shares.mean:.1f}% [{100 * shares.low:.1f}, "
        f"{100 * shares.high:.1f}] have their largest weight on their own source word; "
        f"{100 * exact.mean:.1f}% of the sentences are right from end to end.",
        numbers={
            "percent": [100 * v for v in (shares.mean, shares.low, shares.high)],
            "sentences right, percent": 100 * exact.mean,
            "seeds": [made_up.share(each, what) for each in found],
            "example": found[0]["example"],
        },
        between=SMALL + ".",
        would_decide=would_decide(shares, line),
    )


@claim(
    "C4d",
    "§7",
    "Each target word is aligned correctly: words that stay the same, in manuals.",
    quotes="the model can correctly align each target word with the relevant words, or their "
    "annotations, in the source sentence as it generated a correct translation.",
    asks="RNNsearch-50 of C1a translates test sentences of 10 to 20 words. Words of two letters "
    "and more that occur once in the source and once in the translation, alike (names, commands, "
    "numbers), have a right alignment without a judge: is the largest weight on their like? The "
    "line is Figure 3's, as in C4c.",
    holds_if="the 95% interval over seeds of the share lies above 0.78",
    fails_if="it lies below",
    paper="Fig. 3: 50 of 64 words",
    full_only=True,
)
def copied_words(run: Run) -> Finding:
    """Count where copied words look."""
    found = runs_of(run, "search-50")
    share = interval(last(found, lambda s: s["copied"]["right"] / max(s["copied"]["seen"], 1)))
    seen = sum(last(found, lambda s: s["copied"]["seen"])) / len(found)
    return Finding(
        judge(share, above=0.78, paper_regime=False),
        ours=f"{100 * share.mean:.1f}% [{100 * share.low:.1f}, {100 * share.high:.1f}]",
        ran=protocol(run),
        measured=f"Of {seen:,.0f} copied words a net, {100 * share.mean:.1f}% "
        f"[{100 * share.low:.1f}, "
        f"{100 * share.high:.1f}] have their largest weight on their like.",
        numbers={"percent": [100 * v for v in (share.mean, share.low, share.high)], "words": seen},
        between=BETWEEN + ".",
        would_decide=would_decide(share, 0.78),
    )
