"""Candidates of a system reranked with a neural language model (§4.1.2), for C1b."""

from typing import Any

import numpy as np
import torch

from ..bleu import from_counts
from ..cslm import CSLM, CSLMConfig
from ..lab.run import Run
from ..loglinear import LogLinear
from ..training import clip_gradient, pad
from . import system

ROWS, PASSES, LEARNING = 64, 3, 1e-3  # of the CSLM's training


def language_model(run: Run, s: system.System, seed: int) -> CSLM:
    """Train the neural language model on the French of the training: §4.1.2, smaller."""
    m, sizes = run.pick(test=(4, (6,)), default=(48, (128, 64)))
    generator = torch.Generator().manual_seed(seed)
    net = CSLM(CSLMConfig(len(s.lists[1]), 7, m, sizes), generator).to(run.device)
    for name, weight in net.named_parameters():
        if weight.dim() > 1:  # the paper's 0.01 is for wide layers and long training
            spread = 1.0 if "embedding" in name else weight.shape[1] ** -0.5
            torch.nn.init.normal_(weight, 0, spread, generator=generator)
    texts = sorted((s.lists[1].ids(f) for _, f in s.parts["train"]), key=len)
    passes = run.pick(test=1, default=PASSES)
    cut = [texts[i : i + ROWS] for i in range(0, len(texts), ROWS)]
    order = [
        k for _ in range(passes) for k in torch.randperm(len(cut), generator=generator).tolist()
    ]
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    for step, k in enumerate(run.track(order, f"language model, seed {seed}")):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING * min(1.0, 2 * (len(order) - step) / len(order))
        optimizer.zero_grad()
        net.loss(pad(cut[k])[0].to(run.device)).backward()
        clip_gradient(net.parameters(), 1.0)
        optimizer.step()
    return net.eval()


def rerank(
    run: Run, s: system.System, lists: dict[str, dict[str, list]], seed: int
) -> dict[str, Any]:  # fmt: skip
    """Return BLEU with neither, the RNN, the CSLM, both, and both with the penalty for unknowns.

    All choose among the same candidates: those of the system without and with the RNN's scores.

    Args:
        run: for its scale.
        s: the system.
        lists: of the system without the scores ("base") and with them ("rnn"), by part: each
            sentence's candidates with their features, as `system.tune` keeps them.
        seed: of the language model and the tuning.
    """
    net, names = language_model(run, s, seed), [*system.NAMES, "cslm"]
    pools: dict[str, list] = {}
    for part in ("dev", "test"):
        pools[part] = [{} for _ in s.parts[part]]
        for which in ("base", "rnn"):
            for pool, rows in zip(pools[part], lists[which][part]):
                for said, features in rows:
                    pool.setdefault(said, features)
        with_language(run, net, s, pools[part])
    result: dict[str, Any] = {}
    dev = system.candidates(s, "dev", pools["dev"])
    test = system.candidates(s, "test", pools["test"])
    start = dict(zip(system.NAMES, system.START)) | {"cslm": 0.3}
    for which, more in (("neither", []), ("rnn", ["rnn"]), ("cslm", ["cslm"]),
                        ("both", ["rnn", "cslm"]),
                        ("penalty", ["rnn", "cslm", "unknown"])):  # fmt: skip
        active = [*system.BASE, *more]
        loglinear = LogLinear(names, [start[n] if n in active else 0.0 for n in names])
        fixed = [n for n in names if n not in active]
        restarts = run.pick(test=0, default=3)
        on_dev = loglinear.fit(*dev, from_counts, restarts, np.random.default_rng(seed), fixed)
        chosen = loglinear.choose(test[0])
        rows = np.array([sums[k] for sums, k in zip(test[1], chosen)])
        on_test = float(from_counts(rows.sum(0)))
        result[which] = {"dev": on_dev, "test": on_test, "test sums": system.packed(rows)}
    ids = [s.lists[1].ids(f) for _, f in s.parts["test"]]
    words = sum(map(len, ids))
    log = sum(float(x) for x in of_texts(run, net, ids))
    result["perplexity"] = float(np.exp(-log / words))
    return result


@torch.no_grad()
def of_texts(run: Run, net: CSLM, texts: list[list[int]], rows: int = 500) -> list[float]:
    """Return log p of each text."""
    found = [0.0] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        text = pad([texts[i] for i in chosen])[0].to(run.device)
        for i, value in zip(chosen, net.log_probability(text).sum(-1).tolist()):
            found[i] = value
    return found


def with_language(run: Run, net: CSLM, s: system.System, pools: list[dict]) -> None:
    """Add the language model's score to the features of all candidates."""
    said = [(pool, words) for pool in pools for words in pool]
    logs = of_texts(run, net, [s.lists[1].ids(words) for _, words in said])
    for (pool, words), log in zip(said, logs):
        pool[words] = np.append(pool[words], log)
