"""What is read and what is asked: real text and the published questions, or the made-up world."""

import dataclasses
import functools

import torch
from torch import Tensor

from ..evaluation import read_questions
from ..lab.run import Run
from ..vectors import KeyedVectors
from ..vocabulary import Vocab
from . import corpus, entities

MIN_COUNT = 5  # 2013b, §3
QUARTER, HALF, WHOLE = 1, 2, 4  # how much of the text


@dataclasses.dataclass(frozen=True)
class World:
    """Text of one size and the questions asked of every size.

    Attributes:
        vocab: its words. ids, numbers: the text, as `Vocab.encode` gives it.
        words: how many occurrences.
        questions: those whose four words occur 5 times or more in the smallest text.
        relations: for each the name of its section.
    """

    vocab: Vocab
    ids: Tensor
    numbers: Tensor
    questions: list[tuple[str, str, str, str]]
    relations: list[str]

    @property
    def semantic(self) -> list[bool]:
        """Return for each question whether it is of the paper's semantic part."""
        return [not name.startswith("gram") for name in self.relations]

    @property
    def words(self) -> int:
        """Return the number of words of the text."""
        return len(self.ids)

    def right(self, vectors: KeyedVectors) -> str:
        """Return for each question "1" if vectors answer it, else "0"."""
        ids_Q4 = torch.tensor([[vectors.index[w] for w in q] for q in self.questions])
        hits = vectors.answer(ids_Q4) == ids_Q4[:, 3]
        return "".join("1" if hit else "0" for hit in hits.tolist())

    @functools.cached_property
    def rare(self) -> list[bool]:
        """Return for each question whether its answer is of the rarest third of answers."""
        counts = [int(self.vocab.counts[self.vocab.index[q[3]]]) for q in self.questions]
        line = sorted(counts)[len(counts) // 3]
        return [count < line for count in counts]


def real(run: Run) -> bool:
    """Return whether this run reads real text."""
    return run.scale in ("full", "paper")


def build(run: Run, quarters: int) -> World:
    """Return so many quarters of the text, with the questions."""
    if real(run):
        return _real(run.data, quarters, run)
    return _made(run.pick(test=400, default=12_000), quarters)


@functools.lru_cache(4)
def _made(n: int, quarters: int) -> World:
    pairs = (*entities.SEMANTIC, *entities.SYNTACTIC)
    asked = entities.questions(pairs, 200 if n < 1000 else 2000)
    sentences = entities.text(n)[: n * quarters // 4]
    vocab = Vocab.of([*sentences, entities.lexicon()], min_count=1)
    names = []
    for a, b, *_ in asked:
        pair = a.rstrip("0123456789"), b.rstrip("0123456789")
        kind = "gram" if pair in entities.SYNTACTIC or pair[::-1] in entities.SYNTACTIC else "sem"
        names.append(f"{kind} {pair[0]} {pair[1]}")
    return World(vocab, *vocab.encode(sentences), asked, names)


@functools.lru_cache(4)
def _real(data, quarters: int, run: Run) -> World:
    text = corpus.read(run)
    asked, names = [], []
    counts = torch.bincount(text.part(QUARTER).ids, minlength=len(text.words))
    known = {word for word, n in zip(text.words, counts.tolist()) if n >= MIN_COUNT}
    for name, questions in read_questions(corpus.questions_file(run)):
        for question in questions:
            lower = tuple(word.lower() for word in question)
            if known.issuperset(lower):
                asked.append(lower)
                names.append(name)
    return World(*reading(text.part(quarters)), asked, names)


def reading(text: corpus.Text, max_size: int | None = None) -> tuple[Vocab, Tensor, Tensor]:
    """Return a text's vocabulary, and the text by its places; rare words are left out."""
    counts = torch.bincount(text.ids, minlength=len(text.words)).tolist()
    vocab = Vocab({w: n for w, n in zip(text.words, counts) if n}, MIN_COUNT, max_size)
    place = torch.tensor([vocab.index.get(word, -1) for word in text.words], dtype=torch.int32)
    ids = place[text.ids]
    return vocab, ids[ids >= 0], text.numbers[ids >= 0]
