"""What is read and what is asked in these experiments: real texts in a full run, else made up."""

import dataclasses
import functools
import random
from typing import Any

from ..lab.run import Run
from ..tasks import Task
from ..unigram import Piece, SentencePieceUnigram
from ..unigram_training import train_unigram
from . import corpora, made_up

SIZE = 2_048  # pieces, sentinels not counted
SENTINELS = 30
TASKS = {
    "review": Task("review:", labels=("rotten", "fresh")),
    "simplify": Task("simplify:"),
    "translate": Task("translate English to German:"),
}
VERSES = 10_000  # of the task "simplify"
Ids = tuple[list[int], list[int]]


@dataclasses.dataclass(frozen=True)
class World:
    """Pieces, documents without labels as ids, tasks as pairs of ids, tests also as text."""

    pieces: SentencePieceUnigram
    documents: list[list[int]]
    tasks: dict[str, dict[str, list[Ids]]]
    answers: dict[str, dict[str, list[str]]]  # the targets of dev and test as text


def real(run: Run) -> bool:
    """Say whether real texts are read."""
    return run.scale in ("full", "paper")


@functools.lru_cache(2)
def texts(run: Run) -> tuple[list[str], dict[str, dict[str, corpora.Pairs]]]:
    """Return documents without labels, and the pairs of each task."""
    if real(run):
        simple = corpora.simplifications(run.data)
        random.Random(0).shuffle(simple["train"])
        simple["train"] = simple["train"][:VERSES]
        pairs = {"review": corpora.reviews(run.data), "simplify": simple,
                 "translate": corpora.translations(run.data)}  # fmt: skip
        return corpora.unlabelled(run.data), pairs
    documents = made_up.documents(run.pick(test=60, default=8_000), 1)
    few, many = run.pick(test=(8, 8), default=(300, 300))
    pairs = {
        task: {part: make(n, seed) for part, n, seed in (("train", few, 2), ("dev", many, 3),
                                                         ("test", many, 4))}
        for task, make in (("review", made_up.judged), ("simplify", made_up.rewritten))
    }  # fmt: skip
    pairs["translate"] = pairs["simplify"]
    return documents, pairs


def learn_pieces(run: Run, seed: int) -> list[tuple[str, float, int]]:
    """Return the vocabulary: as the paper's, ten parts of English to one of German (§3.1.3)."""
    documents, pairs = texts(run)
    german = [b for _, b in pairs["translate"]["train"]][::10]
    simple = [b for _, b in pairs["simplify"]["train"]]
    size = SIZE if real(run) else 120
    model = train_unigram([*documents, *german, *simple], size, SENTINELS, shrink=0.6)
    return [(p.text, p.score, p.kind) for p in model.pieces]


@functools.lru_cache(2)
def world(run: Run) -> World:
    """Return all of it as ids."""
    documents, pairs = texts(run)
    made: list[Any] = run.trial(learn_pieces, seed=run.seed)
    pieces = SentencePieceUnigram([Piece(*piece) for piece in made], SENTINELS)
    tasks, answers = {}, {}
    for name, parts in pairs.items():
        task = TASKS[name]
        tasks[name] = {
            part: [
                (pieces.encode(task.to_text({"text": a}), 1)[:96],
                 pieces.encode(task.to_target(b), 1)[:96])
                for a, b in rows
            ]
            for part, rows in parts.items()
        }  # fmt: skip
        answers[name] = {part: [b for _, b in parts[part]] for part in ("dev", "test")}
    return World(pieces, [pieces.encode(text) for text in documents], tasks, answers)
