"""Learning byte pairs (Sennrich et al. 2016, algorithm 1), with counts that are kept up to date."""

import heapq
from collections.abc import Iterator, Mapping
from itertools import pairwise


def learn(
    words: Mapping[tuple[int, ...], int], tokens: dict[int, bytes], most: int
) -> Iterator[tuple[int, int]]:
    """Yield (left, right): the most frequent pair, then that of what it leaves, and so on.

    Of pairs equally frequent the one with the smaller ids comes first. A merge changes the counts
    of pairs beside it only, so that each word that has the pair is looked at, and no other.

    Args:
        words: ids of each word, and how often it occurs.
        tokens: bytes of each id; grows by what is learned. Two pairs may make the same bytes, which
            then have one id.
        most: tokens at most; fewer where no pair is left.
    """
    spelt, times = [list(word) for word in words], list(words.values())
    counts: dict[tuple[int, int], int] = {}
    where: dict[tuple[int, int], set[int]] = {}
    for n, word in enumerate(spelt):
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + times[n]
            where.setdefault(pair, set()).add(n)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    ids = {token: i for i, token in tokens.items()}
    while heap and len(tokens) < most:
        count, pair = heapq.heappop(heap)
        now = counts.get(pair, 0)
        if -count != now:  # it was counted before its neighbours were merged
            if now > 0:
                heapq.heappush(heap, (-now, pair))
            continue
        new = ids.setdefault(tokens[pair[0]] + tokens[pair[1]], len(tokens))
        tokens[new] = tokens[pair[0]] + tokens[pair[1]]
        touched: set[tuple[int, int]] = set()
        for n in where.pop(pair):
            old = spelt[n]
            word = spelt[n] = merged(old, pair, new)
            if len(word) == len(old):
                continue
            for gone in pairwise(old):
                counts[gone] -= times[n]
            for made in pairwise(word):
                counts[made] = counts.get(made, 0) + times[n]
                if new in made:
                    where.setdefault(made, set()).add(n)
                    touched.add(made)
        counts.pop(pair, None)
        for made in touched:
            heapq.heappush(heap, (-counts[made], made))
        yield pair


def merged(word: list[int], pair: tuple[int, int], new: int) -> list[int]:
    """Return the word with each occurrence of the pair, from the left, as one id."""
    out: list[int] = []
    i = 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out
