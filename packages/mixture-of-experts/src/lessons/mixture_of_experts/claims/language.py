"""What the language models read: real text in pieces, or a made-up language of facts.

Rows of pieces, each read from a fresh state; a row's last piece is only predicted.
"""

import array
import dataclasses
import functools

import torch
from torch import Tensor

from ..lab.run import Run
from . import corpus
from .pieces import EOS, Pieces

STEPS = 64  # of time in a row
SYMBOLS, CERTAIN = 64, 0.9


@dataclasses.dataclass(frozen=True)
class World:
    """A language.

    Attributes:
        vocab_size: of pieces. train, dev, test: rows (R, T + 1). pieces: None if it is made up.
        tags: rows of labels for `tagged`, −1 where there is none. tagged: rows (R, T + 1).
        tag_names: how many labels there are.
        characters: of text for each predicted piece of the test, or None.
        wide: how many times as wide as the full run's its models are.
    """

    vocab_size: int
    train: Tensor
    dev: Tensor
    test: Tensor
    tagged: Tensor
    tags: Tensor
    tag_names: list[str]
    pieces: Pieces | None = None
    characters: float | None = None
    wide: int = 1


def real(run: Run) -> bool:
    """Return whether this run reads real text."""
    return run.scale in ("full", "paper")


def world(run: Run) -> World:
    """Return the language of this run; for ``--paper`` the user's own text, all of it."""
    if run.scale == "paper":
        return english(run.data, 4_000, None, ("own",), 16)
    if run.scale == "full":
        return english(run.data, 500, 80_000)
    return made_up(*run.pick(test=(64, 20, 16), default=(2_000, 200, STEPS)))


@functools.lru_cache(2)
def made_up(n: int, tests: int, steps: int) -> World:
    """Return a language in which the last two symbols say the next, nine times in ten.

    4,096 facts of six bits: more than a small dense net can hold. Its floor is e^.73 = 2.07.
    """
    generator = torch.Generator().manual_seed(0)
    facts = torch.randint(SYMBOLS, (SYMBOLS, SYMBOLS), generator=generator)

    def rows(n: int, seed: int) -> Tensor:
        own = torch.Generator().manual_seed(seed)
        ids = torch.randint(SYMBOLS, (n, steps + 1), generator=own)
        known = torch.rand(n, steps + 1, generator=own) < CERTAIN
        for t in range(2, steps + 1):
            ids[:, t] = torch.where(known[:, t], facts[ids[:, t - 2], ids[:, t - 1]], ids[:, t])
        return ids.to(torch.int16)

    test = rows(tests, 3)
    names = [str(i) for i in range(8)]
    return World(SYMBOLS, rows(n, 1), rows(tests, 2), test, test, test.long() // 8, names)


@functools.lru_cache(1)
def english(
    data,
    vocab_size: int,
    n: int | None,
    names: tuple[str, ...] = corpus.ALL,
    wide: int = 1,
) -> World:
    """Return real text: paragraphs apart by their hash, 3% to test, 1% to dev."""
    texts = corpus.paragraphs(data, names)
    places = [corpus.place(text) for text in texts]
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(texts), generator=generator).tolist()
    train = [texts[i] for i in order if places[i] >= 11]
    pieces = Pieces(train[:: max(1, len(train) // 20_000)], vocab_size)
    test_texts = [texts[i] for i in order if places[i] < 8]
    test = packed(pieces, test_texts, 1_200)
    shown = "".join(pieces.decode(row) for row in test[:, 1:].tolist())
    tagged, tags, tag_names = labelled(pieces, corpus.tagged_lines(data))
    return World(
        vocab_size, packed(pieces, train, n),
        packed(pieces, [texts[i] for i in order if 8 <= places[i] < 11], 600), test,
        tagged, tags, tag_names, pieces, len(shown) / (STEPS * len(test)), wide,
    )  # fmt: skip


def packed(pieces: Pieces, texts: list[str], rows: int | None) -> Tensor:
    """Return the first rows of texts, one behind the other with an end mark between; None: all.

    Raises:
        ValueError: there is not enough text.
    """
    flat = array.array("h")
    for text in texts:
        flat.extend(pieces.encode(text))
        if rows is not None and len(flat) >= rows * (STEPS + 1):
            break
    n = len(flat) // (STEPS + 1) if rows is None else rows
    if not n or len(flat) < n * (STEPS + 1):
        raise ValueError(f"{len(flat):,} pieces of text; {max(n, 1) * (STEPS + 1):,} are needed")
    return torch.tensor(flat[: n * (STEPS + 1)], dtype=torch.int16).view(n, STEPS + 1)


def labelled(
    pieces: Pieces, lines: list[list[tuple[str, str]]], rows: int = 1_000
) -> tuple[Tensor, Tensor, list[str]]:
    """Return rows of pieces and, at each word's last piece, the number of its part of speech.

    Tags are cut to their stem: "nns-tl" is "nn", "vbd" stays.
    """
    index: dict[str, int] = {}
    flat, tags = [], []
    for line in lines:
        for word, tag in line:
            ids = pieces.encode(" " + word)[:-1]
            stem = tag.partition("-")[0].partition("+")[0].rstrip("$*")
            stem = "nn" if stem == "nns" else "np" if stem == "nps" else stem
            flat += ids
            tags += [-1] * (len(ids) - 1) + [index.setdefault(stem, len(index))]
        flat.append(EOS)
        tags.append(-1)
    n = min(rows, len(flat) // (STEPS + 1))
    size = n * (STEPS + 1)
    shape = (n, STEPS + 1)
    return (
        torch.tensor(flat[:size], dtype=torch.int16).view(shape),
        torch.tensor(tags[:size]).view(shape),
        list(index),
    )
