r"""How the paper trains: schedule, label smoothing, averaging, batches (Vaswani et al. 2017, §5).

Shapes: B batch, T target length, V vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def noam_lr(step: int, d_model: int, warmup: int = 4000) -> float:
    r"""Return the learning rate: linear warm-up, then falling with the root of the step.

    $d_{model}^{-0.5}\,\min(step^{-0.5},\ step\cdot warmup^{-1.5})$

    Args:
        step: from 1.
        d_model: width of the model.
        warmup: steps of linear rise.

    Raises:
        ValueError: a step, d_model or warmup below 1.

    Source: §5.3, eq. 3.
    """
    for name, value in (("step", step), ("d_model", d_model), ("warmup", warmup)):
        if not value >= 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    return d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


def noam_schedule(
    optimizer: torch.optim.Optimizer, d_model: int, warmup: int = 4000
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the scheduler that sets ``noam_lr``, times the optimizer's own lr (1 in the paper).

    Call its ``step()`` after each of the optimizer's. The paper's optimizer is
    ``torch.optim.Adam(parameters, lr=1.0, betas=(0.9, 0.98), eps=1e-9)``.

    Source: §5.3, eq. 3.
    """
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda done: noam_lr(done + 1, d_model, warmup)
    )


class LabelSmoothingLoss(nn.Module):
    r"""Cross-entropy against a target that keeps 1-ε for the right token and spreads ε.

    Args:
        eps: ε, 0.1 in the paper.
        ignore_index: targets of this id (padding) do not count.
        spread: "all": ε/V to every token, the right one too (Szegedy et al. 2016, which the paper
            cites, and torch). "others": ε/(V-1) to each wrong token (tensor2tensor).

    Raises:
        ValueError: ε outside [0, 1), or an unknown spread.

    Source: §5.4.
    """

    def __init__(
        self, eps: float = 0.1, ignore_index: int = 0, spread: Literal["all", "others"] = "all"
    ) -> None:
        super().__init__()
        if not 0 <= eps < 1:
            raise ValueError(f"eps must be in [0, 1), got {eps}")
        if spread not in ("all", "others"):
            raise ValueError(f"spread must be 'all' or 'others', got {spread!r}")
        self.eps, self.ignore_index, self.spread = eps, ignore_index, spread

    def forward(self, logits_BTV: Tensor, target_BT: Tensor) -> Tensor:
        """Return the mean loss per target that counts, in nats; 0 if none does.

        Args:
            logits_BTV: (…, V).
            target_BT: ids, (…).

        Raises:
            ValueError: targets of another shape than the logits have before V, or one class alone,
                which leaves ``spread="others"`` nobody to spread ε to.
        """
        v, dtype = logits_BTV.shape[-1], logits_BTV.dtype
        if target_BT.shape != logits_BTV.shape[:-1]:
            raise ValueError(
                f"target must have shape {tuple(logits_BTV.shape[:-1])}, as the logits before V, "
                f"got {tuple(target_BT.shape)}"
            )
        if self.spread == "others" and v < 2:
            raise ValueError(f"spread='others' needs at least two classes, got V={v}")
        if dtype in (torch.float16, torch.bfloat16):  # whose largest number a sum may pass
            logits_BTV = logits_BTV.float()
        # ε/(V-1) on the others is ε' = εV/(V-1) on all: the same target, said as torch says it.
        eps = self.eps if self.spread == "all" else self.eps * v / (v - 1)
        total = F.cross_entropy(
            logits_BTV.reshape(-1, v), target_BT.reshape(-1), ignore_index=self.ignore_index,
            label_smoothing=eps, reduction="sum",
        )  # fmt: skip
        return (total / (target_BT != self.ignore_index).sum().clamp(min=1)).to(dtype)


def average_checkpoints(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of state dicts: of the last 5 (base) or 20 (big) in the paper.

    What holds no real numbers, such as a count of steps, has no mean: it is the last state's.

    Raises:
        ValueError: no state dict, or names or shapes that differ.

    Source: §6.1.
    """
    if not states:
        raise ValueError("states must hold at least one state dict, got none")
    first = {name: tensor.shape for name, tensor in states[0].items()}
    for i, state in enumerate(states):
        other = {name: tensor.shape for name, tensor in state.items()}
        if other != first:
            differ = sorted(set(first.items()) ^ set(other.items()))
            raise ValueError(f"states[{i}] has other names or shapes than states[0]: {differ[:6]}")
    return {
        name: (sum(state[name].double() for state in states) / len(states)).to(tensor.dtype)  # type: ignore
        if tensor.is_floating_point()
        else tensor.clone()
        for name, tensor in states[-1].items()
    }


def batch_by_tokens(
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    max_tokens: int = 25000,
    generator: torch.Generator | None = None,
) -> Iterator[list[int]]:
    """Group pairs of similar length, up to so many tokens a side, padding included.

    Args:
        pairs: (source ids, target ids) each.
        max_tokens: of a batch's sources, and of its targets.
        generator: randomness of the batches' order and of which of equal length go together.

    Yields:
        Indices into ``pairs``; each appears once.

    Raises:
        ValueError: max_tokens below 1, or a sequence longer than it.

    Source: §5.1.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens must be at least 1, got {max_tokens}")
    lengths = [max(len(src), len(tgt)) for src, tgt in pairs]
    if lengths and max(lengths) > max_tokens:
        i = lengths.index(max(lengths))
        raise ValueError(f"pairs[{i}] has {lengths[i]} tokens, more than max_tokens ({max_tokens})")
    order = torch.randperm(len(pairs), generator=generator).tolist()
    order.sort(key=lambda i: (len(pairs[i][0]), len(pairs[i][1])))
    batches, batch, longest = [], [], 0
    for i in order:
        longest = max(longest, lengths[i])
        if batch and longest * (len(batch) + 1) > max_tokens:
            batches.append(batch)
            batch, longest = [], lengths[i]
        batch.append(i)
    if batch:
        batches.append(batch)
    for i in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[i]


def pad(sequences: Sequence[Sequence[int]], pad_id: int = 0) -> Tensor:
    """Return sequences of ids as one tensor (B, longest), filled up with ``pad_id``."""
    rows = [torch.tensor(s, dtype=torch.long) for s in sequences]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad_id)
