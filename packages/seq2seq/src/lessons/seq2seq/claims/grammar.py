"""Two made-up languages: a dictionary with its order of words, and voices (§3.3, §3.8).

In the first, "adjective noun" becomes "noun adjective", so that each word's counterpart is known.
In the second a sentence says in one of two voices who does what to whom, and its translation is the
same for both.
"""

import dataclasses
import random
from collections.abc import Sequence

PAD, BOS, EOS, UNKNOWN = range(4)
NOUNS, ADJECTIVES = 20, 10
SHORTEST, LONGEST = 3, 10  # words of a sentence
PEOPLE, VERBS = 20, 10


@dataclasses.dataclass(frozen=True)
class Pair:
    """A sentence and its translation, and for each target word the source word it renders."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    gold: tuple[int, ...]


SOURCE = ["", "", "", "?", *(f"n{i}" for i in range(NOUNS)), *(f"a{i}" for i in range(ADJECTIVES))]
TARGET = ["", "", "", "?", *(f"N{i}" for i in range(NOUNS)), *(f"A{i}" for i in range(ADJECTIVES))]
SOURCE_IDS = {word: i for i, word in enumerate(SOURCE) if i > 3}
TARGET_IDS = {word: i for i, word in enumerate(TARGET) if i > 3}


def sentence(rng: random.Random, length: int) -> Pair:
    """Return a sentence of so many words: nouns, half of them behind an adjective."""
    source: list[str] = []
    target: list[str] = []
    gold: list[int] = []
    while len(source) < length:
        at, noun = len(source), rng.randrange(NOUNS)
        if length - at > 1 and rng.random() < 0.5:
            adjective = rng.randrange(ADJECTIVES)
            source += [f"a{adjective}", f"n{noun}"]
            target += [f"N{noun}", f"A{adjective}"]
            gold += [at + 1, at]
        else:
            source.append(f"n{noun}")
            target.append(f"N{noun}")
            gold.append(at)
    return Pair(tuple(source), tuple(target), tuple(gold))


def corpus(count: int, seed: int, length: int | None = None) -> list[Pair]:
    """Return sentences of all lengths, or of one."""
    rng = random.Random(seed)
    return [
        sentence(rng, rng.randint(SHORTEST, LONGEST) if length is None else length)
        for _ in range(count)
    ]


def ids(pair: Pair) -> tuple[list[int], list[int]]:
    """Return a pair's ids; the translation has its end mark."""
    return [SOURCE_IDS[w] for w in pair.source], [*(TARGET_IDS[w] for w in pair.target), EOS]


# Voices: "A v B" and "B was v-ed by A" are one thing, which is said as A, v, B.
WAS, BY = 4 + PEOPLE + 2 * VERBS, 5 + PEOPLE + 2 * VERBS
VOICE_SOURCE = 6 + PEOPLE + 2 * VERBS
VOICE_TARGET = 4 + PEOPLE + VERBS
Triple = tuple[int, int, int]


def active(triple: Triple) -> list[int]:
    """Return "A v B" as ids."""
    a, v, b = triple
    return [4 + a, 4 + PEOPLE + v, 4 + b]


def passive(triple: Triple) -> list[int]:
    """Return "B was v-ed by A" as ids."""
    a, v, b = triple
    return [4 + b, WAS, 4 + PEOPLE + VERBS + v, BY, 4 + a]


def meaning(triple: Triple) -> list[int]:
    """Return the translation of both."""
    a, v, b = triple
    return [4 + a, 4 + PEOPLE + v, 4 + b, EOS]


def triples(seed: int) -> tuple[list[Triple], list[Triple]]:
    """Return all triples of two different people and a verb, a fifth of them held out.

    A triple and its mirror, in which the people change places, are held out together.
    """
    pairs = [(a, v, b) for a in range(PEOPLE) for b in range(a + 1, PEOPLE) for v in range(VERBS)]
    random.Random(seed).shuffle(pairs)
    cut = len(pairs) // 5
    both = lambda some: [t for a, v, b in some for t in ((a, v, b), (b, v, a))]  # noqa: E731
    return both(pairs[cut:]), both(pairs[:cut])


def mirror(triple: Triple) -> Triple:
    """Let the two people change places."""
    a, v, b = triple
    return b, v, a


def names(sequence: Sequence[int]) -> str:
    """Write a sentence of the second language for a reader."""
    people = (
        "Ada Ben Cleo Dan Eva Finn Gus Hana Ivo June Kai Lea Max Nora Otto Pia Quin Rosa Sam Tia"
    )
    verbs = "admires calls feeds greets hears leads meets paints sees teaches"
    forms = "admired called fed greeted heard led met painted seen taught"
    words = [*people.split(), *verbs.split(), *forms.split(), "is", "by"]
    return " ".join(words[i - 4] for i in sequence)
