"""What a trained net prefers and says: its best targets, its samples, its units' time scales."""

import collections
from typing import Any

import numpy as np
import torch

from ..decoding import sample
from ..lab.run import Run
from ..model import RNNEncoderDecoder
from ..phrases import score_pairs
from ..training import pad
from .probing import meaning, neighbourhood
from .system import System, Words

LONG = 4  # "more than 3 words per source phrase" (§4.3)
SAMPLES = 50  # of each source phrase (§4.3)


RARE, FREQUENT = 3, 10  # times that a phrase is seen, at most and at least (ours)
TOP = 5  # samples a source that Table 3 shows


def examine(
    run: Run,
    net: RNNEncoderDecoder,
    fresh: RNNEncoderDecoder,
    s: System,
    scores: dict[tuple[Words, Words], float],
    seed: int,
) -> dict[str, Any]:
    """Return what C2a and C4 to C6 judge, of one net, and of what it was before its training."""
    return {
        "choices": chosen(s, scores),
        "scores": correlated(s, scores),
        "ranks": ranked(s, scores),
        "samples": sampled(run, net, s, seed),
        "units": time_scales(run, net, s),
        "meaning": meaning(run, net, fresh, s),
        "map": neighbourhood(run, net, s),
    }


def longest(s: System, low: int = LONG) -> dict[Words, list[tuple[Words, float]]]:
    """Return long source phrases of the test with two targets or more, and their p(f | e)."""
    return {
        e: [(f, float(x[0])) for f, x in zip(span.targets, span.features)]
        for e, span in s.options.items()
        if len(e) >= low and len(span.targets) > 1
    }


