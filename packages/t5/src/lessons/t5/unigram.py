r"""From text to pieces and back: SentencePiece's unigram model (§3.1.3; Kudo 2018).

Each piece has a log-probability; a text is cut where the sum over its pieces is largest, which
Viterbi's algorithm finds in one pass from left to right.
"""

import dataclasses
import math
import os
import re
import struct
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from .protobuf import field, fields

SPACE = "▁"  # stands for a space within pieces
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
PENALTY = 10.0  # what an unknown character costs more than the worst piece
# What nmt_nfkc removes, and what it takes for a space, besides what NFKC does.
REMOVED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]")
SPACES = re.compile(
    "[\t\n\x0c\r\u061c\u1680\u200b\u200c\u200e\u200f\u2028\u2029\u2581\ufeff\ufffd]"
)
SENTINEL = re.compile(r" *<extra_id_(\d+)> *")


def normalize(text: str) -> str:
    """Return a text with compatible characters made one, and single spaces between words.

    Source: SentencePiece's nmt_nfkc, with which T5's vocabulary was made.
    """
    # A fullwidth tilde stays as it is, there.
    parts = (unicodedata.normalize("NFKC", part) for part in text.split("\uff5e"))
    text = SPACES.sub(" ", REMOVED.sub("", "\uff5e".join(parts)))
    return re.sub(" +", " ", text).strip(" ")


@dataclasses.dataclass(frozen=True)
class Piece:
    """A piece of the vocabulary, its log-probability, and its kind, such as NORMAL."""

    text: str
    score: float
    kind: int = NORMAL


