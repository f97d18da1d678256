r"""The recipe: Adam, weight decay, warm-up, linear decay, two lengths (Devlin et al. 2018, A)."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class PreTraining(NamedTuple):
    """The settings of pre-training (A.2); eps and the clipping are the released code's."""

    batch_size: int = 256
    steps: int = 1_000_000
    lr: float = 1e-4
    warmup: int = 10_000
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-6
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    lengths: tuple[tuple[float, int], ...] = ((0.9, 128), (0.1, 512))  # of how many of the steps


class FineTuning(NamedTuple):
    """A setting of fine-tuning (A.3)."""

    batch_size: int
    lr: float
    epochs: int


# A.3: what worked well for all tasks, and what the paper chose for some (§4.1 to §4.4).
GRID = [
    FineTuning(*setting) for setting in itertools.product((16, 32), (5e-5, 3e-5, 2e-5), (2, 3, 4))
]
GLUE = [FineTuning(32, lr, 3) for lr in (5e-5, 4e-5, 3e-5, 2e-5)]
SQUAD1, SQUAD2, SWAG = FineTuning(32, 5e-5, 3), FineTuning(48, 5e-5, 2), FineTuning(16, 2e-5, 3)


def parameter_groups(model: nn.Module, weight_decay: float = 0.01) -> list[dict[str, Any]]:
    """Return the weights that decay, and those that do not: biases and normalisations.

    The paper does not except them; the released code does. An LSTM's biases are called
    bias_ih_l0, bias_hh_l0 and so on.
    """
    decayed, kept = [], []
    norms = {id(p) for m in model.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters()}
    for name, parameter in model.named_parameters():
        spared = name.rsplit(".", 1)[-1].startswith("bias") or id(parameter) in norms
        (kept if spared else decayed).append(parameter)
    groups = ((decayed, weight_decay), (kept, 0.0))
    return [{"params": each, "weight_decay": decay} for each, decay in groups if each]


class BertAdam(torch.optim.Optimizer):
    r"""Adam as the released code has it: without bias correction, weights decayed beside it.

    $m \leftarrow β_1 m + (1-β_1) g$, $v \leftarrow β_2 v + (1-β_2) g^2$,
    $θ \leftarrow θ - α\,(m / (\sqrt v + ε) + λθ)$

    The paper says "Adam with … L2 weight decay"; ``torch.optim.AdamW`` is this with the correction,
    whose lack makes the first steps smaller or larger: the first is
    $(1-β_1)/\sqrt{1-β_2} = 3.16$ times as large.

    Args:
        params: parameters, or groups of them, such as `parameter_groups` makes.
        lr: α.
        betas: β₁, β₂.
        eps: ε.
        weight_decay: λ, of groups that have none of their own.

    Raises:
        ValueError: a rate, ε or λ below 0, or a β outside [0, 1).

    Source: A.2; google-research/bert, ``optimization.py``.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
    ) -> None:
        for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be in [0, 1), got {betas}")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step; return what ``closure``, which computes the gradients, returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                if gradient.is_sparse:
                    raise ValueError("BertAdam takes no sparse gradients")
                state = self.state[parameter]
                if not state:
                    for name in ("exp_avg", "exp_avg_sq"):
                        state[name] = torch.zeros_like(parameter)
                m: Tensor = state["exp_avg"].lerp_(gradient, 1 - beta1)
                v: Tensor = state["exp_avg_sq"].mul_(beta2)
                v.addcmul_(gradient, gradient, value=1 - beta2)
                update = m / (v.sqrt() + group["eps"]) + group["weight_decay"] * parameter
                parameter.sub_(group["lr"] * update)
        return loss


def linear_schedule(
    optimizer: torch.optim.Optimizer,
    steps: int,
    warmup: int = 10_000,
    decay_from_start: bool = False,
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the scheduler of a linear warm-up to the optimizer's rate and a linear fall to 0.

    Args:
        optimizer: its lr is the peak.
        steps: of the whole training.
        warmup: steps of the rise.
        decay_from_start: the fall is a line from step 0 on, of which the warm-up replaces the
            beginning, so that the rate drops a little at its end: the released code.

    Raises:
        ValueError: fewer steps than those of the warm-up, or a negative number.

    Source: A.2, "learning rate warmup over the first 10,000 steps, and linear decay".
    """
    if not 0 <= warmup < steps:
        raise ValueError(f"warmup must be 0 to {steps - 1}, below steps, got {warmup}")

    def factor(step: int) -> float:
        if step < warmup:
            return step / warmup
        start = 0 if decay_from_start else warmup
        return max(0.0, (steps - step) / (steps - start))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def lengths_of(steps: int, lengths: tuple[tuple[float, int], ...]) -> Iterator[int]:
    """Yield the length of each step's inputs: 128 for the first 90%, then 512.

    Args:
        steps: of the whole training.
        lengths: (share of the steps, length), in order.

    Raises:
        ValueError: shares that do not sum to 1.

    Source: A.2.
    """
    if abs(sum(share for share, _ in lengths) - 1) > 1e-9:
        raise ValueError(f"the shares must sum to 1, got {[share for share, _ in lengths]}")
    done, total = 0, 0.0
    for share, length in lengths:
        total += share
        until = round(total * steps)
        yield from itertools.repeat(length, until - done)
        done = until
