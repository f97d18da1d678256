"""What every model of a run reads and learns: texts without labels, and tasks with labels.

At the default scale it is a made-up language, at the full scale real English, at the paper's a
user's text and GLUE.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..inputs import Document
from ..tokenizer import RobertaTokenizer

if TYPE_CHECKING:
    from ..lab.run import Run


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
        vocab_size, special_ids, mask_id: of its vocabulary. length: tokens of an input.
        every: documents to read, in order. small: a tenth of them. tiny: as many as are read forty
            times. dev: documents of their own, for losses.
        tasks: names. task: name and seed to a task.
        tokenizer: None if the language is made up.
    """

    vocab_size: int
    special_ids: Sequence[int]
    mask_id: int
    length: int
    every: Sequence[Document]
    small: Sequence[Document]
    tiny: Sequence[Document]
    dev: Sequence[Document]
    tasks: tuple[str, ...]
    task: Callable[[str, int], Task]
    tokenizer: RobertaTokenizer | None = None

    def documents(self, data: str) -> Sequence[Document]:
        """Return what "every", "small" or "tiny" names."""
        return {"every": self.every, "small": self.small, "tiny": self.tiny}[data]


def padded(rows: Sequence[Sequence[int]], length: int, fill: int) -> Tensor:
    """Return rows as one tensor (N, T), cut to the length."""
    out = torch.full((len(rows), min(length, max(map(len, rows)))), fill)
    for row_T, row in zip(out, rows):
        part = list(row[: out.shape[1]])
        row_T[: len(part)] = torch.tensor(part)
    return out


@functools.lru_cache(2)
def world(run: "Run") -> World:
    """Return the language of this run."""
    from . import english, language, papers_data

    if run.scale == "full":
        return english.english(run)
    if run.scale == "paper":
        return papers_data.papers(run)
    return language.made_up(*run.pick(test=(24, 8, 8), default=(4_000, 256, 512)))
