"""BLEU's words, what each sentence adds to BLEU, and intervals over sentences and over nets."""

import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..lab.statistics import Interval, t_quantile

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
    return float(bleus(np.asarray(rows, float).reshape(-1, 10).sum(0)[None])[0])


def bleus(sums: np.ndarray) -> np.ndarray:
    """Return BLEU of each row of sums, whose first ten are those of `counts`."""
    said, wanted, hits, grams = sums[:, 0], sums[:, 1], sums[:, 2:10:2], sums[:, 3:10:2]
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
    draws = times(rows.shape[1], seed)
    drawn = [value(*each) for each in zip(*(bleus(draws @ system) for system in rows))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    whole = value(*(bleu_of(each) for each in rows))
    return Interval(whole, float(min(low, whole)), float(max(high, whole)), rows.shape[1])


@functools.lru_cache(4)
def times(count: int, seed: int) -> np.ndarray:
    """Return how often each of ``count`` sentences is drawn, in each of `DRAWS` draws."""
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS)
    return drawn.astype(float)


def jackknife(whole: float, without: Sequence[float]) -> Interval:
    """Return a value that several nets give together, with its 95% interval over nets.

    Its error is found by leaving out each net in turn; such an estimate is too large rather than
    too small. Student's t takes one degree of freedom less than there are nets.

    Args:
        whole: the value of all.
        without: the value of all but the first net, all but the second, …

    Source: Efron and Stein 1981, "The Jackknife Estimate of Variance".
    """
    n = len(without)
    mean = math.fsum(without) / n
    error = math.sqrt((n - 1) / n * math.fsum((x - mean) ** 2 for x in without))
    half = t_quantile(n - 1) * error
    return Interval(whole, whole - half, whole + half, n)
