"""Made-up phrases, seeded and exact: nouns, and adjectives that change places in translation."""

import random

NOUNS = [f"noun{i}" for i in range(20)]
ADJECTIVES = [f"adj{i}" for i in range(10)]
FRENCH = {word: word.upper() for word in (*NOUNS, *ADJECTIVES)}
Words = tuple[str, ...]
Pair = tuple[Words, Words]


def phrase(rng: random.Random, shortest: int = 1, longest: int = 6) -> Pair:
    """Return a phrase of so many words, and its one right translation."""
    left, source, target = rng.randint(shortest, longest), [], []
    while left:
        group = [rng.choice(NOUNS)]
        if left > 1 and rng.random() < 0.5:
            group.insert(0, rng.choice(ADJECTIVES))
        left -= len(group)
        source += group
        target += [FRENCH[word] for word in reversed(group)]
    return tuple(source), tuple(target)


def phrases(count: int, seed: int, shortest: int = 1, longest: int = 6) -> list[Pair]:
    """Return so many different phrases."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        pair = phrase(rng, shortest, longest)
        found.setdefault(pair[0], pair)
    return list(found.values())


def spoiled(target: Words, rng: random.Random) -> Words:
    """Return a translation with one fault: two words exchanged, one replaced, or one left out."""
    words, i = list(target), rng.randrange(len(target))
    kind = rng.choice(("swap", "replace", "drop")) if len(words) > 1 else "replace"
    if kind == "swap":
        i = rng.randrange(len(words) - 1)
        words[i : i + 2] = words[i + 1], words[i]
    elif kind == "drop":
        del words[i]
    else:
        words[i] = rng.choice([w for w in FRENCH.values() if w != words[i]])
    return tuple(words)


def noisy_table(pairs: list[Pair], seed: int) -> list[tuple[Words, Words, int]]:
    """Return entries (source, target, count): the right target and 2 to 9 wrong ones of each.

    Counts are heavy-tailed, and the right one is often the rarest.
    """
    rng, rows = random.Random(seed), []
    for source, target in pairs:
        wrong = {spoiled(target, rng) for _ in range(rng.randint(2, 9))} - {target}
        rows.append((source, target, rng.randint(1, 3)))
        rows += [(source, f, int(rng.paretovariate(1.0))) for f in sorted(wrong)]
    return rows
