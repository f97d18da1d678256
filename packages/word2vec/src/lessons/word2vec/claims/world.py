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

    def part(self, every: int) -> tuple[Tensor, Tensor]:
        """Return the text, or one paragraph of so many, of the same mixture."""
        keep = self.numbers // 5 % every == 0  # a fifth of all: every fifth number is there
        return self.ids[keep], self.numbers[keep]

    def places(self, vectors: KeyedVectors) -> Tensor:
        """Return the questions as rows of vectors."""
        return torch.tensor([[vectors.index[w] for w in q] for q in self.questions])

    def right(self, vectors: KeyedVectors) -> str:
        """Return for each question "1" if vectors answer it, else "0"."""
        ids_Q4 = self.places(vectors)
        hits = vectors.answer(ids_Q4) == ids_Q4[:, 3]
        return "".join("1" if hit else "0" for hit in hits.tolist())

    def capitals(self) -> dict[int, tuple[str, ...]]:
        """Return by their places the questions about capitals of well-known countries, turned.

        The list gives capitals and asks for countries; 2013b gives countries and asks for a
        capital: Spain is to Madrid as France to what?
        """
        found = {}
        for i, (name, q) in enumerate(zip(self.relations, self.questions)):
            if name in ("capital-common-countries", "sem country capital"):
                found[i] = q if q[0].startswith("country") else (q[1], q[0], q[3], q[2])
        return found

    def open(self, vectors: KeyedVectors, leave_out: bool = False) -> str:
        """Return which of `capitals` vectors answer, "1", with no word left out of the search.

        "b" and "c" if the answer is that given word, "0" if another; "-" for all other questions.
        """
        asked, unit_VD = self.capitals(), vectors.unit
        letters = ["-"] * len(self.questions)
        for i, question in asked.items():
            a, b, c, right = (vectors.index[word] for word in question)
            score_V = unit_VD @ (unit_VD[b] - unit_VD[a] + unit_VD[c])
            if leave_out:
                score_V[[a, b, c]] = -torch.inf
            letters[i] = {b: "b", c: "c", right: "1"}.get(int(score_V.argmax()), "0")
        return "".join(letters)

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
