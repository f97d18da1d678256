"""How the paper trains: its schedule, and Adam with little memory for the experts (App. C.1, D)."""

import math

import torch


def inverse_sqrt(step: int, warmup: int = 1000, flat: int = 0) -> float:
    """Return the share of the highest rate at a step, counted from 1.

    It rises in a straight line for ``warmup`` steps, stays for ``flat``, then falls as 1/√step.
    App. C.1: 1000 and 0; App. E: 2000 and 8000.

    Raises:
        ValueError: step or warmup below 1, flat below 0.
    """
    if step < 1 or warmup < 1 or flat < 0:
        raise ValueError(f"step ({step}) and warmup ({warmup}) must be at least 1, flat ({flat}) 0")
    return min(step / warmup, 1.0, math.sqrt((warmup + flat) / step))


class FactoredAdam(torch.optim.Optimizer):
    """Adam with β1 = 0 and a factored second moment (App. D).

    Of a matrix only the averages of squared gradients over rows and over columns are kept; their
    outer product, divided by the mean of either, stands for the whole. Of a stack of matrices,
    (N, rows, columns), each has its own. What has fewer than two dimensions is kept whole.

    Args:
        params: weights, or groups of them.
        lr: rate. beta2: how much of the averages is kept. eps: added to the root.

    Raises:
        ValueError: a rate or eps below 0, beta2 outside [0, 1), a sparse gradient.
    """

    def __init__(self, params, lr: float = 1e-3, beta2: float = 0.999, eps: float = 1e-8) -> None:
        if not lr >= 0 or not eps >= 0 or not 0 <= beta2 < 1:
            raise ValueError(
                f"lr ({lr}) and eps ({eps}) must not be negative, beta2 ({beta2}) in [0, 1)"
            )
        super().__init__(params, {"lr": lr, "beta2": beta2, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        """Take a step; return the closure's loss, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: torch.Tensor, group: dict) -> None:
        gradient, state, beta2 = parameter.grad, self.state[parameter], group["beta2"]
        assert gradient is not None
        if gradient.is_sparse:
            raise ValueError("FactoredAdam needs dense gradients, got a sparse one")
        squared = gradient.square()
        factored = parameter.dim() >= 2
        if not state:
            state["step"] = 0
            averages = [squared.mean(-1), squared.mean(-2)] if factored else [squared]
            state["averages"] = [torch.zeros_like(average) for average in averages]
        state["step"] += 1
        new = [squared.mean(-1), squared.mean(-2)] if factored else [squared]
        for average, value in zip(state["averages"], new):
            average.mul_(beta2).add_(value, alpha=1 - beta2)
        correction = 1 - beta2 ** state["step"]
        if factored:
            rows, columns = state["averages"]
            mean = rows.mean(-1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
            second = (rows / mean).unsqueeze(-1) * columns.unsqueeze(-2)
        else:
            (second,) = state["averages"]
        root = (second / correction).sqrt_().add_(group["eps"])
        parameter.sub_(gradient / root, alpha=group["lr"])
