"""A made-up language whose right translation and alignment are known: seeded, exact.

52 English words, 64 of the other language. There the verb stands last and the adjectives after the
noun, in reversed order; articles and adjectives agree in gender, articles and verbs in number; an
adverb comes first, `ne` before the verb, and questions end in `ka ?`.
"""

import dataclasses
import random

MASCULINE = {"boy": "nen", "king": "rek", "dog": "kan", "horse": "kaval", "tree": "arbor"}
FEMININE = {"girl": "mena", "queen": "reka", "cat": "gata", "bird": "ava", "book": "libra"}
ADJECTIVES = {"big": "gran", "small": "pik", "red": "rub", "black": "nok", "old": "vet",
              "young": "nov", "good": "bon", "sad": "tris"}  # fmt: skip
VERBS = {"see": "vid", "love": "am", "hear": "aud", "find": "trov", "follow": "sek", "call": "vok"}
ADVERBS = {"often": "sempe", "here": "hika"}
# By determiner: masculine, feminine.
SINGULAR = {"the": ("lo", "la"), "a": ("un", "una")}
PLURAL = {"the": ("li", "le"), "two": ("du", "du"), "many": ("multi", "multe")}


@dataclasses.dataclass(frozen=True)
class Pair:
    """A sentence, its translation, and for each target word the source word that it renders."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    gold: tuple[int, ...]
    moved: tuple[bool, ...]  # a noun or an adjective of a phrase that has both


@dataclasses.dataclass
class Phrase:
    """A piece of a sentence: source words; target words with their source places and marks."""

    source: list[str]
    target: list[tuple[str, int, bool]]
    plural: bool = False


def noun_phrase(rng: random.Random, start: int, may_have_clause: bool) -> Phrase:
    """Return determiner, adjectives and noun, perhaps with a clause, from place ``start`` on."""
    plural, feminine = rng.random() < 0.5, rng.random() < 0.5
    determiner = rng.choice(list(PLURAL if plural else SINGULAR))
    noun = rng.choice(list(FEMININE if feminine else MASCULINE))
    adjectives = rng.sample(list(ADJECTIVES), rng.choices((0, 1, 2), (0.5, 0.35, 0.15))[0])
    n = len(adjectives)
    source = [determiner, *adjectives, noun + "s" * plural]
    name = (FEMININE if feminine else MASCULINE)[noun]
    if plural:
        name = name[:-1] + "e" if feminine else name + "i"
    forms = (PLURAL if plural else SINGULAR)[determiner]
    target = [(forms[feminine], start, False), (name, start + n + 1, n > 0)]
    target += [(ADJECTIVES[adjectives[i]] + "oa"[feminine], start + 1 + i, True)
               for i in reversed(range(n))]  # fmt: skip
    if may_have_clause and rng.random() < 0.2:
        verb = rng.choice(list(VERBS))
        here = start + len(source)
        thing = noun_phrase(rng, here + 2, False)
        source += ["who", verb + "s" * (not plural), *thing.source]
        target += [("ki", here, False), *thing.target,
                   (VERBS[verb] + ("en" if plural else "e"), here + 1, False)]  # fmt: skip
    return Phrase(source, target, plural)


def sentence(rng: random.Random) -> Pair:
    """Return a sentence."""
    negated, asked = rng.random() < 0.2, rng.random() < 0.15
    adverb = rng.choice(list(ADVERBS)) if rng.random() < 0.3 else None
    subject = noun_phrase(rng, int(asked), True)
    verb, many = rng.choice(list(VERBS)), subject.plural
    do = "do" if many else "does"
    source = [do] * asked + subject.source
    if negated:
        source += ["not"] if asked else [do, "not"]
    denied = len(source) - 1
    at = len(source)
    source.append(verb if negated or asked or many else verb + "s")
    thing = noun_phrase(rng, at + 1, False)
    source += thing.source
    target = [*subject.target, *thing.target]
    target += [("ne", denied, False)] * negated
    target.append((VERBS[verb] + ("en" if many else "e"), at, False))
    if adverb:
        target.insert(0, (ADVERBS[adverb], len(source), False))
        source.append(adverb)
    if asked:
        target.append(("ka", 0, False))
    target.append(("?" if asked else ".", len(source), False))
    source.append("?" if asked else ".")
    words, gold, moved = zip(*target)
    return Pair(tuple(source), words, gold, moved)


def corpus(count: int, seed: int, known: frozenset = frozenset()) -> list[Pair]:
    """Return so many different sentences, none of them among those known."""
    rng, found, seen = random.Random(seed), [], set(known)
    while len(found) < count:
        pair = sentence(rng)
        if pair.source not in seen:
            seen.add(pair.source)
            found.append(pair)
    return found


def _vocabulary(column: int) -> list[str]:
    rng, words = random.Random(0), set()
    for _ in range(3000):
        pair = sentence(rng)
        words |= set((pair.source, pair.target)[column])
    return ["", "", "", "", *sorted(words)]


SOURCE, TARGET = _vocabulary(0), _vocabulary(1)
SOURCE_IDS, TARGET_IDS = ({w: i for i, w in enumerate(names) if w} for names in (SOURCE, TARGET))
EOS = 2


def ids(pair: Pair) -> tuple[list[int], list[int]]:
    """Return a pair's ids, with end marks."""
    source = [*(SOURCE_IDS[word] for word in pair.source), EOS]
    return source, [*(TARGET_IDS[word] for word in pair.target), EOS]
