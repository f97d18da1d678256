"""A made-up language to translate from English-like clauses: seeded, exact, one right answer.

Its verbs stand last, its adjectives after the noun in reversed order; determiners and adjectives
agree with the noun's gender. So a translator must reorder, and look at another word to inflect.
"""

import dataclasses
import random

NOUNS = "boy king dog girl queen cat child bird book horse river tree".split()
ADJECTIVES = "big small red black old young good sad".split()
VERBS = "sees loves hears finds follows calls knows helps fears meets".split()
DETERMINERS, WHO = ["the", "a"], "who"
ENDINGS = ["o", "a", "e"]  # by gender: the noun's number modulo 3

SPECIAL = ["<pad>", "<bos>", "<eos>"]
SOURCE = [*DETERMINERS, *ADJECTIVES, *NOUNS, *VERBS, WHO]
FOREIGN = dict(
    zip(
        [*NOUNS, *ADJECTIVES, *VERBS, *DETERMINERS, WHO],
        "nen rek kan mena reka gat fil av libr kaval fluv arb gran pik rub nok vet nov bon tris "
        "vide ame aude trove seke voke sape juve time rene l un ki".split(),
    )
)
TARGET = [
    *(FOREIGN[word] + ending for word in (*DETERMINERS, *ADJECTIVES) for ending in ENDINGS),
    *(FOREIGN[word] for word in (*NOUNS, *VERBS, WHO)),
]
WORDS = [*SPECIAL, *SOURCE, *TARGET]
IDS = {word: i for i, word in enumerate(WORDS)}


@dataclasses.dataclass(frozen=True)
class Pair:
    """A sentence and its translation, as ids with the end mark."""

    src: tuple[int, ...]
    tgt: tuple[int, ...]
    alignment: tuple[int, ...]  # for each target word the source word that it translates


def clause(rng: random.Random) -> tuple[list[str], list[str], list[int]]:
    """Return subject verb object, its translation subject object verb, and the alignment."""
    (subject, foreign, where), verb = _noun_phrase(rng, 0), rng.choice(VERBS)
    thing, foreign_thing, where_thing = _noun_phrase(rng, len(subject) + 1)
    words = [*subject, verb, *thing]
    translation = [*foreign, *foreign_thing, FOREIGN[verb]]
    return words, translation, [*where, *where_thing, len(subject)]


def _noun_phrase(rng, start, may_nest=True) -> tuple[list[str], list[str], list[int]]:
    determiner, noun = rng.choice(DETERMINERS), rng.choice(NOUNS)
    adjectives = rng.sample(ADJECTIVES, rng.choices((0, 1, 2), (50, 35, 15))[0])
    ending = ENDINGS[NOUNS.index(noun) % 3]
    n = len(adjectives)
    words = [determiner, *adjectives, noun]
    inflected = [FOREIGN[adjective] + ending for adjective in reversed(adjectives)]
    foreign = [FOREIGN[determiner] + ending, FOREIGN[noun], *inflected]
    where = [start, start + n + 1, *(start + i for i in range(n, 0, -1))]
    if may_nest and rng.random() < 0.2:
        verb, here = rng.choice(VERBS), start + len(words)
        thing, foreign_thing, where_thing = _noun_phrase(rng, here + 2, may_nest=False)
        words += [WHO, verb, *thing]
        foreign += [FOREIGN[WHO], *foreign_thing, FOREIGN[verb]]
        where += [here, *where_thing, here + 1]
    return words, foreign, where


def corpus(
    count: int,
    seed: int,
    clauses: int = 1,
    lengths: tuple[int, int] = (0, 1000),
    apart_from=(),
    nested: int = 1000,
) -> list[Pair]:
    """Return distinct sentence pairs.

    Args:
        count: of pairs.
        seed: same seed, same pairs.
        clauses: joined in each sentence.
        lengths: least and most source words.
        apart_from: pairs whose sources must not occur.
        nested: most relative clauses.
    """
    rng, pairs, seen = random.Random(seed), [], {pair.src for pair in apart_from}
    while len(pairs) < count:
        words, translation, alignment = [], [], []
        for _ in range(clauses):
            more, foreign, where = clause(rng)
            alignment += [len(words) + i for i in where]
            words, translation = words + more, translation + foreign
        src = (*(IDS[word] for word in words), IDS["<eos>"])
        fits = lengths[0] <= len(words) <= lengths[1] and words.count(WHO) <= nested
        if fits and src not in seen:
            seen.add(src)
            tgt = (*(IDS[word] for word in translation), IDS["<eos>"])
            pairs.append(Pair(src, tgt, tuple(alignment)))
    return pairs
