"""Inputs as rows of ids, with 0 behind them; labels beside them; what a world is."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..pairs import make_pairs
from ..wordpiece import SPECIAL, WordPieceTokenizer, first_pieces

PAD = 0
TASKS = ("tags", "sentiment", "pairs")


class Examples(NamedTuple):
    """Inputs (N, T) and their labels: (N,), or (N, T) with -100 where there is none."""

    ids: Tensor
    labels: Tensor


class Task(NamedTuple):
    """A task's parts, drawn for one seed: no example is in two."""

    num_labels: int
    train: Examples
    dev: Examples
    test: Examples


@dataclasses.dataclass(frozen=True)
class World:
    """A language and its tasks.

    Attributes:
        vocab_size: of the vocabulary.
        specials: the ids of [PAD], [UNK], [CLS], [SEP] and [MASK].
        rows: inputs (R, T) without labels. apart: (R,), 0 where B follows A, else 1.
        dev_rows, dev_apart: others of the kind, of documents of their own where there are any.
        task: name and seed to a task.
        tokenizer: None if the language is made up.
        long: longer rows, and which are apart, for the last tenth of pre-training (A.2), or None.
    """

    vocab_size: int
    specials: tuple[int, ...]
    rows: Tensor
    apart: Tensor
    dev_rows: Tensor
    dev_apart: Tensor
    task: Callable[[str, int], Task]
    tokenizer: WordPieceTokenizer | None = None
    long: tuple[Tensor, Tensor] | None = None


def segments(ids_BT: Tensor, sep_id: int) -> Tensor:
    """Return 1 behind the first [SEP], else and at padding 0."""
    sep_BT = (ids_BT == sep_id).long()
    return ((sep_BT.cumsum(-1) - sep_BT) > 0).long() * (ids_BT != PAD)


def rows_of(
    tokenizer: WordPieceTokenizer,
    documents: Iterable[Sequence[Sequence[int]]],
    length: int,
    passes: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Return pairs as rows (R, T), and 0 where the second follows, else 1."""
    cls, sep = tokenizer.ids["[CLS]"], tokenizer.ids["[SEP]"]
    documents, found, apart = list(documents), [], []
    generator = torch.Generator().manual_seed(seed)
    for _ in range(passes):
        for pair in make_pairs(documents, length, generator=generator):
            found.append(pair.pack(cls, sep)[0])
            apart.append(pair.label)
    return padded(found, length), torch.tensor(apart)


def padded(rows: Sequence[Sequence[int]], length: int) -> Tensor:
    """Return rows of ids as one tensor (N, T), cut to the length."""
    out = torch.zeros(len(rows), min(length, max(map(len, rows), default=1)), dtype=torch.int32)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(list(row[: out.shape[1]]), dtype=torch.int32)
    return out


def tag_examples(
    tokenizer: WordPieceTokenizer,
    sentences: Sequence[Sequence[tuple[str, str]]],
    names: dict[str, int],
    length: int,
) -> Examples:
    """Return tagged sentences: a word's label stands at its first piece (§5.3)."""
    ids, labels = [], []
    for sentence in sentences:
        encoding = tokenizer.encode_words([word for word, _ in sentence], length)
        ids.append(encoding.ids)
        known = [names.get(tag, len(names)) for _, tag in sentence]
        labels.append([label + 1 for label in first_pieces(encoding, known, ignored=-101)])
    own = padded(labels, length).long()
    return Examples(padded(ids, length), torch.where(own > 0, own - 1, -100))


def text_examples(
    tokenizer: WordPieceTokenizer,
    examples: Sequence[tuple[str, str | None, int]],
    length: int,
) -> Examples:
    """Return texts or pairs of texts with their labels."""
    ids = [tokenizer.encode(text, pair, length).ids for text, pair, _ in examples]
    return Examples(padded(ids, length), torch.tensor([label for *_, label in examples]))


def special_ids(tokenizer: WordPieceTokenizer) -> tuple[int, ...]:
    """Return the ids of the special tokens.

    Raises:
        ValueError: [PAD] has another than 0, with which rows are filled up.
    """
    if tokenizer.ids[SPECIAL[0]] != PAD:
        raise ValueError(f"[PAD] must have the id {PAD}, got {tokenizer.ids[SPECIAL[0]]}")
    return tuple(tokenizer.ids[token] for token in SPECIAL)
