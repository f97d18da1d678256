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
FIFTH, WHOLE = 1, 5  # how much of the text
EXAMPLES = 10  # of a relation: 2013a, §5


@dataclasses.dataclass(frozen=True)
class World:
    """Text and the questions asked of it.

    Attributes:
        vocab: its words. ids, numbers: the text, as `Vocab.encode` gives it.
        questions: those whose four words are in the vocabulary.
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

    def places(self, vectors: KeyedVectors) -> Tensor:
        """Return the questions as rows of vectors."""
        return torch.tensor([[vectors.index[w] for w in q] for q in self.questions])

    def right(self, vectors: KeyedVectors) -> str:
        """Return for each question "1" if vectors answer it, else "0"."""
        ids_Q4 = self.places(vectors)
        hits = vectors.answer(ids_Q4) == ids_Q4[:, 3]
        return "".join("1" if hit else "0" for hit in hits.tolist())

    def open(self, vectors: KeyedVectors) -> str:
        """Return the same with no word left out; "b" and "c" if the answer is that given word."""
        unit_VD, letters = vectors.unit, ""
        for part_Q4 in self.places(vectors).split(1024):
            a, b, c = (unit_VD[part_Q4[:, k]] for k in range(3))
            best_Q = ((b - a + c) @ unit_VD.T).argmax(1).tolist()
            for best, (_, second, third, right) in zip(best_Q, part_Q4.tolist()):
                letters += {second: "b", third: "c", right: "1"}.get(best, "0")
        return letters

    def ten(self, vectors: KeyedVectors, seed: int) -> str:
        """Return what vectors answer from the mean offset of ten pairs instead of one.

        The ten are drawn from the pairs of the question's relation, without the one that is asked
        for; "-" where there are fewer. As with one pair, c is left out of the search, and so are
        the words of the pair that the question gives. Those of the ten are not: the paper leaves
        out "the input question words".
        """
        generator, unit_VD = torch.Generator().manual_seed(seed), vectors.unit
        pools: dict[str, dict] = {}
        for name, q in zip(self.relations, self.questions):
            pools.setdefault(name, {}).update({q[:2]: None, q[2:]: None})
        offset = {
            name: torch.stack([unit_VD[vectors.index[b]] - unit_VD[vectors.index[a]]
                               for a, b in pool])
            for name, pool in pools.items()
        }  # fmt: skip
        letters = []
        for name, q in zip(self.relations, self.questions):
            pool = list(pools[name])
            order = torch.randperm(len(pool), generator=generator).tolist()
            among = [i for i in order if not {q[2], q[3]} & set(pool[i])][:EXAMPLES]
            if len(among) < EXAMPLES:
                letters.append("-")
                continue
            score_V = unit_VD @ (unit_VD[vectors.index[q[2]]] + offset[name][among].mean(0))
            score_V[[vectors.index[word] for word in q[:3]]] = -torch.inf
            letters.append("1" if vectors.words[int(score_V.argmax())] == q[3] else "0")
        return "".join(letters)

    def third(self, which: int) -> list[bool]:
        """Return which questions have their answer among the rarest (0) … most frequent (2) third.

        Of the answers, not of the words of the text.
        """
        counts = [int(self.vocab.counts[self.vocab.index[q[3]]]) for q in self.questions]
        lines = [0, *(sorted(counts)[k * len(counts) // 3] for k in (1, 2)), max(counts) + 1]
        return [lines[which] <= count < lines[which + 1] for count in counts]


def real(run: Run) -> bool:
    """Return whether this run reads real text."""
    return run.scale in ("full", "paper")


def build(run: Run, fifths: int | None = None) -> World:
    """Return the text with its questions: a fifth of the real one, or all of one's own."""
    if real(run):
        return _real(run.data, fifths or (WHOLE if run.scale == "paper" else FIFTH), run)
    return _made(run.pick(test=400, default=3_000))


@functools.lru_cache(4)
def _made(n: int) -> World:
    pairs = (*entities.SEMANTIC, *entities.SYNTACTIC)
    asked = entities.questions(pairs, 200 if n < 1000 else 2000)
    sentences = entities.text(n)
    vocab = Vocab.of([*sentences, entities.lexicon()], min_count=1)
    names = []
    for a, b, *_ in asked:
        pair = a.rstrip("0123456789"), b.rstrip("0123456789")
        kind = "gram" if pair in entities.SYNTACTIC or pair[::-1] in entities.SYNTACTIC else "sem"
        names.append(f"{kind} {pair[0]} {pair[1]}")
    return World(vocab, *vocab.encode(sentences), asked, names)


@functools.lru_cache(4)
def _real(data, fifths: int, run: Run) -> World:
    text = corpus.read(run)
    vocab, ids, numbers = reading(text.part(fifths))
    asked, names = [], []
    for name, questions in read_questions(corpus.questions_file(run)):
        for question in questions:
            lower = tuple(word.lower() for word in question)
            if all(word in vocab for word in lower):
                asked.append(lower)
                names.append(name)
    return World(vocab, ids, numbers, asked, names)


def reading(text: corpus.Text, max_size: int | None = None) -> tuple[Vocab, Tensor, Tensor]:
    """Return a text's vocabulary, and the text by its places; rare words are left out."""
    counts = torch.bincount(text.ids, minlength=len(text.words)).tolist()
    vocab = Vocab({w: n for w, n in zip(text.words, counts) if n}, MIN_COUNT, max_size)
    place = torch.tensor([vocab.index.get(word, -1) for word in text.words], dtype=torch.int32)
    ids = place[text.ids]
    return vocab, ids[ids >= 0], text.numbers[ids >= 0]
