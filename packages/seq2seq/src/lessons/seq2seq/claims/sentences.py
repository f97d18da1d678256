"""What each test sentence adds to a score, and intervals over nets and over sentences.

A trial keeps 13 whole numbers a sentence: the ten of `scoring.counts`, the loss in hundredths of
a nat, the pieces of the reference, and the loss with the source of another sentence. From their
sums comes every score, of all sentences, of some, or of sentences drawn again (bootstrap).
"""

import base64
import dataclasses
import functools
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..lab.statistics import UNDECIDED, Interval, Judgement, every, judge
from .scoring import bleus, times

FIELDS = 13
SAID, WANTED, NATS, PIECES, OTHER = 0, 1, 10, 11, 12


@dataclasses.dataclass(frozen=True)
class Score:
    """A score: a function of the sums (draws, FIELDS) over some groups of sentences.

    Attributes:
        of: takes the sums of each group, in their order.
        groups: names of sentences, as `groups_of` has them.
    """

    of: Callable[..., np.ndarray]
    groups: tuple[str, ...] = ("all",)

    def __call__(self, rows: np.ndarray, groups: Mapping[str, np.ndarray], draws: np.ndarray):
        """Return the score of each draw.

        Args:
            rows: of each sentence what it adds, (S, FIELDS).
            groups: of each name which sentences are in it, (S,).
            draws: how often each sentence is drawn, (draws, S).
        """
        return self.of(*(draws @ (rows * groups[name][:, None]) for name in self.groups))


def nats(sums: np.ndarray) -> np.ndarray:
    """Return the loss per piece: the logarithm of the perplexity."""
    return sums[:, NATS] / 100 / np.maximum(sums[:, PIECES], 1)


def worth(sums: np.ndarray) -> np.ndarray:
    """Return what the right source saves, in nats a piece."""
    return (sums[:, OTHER] - sums[:, NATS]) / 100 / np.maximum(sums[:, PIECES], 1)


def log_ratio(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the logarithm of one group's BLEU over another's; a BLEU of 0 counts as 0.01."""
    a, b = (np.maximum(bleus(sums), 0.01) for sums in (ours, theirs))
    return np.log(a / b)


def pack(rows: Any) -> str:
    """Return whole numbers (S, N), each below 2^31, as one text that a record keeps in a line."""
    table = np.ascontiguousarray(np.asarray(rows).T.astype("<i4"))  # like beside like: it shrinks
    text = base64.b85encode(zlib.compress(table.tobytes(), 9)).decode()
    return f"{table.shape[0]} {text}"


def pack_lists(lists: Sequence[Sequence[Any]]) -> str:
    """Return lists of texts or numbers as one text, which a record keeps in a line."""
    return base64.b85encode(zlib.compress(json.dumps(lists).encode(), 9)).decode()


def unpack_lists(text: str) -> list[list[Any]]:
    """Return what `pack_lists` was given."""
    return json.loads(zlib.decompress(base64.b85decode(text)))


@functools.lru_cache(256)
def unpack(text: str) -> np.ndarray:
    """Return the rows that `pack` was given, as floats."""
    width, _, rest = text.partition(" ")
    flat = np.frombuffer(zlib.decompress(base64.b85decode(rest)), "<i4")
    rows = flat.reshape(int(width), -1).T.astype(float)
    rows.flags.writeable = False
    return rows


@dataclasses.dataclass(frozen=True)
class Both:
    """An estimate with two 95% intervals: over nets, and over sentences.

    Attributes:
        nets: by Student's t over the nets' values, or by the jackknife where nets work together.
        sentences: by the bootstrap over the sentences, with the nets as they are.
    """

    nets: Interval
    sentences: Interval

    @property
    def mean(self) -> float:
        """The estimate, which both intervals are around."""
        return self.nets.mean

    def judge(self, **line: Any) -> Judgement:
        """Hold both intervals against a line; where their verdicts differ, it is undecided."""
        return agreed([judge(x, **line, paper_regime=False) for x in (self.nets, self.sentences)])

    def text(self, digits: int) -> str:
        """Return both as text."""
        low, high = (f"{x:.{digits}f}".replace("-", "−")
                     for x in (self.sentences.low, self.sentences.high))  # fmt: skip
        return f"{self.nets.text(digits)} over nets, [{low}, {high}] over sentences"

    def ends(self) -> dict[str, list[float]]:
        """Return both as JSON holds them."""
        return {
            "nets": [self.nets.mean, self.nets.low, self.nets.high],
            "sentences": [self.sentences.mean, self.sentences.low, self.sentences.high],
        }


def agreed(judgements: Sequence[Judgement]) -> Judgement:
    """Return a verdict that all share, each on its own interval; otherwise undecided."""
    worst = every(judgements)
    if len({judged.verdict for judged in judgements}) == 1:
        return worst
    return dataclasses.replace(worst, verdict=UNDECIDED)


def over_sentences(
    nets_rows: Sequence[Sequence[np.ndarray]],
    value: Callable[..., np.ndarray],
    groups: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
) -> Interval:
    """Return the mean over nets of a value, with its 95% interval over sentences (bootstrap).

    All nets and systems are judged on the same draws of the same sentences.

    Args:
        nets_rows: of each net the rows of its systems.
        value: takes a net's systems, each as a function of a score that gives it for every draw.
        groups: of sentences, for the scores.
        seed: of the draws.
    """
    count = len(nets_rows[0][0])
    known = {"all": np.ones(count)} if groups is None else groups

    def mean(draws: np.ndarray) -> np.ndarray:
        found = [
            value(*(lambda score, rows=rows: score(rows, known, draws) for rows in systems))
            for systems in nets_rows
        ]
        return np.mean(found, 0)

    return interval_of(float(mean(np.ones((1, count)))[0]), mean(times(count, seed)), count)


def interval_of(value: float, drawn: np.ndarray, count: int) -> Interval:
    """Return a value with the 95% interval of its draws, which holds the value at least."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(min(low, value)), float(max(high, value)), count)
