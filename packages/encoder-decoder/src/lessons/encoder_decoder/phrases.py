"""Scoring a phrase table (§3.1): the paper's use of the model, one more number for each pair.

The table is Moses': a source phrase, a target phrase, and their scores, a line each.
"""

import collections
import dataclasses
import gzip
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from .model import RNNEncoderDecoder
from .training import pad

Phrase = tuple[str, ...]
PAD, UNKNOWN, END = range(3)  # ids that every shortlist begins with


class Shortlist:
    """The most frequent words of a language; all others are one, [UNK] (§4.1).

    Args:
        texts: words, text by text.
        size: K, with padding, unknown and end.

    Raises:
        TypeError: a phrase, here or later, that is a text: its letters would be taken as words.
        ValueError: a size without room for a word.
    """

    def __init__(self, texts: Iterable[Sequence[str]], size: int) -> None:
        if size < 4:
            raise ValueError(f"size must be at least 4, got {size}")
        found = collections.Counter(word for text in texts for word in _as_words(text))
        order = sorted(found, key=lambda word: (-found[word], word))[: size - 3]
        self.words = ["<pad>", "[UNK]", "</s>", *order]
        self.index = {word: i for i, word in enumerate(self.words) if i > END}

    def __len__(self) -> int:
        """Return K."""
        return len(self.words)

    def ids(self, phrase: Sequence[str]) -> list[int]:
        """Return a phrase's ids, with the end mark."""
        return [*(self.index.get(word, UNKNOWN) for word in _as_words(phrase)), END]

    def phrase(self, ids: Sequence[int]) -> Phrase:
        """Return the words of ids, up to the end mark."""
        ids = list(ids)
        return tuple(self.words[i] for i in (ids[: ids.index(END)] if END in ids else ids))

    def unknown(self, phrase: Sequence[str]) -> int:
        """Return how many words are not on the list: the paper's word penalty (§4.2)."""
        return sum(word not in self.index for word in _as_words(phrase))


