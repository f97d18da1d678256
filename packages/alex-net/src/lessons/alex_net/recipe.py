"""How the paper trains (§5): its optimizer, and a learning rate lowered by hand."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

BATCH = 128
EPOCHS = 90


class AlexSGD(Optimizer):
    r"""Stochastic gradient descent with the paper's momentum and weight decay.

    $$v \leftarrow 0.9\,v - 0.0005\,\epsilon\,w - \epsilon\,g, \qquad w \leftarrow w + v$$

    The learning rate ε is inside v. At a constant rate this is torch's SGD, whose buffer is then
    $-v/\epsilon$. When the rate falls, torch's next steps are all smaller at once; here the
    velocity that was gathered at the old rate fades out over some ten steps.

    Args:
        params: what to optimize.
        lr: ε.
        momentum: how much of the velocity remains.
        weight_decay: of all parameters, biases too.

    Raises:
        ValueError: a negative number, or momentum of 1 or more.
    """

    def __init__(
        self, params: Iterable, lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 5e-4
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {momentum}")
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step; return the closure's loss, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
            for w in group["params"]:
                if w.grad is None:
                    continue
                state = self.state[w]
                if not state:
                    state["velocity"] = torch.zeros_like(w)
                v: Tensor = state["velocity"]
                v.mul_(momentum).add_(w, alpha=-lr * decay).add_(w.grad, alpha=-lr)
                w.add_(v)
        return loss


class PlateauByHand:
    """Divide the learning rate by 10 when the validation error has stopped improving.

    The paper did this by hand, three times (§5). It does not say how long it waited.

    Args:
        optimizer: whose learning rates to change.
        patience: epochs without a lower error before a drop.
        factor: of the learning rate at a drop.
        drops: how many; where there would be one more, training is over.
    """

    def __init__(self, optimizer: Optimizer, patience=1, factor=0.1, drops=3) -> None:
        self.optimizer, self.patience, self.factor, self.drops = optimizer, patience, factor, drops
        self.best, self.waited, self.done = float("inf"), 0, 0

    @property
    def finished(self) -> bool:
        """Whether the error has stopped improving at the last learning rate."""
        return self.done > self.drops

    def step(self, error: float) -> bool:
        """Note an epoch's validation error; return whether training should go on."""
        self.waited = 0 if error < self.best else self.waited + 1
        self.best = min(self.best, error)
        if self.waited > self.patience:
            self.waited, self.done = 0, self.done + 1
            if not self.finished:
                for group in self.optimizer.param_groups:
                    group["lr"] *= self.factor
        return not self.finished

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs; the learning rate itself is the optimizer's."""
        return {"best": self.best, "waited": self.waited, "done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.best, self.waited, self.done = state["best"], state["waited"], state["done"]
