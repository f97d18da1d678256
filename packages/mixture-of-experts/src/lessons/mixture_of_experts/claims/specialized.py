"""What experts are experts of (App. E, Table 9): parts of speech, and the words they like best."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import interval, judge
from .contest import SEEDS
from .language import real, world
from .learning import between, runs_of, seeds, what


def draw(figure, numbers) -> None:
    """Draw bits about the part of speech for chance, experts, and pieces sorted by it."""
    axes = figure.subplots()
    names = ("chance bits", "tag bits", "sorted bits")
    for i, name in enumerate(names):
        axes.plot([i] * len(numbers[name]), numbers[name], "o", color=BLUE, alpha=0.7)
    axes.set_xticks(
        range(3), ["pieces at random", "the gate's first choice", "pieces by their tag"]
    )
    axes.set(ylabel="bits about the part of speech", xlim=(-0.5, 2.5))
    axes.margins(y=0.1)
    axes.set_ylim(bottom=0)


@claim(
    "C10",
    "App. E, Table 9",
    "Experts become highly specialized, here by syntax.",
    draw,
    quotes="We found that the experts indeed become highly specialized by syntax and/or semantics",
    asks="C1's model of 32 experts reads lines of the Brown corpus that it was not trained on, "
    "whose words are tagged by hand. Bits that the first choice of expert tells of a word's part "
    "of speech. Any assignment tells some, as words have favourite tags: with pieces dealt to 32 "
    "experts at random the score is 0; with pieces sorted by their most frequent tag it is 1. "
    "Highly: more than halfway. (Semantics has no such labels here.)",
    holds_if="the interval of (bits − random) / (sorted − random) lies above .5",
    fails_if="it lies below .5",
    paper="contexts of three experts",
    full_only=True,
)
def specialized(run: Run) -> Finding:
    """Judge what the first choice tells of the part of speech."""
    runs = runs_of(run, "moe-32", SEEDS)
    names = ("chance bits", "tag bits", "sorted bits")
    found = {name: [r[name] for r in runs] for name in names}
    score = [(b - a) / (c - a) if c > a else 0.0 for a, b, c in zip(*found.values())]
    judged = judge(interval(score), above=0.5, paper_regime=False)
    assert judged.interval is not None
    bits = {name: interval(values).text(2) for name, values in found.items()}
    like = "; ".join(" | ".join(each[:3]) for each in runs[0]["contexts"][:3])
    return Finding(
        judged,
        ours=f"{judged.interval.text(2)} of the way; {bits['tag bits']} bits",
        ran=f"{what(run, 'moe-32')} {SEEDS} seeds; {runs[0]['words']:,} words of "
        f"{runs[0]['tags']} tags" + ("." if real(run) else ", made up."),
        measured=f"Bits about the part of speech: {bits['tag bits']}; at random "
        f"{bits['chance bits']}, sorted {bits['sorted bits']}."
        + (f" Like: {like}" if like else ""),
        numbers={**found, "score": score, "contexts": runs[0]["contexts"],
                 "vocabulary": world(run).vocab_size},
        between=between(run),
        would_decide=seeds(judged),
    )  # fmt: skip
