"""The contest of C1: both translators tuned, trained from every seed, and looked at."""

from typing import Any

import torch
from torch import Tensor

from ..lab.run import Run
from ..model import Transformer
from .pieces import EOS
from .race import BEAM, COLOR
from .translators import (
    EXAMPLES,
    USUAL,
    by_length,
    dev_bleu,
    forced,
    make,
    scores,
    speeds,
    tensors,
    texts,
    trained,
)  # fmt: skip
from .tuning import MODELS, costs, lengthen, lengths, searched

ALPHAS = (0.0, 0.6, 1.0, 1.5, 2.0)  # of the length penalty; the paper's dev set chose 0.6
PLACES = {"the piece before": -1, "itself": 0, "the piece behind": 1}
END = "the end mark"


def contest(run: Run) -> dict[str, Any]:
    """Measure speeds, tune both, train both from every seed to several lengths.

    Each length is a training with its own end (`translators.trained`). The Transformer's are those
    with the operations of the GRU's: what C1a judges is not read off between two of them.
    """
    seeds, found = run.seeds(run.pick(test=2, default=3)), {n: searched(run, n) for n in COLOR}
    models = [found[name]["model"] for name in COLOR]
    speed = run.trial(speeds, models=MODELS if {*models} <= {*MODELS} else models, seed=run.seed)
    work, ends = costs(run), {name: lengths(run, found[name]["model"]) for name in COLOR}
    work = {name: work[found[name]["model"]] for name in COLOR}
    if ends["Transformer"][0] > ends["GRU"][1]:  # for equal steps; the others have equal operations
        ends["Transformer"] = [ends["GRU"][1], *ends["Transformer"]]
    curves = {
        name: [
            run.trial(contender, **lengthen(
                {"model": f["model"], "rate": f["rate"], "ends": ends[name], "seed": seed},
                f["schedule"],
            ))
            for seed in seeds
        ]
        for name, f in found.items()
    }  # fmt: skip
    of = {what: {n: speed[what][f["model"]] for n, f in found.items()}
          for what in ("seconds", "sizes")}  # fmt: skip
    per_step = {  # steps of the Transformer for one of the GRU
        "steps": 1.0,
        "time": of["seconds"]["GRU"] / max(of["seconds"]["Transformer"], 1e-9),
        "operations": work["GRU"] / work["Transformer"],
    }
    return {"curves": curves, "ends": ends, "found": found, "speed": of | {"operations": work},
            "per step": per_step, "sizes": ends["GRU"][1:]}  # fmt: skip


def contender(
    run: Run, model: str, rate: float, ends: list[int], seed: int, schedule: str = USUAL
) -> list[dict[str, Any]]:
    """Train one translator; return its scores on the test pages after each length of training.

    Translations are by beam search; its α is chosen on the dev pages, as in §6.1. BLEU and brevity
    of greedy ones stand beside. Of the longest training of a Transformer also what its encoder
    looks at.
    """
    known, net = texts(run)["ids"], make(run, model, seed)
    found = []
    for end, each in trained(run, net, rate, ends, known["train"], seed, schedule=schedule):
        quick, tried = scores(run, each), {a: dev_bleu(run, each, BEAM, a) for a in ALPHAS}
        alpha = max(tried, key=tried.__getitem__)
        found.append(
            {"step": end, **scores(run, each, beam=BEAM, alpha=alpha), "alpha": alpha,
             "alphas": [[a, round(b, 2)] for a, b in tried.items()],
             "dev": forced(run, each, known["dev"])[0],
             "greedy": {name: quick[name] for name in ("bleu", "brevity")}}
        )  # fmt: skip
        if end == max(ends) and isinstance(each, Transformer):
            found[-1]["looks"] = looks(run, each)
    return found


@torch.no_grad()
def looks(run: Run, net: Any) -> dict[str, Any]:
    """Return an encoder's weights on a sentence, and how much each head gives to some places."""
    known = texts(run)
    ids = known["ids"]["test"]
    chosen = ids[EXAMPLES[-1] % len(ids)]
    src, tgt = tensors(run, [chosen], [0])
    maps_LHQK = torch.stack(list(net.attention_maps(src, tgt[:, :-1]).encoder))[:, 0]
    return {
        "pieces": [known["pieces"].names[i] for i in chosen[0][:-1]],
        "maps": [[[[round(w, 4) for w in row] for row in head] for head in layer]
                 for layer in maps_LHQK.tolist()],
        "shares": shares(run, net, known["ids"]["dev"]),
    }  # fmt: skip


def shares(run: Run, net: Any, ids) -> dict[str, list[list[float]]]:
    """Return by place how much of its weight each head of each layer gives there, on average."""
    sums: dict[str, Any] = dict.fromkeys((*PLACES, END), 0.0)
    count = 0
    for chosen in by_length(ids):
        src, tgt = tensors(run, ids, chosen)
        maps_LBHQK = torch.stack(list(net.attention_maps(src, tgt[:, :-1]).encoder))
        real_BQ = src != 0
        count += int(real_BQ.sum())
        for place, weights_LBHQ in places(maps_LBHQK, src).items():
            sums[place] += (weights_LBHQ * real_BQ[:, None]).sum((1, 3))
    return {place: (total / count).tolist() for place, total in sums.items()}


def places(maps_LBHQK: Tensor, src_BS: Tensor) -> dict[str, Tensor]:
    """Return by place the weights (L, B, H, Q) there; 0 where there is no such place."""
    found = {}
    for place, offset in PLACES.items():
        found[place] = torch.zeros_like(maps_LBHQK[..., 0])
        diagonal = maps_LBHQK.diagonal(offset, -2, -1)
        first = max(-offset, 0)
        found[place][..., first : first + diagonal.shape[-1]] = diagonal
    at_end_BK = (src_BS == EOS).to(maps_LBHQK.dtype)
    return found | {END: (maps_LBHQK * at_end_BK[:, None, None]).sum(-1)}
