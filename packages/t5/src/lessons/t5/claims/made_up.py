"""A made-up language for runs without texts: who keeps company with whom decides all its tasks.

Words belong to families; a clause takes its words from one family and ends in a word that the first
two decide. Whether a clause keeps to one family can be learned from many clauses without labels.
"""

import random

FAMILIES, WORDS = 6, 10
SYLLABLES = [a + b for a in "bdfgklmnprst" for b in "aeiou"]


def vocabulary() -> list[list[str]]:
    """Return the words of each family."""
    words = [SYLLABLES[i] + SYLLABLES[(7 * i + 3) % 60] for i in range(FAMILIES * WORDS)]
    return [words[f::FAMILIES] for f in range(FAMILIES)]


def clause(rng: random.Random, words: list[list[str]]) -> list[str]:
    """Return six words of one family, the last of which follows from the first two."""
    family = rng.choice(words)
    picked = [rng.randrange(WORDS) for _ in range(5)]
    return [family[i] for i in [*picked, (picked[0] + picked[1]) % WORDS]]


def documents(count: int, seed: int) -> list[str]:
    """Return texts of four clauses."""
    rng, words = random.Random(seed), vocabulary()
    return [" ".join(w for _ in range(4) for w in clause(rng, words)) for _ in range(count)]


def judged(count: int, seed: int) -> list[tuple[str, str]]:
    """Return clauses and whether all their words are of one family: "fresh" if so, or "rotten"."""
    rng, words = random.Random(seed), vocabulary()
    found = []
    for i in range(count):
        said = clause(rng, words)
        if i % 2:
            for place in rng.sample(range(6), 3):
                said[place] = rng.choice(rng.choice(words))
        found.append((" ".join(said), "rotten" if i % 2 else "fresh"))
    return found


def rewritten(count: int, seed: int) -> list[tuple[str, str]]:
    """Return clauses without their last word, and that word after the first."""
    rng, words = random.Random(seed), vocabulary()
    found = []
    for _ in range(count):
        said = clause(rng, words)
        found.append((" ".join(said[:-1]), f"{said[0]} {said[-1]}"))
    return found
