"""BLEU (Papineni et al. 2002): n-gram precisions up to four, one reference, brevity penalty."""

import collections
import math
import re
from collections.abc import Hashable, Sequence


def bleu(answers: Sequence[Sequence[Hashable]], right: Sequence[Sequence[Hashable]], n: int = 4):
    """Return BLEU of a corpus, 0 to 100; 0 where no n-gram of some length is right.

    Args:
        answers: the words said, sentence by sentence.
        right: the words of the references.
        n: of the longest n-grams.
    """
    hits, counts = [0] * n, [0] * n
    said = wanted = 0
    for answer, reference in zip(answers, right, strict=True):
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


def words(text: str) -> list[str]:
    """Cut a text into words and marks as the standard scorers do ("13a", from mteval-v13a).

    Source: Post 2018, "A Call for Clarity in Reporting BLEU Scores".
    """
    for entity, mark in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        text = text.replace(entity, mark)
    text = re.sub(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])", r" \1 ", f" {text} ")
    text = re.sub(r"([^0-9])([\.,])", r"\1 \2 ", text)  # not inside a number
    text = re.sub(r"([\.,])([^0-9])", r" \1 \2", text)
    text = re.sub(r"([0-9])(-)", r"\1 \2 ", text)
    return text.split()
