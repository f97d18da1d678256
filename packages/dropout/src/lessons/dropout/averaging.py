"""The average over thinned networks that dropout trains: sampled, and enumerated (§4, §7.5).

Shapes: S samples, B cases, K classes.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .dropout import Dropout

TORCH = nn.modules.dropout._DropoutNd
REDUCTIONS = ("mean", "geometric")


class Prediction(NamedTuple):
    """What sampled networks say together."""

    mean: Tensor  # (B, K), probabilities
    std: Tensor  # (B, K), over the networks
    mutual_information: Tensor  # (B,), nats: the networks' disagreement (LATER: Gal 2016)


@torch.no_grad()
def mc_predict(
    model: nn.Module,
    x: Tensor,
    samples: int,
    reduce: str = "mean",
    chunk: int = 10_000,
) -> Prediction:
    """Average the predictions of sampled thinned networks, a new one for each case (§7.5).

    Only dropout is switched to training, for the time being: batch norm, say, is not.

    Args:
        model: maps (B, …) to logits (B, K).
        x: (B, …).
        samples: S.
        reduce: "mean" of the probabilities, or "geometric": their geometric mean, renormalized,
            which is what scaled weights approximate (§1).
        chunk: about how many cases go through the model at once.

    Raises:
        ValueError: samples below 1, an unknown reduce, or a model without dropout.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce must be one of {', '.join(REDUCTIONS)}, got {reduce!r}")
    dropouts = [m for m in model.modules() if isinstance(m, (Dropout, TORCH)) and m.p > 0]
    if not dropouts:
        raise ValueError("the model has no dropout with p above 0: all samples would be equal")
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        for module in dropouts:
            module.training = True
        total = squares = logs = entropy = torch.zeros((), dtype=torch.float64, device=x.device)
        done = 0
        while done < samples:
            size = min(samples - done, max(1, chunk // len(x)))
            logits_NK = model(x.repeat(size, *(1,) * (x.ndim - 1)))
            log_SBK = logits_NK.double().log_softmax(-1).unflatten(0, (size, len(x)))
            prob_SBK = log_SBK.exp()
            total, squares = total + prob_SBK.sum(0), squares + prob_SBK.square().sum(0)
            logs, entropy = logs + log_SBK.sum(0), entropy - (prob_SBK * log_SBK).sum((0, -1))
            done += size
    finally:
        for module, training in modes:
            module.training = training
    mean = total / samples
    std = (squares / samples - mean.square()).clamp_min(0).sqrt()
    information = torch.special.entr(mean).sum(-1) - entropy / samples
    if reduce == "geometric":
        mean = (logs / samples).softmax(-1)
    dtype = logits_NK.dtype
    return Prediction(mean.to(dtype), std.to(dtype), information.clamp_min(0).to(dtype))


def thinned_masks(units: int, p: float) -> tuple[Tensor, Tensor]:
    """Return all masks of so many units, (2ᵘⁿⁱᵗˢ, units), and the probability of each (float64).

    Args:
        units: how many.
        p: the probability of dropping (retention = 1 − p).
    """
    masks = torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=torch.float64)
    kept = masks.sum(1)
    return masks, (1 - p) ** kept * p ** (units - kept)
