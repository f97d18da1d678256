"""How many products a training word costs in each architecture (2013a, §2 and §3)."""

import math


def nnlm(N: int, D: int, H: int, outputs: float) -> float:
    """Return Q of the feedforward model, eq. 2: N words of history, H hidden units.

    ``outputs`` is how many outputs are evaluated: V, or about log₂ V with a tree.
    """
    return N * D + N * D * H + H * outputs


def rnnlm(H: int, outputs: float) -> float:
    """Return Q of the recurrent model, eq. 3."""
    return H * H + H * outputs


def cbow(N: int, D: int, outputs: float) -> float:
    """Return Q of CBOW, eq. 4: N words of context."""
    return N * D + D * outputs


def skip_gram(C: int, D: int, outputs: float) -> float:
    """Return Q of skip-gram, eq. 5: windows of at most C words to each side.

    A window drawn uniformly from 1 … C has C + 1 words on average, both sides together; the
    equation, which says "proportional to", has C.
    """
    return C * (D + D * outputs)


def mean_length(counts, lengths) -> float:
    """Return the mean number of inner nodes on the path of a word of running text."""
    total = sum(counts)
    return sum(count * length for count, length in zip(counts, lengths)) / total


def entropy(counts) -> float:
    """Return the entropy of the words in bits: log₂ of the unigram perplexity."""
    total = sum(counts)
    return -sum(count / total * math.log2(count / total) for count in counts if count)