def distance(a: Words, b: Words) -> int:
    """Return how many words have to be put in, left out or replaced (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def chosen(s: System, scores: dict[tuple[Words, Words], float]) -> dict[str, Any]:
    """Compare the best targets by p(f | e) and by the net, with what the test pages say.

    Only phrases of which the table has one likeliest target: most pairs of long phrases occur once,
    and of several with the same probability none is its choice. Each as often as it occurs.
    """
    tables, best = longest(s), {}
    for e, rows in tables.items():
        top = [f for f, p in rows if p >= max(p for _, p in rows) - 1e-9]
        if len(top) == 1:
            best[e] = (top[0], max(rows, key=lambda r: scores[e, r[0]])[0])
    often = collections.Counter()
    for (e, _), n in s.counts.items():
        if e in tables:
            often[e] += n
    line = float(np.median(list(often.values()))) if often else 0.0
    found = {name: [0, 0, 0] for name in ("frequent", "rare")}  # nearer, as near, farther
    phrases = {e: [0, 0] for e in sorted(best)}  # nearer and farther, by source phrase
    for e, f in s.occurring:
        if e in best and best[e][0] != best[e][1]:
            by_table, by_net = (distance(choice, f) for choice in best[e])
            kind = "frequent" if often[e] > line else "rare"
            found[kind][(by_net > by_table) - (by_net < by_table) + 1] += 1
            phrases[e][0] += by_net < by_table
            phrases[e][1] += by_net > by_table
    shorter = [len(b) - len(a) for a, b in best.values()]
    examples = [
        [" ".join(e), " ".join(best[e][0]), " ".join(best[e][1])]
        for e in sorted(best, key=lambda e: -often[e])[:200:25]
        if best[e][0] != best[e][1]
    ]
    return {
        "nearer": found, "line": line, "phrases": len(best), "long": len(tables),
        "each": [f"{a} {b}" for a, b in phrases.values()],
        "different": sum(a != b for a, b in best.values()),
        "longer by": float(np.mean(shorter)) if shorter else 0.0, "examples": examples,
    }  # fmt: skip


def ranked(s: System, scores: dict[tuple[Words, Words], float]) -> dict[str, float]:
    """Return how much a net ranks a source's targets as their counts do.

    The mean over source phrases of the test, of three options or more of which not all were counted
    equally often, of Spearman's correlation of score and count.
    """
    from scipy.stats import spearmanr

    found = []
    for e, span in s.options.items():
        counts = [s.counts.get((e, f), 0) for f in span.targets]
        own = [scores[e, f] for f in span.targets]
        if len(counts) > 2 and len(set(counts)) > 1 and len(set(own)) > 1:
            found.append(float(spearmanr(own, counts).statistic))
    return {"correlation": float(np.mean(found)) if found else 0.0, "sources": len(found)}


def confident(s: System) -> list[tuple[int, float, float]]:
    """Return, for each long source phrase that occurs on the test pages, how sure the table is.

    Times seen in training; mean over its occurrences of the largest p(f | e), less the share of
    them in which such a target stands there (of several that are as likely, a random one is taken);
    and the number of occurrences.
    """
    seen, told = collections.Counter(), collections.defaultdict(list)
    wanted = {e for e, _ in s.occurring if len(e) >= LONG and e in s.options}
    for (e, _), n in s.counts.items():
        if e in wanted:
            seen[e] += n
    for e, f in s.occurring:
        if e in wanted:
            span = s.options[e]
            log = span.features[:, 0]
            top = [g for g, x in zip(span.targets, log) if x >= log.max() - 1e-9]
            told[e].append(float(np.exp(log.max())) - (f in top) / len(top))
    return [(seen[e], float(np.mean(rows)), float(len(rows))) for e, rows in sorted(told.items())]


def correlated(s: System, scores: dict[tuple[Words, Words], float]) -> dict[str, Any]:
    """Return the two log-scores' correlation over long phrases' pairs, and some of the pairs."""
    pairs = [(p, scores[e, f]) for e, rows in longest(s).items() for f, p in rows]
    if len(pairs) < 3:
        return {"correlation": 0.0, "pairs": len(pairs), "some": pairs}
    x, y = np.array(pairs).T
    r = float(np.corrcoef(x, y)[0, 1]) if x.std() and y.std() else 0.0
    return {"correlation": r, "pairs": len(pairs), "some": pairs[:: max(len(pairs) // 400, 1)]}


def sampled(run: Run, net: RNNEncoderDecoder, s: System, seed: int) -> dict[str, Any]:
    """Draw from the net for long source phrases, and look the five best by its score up (Table 3).

    "written": words that stand side by side, in this order, somewhere in the French of the
    training, of which words outside the shortlist are [UNK], as the net says them. "outside":
    not among all targets of this source in the table, however rare.
    """
    most = run.pick(test=3, default=200)
    tables = list(longest(s)) or [e for e in s.options if len(e) > 1] or list(s.options)
    sources = tables[:: max(len(tables) // most, 1)][:most]
    source, target = s.lists
    src, length = pad([source.ids(e) for e in sources for _ in range(SAMPLES)])
    generator = torch.Generator(run.device).manual_seed(seed)
    rows = sample(net, src.to(run.device), length.to(run.device), 1.0, 20, generator).tolist()
    said = [target.phrase(row) for row in rows]
    known = collections.defaultdict(set)
    wanted = set(sources)
    for e, f in s.counts:
        if e in wanted:
            known[e].add(f)
    as_heard = lambda f: tuple(w if w in target.index else "[UNK]" for w in f)  # noqa: E731
    known = {e: {as_heard(f) for f in rows} for e, rows in known.items()}
    written = in_text(set(said), [as_heard(f) for _, f in s.parts["train"]])
    drawn = [
        (e, collections.Counter(said[k * SAMPLES : (k + 1) * SAMPLES]))
        for k, e in enumerate(sources)
    ]
    pairs = [(e, f) for e, often in drawn for f in often]
    scores = dict(zip(pairs, score_pairs(net, s.ids(pairs))))
    outside, share, every, top = [], [], [], []
    for k, (e, often) in enumerate(drawn):
        best = sorted(often, key=lambda f, e=e: -scores[e, f])[:TOP]
        outside.append(float(np.mean([f not in known.get(e, ()) for f in best])))
        share.append(float(np.mean([f in written for f in best])))
        every.append(sum(n for f, n in often.items() if f in written) / SAMPLES)
        if k % max(len(sources) // 8, 1) == 0:
            top.append([" ".join(e), *(f"{' '.join(f)} (×{often[f]})" for f in best[:3])])
    return {"outside": float(np.mean(outside)), "written": float(np.mean(share)),
            "all written": float(np.mean(every)), "sources": len(sources), "top": top}  # fmt: skip


def in_text(phrases: set[Words], texts: list[Words]) -> set[Words]:
    """Return those phrases that some text has as they are."""
    lengths, found = {len(p) for p in phrases} - {0}, set()
    first = {p[0] for p in phrases if p}
    for text in texts:
        for i in (i for i, word in enumerate(text) if word in first):
            found.update(text[i : i + n] for n in lengths if text[i : i + n] in phrases)
    return found


@torch.no_grad()
def time_scales(run: Run, net: RNNEncoderDecoder, s: System, longest_lag: int = 12) -> dict:
    """Return each unit's memory, mean update gate and share of open resets, on test sentences.

    Memory: the lag at which the autocorrelation of a unit's state falls below 1/e. A reset gate
    is taken as active where it is below one half: "close to 0", it forgets (§2.3).
    """
    texts = sorted((e for e, _ in s.parts["test"]), key=len)[-run.pick(test=4, default=300) :]
    src, length = pad([s.lists[0].ids(e) for e in texts])
    src, length = src.to(run.device), length.to(run.device)
    states_SBN = net.encoder.states(src, length)
    gru, n = net.encoder.gru, net.config.hidden_size
    before = torch.cat([torch.zeros_like(states_SBN[:1]), states_SBN[:-1]])
    w, u, bias = (getattr(gru, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih"))
    x = torch.nn.functional.linear(net.encoder.embedding(src.T), w, bias)
    gates = (x[..., : 2 * n] + before @ u[: 2 * n].T).sigmoid()
    real = (torch.arange(len(states_SBN))[:, None].to(run.device) < length)[..., None]
    mean = lambda value: (value * real).sum((0, 1)) / real.sum()  # noqa: E731
    centred = (states_SBN - mean(states_SBN)) * real
    whole, memory = mean(centred**2), torch.full((n,), float(longest_lag))
    for lag in range(longest_lag - 1, 0, -1):
        both = real[lag:] & real[:-lag]
        count = both.sum().clamp(min=1)
        kept = (centred[lag:] * centred[:-lag] * both).sum((0, 1)) / count / whole
        memory[(kept < np.exp(-1)).cpu()] = lag
    active, update = mean((gates[..., :n] < 0.5).float()), mean(gates[..., n:])
    columns = {"memory": memory, "update": update.cpu(), "reset active": active.cpu()}
    return {name: [round(v, 4) for v in column.tolist()] for name, column in columns.items()}
