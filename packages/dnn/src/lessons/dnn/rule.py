"""Changing the weights: the delta rule with momentum, after each pattern or after each sweep."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from .net import DeltaNet


class DeltaRule(torch.optim.Optimizer):
    r"""Gradient descent with momentum, as the chapter has it.

    $$ \Delta w(n+1) = -\eta\, \partial E/\partial w + \alpha\, \Delta w(n) $$

    Momentum is of the step, and torch's SGD keeps it of the gradient: the same while η stays,
    different once it changes, since here the old step is not multiplied by the new η.

    Args:
        params: parameters, or groups of them with their own options, as in torch.
        lr: η.
        momentum: α.
        decay: the part of every weight that is taken away after each change.

    Raises:
        ValueError: η ≤ 0, or α or the decay not in [0, 1).

    Source: eq. 16; for the decay, Rumelhart et al. 1986 (Nature), Fig. 4.
    """

    def __init__(
        self, params: Iterable, lr: float = 0.25, momentum: float = 0.9, decay: float = 0.0
    ) -> None:
        if not lr > 0:
            raise ValueError(f"lr (η) must be positive, got {lr}")
        for name, value in (("momentum (α)", momentum), ("decay", decay)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1), got {value}")
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Callable | None = None):
        """Change the weights once; return what the closure returned, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is None:
                    continue
                state = self.state[param]
                if "change" not in state:
                    state["change"] = torch.zeros_like(param)
                change = state["change"].mul_(group["momentum"])
                param.add_(change.add_(param.grad, alpha=-group["lr"]))  # eq. 16
                if group["decay"]:
                    param.mul_(1 - group["decay"])
        return loss


def within(tolerance: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the criterion that every output is within this of its 0 or 1, for `train`."""

    def solved(outputs_RPO: Tensor, truth_PO: Tensor) -> Tensor:
        # A comparison with NaN is false: where there is no target, nothing is missed.
        return ~((outputs_RPO - truth_PO).abs() >= tolerance).flatten(1).any(1)

    return solved


def train(
    net: DeltaNet,
    x_PI: Tensor,
    truth_PO: Tensor,
    rule: torch.optim.Optimizer,
    sweeps: int,
    online: bool = False,
    solved: Callable[[Tensor, Tensor], Tensor] | None = None,
    until_solved: bool = True,
    constrain: Callable[[], None] | None = None,
) -> Tensor:
    """Train; return for each replicate after how many sweeps it had first solved its task, or −1.

    Args:
        net: the replicates.
        x_PI: patterns, (P, I) or (R, P, I).
        truth_PO: what they are to give, 0s and 1s; NaN where it does not matter.
        rule: a `DeltaRule`, or any optimizer of ``net``.
        sweeps: how often all patterns are presented, at most.
        online: change the weights after each pattern, in the order given, instead of each sweep.
        solved: given the outputs and ``truth_PO``, says for each replicate whether its task is
            solved; by default when every output is within .4 of its 0 or 1.
        until_solved: stop when every replicate has solved its task.
        constrain: called after every change of the weights.
    """
    aim_PO, solved = net.aim(truth_PO), solved or within(0.4)
    single = [slice(p, p + 1) for p in range(x_PI.shape[-2])]
    solved_at: Tensor | None = None
    for sweep in range(sweeps + 1):
        # The outputs before a change: those of the weights after `sweep` sweeps.
        outputs_RPO = net.backpropagate(x_PI, aim_PO)
        right_R = solved(outputs_RPO, truth_PO)
        if solved_at is None:
            solved_at = torch.where(right_R, 0, -1)
        solved_at = torch.where((solved_at < 0) & right_R, sweep, solved_at)
        if sweep == sweeps or (until_solved and sweep % 10 == 0 and (solved_at >= 0).all()):
            break
        if not online:
            rule.step()
            if constrain:
                constrain()
            continue
        for p in single:
            net.backpropagate(x_PI[..., p, :], aim_PO[..., p, :])
            rule.step()
            if constrain:
                constrain()
    assert solved_at is not None
    return solved_at
