"""WordPiece: words as the longest pieces that the vocabulary has, from the left.

The paper cites it (§3; Wu et al. 2016); what is here is what the released models were trained on.
Shapes: B batch, T length.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor

from .basic import words_of

PAD, UNK, CLS, SEP, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class Encoding(NamedTuple):
    """One input: [CLS] a [SEP], or [CLS] a [SEP] b [SEP]. Each entry has one item a token."""

    ids: list[int]
    token_type_ids: list[int]  # 0 for a, 1 for b
    offsets: list[tuple[int, int]]  # first and last + 1 place in its text; (0, 0): none
    words: list[int | None]  # the how many-th word of its text a piece belongs to; None: special


class Piece(NamedTuple):
    """A piece of a text."""

    id: int
    start: int
    end: int
    word: int


class WordPieceTokenizer:
    """Text to ids and back.

    Args:
        vocabulary: pieces in the order of their ids; "##" begins those inside a word.
        lowercase: make letters small, as uncased models want it.
        strip_accents: None: where letters are made small.
        max_word_length: longer words are unknown. Google's code has 200, transformers 100.
        special: of the five special tokens those that are recognised where a text holds them.
            None: all, as in transformers. Texts of strangers may want ().

    Raises:
        ValueError: a piece that is there twice, or a special token that is missing.
    """

    def __init__(
        self,
        vocabulary: Iterable[str],
        lowercase: bool = True,
        strip_accents: bool | None = None,
        max_word_length: int = 100,
        special: Sequence[str] | None = None,
    ) -> None:
        self.pieces = list(vocabulary)
        self.ids: dict[str, int] = {}
        for i, piece in enumerate(self.pieces):
            if piece in self.ids:
                raise ValueError(f"{piece!r} is there twice: lines {self.ids[piece] + 1}, {i + 1}")
            self.ids[piece] = i
        for token in SPECIAL:
            if token not in self.ids:
                raise ValueError(f"the vocabulary has no {token}")
        if max_word_length < 1:
            raise ValueError(f"max_word_length must be at least 1, got {max_word_length}")
        special = SPECIAL if special is None else special
        if unknown := [token for token in special if token not in SPECIAL]:
            raise ValueError(f"special must be of {SPECIAL}, got {unknown[0]!r}")
        self.lowercase, self.strip_accents = lowercase, strip_accents
        self.max_word_length = max_word_length
        self.special = tuple(special)
        self.longest = max(map(len, self.pieces))
        self._known: dict[str, list[tuple[int, int]]] = {}

    @property
    def vocab_size(self) -> int:
        """The number of pieces."""
        return len(self.pieces)

    @classmethod
    def from_file(cls, path: str | os.PathLike, lowercase: bool = True, **options) -> Self:
        """Read a released ``vocab.txt``: a piece a line, in the order of the ids.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not UTF-8, has a piece twice or lacks a special token; names the file.
        """
        try:
            text = Path(path).read_bytes().decode("utf-8")
            # Pieces may be what other readers take for the end of a line.
            lines = [line.removesuffix("\r") for line in text.split("\n")]
            return cls(lines[:-1] if not lines[-1] else lines, lowercase, **options)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def save(self, path: str | os.PathLike) -> None:
        """Write a ``vocab.txt``: the old file stays until the new one is whole."""
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes("".join(f"{piece}\n" for piece in self.pieces).encode("utf-8"))
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def tokenize(self, text: str) -> list[str]:
        """Return a text's pieces."""
        return [self.pieces[piece.id] for piece in self._pieces(text)]

    def encode(self, text: str, pair: str | None = None, max_length: int | None = None) -> Encoding:
        """Return the input of a text, or of a pair of texts.

        Args:
            text: sentence A.
            pair: sentence B.
            max_length: of the input; the longer of the two texts loses its last piece, again and
                again, until they fit.

        Raises:
            ValueError: a length that does not hold the special tokens.
        """
        pieces = self._pieces(text)
        return self._encoding(pieces, None if pair is None else self._pieces(pair), max_length)

    def encode_words(self, words: Sequence[str], max_length: int | None = None) -> Encoding:
        """Return the input of a text that is words already, as in tagging.

        ``words`` of the result then says which of them each piece belongs to; offsets are those in
        the words.
        """
        pieces = [
            piece._replace(word=i) for i, word in enumerate(words) for piece in self._pieces(word)
        ]
        return self._encoding(pieces, None, max_length)

    def batch(self, encodings: Sequence[Encoding], multiple: int = 1) -> dict[str, Tensor]:
        """Return inputs as the arguments of `BertModel`, filled up to the longest one.

        Args:
            encodings: of ``encode``.
            multiple: fill up to a multiple of it.

        Returns:
            ``input_ids``, ``attention_mask``, ``token_type_ids``: (B, T).
        """
        longest = max((len(encoding.ids) for encoding in encodings), default=0)
        length = -(-longest // multiple) * multiple
        shape = len(encodings), length
        ids_BT = torch.full(shape, self.ids[PAD])
        mask_BT, types_BT = (torch.zeros(shape, dtype=torch.long) for _ in range(2))
        for b, encoding in enumerate(encodings):
            n = len(encoding.ids)
            ids_BT[b, :n] = torch.tensor(encoding.ids)
            types_BT[b, :n] = torch.tensor(encoding.token_type_ids)
            mask_BT[b, :n] = 1
        return {"input_ids": ids_BT, "attention_mask": mask_BT, "token_type_ids": types_BT}

    def special_mask(self, input_ids: Tensor) -> Tensor:
        """Return where special tokens and padding stand, not to be hidden: bool (B, T)."""
        special = torch.tensor([self.ids[token] for token in SPECIAL], device=input_ids.device)
        return torch.isin(input_ids, special)

    def inner(self) -> Tensor:
        """Return for each piece whether it continues a word, being one with "##": bool (V,)."""
        return torch.tensor([piece.startswith("##") for piece in self.pieces])

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        """Return the words of ids, with a blank between two.

        Raises:
            ValueError: an id that the vocabulary has not.
        """
        text = ""
        for i in map(int, ids):
            if not 0 <= i < len(self.pieces):
                raise ValueError(f"ids must be 0 to {len(self.pieces) - 1}, got {i}")
            piece = self.pieces[i]
            if skip_special and piece in SPECIAL:
                continue
            inside = piece.startswith("##") and text
            text += piece[2:] if inside else f" {piece}" if text else piece
        return text

    def _pieces(self, text: str) -> list[Piece]:
        """Return a text's pieces, special tokens that stand in it among them."""
        if not isinstance(text, str):
            raise TypeError(f"a text must be a string, got {type(text).__name__}")
        found: list[Piece] = []
        at = word = 0
        pattern = "|".join(map(re.escape, self.special))
        marks = list(re.finditer(pattern, text)) if pattern else []
        for mark in (*marks, None):
            end = len(text) if mark is None else mark.start()
            for each in words_of(text[at:end], self.lowercase, self.strip_accents):
                first = 0
                for piece, length in self._cut(each.text):
                    places = each.places[first : first + length]
                    found.append(Piece(piece, at + places[0], at + places[-1] + 1, word))
                    first += length
                word += 1
            if mark is not None:
                found.append(Piece(self.ids[mark[0]], mark.start(), mark.end(), word))
                at, word = mark.end(), word + 1
        return found

    def _cut(self, word: str) -> list[tuple[int, int]]:
        """Return a word's pieces: each an id, and of how many characters."""
        if word not in self._known:
            if len(self._known) >= 100_000:  # texts without end must not fill the memory
                self._known.clear()
            self._known[word] = self._longest_first(word)
        return self._known[word]

    def _longest_first(self, word: str) -> list[tuple[int, int]]:
        """Return the pieces of a word: at each place the longest one that the vocabulary has.

        A word that ends nowhere, or is too long, is unknown as a whole.
        """
        unknown = [(self.ids[UNK], len(word))]
        if len(word) > self.max_word_length:
            return unknown
        found, start = [], 0
        while start < len(word):
            before = "##" if start else ""
            for end in range(min(len(word), start + self.longest), start, -1):
                piece = self.ids.get(before + word[start:end])
                if piece is not None:
                    break
            else:
                return unknown
            found.append((piece, end - start))
            start = end
        return found

    def _encoding(
        self, first: list[Piece], second: list[Piece] | None, max_length: int | None
    ) -> Encoding:
        if max_length is not None:
            room = max_length - (2 if second is None else 3)
            if room < 0:
                raise ValueError(f"max_length ({max_length}) does not hold [CLS] and [SEP]")
            second_length = 0 if second is None else len(second)
            a, b = truncated(len(first), second_length, room)
            first, second = first[:a], None if second is None else second[:b]
        cls, sep = (Piece(self.ids[token], 0, 0, -1) for token in (CLS, SEP))
        row = [cls, *first, sep]
        types = [0] * len(row)
        if second is not None:
            row += [*second, sep]
            types += [1] * (len(second) + 1)
        return Encoding(
            [piece.id for piece in row],
            types,
            [(piece.start, piece.end) for piece in row],
            [None if piece.word < 0 else piece.word for piece in row],
        )


def truncated(a: int, b: int, room: int) -> tuple[int, int]:
    """Return the lengths of a and b when the longer one is cut until both fit; b, where equal."""
    while a + b > room:
        if a > b:
            a -= 1
        else:
            b -= 1
    return a, b


def first_pieces(encoding: Encoding, labels: Sequence[int], ignored: int = -100) -> list[int]:
    """Return a label for each token: a word's for its first piece, ``ignored`` for all others.

    Args:
        encoding: of ``encode_words``.
        labels: one for each word.
        ignored: what does not count in the loss.

    Source: §5.3, "the representation of the first sub-token".
    """
    found, before = [], None
    for word in encoding.words:
        found.append(ignored if word is None or word == before else labels[word])
        before = word
    return found