class SentencePieceUnigram:
    """A vocabulary with its sentinels.

    Ids are the pieces' places; behind them stand the sentinels, the first of which has the last id.

    Args:
        pieces: with one of kind UNKNOWN.
        extra_ids: how many sentinels.
        dummy_prefix: put a space before the text, so that a word is written the same everywhere.

    Raises:
        ValueError: no pieces, a piece that is there twice, or none or several unknown ones.
    """

    def __init__(
        self, pieces: Sequence[Piece], extra_ids: int = 100, dummy_prefix: bool = True
    ) -> None:
        self.pieces, self.extra_ids, self.dummy_prefix = list(pieces), extra_ids, dummy_prefix
        unknown = [i for i, piece in enumerate(pieces) if piece.kind == UNKNOWN]
        if len(unknown) != 1:
            raise ValueError(f"pieces must hold one unknown piece, got {len(unknown)}")
        if extra_ids < 0:
            raise ValueError(f"extra_ids must not be negative, got {extra_ids}")
        self.unk_id = unknown[0]
        normal = [piece.score for piece in pieces if piece.kind == NORMAL]
        if not normal:
            raise ValueError("pieces must hold at least one normal piece, got none")
        self.unk_score = min(normal) - PENALTY
        self.scores: dict[str, tuple[float, int]] = {}
        for i, piece in enumerate(pieces):
            if piece.kind not in (NORMAL, USER_DEFINED):
                continue
            if piece.text in self.scores:
                raise ValueError(f"piece {piece.text!r} is there twice")
            # One that the user defined is always taken: better than any cut of the same length.
            defined = len(piece.text) * max(normal) - 0.1
            self.scores[piece.text] = (defined if piece.kind == USER_DEFINED else piece.score, i)
        self.longest = max(map(len, self.scores))
        # Where no piece reaches over a space, words are cut each for itself, and once.
        self.by_word = not any(SPACE in text[1:] for text in self.scores)
        self.known: dict[str, list[int]] = {}

    @classmethod
    def from_file(cls, path: str | os.PathLike, extra_ids: int = 100) -> "SentencePieceUnigram":
        """Return the vocabulary of a SentencePiece model, such as T5's ``spiece.model``.

        Raises:
            OSError: the file cannot be opened.
            ValueError: it is no SentencePiece model, or not a unigram one.
        """
        content = Path(path).read_bytes()
        try:
            pieces, kind, dummy_prefix = _parse(content)
        except (ValueError, struct.error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no SentencePiece model: {error}") from error
        if kind != 1:
            names = {2: "BPE", 3: "word", 4: "character"}
            raise ValueError(f"{path} is a {names.get(kind, kind)} model; expected a unigram one")
        return cls(pieces, extra_ids, dummy_prefix)

    def to_bytes(self) -> bytes:
        """Return the vocabulary as a SentencePiece model, which SentencePiece itself reads.

        It holds no table of characters, so that SentencePiece does not normalize with it; texts
        that are in NFKC need none.
        """
        out = b"".join(
            field(1, field(1, p.text.encode()) + field(2, p.score) + field(3, p.kind))
            for p in self.pieces
        )
        trainer = field(3, 1) + field(4, len(self.pieces))
        for number, text in ((40, "<unk>"), (41, "<s>"), (42, "</s>"), (43, "<pad>")):
            known = [i for i, p in enumerate(self.pieces) if p.text == text and p.kind != NORMAL]
            # −1, for none, is written in ten groups of seven bits.
            trainer += field(number, known[0] if known else 2**64 - 1)
        return out + field(2, trainer) + field(3, field(1, b"identity"))

    @property
    def vocab_size(self) -> int:
        """Ids in all, sentinels included."""
        return len(self.pieces) + self.extra_ids

    @property
    def sentinels(self) -> range:
        """Ids of the sentinels, in the order of their use."""
        return range(self.vocab_size - 1, len(self.pieces) - 1, -1)

    def encode(self, text: str, eos_id: int | None = None) -> list[int]:
        """Return a text's ids, and ``eos_id`` behind them.

        "<extra_id_0>" is the first sentinel; spaces around it say nothing.

        Raises:
            TypeError: no text.
            ValueError: a sentinel that there is not.
        """
        return self._ids(text, self._word, eos_id)

    def sample(
        self, text: str, alpha: float = 0.1, generator: torch.Generator | None = None
    ) -> list[int]:
        r"""Draw one of all ways to cut a text, each with probability $\propto p^\alpha$.

        Args:
            text: what to cut.
            alpha: 1 is the model's own distribution, 0 makes all ways alike, ∞ is `encode`.
            generator: randomness.

        Source: Kudo 2018, §3.2 (subword regularization); not used for T5.
        """
        if not 0 <= alpha < math.inf:
            raise ValueError(f"alpha must be a number that is not negative, got {alpha}")
        return self._ids(text, lambda word: self._draw(word, alpha, generator), None)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; control pieces, such as the end mark, are left out.

        Raises:
            ValueError: an id that there is not.
        """
        out = []
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise ValueError(f"ids has {i}; the vocabulary has V={self.vocab_size}, from 0")
            if i >= len(self.pieces):
                out.append(f"<extra_id_{self.vocab_size - 1 - i}>")
            elif self.pieces[i].kind == UNKNOWN:
                out.append(" ⁇ ")  # as SentencePiece
            elif self.pieces[i].kind != CONTROL:
                out.append(self.pieces[i].text)
        text = SENTINEL.sub(r" <extra_id_\1> ", "".join(out).replace(SPACE, " "))
        if text.startswith(" ") and self.dummy_prefix:
            text = text[1:]
        return text.rstrip(" ") if SENTINEL.search(text) else text

    def _ids(self, text, cut, eos_id) -> list[int]:
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, got {type(text).__name__}")
        out: list[int] = []
        for i, part in enumerate(SENTINEL.split(text) if self.extra_ids else [text]):
            if i % 2:
                if int(part) >= self.extra_ids:
                    raise ValueError(
                        f"text has <extra_id_{part}>; there are {self.extra_ids} sentinels, from 0"
                    )
                out.append(self.sentinels[int(part)])
                continue
            clean = normalize(part).replace(" ", SPACE)
            if clean and self.dummy_prefix:
                clean = SPACE + clean
            words = (
                re.findall(f"{SPACE}[^{SPACE}]*|[^{SPACE}]+", clean) if self.by_word else [clean]
            )
            for word in words:
                for token in cut(word) if word else ():
                    if (
                        token != self.unk_id or not out or out[-1] != token
                    ):  # unknowns in a row: one
                        out.append(token)
        return out if eos_id is None else [*out, eos_id]

    def _word(self, word: str) -> list[int]:
        if word not in self.known:
            if len(self.known) > 200_000:
                self.known.clear()
            self.known[word] = self._viterbi(word)
        return self.known[word]

    def _edges(self, word: str, end: int) -> list[tuple[int, float, int]]:
        """Return the pieces that end here: (start, score, id)."""
        first = max(0, end - self.longest)
        found = [(s, *self.scores[word[s:end]]) for s in range(first, end)
                 if word[s:end] in self.scores]  # fmt: skip
        if word[end - 1 : end] not in self.scores:
            found.append((end - 1, self.unk_score, self.unk_id))
        return found

    def _viterbi(self, word: str) -> list[int]:
        """Return the ids of the best cut: for each place, the best way there and its last piece."""
        best: list[tuple[float, int, int]] = [(0.0, 0, -1)]  # score, start, id of the last piece
        for end in range(1, len(word) + 1):
            ways = ((best[s][0] + score, s, i) for s, score, i in self._edges(word, end))
            best.append(max(ways, key=lambda way: way[0]))
        out, end = [], len(word)
        while end:
            _, start, token = best[end]
            out.append(token)
            end = start
        return out[::-1]

    def _draw(self, word: str, alpha: float, generator: torch.Generator | None) -> list[int]:
        """Draw a cut from right to left, by the sums over all ways to reach each place."""
        total = [0.0]
        for end in range(1, len(word) + 1):
            total.append(log_sum([total[s] + alpha * x for s, x, _ in self._edges(word, end)]))
        out, end = [], len(word)
        while end:
            edges = self._edges(word, end)
            logs = torch.tensor([total[s] + alpha * score for s, score, _ in edges])
            chosen = int(torch.multinomial(logs.softmax(0), 1, generator=generator))
            end, _, token = edges[chosen]
            out.append(token)
        return out[::-1]


def log_sum(logs: Sequence[float]) -> float:
    """Return log Σ exp."""
    top = max(logs)
    return top + math.log(math.fsum(math.exp(x - top) for x in logs))


def _parse(content: bytes) -> tuple[list[Piece], int, bool]:
    """Return pieces, kind of model, and whether a space is put before texts."""
    pieces, kind, dummy_prefix = [], 1, True
    for number, value in fields(content):
        if number == 1 and isinstance(value, bytes):
            known = dict(fields(value))
            text, score = known.get(1, b""), known.get(2, b"\0\0\0\0")
            if not isinstance(text, bytes) or not isinstance(score, bytes):
                raise ValueError("a piece is not a text with a score")
            pieces.append(
                Piece(text.decode(), struct.unpack("<f", score)[0], int(known.get(3, NORMAL)))
            )
        elif number == 2 and isinstance(value, bytes):
            kind = int(dict(fields(value)).get(3, 1))
        elif number == 3 and isinstance(value, bytes):
            dummy_prefix = bool(dict(fields(value)).get(3, 1))
    if not pieces:
        raise ValueError("it holds no pieces")
    return pieces, kind, dummy_prefix
