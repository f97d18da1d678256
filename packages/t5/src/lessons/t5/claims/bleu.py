"""BLEU (Papineni et al. 2002), what a translation system's weights are tuned for (§3).

N-gram precisions up to four, one reference, brevity penalty. What a sentence adds to each sum is
kept apart, so that a corpus is scored, resampled or recombined without counting anew.
"""

import collections
import re
from collections.abc import Hashable, Sequence

import numpy as np

ORDER = 4  # of the longest n-grams
FIELDS = 2 + 2 * ORDER  # words said, words wanted; right and all n-grams of each order


def counts(answer: Sequence[Hashable], reference: Sequence[Hashable]) -> np.ndarray:
    """Return what one sentence adds to each sum, (FIELDS,)."""
    found = [len(answer), len(reference)]
    for k in range(1, ORDER + 1):
        grams = [
            collections.Counter(tuple(s[i : i + k]) for i in range(len(s) - k + 1))
            for s in (answer, reference)
        ]
        found += [sum((grams[0] & grams[1]).values()), max(len(answer) - k + 1, 0)]
    return np.array(found)


def from_counts(sums: np.ndarray) -> np.ndarray:
    """Return BLEU, 0 to 100, of sums (…, FIELDS); 0 where no n-gram of some length is right."""
    sums = np.asarray(sums, dtype=float)
    right, all_of = sums[..., 2::2], sums[..., 3::2]
    fits = (right > 0).all(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.log(right / all_of).mean(-1)
        brevity = np.minimum(0.0, 1 - sums[..., 1] / sums[..., 0])
        return np.where(fits, 100 * np.exp(precision + brevity), 0.0)


def bleu(answers: Sequence[Sequence[Hashable]], right: Sequence[Sequence[Hashable]]) -> float:
    """Return BLEU of a corpus, 0 to 100.

    Args:
        answers: the words said, sentence by sentence.
        right: the words of the references.

    Raises:
        TypeError: a sentence that is a text: its letters would be taken as words.
        ValueError: other numbers of sentences.
    """
    for text in (*answers, *right):
        if isinstance(text, str):
            raise TypeError(f"a sentence must be a list of words (see `words`), got {text!r}")
    pairs = zip(answers, right, strict=True)
    return float(from_counts(sum((counts(a, b) for a, b in pairs), np.zeros(FIELDS))))


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
