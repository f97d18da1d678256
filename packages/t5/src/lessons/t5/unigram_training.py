r"""Learn a unigram vocabulary from text: EM, and what contributes least is dropped (Kudo 2018).

A piece's probability and the ways to cut depend on each other. So it begins with far more pieces
than wanted, all frequent stretches of letters, and goes round: how often is each piece used, over
all ways to cut the text, by their probabilities (E)? Then a piece's probability is its share (M).
"""

import collections
import math
from collections.abc import Iterable, Mapping

import torch

from .unigram import CONTROL, SPACE, UNKNOWN, Piece, SentencePieceUnigram, log_sum, normalize

SPECIAL = (Piece("<pad>", 0.0, CONTROL), Piece("</s>", 0.0, CONTROL), Piece("<unk>", 0.0, UNKNOWN))
LONGEST = 16  # letters of a piece


def train_unigram(
    texts: Iterable[str],
    size: int,
    extra_ids: int = 100,
    seeds: int | None = None,
    shrink: float = 0.75,
    rounds: int = 2,
) -> SentencePieceUnigram:
    """Return a vocabulary of so many pieces, the three special ones included.

    Fewer, where the texts have not so many stretches that are worth a piece.

    Args:
        texts: what to learn from.
        size: pieces, sentinels not counted.
        extra_ids: sentinels.
        seeds: pieces to begin with; None: ten times as many.
        shrink: share that is kept each time.
        rounds: of EM between two cuts.

    Raises:
        ValueError: a size that does not hold every character, or a shrink outside (0, 1).

    Source: Kudo 2018, §3.2; SentencePiece's trainer, which differs in how it finds stretches.
    """
    if not 0 < shrink < 1:
        raise ValueError(f"shrink must be in (0, 1), got {shrink}")
    words = count_words(texts)
    characters = collections.Counter()
    for word, n in words.items():
        for character in word:
            characters[character] += n
    room = size - len(SPECIAL)
    if len(characters) > room:
        raise ValueError(
            f"size must be at least {len(characters) + len(SPECIAL)}, to hold every character of "
            f"the texts, got {size}"
        )
    pieces = _seeds(words, characters, 10 * size if seeds is None else seeds)
    while True:
        for _ in range(rounds):
            pieces = _step(pieces, words)
        if len(pieces) <= room:
            break
        pieces = _pruned(pieces, words, characters, max(room, int(shrink * len(pieces))))
    missing = [c for c in characters if c not in pieces]  # EM may have dropped a character
    least = min(pieces.values())
    pieces |= {c: least - 0.001 * i for i, c in enumerate(missing, 1)}
    if len(pieces) > room:
        longer = sorted((p for p in pieces if len(p) > 1), key=lambda p: pieces[p])
        for piece in longer[: len(pieces) - room]:
            del pieces[piece]
    ordered = sorted(pieces.items(), key=lambda item: (-item[1], item[0]))
    return SentencePieceUnigram([*SPECIAL, *(Piece(p, s) for p, s in ordered)], extra_ids)


def count_words(texts: Iterable[str]) -> dict[str, int]:
    """Return how often each word occurs, each with its space before it."""
    words: collections.Counter[str] = collections.Counter()
    for text in texts:
        words.update(SPACE + word for word in normalize(text).split(" ") if word)
    return dict(words)


def _seeds(words: Mapping[str, int], characters: Mapping[str, int], count: int) -> dict[str, float]:
    """Return stretches of letters with log-probabilities, the ones that cover most text first."""
    seen: collections.Counter[str] = collections.Counter()
    for word, n in words.items():
        for start in range(len(word)):
            for end in range(start + 2, min(len(word), start + LONGEST) + 1):
                seen[word[start:end]] += n
    scored = {piece: n * len(piece) for piece, n in seen.items() if n > 1}
    top = sorted(scored, key=lambda piece: (-scored[piece], piece))[: max(0, count)]
    weights = dict(characters) | {piece: scored[piece] for piece in top}
    total = math.log(sum(weights.values()))
    return {piece: math.log(weight) - total for piece, weight in weights.items()}


def _step(pieces: dict[str, float], words: Mapping[str, int]) -> dict[str, float]:
    """Take one round of EM; pieces that are hardly used are dropped.

    Counts go through the digamma function, as in SentencePiece: the mean of log p under Dirichlet's
    posterior without a prior, which presses rare pieces further down than their share.
    """
    expected: dict[str, float] = collections.defaultdict(float)
    longest = max(map(len, pieces))
    for word, n in words.items():
        edges = [_edges(word, end, pieces, longest) for end in range(len(word) + 1)]
        forward = [0.0]
        for end in range(1, len(word) + 1):
            ways = [forward[s] + score for s, score in edges[end]]
            forward.append(log_sum(ways) if ways else -math.inf)
        into: list[list[float]] = [[] for _ in word] + [[0.0]]
        backward = [0.0] * (len(word) + 1)
        for end in range(len(word), 0, -1):
            backward[end] = log_sum(into[end]) if into[end] else -math.inf
            for start, score in edges[end]:
                into[start].append(score + backward[end])
        if forward[-1] == -math.inf:
            continue  # a letter of it was dropped
        for end in range(1, len(word) + 1):
            for start, score in edges[end]:
                log = forward[start] + score + backward[end] - forward[-1]
                expected[word[start:end]] += n * math.exp(log)
    used = {piece: n for piece, n in expected.items() if n >= 0.5}
    logs = torch.digamma(torch.tensor([*used.values(), sum(used.values())], dtype=torch.float64))
    return dict(zip(used, (logs[:-1] - logs[-1]).tolist()))


def _pruned(
    pieces: dict[str, float],
    words: Mapping[str, int],
    characters: Mapping[str, int],
    count: int,
) -> dict[str, float]:
    """Keep so many: those without which the text would lose most, and every single character.

    What losing a piece costs: each time it is used in the best cut, it would be written as its own
    second-best cut instead.
    """
    model = SentencePieceUnigram([*SPECIAL, *(Piece(p, s) for p, s in pieces.items())], 0)
    uses: collections.Counter[int] = collections.Counter()
    for word, n in words.items():
        for token in model._viterbi(word):
            uses[token] += n
    cost = {}
    for i, (piece, score) in enumerate(pieces.items(), len(SPECIAL)):
        if len(piece) > 1 and uses[i]:
            entry = model.scores.pop(piece)
            other = model._viterbi(piece)
            model.scores[piece] = entry
            lost = sum(pieces.get(model.pieces[t].text, model.unk_score) for t in other)
            cost[piece] = uses[i] * (score - lost)
    kept = [piece for piece in pieces if len(piece) == 1]
    longer = sorted(cost, key=lambda piece: (-cost[piece], piece))
    chosen = {*kept, *longer[: max(0, count - len(kept))]}
    return {piece: score for piece, score in pieces.items() if piece in chosen}


def _edges(
    word: str, end: int, pieces: Mapping[str, float], longest: int
) -> list[tuple[int, float]]:
    """Return the pieces that end here: (start, score)."""
    first = max(0, end - longest)
    return [(s, pieces[word[s:end]]) for s in range(first, end) if word[s:end] in pieces]
