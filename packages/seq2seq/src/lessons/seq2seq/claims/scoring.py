"""BLEU's words, and intervals over sentences where there is one system and no seeds."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..lab.statistics import Interval

DRAWS = 1000  # of the bootstrap


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


def counts(answer: Sequence[str], reference: Sequence[str]) -> list[int]:
    """Return what a sentence adds to BLEU: words said and wanted, hits and n-grams up to four."""
    found = [len(answer), len(reference)]
    for k in range(1, 5):
        ours, theirs = (
            Counter(tuple(s[i : i + k]) for i in range(len(s) - k + 1)) for s in (answer, reference)
        )
        found += [sum((ours & theirs).values()), sum(ours.values())]
    return found


def bleu_of(rows: Any) -> float:
    """Return BLEU from the sums of `counts`."""
    return float(_bleus(np.asarray(rows, float).reshape(-1, 10).sum(0)[None])[0])


def _bleus(sums: np.ndarray) -> np.ndarray:
    """Return BLEU of each row of sums."""
    said, wanted, hits, grams = sums[:, 0], sums[:, 1], sums[:, 2::2], sums[:, 3::2]
    right = hits.min(1) > 0
    precision = np.log(np.where(hits > 0, hits, 1) / np.maximum(grams, 1)).mean(1)
    short = np.minimum(0, 1 - wanted / np.maximum(said, 1))
    return np.where(right, 100 * np.exp(precision + short), 0.0)


def bootstrap(
    systems: Sequence[Sequence[Sequence[int]]], value: Callable[..., float], seed: int = 0
) -> Interval:
    """Return a function of several systems' BLEU with its 95% interval over sentences.

    Args:
        systems: of each its `counts`, sentence by sentence, of the same sentences.
        value: takes a BLEU from each system.
        seed: of the draws.

    Source: Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation".
    """
    rows = np.asarray(systems, float)  # (systems, sentences, 10)
    rng, n = np.random.default_rng(seed), rows.shape[1]
    times = rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(float)  # each sentence is drawn
    drawn = [value(*each) for each in zip(*(_bleus(times @ system) for system in rows))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value(*(bleu_of(each) for each in rows)), float(low), float(high), n)
