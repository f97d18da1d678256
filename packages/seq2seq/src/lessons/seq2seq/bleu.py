"""BLEU (Papineni et al. 2002) as multi-bleu.perl counts it (§3.6): a corpus, one reference each."""

import collections
import math
from collections.abc import Hashable, Sequence


def bleu(
    answers: Sequence[Sequence[Hashable]], right: Sequence[Sequence[Hashable]], n: int = 4
) -> float:
    """Return BLEU of a corpus, 0 to 100; 0 where no n-gram of some length is right.

    Nothing is smoothed, no case is folded, and words are what the caller cut.

    Args:
        answers: the words said, sentence by sentence.
        right: the words of the references.
        n: of the longest n-grams.

    Raises:
        ValueError: not as many answers as references, or none.
        TypeError: a sentence is a string, whose letters would be counted as words.
    """
    if len(answers) != len(right) or not len(right):
        raise ValueError(
            f"answers and references must be equally many, and some: got {len(answers)} "
            f"and {len(right)}"
        )
    hits, counts = [0] * n, [0] * n
    said = wanted = 0
    for answer, reference in zip(answers, right):
        for text in (answer, reference):
            if isinstance(text, str | bytes):
                raise TypeError(f"a sentence must be a list of words, got the string {text!r}")
        said, wanted = said + len(answer), wanted + len(reference)
        for k in range(1, n + 1):
            grams = [
                collections.Counter(tuple(s[i : i + k]) for i in range(len(s) - k + 1))
                for s in (answer, reference)
            ]
            hits[k - 1] += sum((grams[0] & grams[1]).values())
            counts[k - 1] += sum(grams[0].values())
    if 0 in hits:
        return 0.0
    precision = sum(math.log(h / c) for h, c in zip(hits, counts)) / n
    return 100 * math.exp(precision + min(0.0, 1 - wanted / said))
