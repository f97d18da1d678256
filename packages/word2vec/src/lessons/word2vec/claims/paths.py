"""How long the paths of a Huffman tree are, and two slips of the papers' print."""

import math

from .. import complexity
from ..lab.claim import Finding, claim, erratum
from ..lab.figures import AMBER, BLUE, GREEN
from ..lab.run import Run
from ..lab.statistics import exact
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
    "A Huffman tree's mean path is about the entropy of the words.",
    draw,
    quotes="the Huffman tree based hierarchical softmax requires only about log2(Unigram "
    "perplexity(V))",
    asks="The mean number of nodes on the path of a word of running text, for vocabularies by "
    "Zipf's law and, in a full run, for the real text. About: less than one node more.",
    holds_if="path − entropy lies between 0 and 1 for every vocabulary",
    fails_if="it does not for one of them",
    paper="two times speedup at a million words",
)
def paths(run: Run) -> Finding:
    """Compare mean paths with entropies."""
    sizes = run.pick(
        test=[10, 100], default=[1_000, 10_000], full=[1_000, 10_000, 100_000, 1_000_000]
    )
    found = run.trial(trees, sizes=sizes)
    gaps = [f["path"] - f["entropy"] for f in found]
    last = found[len(sizes) - 1]
    speed = last["balanced"] / last["path"]
    said = "; ".join(
        f"{f['V']:,.0f} words: path {f['path']:.2f}, entropy {f['entropy']:.2f}, balanced "
        f"{f['balanced']:.2f}"
        for f in found
    )
    return Finding(
        exact(all(-1e-9 <= gap < 1 for gap in gaps)),
        ours=f"at most {max(gaps):.2f} nodes more",
        ran="Counts of a billion words by Zipf's law"
        + ("; the real text's counts." if real(run) else "."),
        measured=f"{said}. With {last['V']:,.0f} words the Huffman tree takes {speed:.2f} times "
        "fewer nodes than a balanced one.",
        numbers={"zipf": found[: len(sizes)], "all": found, "speed": speed, "gaps": gaps},
    )


@erratum(
    "E1",
    "2013a, abstract; Table 5",
    "Less than a day on 1.6 billion words is CBOW; skip-gram took two.",
    quotes="it takes less than a day to learn high quality word vectors from a 1.6 billion words "
    "data set",
    asks="The rows of Table 5 for 1.6 billion words.",
)
def a_day(run: Run) -> Finding:
    """Read Table 5."""
    days = {"CBOW": 0.6, "skip-gram": 2.0}
    total = {"CBOW": 36.1, "skip-gram": 53.8}
    return Finding(
        None,
        ours="CBOW 0.6 days, skip-gram 2",
        ran="Table 5, one epoch, 300 dimensions.",
        measured=f"CBOW {days['CBOW']:g} days and {total['CBOW']:g}% of all questions; skip-gram "
        f"{days['skip-gram']:g} days and {total['skip-gram']:g}%.",
        numbers={"days": days, "total": total},
    )


@erratum(
    "E2",
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
        ours=f"three equal words: {mean:.3f} nodes, log₂ 3 is {math.log2(3):.3f}",
        ran="The tree of three words that occur equally often.",
        measured=f"Paths of 1, 2 and 2 nodes, {mean:.3f} on average; log₂ 3 is "
        f"{math.log2(3):.3f}. What holds is: less than the entropy and one.",
        numbers={"mean": mean, "log": math.log2(3)},
    )
