"""What the first choice of expert tells of a word's part of speech, and where gates are largest."""

import math
from typing import Any

import torch
from torch import Tensor

from ..model import MoELanguageModel
from .language import World

SHOWN, BEST = 6, 8  # experts, and contexts of each


def information(one_A: Tensor, other_A: Tensor) -> float:
    """Return the mutual information of two labels, in bits, with Miller and Madow's correction."""
    n = len(one_A)
    table = torch.zeros(int(one_A.max()) + 1, int(other_A.max()) + 1, dtype=torch.float64)
    table.index_put_((one_A, other_A), torch.ones(n, dtype=torch.float64), accumulate=True)

    def entropy(counts: Tensor) -> float:
        counts = counts[counts > 0]
        p = counts / n
        return float(-(p * p.log()).sum()) + (len(counts) - 1) / (2 * n)

    parts = entropy(table.sum(1)) + entropy(table.sum(0)) - entropy(table.flatten())
    return parts / math.log(2)


@torch.no_grad()
def examine(model: MoELanguageModel, text: World, seed: int, device: Any) -> dict[str, Any]:
    """Return what the first choice of expert tells of the part of speech, and what chance would.

    Beside it two assignments of *pieces* to as many experts: at random, and by the part of speech
    that a piece has most often.
    """
    model.eval()
    ids = text.tagged[:, :-1].long().to(device)
    parts = [model.route(part) for part in ids.split(64)]
    expert = torch.cat([p[0][..., 0] for p in parts]).cpu()
    weight = torch.cat([p[1][..., 0] for p in parts]).cpu()
    model.train()
    tag, piece = text.tags[:, :-1], text.tagged[:, :-1].long()
    there = tag >= 0
    tag_A, piece_A, expert_A = tag[there], piece[there], expert[there]
    n = model.config.num_experts
    generator = torch.Generator().manual_seed(seed)
    by_chance = torch.randint(n, (text.vocab_size,), generator=generator)[piece_A]
    counts = torch.zeros(text.vocab_size, len(text.tag_names))
    counts.index_put_((piece_A, tag_A), torch.ones(len(tag_A)), accumulate=True)
    frequent = counts.sum(0).argsort(descending=True)[: n - 1]
    place = torch.full((len(text.tag_names),), n - 1)
    place[frequent] = torch.arange(len(frequent))
    sorted_ = place[counts.argmax(1)][piece_A]
    return {
        "tag bits": information(expert_A, tag_A),
        "chance bits": information(by_chance, tag_A),
        "sorted bits": information(sorted_, tag_A),
        "tags": len(text.tag_names),
        "words": len(tag_A),
        "contexts": contexts(text, expert, weight) if text.pieces else [],
    }


def contexts(text: World, expert: Tensor, weight: Tensor) -> list[list[str]]:
    """Return, for a few experts, the words around the places where their gate is largest."""
    assert text.pieces is not None
    ids, found = text.tagged.tolist(), []
    busiest = torch.bincount(expert.flatten()).argsort(descending=True)[:SHOWN]
    for i in busiest.tolist():
        value = torch.where(expert == i, weight, torch.tensor(-1.0)).flatten()
        shown = []
        for at in value.argsort(descending=True).tolist():
            row, t = divmod(at, expert.shape[1])
            before = text.pieces.decode(ids[row][max(0, t - 6) : t])
            now = text.pieces.decode(ids[row][t : t + 1])
            after = text.pieces.decode(ids[row][t + 1 : t + 5])
            context = f"{before}[{now}]{after}".replace("\n", " / ").strip()
            if context not in shown:
                shown.append(context)
            if len(shown) == BEST:
                break
        found.append(shown)
    return found
