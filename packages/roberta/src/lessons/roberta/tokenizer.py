"""RoBERTa's tokens: GPT-2's merges, ids of its own, and five special tokens (§4.4, §2.1).

Shapes: B batch, T length.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from . import vocabulary
from .bpe import ByteLevelBPE
from .pieces import SPACES
from .vocabulary import END_OF_TEXT, FIRST_SPECIALS, MASK

BOS_ID, PAD_ID, EOS_ID, UNK_ID = range(4)  # <s>, <pad>, </s>, <unk>


class Encoding(NamedTuple):
    """A text, or a pair of texts, as ids with special tokens; places of the words' first tokens."""

    ids: list[int]
    first: Sequence[int] = ()  # of `encode_words`: where each word begins


class RobertaTokenizer:
    """Texts to ids with special tokens around, and back.

    Args:
        bpe: with ids that no special token has.
        special: ids of the special texts: ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2, ``<unk>`` 3,
            ``<mask>``, and what else fills up. Default: the first four, and ``<mask>`` behind all
            tokens.

    Raises:
        ValueError: one of the five is missing or has another id, an id twice, or one between that
            nobody has.

    Source: §4.4; the released vocabulary.
    """

    def __init__(self, bpe: ByteLevelBPE, special: Mapping[str, int] | None = None) -> None:
        if special is None:
            special = {name: i for i, name in enumerate(FIRST_SPECIALS)} | {MASK: 4 + len(bpe)}
        self.bpe, self.special = bpe, dict(special)
        for i, name in enumerate(FIRST_SPECIALS):
            if self.special.get(name) != i:
                raise ValueError(f"special must have {name!r} as {i}, got {special.get(name)}")
        known = [*bpe.tokens, *self.special.values()]
        if MASK not in self.special:
            raise ValueError(f"special has no {MASK!r}")
        if sorted(known) != list(range(len(known))):
            raise ValueError(
                f"tokens and special must have the ids 0 to {len(known) - 1}, each once; got "
                f"{len(set(known))} different ones up to {max(known)}"
            )
        self.mask_id, self.vocab_size = self.special[MASK], len(known)
        self._names = {i: name for name, i in self.special.items()}

    @property
    def special_ids(self) -> list[int]:
        """Ids that are never masked nor drawn in the place of others."""
        return sorted(self.special.values())

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "RobertaTokenizer":
        """Learn a vocabulary: five special tokens, 256 bytes, and merges; see `ByteLevelBPE.train`.

        Raises:
            ValueError: no room for the bytes and the special tokens.
        """
        if vocab_size < 261:
            raise ValueError(
                f"vocab_size must be at least 261 (256 bytes, 5 special), got {vocab_size}"
            )
        return cls(ByteLevelBPE.train(texts, vocab_size - 5, first_id=len(FIRST_SPECIALS)))

    @classmethod
    def load(cls, vocab: str | os.PathLike, merges: str | os.PathLike) -> "RobertaTokenizer":
        """Read Hugging Face's ``vocab.json`` and ``merges.txt``, which have RoBERTa's ids.

        Raises:
            OSError: a file cannot be opened.
            ValueError: it is something else, such as OpenAI's ``encoder.json`` with other ids.
        """
        table = vocabulary.read_encoder(vocab)
        fills = {*FIRST_SPECIALS, MASK, END_OF_TEXT}
        special = {n: i for n, i in table.items() if n in fills or n.startswith("madeupword")}
        if special.get("<s>") != 0:
            raise ValueError(
                f"{vocab} is no vocabulary of RoBERTa: <s> must be 0, got {special.get('<s>')}; "
                "of OpenAI's files from_fairseq makes one"
            )
        tokens = {i: vocabulary.from_characters(n) for n, i in table.items() if n not in special}
        return cls(ByteLevelBPE(tokens, vocabulary.read_merges(merges)), special)

    @classmethod
    def from_fairseq(
        cls,
        dictionary: str | os.PathLike,
        encoder: str | os.PathLike,
        merges: str | os.PathLike,
    ) -> "RobertaTokenizer":
        """Read fairseq's ``dict.txt``, OpenAI's ``encoder.json`` and ``vocab.bpe``.

        Raises:
            OSError: a file cannot be opened.
            ValueError: it is something else, or the files do not fit.
        """
        symbols = vocabulary.read_dictionary(dictionary)
        tokens, special = vocabulary.fairseq_order(symbols, vocabulary.read_encoder(encoder))
        return cls(ByteLevelBPE(tokens, vocabulary.read_merges(merges)), special)

    def save(self, vocab: str | os.PathLike, merges: str | os.PathLike) -> None:
        """Write ``vocab.json`` and ``merges.txt``, which `load` and Hugging Face read."""
        vocabulary.write(vocab, merges, self.bpe.tokens, self.bpe.merges, self.special)

    def ids_of(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens around it.

        ``<mask>`` in it becomes that token and swallows the white space before it, which belongs to
        the token that it hides. The other special texts are ordinary ones here: what a stranger
        writes should not end a sequence.

        Raises:
            TypeError, ValueError: as for `ByteLevelBPE.encode`.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, got {type(text).__name__}")
        parts = re.split(f"[{SPACES}]*{MASK}", text)
        ids = self.bpe.encode(parts[0])
        for part in parts[1:]:
            ids += [self.mask_id, *self.bpe.encode(part)]
        return ids

    def encode(self, text: str, pair: str | None = None, max_length: int = 512) -> Encoding:
        """Return ``<s> text </s>``, or ``<s> text </s></s> pair </s>``.

        Args:
            text: one text.
            pair: a second one.
            max_length: what is longer loses tokens at the end of the longer text.

        Raises:
            ValueError: no room for a token.
        """
        first = self.ids_of(text)
        if pair is None:
            if max_length < 3:
                raise ValueError(f"max_length must be at least 3, got {max_length}")
            return Encoding([BOS_ID, *first[: max_length - 2], EOS_ID])
        return Encoding(pair_encode(first, self.ids_of(pair), max_length))

    def encode_words(self, words: Sequence[str], max_length: int = 512) -> Encoding:
        """Return a sentence that is cut into words, and where each begins that still fits."""
        ids, first = [BOS_ID], []
        for word in self.bpe.encode_words(words):
            if len(ids) + len(word) + 1 > max_length:
                break
            first.append(len(ids))
            ids += word
        return Encoding([*ids, EOS_ID], first)

    def batch(self, encodings: Sequence[Encoding], side: str = "right") -> dict[str, Tensor]:
        """Return ``input_ids`` and ``attention_mask`` (B, T), padded on one side.

        Raises:
            ValueError: nothing to batch, another side.
        """
        return pad_batch([encoding.ids for encoding in encodings], side)

    def decode(self, ids: Iterable[int], skip_special: bool = False) -> str:
        """Return the text of ids; special ones as they are written, or not at all.

        Raises:
            ValueError: an id outside the vocabulary.
        """
        parts: list[bytes] = []
        for i in ids:
            if int(i) in self._names:
                parts += [] if skip_special else [self._names[int(i)].encode()]
            else:
                parts.append(self.bpe.decode_bytes([i]))
        return b"".join(parts).decode("utf-8", "replace")


def pair_encode(first: Sequence[int], second: Sequence[int], max_length: int = 512) -> list[int]:
    """Return ``<s> A </s></s> B </s>``: two separators, no segments.

    Args:
        first: ids of A.
        second: ids of B.
        max_length: tokens in all; the longer of the two loses its last ones.

    Raises:
        ValueError: no room for a token of each.

    Source: the released code (§2.1 draws one separator).
    """
    if max_length < 6:
        raise ValueError(f"max_length must be at least 6, got {max_length}")
    a, b = list(first), list(second)
    while len(a) + len(b) + 4 > max_length:
        (a if len(a) >= len(b) else b).pop()
    return [BOS_ID, *a, EOS_ID, EOS_ID, *b, EOS_ID]


def pad_batch(rows: Sequence[Sequence[int]], side: str = "right") -> dict[str, Tensor]:
    """Return rows of ids as ``input_ids`` and ``attention_mask`` (B, T), padded on one side.

    Raises:
        ValueError: no row, an empty one, another side.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side must be left or right, got {side!r}")
    if not rows or not all(map(len, rows)):
        raise ValueError("rows must be at least one, and each have a token")
    length = max(map(len, rows))
    ids_BT = torch.full((len(rows), length), PAD_ID)
    for row_T, row in zip(ids_BT, rows):
        part = row_T[: len(row)] if side == "right" else row_T[length - len(row) :]
        part.copy_(torch.tensor(row))
    return {"input_ids": ids_BT, "attention_mask": (ids_BT != PAD_ID).long()}
