r"""The recipe: Adam, warm-up and linear decay, large batches by accumulation (§2.4, §4.3, B, C).

Shapes: B batch, T length.
"""

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .heads import IGNORED, RobertaForMaskedLM, RobertaForPreTraining


class PreTraining(NamedTuple):
    """The settings of a pre-training; the defaults are what Table 9 gives for both sizes."""

    lr: float
    warmup: int
    batch_size: int = 8192  # "8k"
    steps: int = 500_000
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    weight_decay: float = 0.01
    clip_norm: float | None = None  # "Gradient Clipping 0.0": none
    length: int = 512


# Table 9; and BERT's recipe as §2.4 tells it.
BASE = PreTraining(lr=6e-4, warmup=24_000)
LARGE = PreTraining(lr=4e-4, warmup=30_000)
BERT = PreTraining(1e-4, 10_000, batch_size=256, steps=1_000_000, betas=(0.9, 0.999))
# Table 3: sequences a step, steps, and the rate that was best of those tried.
TABLE3 = ((256, 1_000_000, 1e-4), (2048, 125_000, 7e-4), (8192, 31_000, 1e-3))


class FineTuning(NamedTuple):
    """The settings of fine-tuning (Table 10)."""

    lr: float
    batch_size: int
    weight_decay: float
    epochs: int
    warmup: float = 0.06  # of the steps
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6


RACE, SQUAD = FineTuning(1e-5, 16, 0.1, 4), FineTuning(1.5e-5, 48, 0.01, 2)
GLUE = [FineTuning(lr, size, 0.1, 10) for size in (16, 32) for lr in (1e-5, 2e-5, 3e-5)]


def parameter_groups(
    model: nn.Module, weight_decay: float = 0.01, spare: bool = False
) -> list[dict[str, Any]]:
    """Return an optimizer's groups.

    Args:
        model: to be trained.
        weight_decay: of all weights, as the paper excepts none.
        spare: except biases and normalisations, as BERT's code does.
    """
    norms = {id(p) for m in model.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters()}
    decayed, kept = [], []
    for name, parameter in model.named_parameters():
        spared = spare and (name.rsplit(".", 1)[-1] == "bias" or id(parameter) in norms)
        (kept if spared else decayed).append(parameter)
    groups = ((decayed, weight_decay), (kept, 0.0))
    return [{"params": each, "weight_decay": decay} for each, decay in groups if each]


def linear_schedule(
    optimizer: torch.optim.Optimizer, steps: int, warmup: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the scheduler of a linear warm-up to the optimizer's rate and a linear fall to 0.

    Args:
        optimizer: its lr is the peak.
        steps: of the whole training.
        warmup: steps of the rise.

    Raises:
        ValueError: fewer steps than those of the warm-up, or a negative number.

    Source: §2.4; Table 9.
    """
    if not 0 <= warmup < steps:
        raise ValueError(f"warmup must be 0 to {steps - 1}, below steps, got {warmup}")

    def factor(step: int) -> float:
        if step < warmup:
            return step / warmup
        return max(0.0, (steps - step) / (steps - warmup))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


class Part(NamedTuple):
    """What a step reads at once: hidden ids and labels (B, T), for NSP also labels (B,)."""

    input_ids: Tensor
    labels: Tensor
    next_sentence_label: Tensor | None = None


def accumulate(
    model: RobertaForMaskedLM | RobertaForPreTraining,
    parts: Sequence[Part],
    dtype: torch.dtype | None = None,
) -> float:
    r"""Add the gradient of a large batch that is read in parts; return its loss, in nats.

    The loss is $\sum_k L_k / \sum_k n_k$, with $L_k$ the sum and $n_k$ the number of the hidden
    tokens in part k: what the whole batch would give at once. The mean of the parts' means would
    weigh the tokens of a part with few of them more.

    Args:
        model: in train mode, its gradients emptied.
        parts: of one batch.
        dtype: of autocast, such as torch.bfloat16; None: the model's own.

    Raises:
        ValueError: no part, no label that counts, or labels of NSP and a model without it.

    Source: §4.3, footnote 8.
    """
    if not parts:
        raise ValueError("parts must be at least one, got none")
    tokens = sum(int((part.labels != IGNORED).sum()) for part in parts)
    if not tokens:
        raise ValueError("parts have no label that counts: all are -100")
    inputs = sum(len(part.labels) for part in parts)
    device, total = parts[0].input_ids.device, 0.0
    for part in parts:
        ids, labels, next_label = part
        with torch.autocast(device.type, dtype) if dtype else contextlib.nullcontext():
            if next_label is not None and isinstance(model, RobertaForPreTraining):
                lm, nsp = model.losses(ids, labels, next_label, reduction="sum")
                loss = lm / tokens + nsp / inputs
            elif next_label is None and isinstance(model, RobertaForMaskedLM):
                loss = model.loss(ids, labels, reduction="sum") / tokens
            else:
                raise ValueError("next_sentence_label must come with RobertaForPreTraining only")
        loss.backward()
        total += loss.item()
    return total
