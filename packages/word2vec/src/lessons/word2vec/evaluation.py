"""Lists of questions and of judgements, and how vectors do on them (2013a, §4.1)."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .vectors import KeyedVectors

Question = tuple[str, str, str, str]


@dataclasses.dataclass(frozen=True)
class Section:
    """Questions of one kind, and which were answered.

    Attributes:
        name: as the list has it. correct, incorrect: questions, as four words each.
    """

    name: str
    correct: list[Question]
    incorrect: list[Question]

    @property
    def accuracy(self) -> float:
        """Return the share of right answers; 0 of nothing."""
        return len(self.correct) / max(1, len(self.correct) + len(self.incorrect))


def word_analogies(
    vectors: "KeyedVectors",
    path: str | Path,
    restrict_vocab: int | None = 300_000,
    case_insensitive: bool = True,
) -> tuple[float, list[Section]]:
    """Answer a list of questions in the form of questions-words.txt.

    Args:
        vectors: to be asked.
        path: lines ``a b c d``; a line ``: name`` begins a section.
        restrict_vocab: only the first so many words are known and can be answers (2013a, Table 2:
            30,000).
        case_insensitive: compare in capitals; of words that then are one, the first counts.

    Returns:
        The share of questions answered exactly, of those whose four words are known; and each
        section, without questions of unknown words.

    Raises:
        ValueError: a line that is neither a section nor a question; or restrict_vocab below 1.
    """
    if restrict_vocab is not None and restrict_vocab < 1:
        raise ValueError(f"restrict_vocab must be at least 1, got {restrict_vocab}")
    words = vectors.words[:restrict_vocab]
    fold, known = folding(words, case_insensitive)
    rows = torch.tensor(sorted(known.values()))
    # Answers are sought among the words that count.
    narrow = type(vectors)([words[i] for i in rows], vectors.vectors[rows])
    place = {fold(word): i for i, word in enumerate(narrow.words)}
    sections = []
    for name, questions in read_questions(path):
        asked = [q for q in questions if all(fold(word) in place for word in q)]
        ids_Q4 = torch.tensor([[place[fold(w)] for w in q] for q in asked]).long().view(-1, 4)
        right = (narrow.answer(ids_Q4) == ids_Q4[:, 3]).tolist()
        hits = [q for q, ok in zip(asked, right) if ok]
        sections.append(Section(name, hits, [q for q, ok in zip(asked, right) if not ok]))
    correct = sum(len(section.correct) for section in sections)
    total = correct + sum(len(section.incorrect) for section in sections)
    return correct / max(1, total), sections


def word_pairs(
    vectors: "KeyedVectors", path: str | Path, case_insensitive: bool = True
) -> tuple[float, int, int]:
    """Compare cosines with people's judgements, as in the lists WordSim-353 and SimLex-999.

    Args:
        vectors: to be asked.
        path: lines of two words and a number, with tabs between; a line with ``#`` in front, and
            a first line without a number, are passed over.
        case_insensitive: compare in capitals; of words that then are one, the first counts.

    Returns:
        Spearman's rank correlation, of how many pairs, and how many have an unknown word. (gensim's
        method of this name returns Pearson's and Spearman's, each with its p, and the share.)

    Raises:
        ValueError: another line; or fewer than two pairs are known.
    """
    fold, known = folding(vectors.words, case_insensitive)
    judged, rows, left_out = [], [], 0
    for number, line in enumerate(lines_of(path), 1):
        if line.startswith("#") or not line.strip():
            continue
        try:
            one, other, score = line.rstrip("\n").split("\t")[:3]
            value = float(score)
        except ValueError:
            if not judged and not left_out and number == 1:
                continue  # names of columns
            what = f"expected two words and a number, got {line[:60]!r}"
            raise ValueError(f"{path}, line {number}: {what}") from None
        if fold(one) in known and fold(other) in known:
            judged.append(value)
            rows.append([known[fold(one)], known[fold(other)]])
        else:
            left_out += 1
    if len(judged) < 2:
        raise ValueError(f"{path}: {len(judged)} pairs of known words, {left_out} of unknown ones")
    pairs_N2D = vectors.unit[torch.tensor(rows)]
    cosines_N = (pairs_N2D[:, 0] * pairs_N2D[:, 1]).sum(1)
    ranks_2N = torch.stack([ranks(cosines_N), ranks(torch.tensor(judged))])
    return float(torch.corrcoef(ranks_2N)[0, 1]), len(judged), left_out


def ranks(values_N: Tensor) -> Tensor:
    """Return the rank of each value; equal ones have the mean of theirs."""
    _, place_N, count_U = values_N.unique(return_inverse=True, return_counts=True)
    last_U = count_U.cumsum(0).double()
    return (last_U - (count_U.double() - 1) / 2)[place_N]


def folding(words: list[str], case_insensitive: bool) -> tuple[Callable[[str], str], dict]:
    """Return how words are compared, and the place of each; of equal ones the first."""
    fold: Callable[[str], str] = str.upper if case_insensitive else str
    known: dict[str, int] = {}
    for i, word in enumerate(words):
        known.setdefault(fold(word), i)
    return fold, known


def lines_of(path: str | Path) -> list[str]:
    """Return a text's lines.

    Raises:
        ValueError: the file is no UTF-8 text; names it.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text: {error}") from error


def read_questions(path: str | Path) -> list[tuple[str, list[Question]]]:
    """Return the sections of a list of questions, each with its name.

    Raises:
        ValueError: a line that is neither a section nor a question, with its number.
    """
    sections: list[tuple[str, list[Question]]] = []
    for number, line in enumerate(lines_of(path), 1):
        words = line.split()
        if line.startswith(":"):
            sections.append((line[1:].strip(), []))
        elif len(words) == 4 and sections:
            a, b, c, d = words
            sections[-1][1].append((a, b, c, d))
        elif words:
            what = "four words" if sections else "a section, as in ': family', before it"
            raise ValueError(f"{path}, line {number}: expected {what}, got {line[:60]!r}")
    return sections
