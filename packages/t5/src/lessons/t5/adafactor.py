r"""Adafactor, with which T5 is trained (Shazeer and Stern 2018; Raffel et al. 2020, §3.1.2).

Shapes: R rows, C columns of a weight; what stands before them is kept apart.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class Adafactor(torch.optim.Optimizer):
    r"""Adam's idea with the memory of a row and a column for each matrix.

    Where Adam keeps the mean square $V$ of each gradient, this keeps the means of its rows and
    columns, $R$ and $C$, and takes $\hat V_{ij} = R_i C_j / \bar R$, which is exact where $V$ has
    rank 1. The update is cut down to a root mean square of ``clip_threshold``, and multiplied by
    the root mean square of the weights it changes: rates are relative.

    Args:
        params: parameters or groups.
        lr: the rate, relative to the weights' size if ``scale_parameter``. None: the relative step
            size $\min(10^{-2}, 1/\sqrt t)$.
        eps: added to the squared gradient; the least size that weights are taken to have.
        clip_threshold: largest root mean square of an update.
        decay_rate: c of $\hat\beta_{2t} = 1 - t^{-c}$.
        scale_parameter: multiply by the weights' root mean square.
        factored: keep rows and columns of matrices; without, every square.
        weight_decay: decoupled, times the rate.

    Raises:
        ValueError: a number out of its range.

    Source: Shazeer and Stern 2018, algorithms 4 to 6 and §8; no momentum, as for T5.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor | None = None,
        eps: tuple[float, float] = (1e-30, 1e-3),
        clip_threshold: float = 1.0,
        decay_rate: float = 0.8,
        scale_parameter: bool = True,
        factored: bool = True,
        weight_decay: float = 0.0,
    ) -> None:
        if lr is not None and not 0 <= float(lr) < math.inf:
            raise ValueError(f"lr must be None or a number that is not negative, got {lr}")
        for name, value in (("eps[0]", eps[0]), ("eps[1]", eps[1]), ("weight_decay", weight_decay)):
            if not value >= 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        for name, value in (("clip_threshold", clip_threshold), ("decay_rate", decay_rate)):
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        defaults = {
            "lr": lr, "eps": eps, "clip_threshold": clip_threshold, "decay_rate": decay_rate,
            "scale_parameter": scale_parameter, "factored": factored, "weight_decay": weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; ``closure``, if given, computes the loss anew and it is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        gradient = parameter.grad
        assert gradient is not None
        if gradient.is_sparse or gradient.is_complex():
            kind = "sparse" if gradient.is_sparse else "complex"
            raise ValueError(f"Adafactor needs dense real gradients, got a {kind} one")
        wide = torch.promote_types(gradient.dtype, torch.float32)
        gradient, weights = gradient.to(wide), parameter.to(wide)
        state, (eps1, eps2) = self.state[parameter], group["eps"]
        step = state["step"] = int(state.get("step", 0)) + 1
        square = gradient.square() + eps1
        keep = 1.0 - step ** -group["decay_rate"]  # 0 at the first step: no correction is needed
        if group["factored"] and parameter.dim() >= 2:
            row_R = _mean(state, "row", square.mean(-1), keep)
            column_C = _mean(state, "column", square.mean(-2), keep)
            scale_R = (row_R / row_R.mean(-1, keepdim=True)).rsqrt()
            update = gradient * scale_R[..., None] * column_C.rsqrt()[..., None, :]
        else:
            update = gradient * _mean(state, "square", square, keep).rsqrt()
        update = update / (_rms(update) / group["clip_threshold"]).clamp(min=1.0)
        rate = min(1e-2, step**-0.5) if group["lr"] is None else group["lr"]
        if group["scale_parameter"]:
            rate = rate * _rms(weights).clamp(min=eps2)
        parameter.copy_(weights * (1 - group["weight_decay"] * rate) - rate * update)


def _mean(state: dict[str, Any], name: str, new: Tensor, keep: float) -> Tensor:
    """Move a running mean, and return it; numbers stay as wide as the gradient's."""
    if name not in state:
        state[name] = torch.zeros_like(new)
    # A state that was loaded has the weights' type, which may be a half.
    state[name] = state[name].to(new.dtype).mul_(keep).add_(new, alpha=1 - keep)
    return state[name]


def _rms(tensor: Tensor) -> Tensor:
    return tensor.square().mean().sqrt() if tensor.numel() else tensor.new_zeros(())


def inverse_sqrt_lr(step: int, warmup: int = 10_000) -> float:
    r"""Return $1/\sqrt{\max(n, k)}$: level for k steps, then falling (§3.1.2).

    Args:
        step: n, from 1.
        warmup: k.

    Raises:
        ValueError: a step or warm-up below 1.
    """
    for name, value in (("step", step), ("warmup", warmup)):
        if not value >= 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    return max(step, warmup) ** -0.5
