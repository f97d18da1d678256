"""Words aligned by their counts, and the phrases that agree with the alignment.

IBM's Model 1 (Brown et al. 1993) with a preference for the diagonal (Dyer et al. 2013), both ways.
"""

import collections
from collections.abc import Iterator, Sequence

import numpy as np

LONGEST = 4  # words of a phrase
DIAGONAL, NOTHING = 4.0, 0.08  # of the prior: its sharpness, and of no counterpart
ROUNDS = 5  # of EM
Text = tuple[str, ...]


def align(sources: Sequence[Text], targets: Sequence[Text]) -> list[list[int]]:
    """Return for each target word the place of its source word, or −1: the most probable one."""
    names = [{w: i for i, w in enumerate({w: 0 for s in side for w in s}, 1)}
             for side in (sources, targets)]  # fmt: skip
    f_all, e_all, place, prior = [], [], [], []
    at, shapes = 0, []
    for f, e in zip(sources, targets):
        f_ids = np.array([0, *(names[0][w] for w in f)])
        e_ids = np.array([names[1][w] for w in e])
        i = (np.arange(len(f)) + 0.5) / len(f)
        j = (np.arange(len(e)) + 0.5) / len(e)
        near = np.exp(-DIAGONAL * np.abs(i[None] - j[:, None]))
        near *= (1 - NOTHING) / near.sum(1, keepdims=True)
        prior.append(np.concatenate([np.full((len(e), 1), NOTHING), near], 1).ravel())
        f_all.append(np.tile(f_ids, len(e)))
        e_all.append(np.repeat(e_ids, len(f_ids)))
        place.append(at + np.repeat(np.arange(len(e)), len(f_ids)))
        at += len(e)
        shapes.append((len(e), len(f_ids)))
    f_ids, e_ids, where = (np.concatenate(x) for x in (f_all, e_all, place))
    weight = np.concatenate(prior)
    pair, link = np.unique(f_ids.astype(np.int64) << 32 | e_ids, return_inverse=True)
    f_of_pair = (pair >> 32).astype(np.int64)
    table = np.ones(len(pair))
    for _ in range(ROUNDS):
        share = table[link] * weight
        share = share / np.bincount(where, share, at)[where]
        table = np.bincount(link, share, len(pair))
        table = table / np.bincount(f_of_pair, table)[f_of_pair]
    score, found, first = table[link] * weight, [], 0
    for rows, columns in shapes:
        block = score[first : first + rows * columns].reshape(rows, columns)
        found.append((block.argmax(1) - 1).tolist())
        first += rows * columns
    return found


def symmetric(there: list[int], back: list[int]) -> set[tuple[int, int]]:
    """Return links (source, target) of both directions: those of both, grown by neighbours."""
    one = {(i, j) for j, i in enumerate(there) if i >= 0}
    two = {(i, j) for i, j in enumerate(back) if j >= 0}
    links, rest = one & two, one | two
    rows, columns = {i for i, _ in links}, {j for _, j in links}
    grown = True
    while grown:
        grown = False
        for i, j in sorted(rest - links):
            if i in rows and j in columns:
                continue
            if any((i + a, j + b) in links for a in (-1, 0, 1) for b in (-1, 0, 1)):
                links.add((i, j))
                rows.add(i)
                columns.add(j)
                grown = True
    return links


def cut_out(f: Text, e: Text, links: set[tuple[int, int]]) -> Iterator[tuple[Text, Text]]:
    """Yield the pairs of phrases whose words are linked within the pair only."""
    ends: dict[int, list[int]] = collections.defaultdict(list)
    starts: dict[int, list[int]] = collections.defaultdict(list)
    for i, j in links:
        ends[i].append(j)
        starts[j].append(i)
    for a in range(len(f)):
        low, high = len(e), -1
        for b in range(a, min(a + LONGEST, len(f))):
            low, high = min([low, *ends[b]]), max([high, *ends[b]])
            if high < 0:
                continue
            if high - low >= LONGEST:
                break
            if any(not a <= i <= b for j in range(low, high + 1) for i in starts[j]):
                continue
            left = low
            while left >= 0 and (left == low or not starts[left]):
                right = high
                while right < len(e) and (right == high or not starts[right]):
                    if right - left < LONGEST:
                        yield f[a : b + 1], e[left : right + 1]
                    right += 1
                left -= 1
