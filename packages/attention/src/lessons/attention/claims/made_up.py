"""The made-up language: nets that learn it, and where they look, beside the right alignment."""

from typing import Any

import torch

from ..config import TranslatorConfig
from ..decoding import align, greedy
from ..lab.run import Run
from ..model import RNNsearch
from ..training import clip_gradient, pad
from . import grammar, translators

SIZES: dict[str, Any] = {
    "embedding_size": 32, "encoder_size": 48, "decoder_size": 96, "alignment_size": 48,
    "maxout_size": 32,
}  # fmt: skip
BATCH, RATE, WARMUP = 64, 3e-3, 50
# The three readings of when a state sees a word: the appendix, equation 4, the released code.
ORDERS = {
    "appendix": {},
    "equation 4": {"readout_state": "current"},
    "released code": {"update_word": "current"},
}
SCORES = {
    "additive": {},
    "product": {"score": "product"},
    "general": {"score": "general"},
    "dot": {"score": "dot"},
}
OTHERS = {name: more for name, more in (ORDERS | SCORES).items() if more}
SHORT = 10  # words of a source, where longer ones are apart


def splits(run: Run, short: bool) -> dict[str, list[grammar.Pair]]:
    """Return sentences to train and to test on; with ``short``, those to train on are."""
    count = run.pick(test=150, default=20_000)
    train = grammar.corpus(count, 1)
    if short:
        train = [pair for pair in train if len(pair.source) <= SHORT]
    seen = frozenset(pair.source for pair in train)
    test = grammar.corpus(run.pick(test=60, default=1500), 2, seen)
    return {"train": train, "test": test}


def make(seed: int, **changes: Any) -> RNNsearch:
    """Return a net that has learned nothing."""
    config = TranslatorConfig(
        len(grammar.SOURCE), len(grammar.TARGET), **{**SIZES, **changes}, eos_id=grammar.EOS
    )
    generator = torch.Generator().manual_seed(seed)
    return translators.spread(RNNsearch(config, generator), generator)


def train(run: Run, pairs: list[grammar.Pair], steps: int, seed: int, **changes: Any) -> RNNsearch:
    """Train a net on random batches; Adam, the rate falling in a line over the last half."""
    net, generator = make(seed, **changes).to(run.device), torch.Generator().manual_seed(seed)
    ids = [grammar.ids(pair) for pair in pairs]
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    for step in run.track(range(1, steps + 1), f"made-up language, seed {seed}"):
        chosen = torch.randint(len(ids), (BATCH,), generator=generator).tolist()
        src, length = pad([ids[i][0] for i in chosen])
        tgt, _ = pad([ids[i][1] for i in chosen])
        factor = min(step / WARMUP, 1.0, 2 * (steps - step + 1) / steps)
        for group in optimizer.param_groups:
            group["lr"] = RATE * factor
        optimizer.zero_grad()
        src, length, tgt = (x.to(run.device) for x in (src, length, tgt))
        net.loss(src, length, tgt).backward()
        clip_gradient(net.parameters(), 1.0)
        optimizer.step()
    return net.eval()


@torch.no_grad()
def examine(net: RNNsearch, pairs: list[grammar.Pair]) -> dict[str, Any]:
    """Return how many sentences are right, and of these how many words look at their own word."""
    ids, device = [grammar.ids(pair) for pair in pairs], net.embedding.weight.device
    src, length = (x.to(device) for x in pad([a for a, _ in ids]))
    tgt = pad([b for _, b in ids])[0].to(device)
    said = greedy(net, src, length, tgt.shape[1] + 5).cpu()
    alpha = align(net, src, length, tgt).cpu()
    counts = dict.fromkeys(("sentences", "words", "moved"), 0)
    right = dict.fromkeys(counts, 0)
    by_length: dict[int, list[int]] = {}
    example = None
    for k, pair in enumerate(pairs):
        n = len(ids[k][1])
        exact = said[k, :n].tolist() == ids[k][1]
        counts["sentences"] += 1
        right["sentences"] += exact
        of = by_length.setdefault(len(pair.source), [0, 0])
        of[0], of[1] = of[0] + exact, of[1] + 1
        if not exact:
            continue
        best = alpha[k, :, : len(pair.source) + 1].argmax(1).tolist()
        for at, gold, moved in zip(best, pair.gold, pair.moved):
            for what in ("words", "moved")[: 1 + moved]:
                counts[what] += 1
                right[what] += at == gold
        if example is None and sum(pair.moved) > 2 and len(pair.source) < 12:
            weights = alpha[k, : n - 1, : len(pair.source)].tolist()
            example = [list(pair.source), list(pair.target), weights]
    return {
        "counts": counts,
        "right": right,
        "by length": {str(n): by_length[n] for n in sorted(by_length)},
        "example": example,
    }


def learn_language(run: Run, seed: int, steps: int, short: bool, what: str) -> dict[str, Any]:
    """Train a net on the made-up language; return what `examine` finds, and its loss."""
    parts = splits(run, short)
    net = train(run, parts["train"], steps, seed, **_changes(what))
    ids = [grammar.ids(pair) for pair in parts["test"]]
    return examine(net, parts["test"]) | translators.forced(run, net, ids)


def _changes(what: str) -> dict[str, Any]:
    more: dict[str, Any] = dict(OTHERS.get(what, {}))
    if more.get("score") == "dot":  # queries as wide as annotations
        more["decoder_size"] = 2 * SIZES["encoder_size"]
    return more


def lessons(
    run: Run,
    what: str = "appendix",
    short: bool = False,
    count: int | None = None,
    steps: int | None = None,
) -> list[dict[str, Any]]:
    """Return what nets have learned, by seed."""
    steps = run.pick(test=3, default=500, full=1200) if steps is None else steps
    count = run.pick(test=2, default=3, full=5) if count is None else count
    return [
        run.trial(learn_language, seed=seed, steps=steps, short=short, what=what)
        for seed in run.seeds(count)
    ]


def share(found: dict[str, Any], what: str) -> float:
    """Return the share of sentences, words or moved words that are right; 0 of none."""
    return found["right"][what] / max(found["counts"][what], 1)
