"""From sentence pairs to phrase pairs: word alignments by IBM's first model, and extraction.

What Moses does at its defaults (Koehn et al. 2003), with Model 1 in the place of Model 4.
"""

import collections
from collections.abc import Iterator, Sequence

import numpy as np

Words = tuple[str, ...]
Links = set[tuple[int, int]]  # (place in the source, place in the target)
LONGEST = 5  # words of a phrase (Moses: 7)
NULL = ""


def model_1(
    pairs: Sequence[tuple[Words, Words]], iterations: int = 5
) -> tuple[dict[tuple[str, str], float], list[list[int]]]:
    """Return t(f | e), and the source place (−1: none) of each target word, by Brown et al. 1993.

    Args:
        pairs: source and target words.
        iterations: of expectation and maximisation, from uniform probabilities.
    """
    e_ids, f_ids = ({} for _ in range(2))
    left, right, sizes = [], [], []
    for e, f in pairs:
        a = [e_ids.setdefault(w, len(e_ids)) for w in (NULL, *e)]
        b = [f_ids.setdefault(w, len(f_ids)) for w in f]
        left.append(np.tile(np.array(a, np.int32), len(b)))
        right.append(np.repeat(np.array(b, np.int32), len(a)))
        sizes += [len(a)] * len(b)
    e_all, f_all = np.concatenate(left).astype(np.int64), np.concatenate(right)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    keys, which = np.unique(e_all * len(f_ids) + f_all, return_inverse=True)
    of_e, t = keys // len(f_ids), np.full(len(keys), 1.0 / len(f_ids))
    for _ in range(iterations):
        p = t[which]
        p /= np.repeat(np.add.reduceat(p, starts), sizes)
        counts = np.bincount(which, p, len(keys))
        t = counts / np.bincount(of_e, counts, len(e_ids))[of_e]
    p, places = t[which], []
    ends = np.append(starts[1:], len(p))
    best = [int(p[a:b].argmax()) - 1 for a, b in zip(starts, ends)]
    at = 0
    for _, f in pairs:
        places.append(best[at : at + len(f)])
        at += len(f)
    e_names, f_names = list(e_ids), list(f_ids)
    table = {
        (e_names[k // len(f_ids)], f_names[k % len(f_ids)]): float(v)
        for k, v in zip(keys.tolist(), t)
    }
    return table, places


def grown(forward: Sequence[int], backward: Sequence[int]) -> Links:
    """Return the links that both directions have, and neighbours that one has (grow-diag-and).

    Args:
        forward: the source place of each target word, −1 for none.
        backward: the target place of each source word, −1 for none.
    """
    ours = {(i, j) for j, i in enumerate(forward) if i >= 0}
    theirs = {(i, j) for i, j in enumerate(backward) if j >= 0}
    links, either = ours & theirs, ours | theirs
    rows, columns = {i for i, _ in links}, {j for _, j in links}
    todo = sorted(links)
    while todo:
        i, j = todo.pop()
        for di, dj in ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)):
            near = (i + di, j + dj)
            if near in either and near not in links and (
                near[0] not in rows or near[1] not in columns
            ):  # fmt: skip
                links.add(near)
                rows.add(near[0])
                columns.add(near[1])
                todo.append(near)
    for i, j in sorted(either - links):  # "final-and": words that are linked on neither side
        if i not in rows and j not in columns:
            links.add((i, j))
            rows.add(i)
            columns.add(j)
    return links


def spans(links: Links, source: int, target: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (i, i_end, j, j_end) of all phrase pairs that the links allow, each end exclusive."""
    by_source, by_target = collections.defaultdict(list), collections.defaultdict(list)
    for i, j in links:
        by_source[i].append(j)
        by_target[j].append(i)
    for i in range(source):
        low, high = target, -1
        for end in range(i + 1, min(i + LONGEST, source) + 1):
            for j in by_source.get(end - 1, ()):
                low, high = min(low, j), max(high, j)
            if high < 0 or high - low >= LONGEST:
                continue
            inside = (k for j in range(low, high + 1) for k in by_target.get(j, ()))
            if any(k < i or k >= end for k in inside):
                continue
            first = low
            while True:  # words without links at the borders may belong to it
                last = high
                while True:
                    if last - first < LONGEST:
                        yield i, end, first, last + 1
                    last += 1
                    if last >= target or last in by_target or last - first >= LONGEST:
                        break
                first -= 1
                if first < 0 or first in by_target or high - first >= LONGEST:
                    break


def table(
    pairs: Sequence[tuple[Words, Words]], alignments: Sequence[Links]
) -> tuple[collections.Counter, dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """Return how often each phrase pair occurs, and w(f | e) and w(e | f) of the links' words."""
    counts: collections.Counter = collections.Counter()
    both: collections.Counter = collections.Counter()
    for (e, f), links in zip(pairs, alignments):
        for i, end, j, last in spans(links, len(e), len(f)):
            counts[e[i:end], f[j:last]] += 1
        both.update((e[i], f[j]) for i, j in links)
        linked = {i for i, _ in links}, {j for _, j in links}
        both.update((NULL, w) for j, w in enumerate(f) if j not in linked[1])
        both.update((w, NULL) for i, w in enumerate(e) if i not in linked[0])
    sums: tuple[collections.Counter, collections.Counter] = (
        collections.Counter(), collections.Counter(),
    )  # fmt: skip
    for (a, b), n in both.items():
        sums[0][a] += n
        sums[1][b] += n
    direct = {(a, b): n / sums[0][a] for (a, b), n in both.items()}
    inverse = {(a, b): n / sums[1][b] for (a, b), n in both.items()}
    return counts, direct, inverse


def lexical(e: Words, f: Words, direct: dict, inverse: dict) -> tuple[float, float]:
    """Return log lex(f | e) and log lex(e | f): each word by its likeliest partner."""
    floor = 1e-7
    to = sum(np.log(max(floor, *(direct.get((a, b), 0.0) for a in (NULL, *e)))) for b in f)
    back = sum(np.log(max(floor, *(inverse.get((a, b), 0.0) for b in (NULL, *f)))) for a in e)
    return float(to), float(back)
