"""The paper's own kind of data, for ``--paper``: a user's text, and GLUE's MNLI, SST-2 and QNLI.

``--data`` then holds ``text/**/*.txt`` (documents with an empty line between two, a sentence a
line), ``vocab.json`` and ``merges.txt`` (the released ones), and ``GLUE/<task>/{train,dev}.tsv`` as
the benchmark distributes them. Scores are those on the dev sets, as in Tables 1 to 4. A tenth of
the documents is "small".
"""

import csv
import functools
from pathlib import Path

import torch

from ..lab.run import Run
from ..tokenizer import PAD_ID, RobertaTokenizer
from .corpus import folder_of
from .english import encoded, first_tokens
from .world import Examples, Task, World, padded

LENGTH, SHORT = 512, 128
TASKS = {
    "MNLI": ("sentence1", "sentence2", "gold_label", "dev_matched"),
    "SST-2": ("sentence", None, "label", "dev"),
    "QNLI": ("question", "sentence", "label", "dev"),
}


def needed(data: Path | None, name: str) -> Path:
    """Return a file's path.

    Raises:
        FileNotFoundError: it is not there; says which.
    """
    path = folder_of(data) / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: a run of the paper's size needs it")
    return path


def documents(data: Path | None) -> list[list[str]]:
    """Return the documents of the text files, in the order of their names.

    Raises:
        FileNotFoundError: there is no such file.
    """
    folder = folder_of(data) / "text"
    paths = sorted(folder.rglob("*.txt"))
    if not paths:
        raise FileNotFoundError(f"{folder} has no text: a run of the paper's size needs it")
    blocks = [block for p in paths for block in p.read_text(encoding="utf-8").split("\n\n")]
    found = [[line.strip() for line in b.splitlines() if line.strip()] for b in blocks]
    return [document for document in found if document]


def examples(data: Path | None, tokenizer: RobertaTokenizer, task: str, part: str) -> Examples:
    """Return a part of a GLUE task; labels are numbered in the order of the alphabet."""
    first, second, label, _ = TASKS[task]
    with open(needed(data, f"GLUE/{task}/{part}.tsv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    names = sorted({row[label] for row in rows})
    ids = [tokenizer.encode(row[first], row[second] if second else None, SHORT).ids for row in rows]
    labels = torch.tensor([names.index(row[label]) for row in rows])
    return Examples(padded(ids, SHORT, PAD_ID), labels)


def papers(run: Run) -> World:
    """Return the paper's kind of data, from the user's files; see above."""
    data = run.data
    texts = documents(data)
    tokenizer = RobertaTokenizer.load(needed(data, "vocab.json"), needed(data, "merges.txt"))
    every = encoded(tokenizer, texts, LENGTH)
    dev, every = every[::200], [d for i, d in enumerate(every) if i % 200]

    @functools.lru_cache(3)
    def task(name: str, seed: int) -> Task:
        del seed  # the sets have their own parts
        train, dev_ = (examples(data, tokenizer, name, p) for p in ("train", TASKS[name][3]))
        return Task(int(train.labels.max()) + 1, train, dev_, dev_)

    return World(
        tokenizer.vocab_size, tokenizer.special_ids, tokenizer.mask_id, LENGTH, every, every[::10],
        first_tokens(every, sum(len(s) for d in every for s in d) // 40), dev, tuple(TASKS), task,
        tokenizer,
    )  # fmt: skip
