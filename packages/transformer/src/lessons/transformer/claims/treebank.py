"""A grammar to parse: sentences and their trees as brackets, seeded (for §6.3's claim).

"of" belongs to the noun before it and "with" to the verb, so each sentence has one tree.
"""

import random
from collections import Counter
from collections.abc import Sequence

RULES: dict[str, list[tuple[float, list[str]]]] = {
    "S": [(1.0, ["NP", "VP"])],
    "NP": [(0.35, ["the", "N"]), (0.2, ["the", "A", "N"]), (0.2, ["name"]), (0.25, ["NB", "PPof"])],
    "NB": [(0.5, ["the", "N"]), (0.25, ["the", "A", "N"]), (0.25, ["name"])],
    "PPof": [(1.0, ["of", "NP"])],
    "PPwith": [(1.0, ["with", "NP"])],
    "VP": [
        (0.25, ["Vi"]),
        (0.4, ["Vt", "NP"]),
        (0.2, ["Vt", "NP", "PPwith"]),
        (0.15, ["Vs", "SBAR"]),
    ],
    "SBAR": [(1.0, ["that", "S"])],
}
LEXICON = {
    "N": ["man", "woman", "dog", "house", "child", "town", "garden", "tree"],
    "A": ["old", "young", "big", "small"],
    "Vi": ["sleeps", "falls", "laughs"],
    "Vt": ["sees", "finds", "hits", "follows"],
    "Vs": ["says", "thinks", "knows"],
    "name": ["anna", "peter", "maria"],
}
LABELS = {"PPof": "PP", "PPwith": "PP", "NB": "NP"}
WORDS = ["the", "of", "with", "that", *(word for words in LEXICON.values() for word in words)]
OPEN = ["(S", "(NP", "(VP", "(PP", "(SBAR"]
SYMBOLS = ["<pad>", "<bos>", "<eos>", *WORDS, *OPEN, ")", "XX"]
IDS = {symbol: i for i, symbol in enumerate(SYMBOLS)}


def _expand(rng, symbol, depth) -> tuple[list[str], list[str]]:
    """Return a symbol's words and brackets; words are XX in the tree (Vinyals et al. 2015)."""
    if symbol in LEXICON:
        return [rng.choice(LEXICON[symbol])], ["XX"]
    if symbol not in RULES:
        return [symbol], ["XX"]
    weights = [weight * (0.3 if depth > 5 and len(rule) > 1 and symbol != "S" else 1.0)
               for weight, rule in RULES[symbol]]  # fmt: skip
    rule = rng.choices([rule for _, rule in RULES[symbol]], weights)[0]
    words, tree = [], [f"({LABELS.get(symbol, symbol)}"]
    for part in rule:
        more, brackets = _expand(rng, part, depth + 1)
        words, tree = words + more, tree + brackets
    return words, [*tree, ")"]


def treebank(count: int, seed: int, apart_from: Sequence = (), longest: int = 24) -> list:
    """Return distinct pairs (sentence, tree) of ids with the end mark."""
    rng, pairs, seen = random.Random(seed), [], {src for src, _ in apart_from}
    while len(pairs) < count:
        words, tree = _expand(rng, "S", 0)
        src = (*(IDS[word] for word in words), IDS["<eos>"])
        if len(words) <= longest and src not in seen:
            seen.add(src)
            pairs.append((src, (*(IDS[symbol] for symbol in tree), IDS["<eos>"])))
    return pairs


def corpora(train: int, test: int, seed: int = 1000) -> tuple[list, list]:
    """Return trees to train on, always the same, and others to test on."""
    apart = treebank(test, seed)
    return treebank(train, 0, apart), apart


def spans(tree: Sequence[int]) -> Counter:
    """Return a tree's labelled spans; brackets that do not match are left out."""
    found, still_open, position = Counter(), [], 0
    for i in tree:
        symbol = SYMBOLS[i]
        if symbol == "XX":
            position += 1
        elif symbol in OPEN:
            still_open.append((symbol, position))
        elif symbol == ")" and still_open:
            label, start = still_open.pop()
            found[label, start, position] += 1
    return found


def bracket_f1(answers: Sequence[Sequence[int]], right: Sequence[Sequence[int]]) -> float:
    """Return the F1 of labelled brackets, over all trees together."""
    hits = said = wanted = 0
    for answer, tree in zip(answers, right):
        ours, theirs = spans(answer), spans(tree)
        hits += sum((ours & theirs).values())
        said, wanted = said + sum(ours.values()), wanted + sum(theirs.values())
    return 2 * hits / max(said + wanted, 1)
