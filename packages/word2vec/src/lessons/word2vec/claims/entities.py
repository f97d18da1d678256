"""A made-up world whose text has analogies: 60 topics, each with four things; and its questions.

Where a default run has no network, and for demonstrations.
"""

import functools

import torch
from torch import Tensor

TOPICS, ROLES = 60, ("country", "capital", "currency", "language")
OWN, FUNCTION = 5, 300  # words of a topic or of a role; words of no meaning
Sentences = list[list[str]]
# Relations of the questions: in tests two stand for the paper's semantic part, one for syntactic.
SEMANTIC, SYNTACTIC = (("country", "capital"), ("country", "currency")), (("capital", "language"),)


@functools.lru_cache(4)
def text(n: int, seed: int = 0, two: bool = False) -> Sentences:
    """Return n sentences.

    A sentence has a thing, a word of its topic, a word of its role, and Poisson(8) words of no
    meaning, shuffled. Topics follow Zipf's law with exponent .7, words of no meaning with 1.

    Args:
        n: sentences.
        seed: of all choices.
        two: two words of the topic and two of the role, so that words of a topic share contexts.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(weights: Tensor, count: int) -> list[int]:
        return torch.multinomial(weights, count, replacement=True, generator=generator).tolist()

    topics = draw(torch.arange(1, TOPICS + 1.0) ** -0.7, n)
    roles = draw(torch.ones(len(ROLES)), n)
    lengths = torch.poisson(torch.full((n,), 8.0), generator=generator).int().tolist()
    function = draw(1 / torch.arange(1, FUNCTION + 1.0), sum(lengths))
    own = torch.rand(2, n, OWN, generator=generator).argsort(2)[..., : 1 + two].tolist()
    sentences, at = [], 0
    for i, (topic, role, length) in enumerate(zip(topics, roles, lengths)):
        words = [f"{ROLES[role]}{topic}"]
        words += [f"topic{topic}-{k}" for k in own[0][i]]
        words += [f"{ROLES[role]}-{k}" for k in own[1][i]]
        words += [f"w{k}" for k in function[at : at + length]]
        at += length
        order = torch.randperm(len(words), generator=generator).tolist()
        sentences.append([words[k] for k in order])
    return sentences


def things() -> list[str]:
    """Return the names of all things."""
    return [f"{role}{topic}" for role in ROLES for topic in range(TOPICS)]


def lexicon() -> list[str]:
    """Return the things and their own words: a small text may lack some."""
    topics = [f"topic{topic}-{k}" for topic in range(TOPICS) for k in range(OWN)]
    return [*things(), *topics, *(f"{role}-{k}" for role in ROLES for k in range(OWN))]


def questions(pairs, n: int, seed: int = 0) -> list[tuple[str, str, str, str]]:
    """Return n questions a : b :: c : d over pairs of roles, two different topics each."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(n):
        one, other = pairs[int(torch.randint(len(pairs), (), generator=generator))]
        if torch.rand((), generator=generator) < 0.5:
            one, other = other, one
        p, q = torch.randperm(TOPICS, generator=generator)[:2].tolist()
        found.append((f"{one}{p}", f"{other}{p}", f"{one}{q}", f"{other}{q}"))
    return found
