"""A made-up language with documents and labels, for runs that have no texts.

Its 96 words are four kinds of six synonyms in each of four slots; a sentence has eight words, whose
slots go round, from any of the four on, so that a place in the input says nothing. A document has
a topic t of 0 to 7 and a few sentences; each sentence has a kind, which follows from that of the
sentence before: it is t + 1 further (modulo 4), four times of five. A word is of its sentence's
kind, moved by its slot in the topics from 4 on, nine times of ten; and of its six synonyms two are
the topic's favourites, taken seven times of ten. So what is around a sentence tells its words, and
its words tell what is around it.
"""

import torch

from ..tokenizer import BOS_ID, EOS_ID, PAD_ID, pair_encode
from .world import Examples, Task, World, padded

FIRST, SLOTS, KINDS, SYNONYMS, WORDS, TOPICS = 4, 4, 4, 6, 8, 8
MASK_ID = FIRST + SLOTS * KINDS * SYNONYMS
VOCAB_SIZE = MASK_ID + 1
LABELS = KINDS * 4  # of a word: its sentence's kind, and the topic modulo 4
LENGTH = 64


def document(topic: int, n: int, generator: torch.Generator) -> tuple[list[list[int]], list[int]]:
    """Return the sentences of a document on a topic, and their kinds."""
    kind = int(torch.randint(KINDS, (), generator=generator))
    kinds = []
    for chance, other in zip(
        torch.rand(n, generator=generator), torch.randint(KINDS, (n,), generator=generator)
    ):
        kind = (kind + 1 + topic) % KINDS if chance < 0.8 else int(other)
        kinds.append(kind)
    start_N1 = torch.randint(SLOTS, (n, 1), generator=generator)
    slot_NW = (start_N1 + torch.arange(WORDS)) % SLOTS
    kind_NW = (torch.tensor(kinds)[:, None] + slot_NW * (topic // 4)) % KINDS
    noise_NW = torch.randint(KINDS, kind_NW.shape, generator=generator)
    kind_NW = torch.where(torch.rand(kind_NW.shape, generator=generator) < 0.9, kind_NW, noise_NW)
    favourite = torch.rand(kind_NW.shape, generator=generator) < 0.7
    two_NW = 2 * (topic % 3) + torch.randint(2, kind_NW.shape, generator=generator)
    any_NW = torch.randint(SYNONYMS, kind_NW.shape, generator=generator)
    synonym_NW = torch.where(favourite, two_NW, any_NW)
    words_NW = FIRST + (slot_NW * KINDS + kind_NW) * SYNONYMS + synonym_NW
    return words_NW.tolist(), kinds


def documents(n: int, seed: int) -> list[list[list[int]]]:
    """Return documents of 6 to 12 sentences."""
    generator = torch.Generator().manual_seed(seed)
    topics = torch.randint(TOPICS, (n,), generator=generator).tolist()
    sizes = torch.randint(6, 13, (n,), generator=generator).tolist()
    return [document(t, k, generator)[0] for t, k in zip(topics, sizes)]


def tags(n: int, seed: int) -> Examples:
    """Return texts of four sentences, each word labelled with its sentence's kind and the topic."""
    generator = torch.Generator().manual_seed(seed)
    rows, labels = [], []
    for topic in torch.randint(TOPICS, (n,), generator=generator).tolist():
        sentences, kinds = document(topic, 4, generator)
        rows.append([BOS_ID, *(w for sentence in sentences for w in sentence), EOS_ID])
        own = [4 * kind + topic % 4 for kind in kinds for _ in range(WORDS)]
        labels.append([-100, *own, -100])
    return Examples(padded(rows, LENGTH, PAD_ID), padded(labels, LENGTH, -100))


def pairs(n: int, seed: int) -> Examples:
    """Return pairs of texts of two sentences: of one topic (0), or of two (1)."""
    generator = torch.Generator().manual_seed(seed)
    rows, labels = [], torch.arange(n) % 2
    for label in labels.tolist():
        topic, further = (int(torch.randint(k, (), generator=generator)) for k in (8, 7))
        other = (topic + label * (1 + further)) % TOPICS
        texts = [document(t, 2, generator)[0] for t in (topic, other)]
        flat = [[w for sentence in text for w in sentence] for text in texts]
        rows.append(pair_encode(*flat, LENGTH))
    return Examples(padded(rows, LENGTH, PAD_ID), labels)


def made_up(n: int, labelled: int, tests: int) -> World:
    """Return the made-up language: n documents to read, so many examples to learn and to test."""
    made = documents(n, 1_000_001)

    def task(name: str, seed: int) -> Task:
        make, base = {"tags": tags, "pairs": pairs}[name], 10_000 + 100 * seed
        parts = [make(k, base + i) for i, k in enumerate((labelled, tests // 2, tests))]
        return Task(LABELS if name == "tags" else 2, *parts)

    return World(
        VOCAB_SIZE, [0, 1, 2, 3, MASK_ID], MASK_ID, LENGTH, made, made[: max(8, n // 10)],
        made[: max(4, n // 40)], documents(max(8, n // 20), 1_000_002), ("tags", "pairs"), task,
    )  # fmt: skip
