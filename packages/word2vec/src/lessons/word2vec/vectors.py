"""What word vectors answer: neighbours, analogies, the odd one out (2013a, §4, §5)."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from . import evaluation
from .vocabulary import unknown

AT_ONCE = 1024  # questions whose scores are in memory at once


class KeyedVectors:
    """Words and a vector for each.

    Args:
        words: distinct; by falling frequency, if `restrict_vocab` is to mean the most frequent.
        vectors_VD: a row a word. counts_V: how often each occurs, if that is known.
    """

    def __init__(
        self, words: Sequence[str], vectors_VD: Tensor, counts_V: Tensor | None = None
    ) -> None:
        self.words, self.counts = list(words), counts_V
        self.vectors = vectors_VD.detach()
        if self.vectors.dim() != 2 or len(self.vectors) != len(self.words):
            shape = tuple(vectors_VD.shape)
            raise ValueError(f"vectors must have a row a word, ({len(words)}, D), got {shape}")
        self.index = {word: i for i, word in enumerate(self.words)}
        if len(self.index) != len(self.words):
            twice = next(w for i, w in enumerate(self.words) if self.index[w] != i)
            raise ValueError(f"words must be distinct, got {twice!r} twice")

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        """Return whether there is a vector for a word."""
        return word in self.index

    def __getitem__(self, word: str) -> Tensor:
        """Return a word's vector.

        Raises:
            KeyError: an unknown word; the message has the known ones that are spelled alike.
        """
        return self.vectors[self.place(word)]

    @property
    def key_to_index(self) -> dict[str, int]:
        """Return the row of each word, by gensim's name."""
        return self.index

    @property
    def index_to_key(self) -> list[str]:
        """Return the words, by gensim's name."""
        return self.words

    def get_vector(self, word: str) -> Tensor:
        """Return a word's vector, by gensim's name."""
        return self[word]

    def place(self, word: str) -> int:
        """Return a word's row."""
        if word not in self.index:
            raise KeyError(unknown(word, self.words))
        return self.index[word]

    @property
    def unit(self) -> Tensor:
        """Return the vectors at length 1, in single precision or better; zeros stay zeros.

        Computed anew at each call, so that vectors that were changed count as they are.
        """
        vectors_VD = self.vectors
        if vectors_VD.dtype in (torch.float16, torch.bfloat16):
            vectors_VD = vectors_VD.float()
        return torch.nn.functional.normalize(vectors_VD, dim=1)

    def similarity(self, one: str, other: str) -> float:
        """Return the cosine of two words."""
        pair_2D = KeyedVectors(["0", "1"], self.vectors[[self.place(one), self.place(other)]]).unit
        return float(pair_2D[0] @ pair_2D[1])

    def most_similar(
        self,
        positive: str | Sequence[str] = (),
        negative: str | Sequence[str] = (),
        topn: int = 10,
        restrict_vocab: int | None = None,
        exclude: bool = True,
    ) -> list[tuple[str, float]]:
        """Return the words nearest to a sum of words, by cosine.

        Args:
            positive: words that are added, each at length 1.
            negative: words that are subtracted.
            topn: how many.
            restrict_vocab: among the first so many words only.
            exclude: leave out the words given, as the paper does ("we discard the input question
                words during this search"); otherwise *king* is often the answer to
                king − man + woman.

        Raises:
            KeyError: an unknown word. ValueError: no word given, a sum of length 0, topn below 1,
            or vectors that are not finite.

        Source: 2013a, §4.
        """
        added, taken = listed(positive), listed(negative)
        if not added and not taken:
            raise ValueError("at least one word is needed, got none")
        unit_VD, rows = self.unit, [self.place(word) for word in [*added, *taken]]
        signs = torch.tensor([1.0] * len(added) + [-1.0] * len(taken)).to(unit_VD)
        sum_D = signs @ unit_VD[rows]
        if not sum_D.any():
            raise ValueError(f"the sum of {[*added, *taken]} has a length of 0: nothing is near it")
        aim_D = torch.nn.functional.normalize(sum_D, dim=0)
        score_V = unit_VD[: at_least_one(restrict_vocab)] @ aim_D
        return self._best(score_V, rows if exclude else [], topn)

    def most_similar_cosmul(
        self,
        positive: str | Sequence[str] = (),
        negative: str | Sequence[str] = (),
        topn: int = 10,
    ) -> list[tuple[str, float]]:
        """Return the words for which a product of cosines is largest.

        Cosines are moved to 0 … 1; those to ``positive`` are multiplied, those to ``negative``
        divided by (plus a millionth). One large term cannot outweigh all others as in a sum.

        Source: Levy and Goldberg 2014 (CoNLL), 3CosMul.
        """
        added, taken = listed(positive), listed(negative)
        if not added and not taken:
            raise ValueError("at least one word is needed, got none")
        unit_VD = self.unit
        near_VP, near_VM = (
            (1 + unit_VD @ unit_VD[[self.place(w) for w in words]].T) / 2
            for words in (added, taken)
        )
        score_V = near_VP.prod(1) / (near_VM.prod(1) + 1e-6)
        return self._best(score_V, [self.place(word) for word in [*added, *taken]], topn)

    def doesnt_match(self, words: Sequence[str]) -> str:
        """Return the word farthest from the mean of all (2013a, §5)."""
        if not words or isinstance(words, str):
            raise ValueError(f"a list of words is needed, got {words!r}")
        unit_ND = self.unit[[self.place(word) for word in words]]
        mean_D = torch.nn.functional.normalize(unit_ND.mean(0), dim=0)
        return words[int((unit_ND @ mean_D).argmin())]

    def analogy_from_examples(
        self, pairs: Sequence[tuple[str, str]], word: str, topn: int = 10
    ) -> list[tuple[str, float]]:
        """Return what is to a word as the second words of pairs are to the first.

        The relation is the mean of the pairs' offsets, vectors at length 1. The word itself and
        the words of the pairs are left out.

        Source: 2013a, §5: ten examples "instead of one to form the relationship vector (we average
        the individual vectors together)".
        """
        if not pairs:
            raise ValueError("at least one pair is needed, got none")
        unit_VD = self.unit
        first, second = ([self.place(pair[k]) for pair in pairs] for k in (0, 1))
        offset_D = (unit_VD[second] - unit_VD[first]).mean(0)
        aim_D = torch.nn.functional.normalize(unit_VD[self.place(word)] + offset_D, dim=0)
        return self._best(unit_VD @ aim_D, [*first, *second, self.place(word)], topn)

    def answer(self, questions_Q4: Tensor, restrict_vocab: int | None = None) -> Tensor:
        """Return for a : b :: c : d, as rows of words' places, the word that stands for d.

        The nearest to b − a + c, without a, b and c.
        """
        unit_VD, restrict_vocab = self.unit, at_least_one(restrict_vocab)
        found = []
        for part_Q4 in questions_Q4.split(AT_ONCE):
            a, b, c = (part_Q4[:, k] for k in (0, 1, 2))
            score_QV = (unit_VD[b] - unit_VD[a] + unit_VD[c]) @ unit_VD[:restrict_vocab].T
            for given in (a, b, c):
                inside = given < score_QV.shape[1]
                score_QV[inside.nonzero().squeeze(1), given[inside]] = -torch.inf
            found.append(score_QV.argmax(1))
        return torch.cat(found) if found else questions_Q4.new_zeros(0)

    def evaluate_word_analogies(
        self,
        path: str | Path,
        restrict_vocab: int | None = 300_000,
        case_insensitive: bool = True,
    ) -> "tuple[float, list[evaluation.Section]]":
        """Answer a list of questions: see `lessons.word2vec.evaluation.word_analogies`."""
        return evaluation.word_analogies(self, path, restrict_vocab, case_insensitive)

    def evaluate_word_pairs(
        self, path: str | Path, case_insensitive: bool = True
    ) -> tuple[float, int, int]:
        """Compare with people's judgements: see `lessons.word2vec.evaluation.word_pairs`."""
        return evaluation.word_pairs(self, path, case_insensitive)

    def _best(self, score_V: Tensor, without: list[int], topn: int) -> list[tuple[str, float]]:
        """Return the words of the highest scores."""
        if not isinstance(topn, int) or topn < 1:
            raise ValueError(f"topn must be a whole number of at least 1, got {topn!r}")
        if score_V.isnan().any():
            raise ValueError("the vectors are not all finite: nothing can be compared with them")
        score_V = score_V.clone()
        inside = [row for row in without if row < len(score_V)]
        score_V[inside] = -torch.inf
        best = score_V.topk(min(topn, len(score_V) - len(set(inside))))
        return [(self.words[i], s) for s, i in zip(best.values.tolist(), best.indices.tolist())]


def at_least_one(restrict_vocab: int | None) -> int | None:
    """Return how many words are known; a ValueError if that is none, or counted from the end."""
    if restrict_vocab is not None and restrict_vocab < 1:
        raise ValueError(f"restrict_vocab must be at least 1, got {restrict_vocab}")
    return restrict_vocab


def listed(words: str | Sequence[str]) -> list[str]:
    """Return one word or several as a list."""
    return [words] if isinstance(words, str) else list(words)
