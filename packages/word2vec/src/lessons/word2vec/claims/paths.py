"""How long the paths of a Huffman tree are, and a slip of the papers' print."""

import math

from .. import complexity
from ..lab.claim import Finding, claim, erratum
from ..lab.figures import AMBER, BLUE, GREEN
from ..lab.run import Run
from ..lab.statistics import Interval, judge
from ..vocabulary import huffman
from .world import WHOLE, build, real


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


def trees(run: Run, sizes: list[int]) -> list[dict[str, float]]:
    """Return what `measured` says of Zipf's words, and of the real text in a full run."""
    found = [measured(zipf(V)) for V in sizes]
    if real(run):
        found.append(measured(build(run, WHOLE).vocab.counts.tolist()))
    return found


def draw(figure, numbers) -> None:
    """Draw the mean path, the entropy and a balanced tree's depth against the vocabulary."""
    axes = figure.subplots()
    found = numbers["zipf"]
    x = [f["V"] for f in found]
    for key, color, label in (("balanced", AMBER, "balanced tree, log₂ V"),
                              ("path", BLUE, "Huffman tree, mean path"),
                              ("entropy", GREEN, "entropy of the words")):  # fmt: skip
        axes.plot(x, [f[key] for f in found], "o-", ms=4, color=color, label=label)
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
    "running text, for a million words by Zipf's law. About two: what rounds to two. Known before "
    "the rule: 1.48 by this law. That a mean path is within one node of the words' entropy is a "
    "theorem, and shown; so is what the real text's words give.",
    holds_if="balanced ÷ Huffman lies between 1.5 and 2.5",
    fails_if="it lies outside",
    paper="about two",
    full_only=True,
)
def paths(run: Run) -> Finding:
    """Compare mean paths with balanced trees, and with entropies."""
    sizes = run.pick(test=[10, 100], default=[1_000, 10_000], full=[10_000, 100_000, 1_000_000])
    found = run.trial(trees, sizes=sizes)
    gaps = [f["path"] - f["entropy"] for f in found]
    factors = [f["balanced"] / f["path"] for f in found]
    speed = factors[len(sizes) - 1]
    said = "; ".join(
        f"{f['V']:,.0f} words: path {f['path']:.2f}, entropy {f['entropy']:.2f}, balanced "
        f"{f['balanced']:.2f}, a factor of {factor:.2f}"
        for f, factor in zip(found, factors)
    )
    return Finding(
        judge(Interval(speed, speed, speed, 1), within=(1.5, 2.5), paper_regime=False),
        ours=f"{speed:.2f} times",
        ran="Counts of a billion words by Zipf's law"
        + ("; last, the real text's counts." if real(run) else "."),
        measured=said + ".",
        numbers={"zipf": found[: len(sizes)], "all": found, "speed": speed, "gaps": gaps},
        between="Zipf's law with exponent 1 stands for the paper's news; the flatter a text's "
        "counts, the smaller the factor.",
        would_decide="Nothing: it lies on the line." if speed in (1.5, 2.5) else "",
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
