"""A made-up language with labels, for runs that have no texts.

Its 96 words are four kinds of six synonyms in each of four slots. A sentence has eight words, whose
slots are 0 1 2 3 0 1 2 3, and two hidden numbers: a class c of 0 to 3 and a shift k of 1 to 3. The
first four words are of kind c, but the fourth, which is of kind 2c + k; the last four are of kind
c + k (all modulo 4). The sentences of a document share c. So what a sentence means, k, lies in the
relation of its halves; a word of the first half has the other half on its right only, one of the
second half has both on its left.
"""

import torch
from torch import Tensor

from ..wordpiece import SPECIAL

PAD, UNK, CLS, SEP, MASK = range(5)
SLOTS, KINDS, SYNONYMS, WORDS = 4, 4, 6, 8
VOCABULARY = len(SPECIAL) + SLOTS * KINDS * SYNONYMS


def words_of_kind(kind_NW: Tensor, generator: torch.Generator) -> Tensor:
    """Return words (N, 8) of these kinds, synonyms drawn."""
    slot_W = torch.arange(WORDS) % SLOTS
    synonym_NW = torch.randint(SYNONYMS, kind_NW.shape, generator=generator)
    return len(SPECIAL) + (slot_W * KINDS + kind_NW % KINDS) * SYNONYMS + synonym_NW


def sentences(c_N: Tensor, k_N: Tensor, generator: torch.Generator, blur: bool = False) -> Tensor:
    """Return sentences (N, 8) of these classes and shifts.

    With ``blur`` the fourth word's kind is drawn, which else gives k away to who knows c, from the
    left.
    """
    kind_NW = c_N[:, None].expand(-1, WORDS).clone()
    kind_NW[:, 3] = 2 * c_N + k_N
    kind_NW[:, 4:] += k_N[:, None]
    if blur:
        kind_NW[:, 3] = torch.randint(KINDS, c_N.shape, generator=generator)
    return words_of_kind(kind_NW, generator)


def draw(low: int, high: int, n: int, generator: torch.Generator) -> Tensor:
    """Return n numbers from low to high, both included."""
    return torch.randint(low, high + 1, (n,), generator=generator)


def packed(first_NW: Tensor, second_NW: Tensor | None = None) -> Tensor:
    """Return [CLS] A [SEP], or [CLS] A [SEP] B [SEP], of sentences (N, 8)."""

    def column(token: int) -> Tensor:
        return torch.full((len(first_NW), 1), token)

    parts = [column(CLS), first_NW, column(SEP)]
    if second_NW is not None:
        parts += [second_NW, column(SEP)]
    return torch.cat(parts, 1)


def unlabelled(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return pairs (N, 19), half of them neighbours in a document, and 0 where they are, else 1.

    The second sentence of other pairs is of another document, whose class is the same by chance one
    time in four.
    """
    generator = torch.Generator().manual_seed(seed)
    c_N, other_N = draw(0, 3, n, generator), draw(0, 3, n, generator)
    apart_N = draw(0, 1, n, generator)
    first_NW = sentences(c_N, draw(1, 3, n, generator), generator)
    second_c_N = torch.where(apart_N == 1, other_N, c_N)
    second_NW = sentences(second_c_N, draw(1, 3, n, generator), generator)
    return packed(first_NW, second_NW), apart_N


def labelled(task: str, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return examples and labels of a task.

    - "tags": k at each of the eight words: (N, 10), with -100 at [CLS] and [SEP];
    - "sentiment": k of the sentence;
    - "pairs": whether two sentences have one class (0) or not (1), half of each.

    The fourth word's kind is drawn, in all of them.
    """
    generator = torch.Generator().manual_seed(seed)
    c_N, k_N = draw(0, 3, n, generator), draw(1, 3, n, generator)
    first_NW = sentences(c_N, k_N, generator, blur=True)
    if task == "pairs":
        label_N = draw(0, 1, n, generator)
        other_N = (c_N + draw(1, 3, n, generator)) % KINDS
        second_c_N = torch.where(label_N == 1, other_N, c_N)
        second_NW = sentences(second_c_N, draw(1, 3, n, generator), generator, blur=True)
        return packed(first_NW, second_NW), label_N
    ids_NT = packed(first_NW)
    if task == "sentiment":
        return ids_NT, k_N - 1
    labels_NT = (k_N[:, None] - 1).expand(-1, ids_NT.shape[1]).clone()
    return ids_NT, labels_NT.masked_fill(ids_NT < len(SPECIAL), -100)
