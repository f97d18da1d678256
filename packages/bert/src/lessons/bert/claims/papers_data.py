"""The paper's own kind of data, for ``--paper``: a user's text, CoNLL-2003, SST-2 and QNLI.

``--data`` then holds ``text/**/*.txt`` (documents with an empty line between two, a sentence a
line), ``vocab.txt`` (a released cased vocabulary), ``GLUE/SST-2`` and ``GLUE/QNLI`` as the
benchmark distributes them (``train.tsv``, ``dev.tsv``), and CoNLL-2003's ``conll2003/eng.train``
and ``eng.testa``. Scores are those on the dev sets, as in Table 5.
"""

import csv
import functools
from collections.abc import Iterator
from pathlib import Path

from ..lab.run import Run
from ..wordpiece import WordPieceTokenizer
from .corpus import Document, folder_of
from .reading import Task, World, rows_of, special_ids, tag_examples, text_examples

SHORT, LENGTH, DEV_ROWS = 128, 512, 1_024


def lines(data: Path | None, name: str) -> list[str]:
    """Return a file's lines.

    Raises:
        FileNotFoundError: it is not there; says which.
    """
    path = folder_of(data) / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: a run of the paper's size needs it")
    return path.read_text(encoding="utf-8").splitlines()


def documents(data: Path | None) -> Iterator[Document]:
    """Yield the documents of the text files, in the order of their names.

    Raises:
        FileNotFoundError: there is no such file.
    """
    folder = folder_of(data) / "text"
    paths = sorted(folder.rglob("*.txt"))
    if not paths:
        raise FileNotFoundError(f"{folder} has no text: a run of the paper's size needs it")
    for path in paths:
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            found = [line.strip() for line in block.splitlines() if line.strip()]
            if len(found) > 1:
                yield found


def glue(data: Path | None, task: str, part: str) -> list[tuple[str, str | None, str]]:
    """Return a GLUE task's examples: text, second text or None, label as written.

    Raises:
        FileNotFoundError: it is not there. KeyError: it has other columns.
    """
    first, second = {"SST-2": ("sentence", None), "QNLI": ("question", "sentence")}[task]
    text = lines(data, f"GLUE/{task}/{part}.tsv")
    rows = csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
    return [(row[first], row[second] if second else None, row["label"]) for row in rows]


def entities(data: Path | None, part: str) -> list[list[tuple[str, str]]]:
    """Return CoNLL-2003's sentences, each word with its label."""
    found: list[list[tuple[str, str]]] = []
    sentence: list[tuple[str, str]] = []
    for line in [*lines(data, f"conll2003/eng.{part}"), ""]:
        fields = line.split()
        if fields and fields[0] != "-DOCSTART-":
            sentence.append((fields[0], fields[-1]))
        elif sentence:
            found.append(sentence)
            sentence = []
    return found


def papers(run: Run) -> World:
    """Return the paper's kind of data, from the user's files; see above."""
    data = run.data
    tokenizer = WordPieceTokenizer(lines(data, "vocab.txt"), lowercase=False)
    encoded = ([tokenizer.encode(s).ids[1:-1] for s in d] for d in documents(data))
    texts = list(encoded)
    rows, apart = rows_of(tokenizer, texts, SHORT, 1, 0)

    @functools.lru_cache(3)
    def task(name: str, seed: int) -> Task:
        del seed  # the sets have their own parts
        if name == "tags":
            sets = [entities(data, part) for part in ("train", "testa")]
            names = {tag: i for i, tag in enumerate(sorted({t for s in sets[0] for _, t in s}))}
            made = [tag_examples(tokenizer, part, names, LENGTH) for part in sets]
            return Task(len(names) + 1, made[0], made[1], made[1])
        kind = {"sentiment": "SST-2", "pairs": "QNLI"}[name]
        parts = [glue(data, kind, part) for part in ("train", "dev")]
        labels = {label: i for i, label in enumerate(sorted({row[2] for row in parts[0]}))}
        made = [
            text_examples(tokenizer, [(a, b, labels[label]) for a, b, label in part], SHORT)
            for part in parts
        ]
        return Task(len(labels), made[0], made[1], made[1])

    return World(
        tokenizer.vocab_size, special_ids(tokenizer), rows[DEV_ROWS:], apart[DEV_ROWS:],
        rows[:DEV_ROWS], apart[:DEV_ROWS], task, tokenizer, rows_of(tokenizer, texts, LENGTH, 1, 0),
    )  # fmt: skip