@dataclasses.dataclass
class PhraseTable:
    """Pairs of phrases with their scores: probabilities as Moses keeps them, or logarithms.

    Attributes:
        pairs: source and target, each a tuple of words.
        scores: by name, a number for each pair.
        rest: what stands behind the numbers of a line, such as Moses' word links and counts: kept
            and written as it is; empty if there is none.

    Raises:
        TypeError: a phrase that is a text: its letters would be taken as words.
        ValueError: a score, or the rest, without an entry for each pair.
    """

    pairs: list[tuple[Phrase, Phrase]]
    scores: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    rest: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        for pair in self.pairs:
            for phrase in pair:
                _as_words(phrase)
        if self.rest and len(self.rest) != len(self.pairs):
            raise ValueError(f"rest has {len(self.rest)} texts for {len(self.pairs)} pairs")
        for name, values in self.scores.items():
            if len(values) != len(self.pairs):
                raise ValueError(
                    f"score {name!r} has {len(values)} numbers for {len(self.pairs)} pairs"
                )

    @classmethod
    def read(cls, path: str | os.PathLike, names: Sequence[str] | None = None) -> "PhraseTable":
        """Read Moses' form, ``source ||| target ||| numbers``; what follows is kept as `rest`.

        Args:
            path: the file, in UTF-8; compressed if its name ends in .gz.
            names: of the scores; None: "0", "1" and so on.

        Raises:
            OSError: it cannot be read.
            ValueError: a line of another form; names the line.
        """
        pairs: list[tuple[Phrase, Phrase]] = []
        rows: list[list[float]] = []
        rest: list[str] = []
        # Moses' marks are the line feed and the space alone: a word may hold other ones (U+00A0).
        with _opened(Path(path), "rt") as file:
            lines = file.read().removesuffix("\n").split("\n")
        for number, line in enumerate(lines if lines != [""] else [], 1):
            parts = line.split("|||", 3)
            try:
                values = [float(value) for value in parts[2].split()]
            except (IndexError, ValueError):
                raise ValueError(
                    f"{path}, line {number}: 'source ||| target ||| numbers' is expected, "
                    f"got {line!r}"
                ) from None
            if rows and len(values) != len(rows[0]):
                raise ValueError(
                    f"{path}, line {number}: {len(values)} scores, the first line has "
                    f"{len(rows[0])}"
                )
            pairs.append((_words(parts[0]), _words(parts[1])))
            rows.append(values)
            rest.append(parts[3] if len(parts) > 3 else "")
        names = [str(i) for i in range(len(rows[0]) if rows else 0)] if names is None else names
        if rows and len(names) != len(rows[0]):
            raise ValueError(f"{path} has {len(rows[0])} scores a line, got {len(names)} names")
        columns = [list(column) for column in zip(*rows)] if rows else [[] for _ in names]
        return cls(pairs, dict(zip(names, columns)), rest if any(rest) else [])

    def write(self, path: str | os.PathLike) -> None:
        """Write Moses' form, atomically; compressed if the name ends in .gz."""
        path = Path(path)
        temporary = path.with_name(f".{os.getpid()}.{path.name}")
        behind = [f" |||{text}" if text else "" for text in self.rest or [""] * len(self.pairs)]
        lines = (
            f"{' '.join(source)} ||| {' '.join(target)} ||| {' '.join(map(repr, values))}{more}\n"
            for (source, target), more, *values in zip(self.pairs, behind, *self.scores.values())
        )
        try:
            with _opened(temporary, "wt") as file:
                file.writelines(lines)
            os.replace(temporary, path)
        finally:  # a full disk leaves nothing behind
            temporary.unlink(missing_ok=True)

    def rescored(
        self,
        model: RNNEncoderDecoder,
        source: Shortlist,
        target: Shortlist,
        name: str = "rnn",
        batch: int = 512,
        log: bool = True,
    ) -> "PhraseTable":
        """Return the table with one more score, log p(target | source) of each pair (§3.1).

        Args:
            model: in eval mode.
            source: the words that it knows of the source language.
            target: the words that it knows of the target language.
            name: of the new score.
            batch: pairs at once; results do not depend on it.
            log: the logarithm, as eq. 9 wants it; False: the probability, as Moses does, which
                takes the logarithm of each number of a table itself.

        Raises:
            ValueError: an empty phrase, a list of another size than the model's, or a name that is
                there already.
        """
        self._check(model, source, target, name)
        ids = [(source.ids(e), target.ids(f)) for e, f in self.pairs]
        scores = score_pairs(model, ids, batch)
        new = scores if log else [math.exp(score) for score in scores]
        return PhraseTable(self.pairs, {**self.scores, name: new}, self.rest)

    def _check(self, model: RNNEncoderDecoder, source: Shortlist, target: Shortlist, name) -> None:
        if name in self.scores:
            raise ValueError(f"the table has a score {name!r} already")
        for side, known, size in (
            ("source", source, model.config.source_vocab_size),
            ("target", target, model.config.target_vocab_size),
        ):
            if len(known) != size:
                raise ValueError(f"the {side} list has {len(known)} words, the model {size}")
        for i, pair in enumerate(self.pairs):
            if not all(pair):
                raise ValueError(f"pair {i} has an empty phrase: {pair}")

    def best(self, name: str, count: int = 3) -> dict[Phrase, list[Phrase]]:
        """Return each source's targets, best first by one score, ties in the table's order.

        Raises:
            ValueError: no such score.
        """
        if name not in self.scores:
            raise ValueError(f"no score {name!r}; there are {', '.join(self.scores)}")
        found = collections.defaultdict(list)
        for (e, f), value in zip(self.pairs, self.scores[name]):
            found[e].append((-value, len(found[e]), f))
        return {e: [f for *_, f in sorted(rows)[:count]] for e, rows in found.items()}


def _opened(path: Path, mode: str) -> Any:
    if path.suffix == ".gz":
        return gzip.open(path, mode, encoding="utf-8", newline="\n")
    return path.open(mode, encoding="utf-8", newline="\n")


def _as_words(phrase: Sequence[str]) -> Sequence[str]:
    if isinstance(phrase, str):
        raise TypeError(f"a phrase must be a tuple of words, got the text {phrase!r}")
    return phrase


def _words(text: str) -> Phrase:
    return tuple(word for word in text.split(" ") if word)


@torch.no_grad()
def score_pairs(
    model: RNNEncoderDecoder,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    batch: int = 512,
) -> list[float]:
    """Return log p(y | x) of each pair of ids, in nats, in batches of similar length.

    Raises:
        ValueError: an empty phrase, an id outside the vocabulary, a batch below 1.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    for i, pair in enumerate(pairs):
        for side, ids in zip(("source", "target"), pair):
            if not len(ids):
                raise ValueError(f"the {side} of pair {i} is empty")
    device, found = model.encoder.embedding.weight.device, [math.nan] * len(pairs)
    order = sorted(range(len(pairs)), key=lambda i: (len(pairs[i][1]), len(pairs[i][0])))
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        src, length = pad([pairs[i][0] for i in chosen], PAD)
        tgt, _ = pad([pairs[i][1] for i in chosen], model.config.pad_id)
        scores = model.score(src.to(device), tgt.to(device), length.to(device))
        for i, value in zip(chosen, scores.tolist()):
            found[i] = value
    return found
