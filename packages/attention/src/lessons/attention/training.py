"""The training recipe (B.2): Adadelta, a limit for the gradient, batches of one length."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor


class Adadelta(torch.optim.Optimizer):
    """Adadelta (Zeiler 2012): each weight's rate from the sizes of its past steps and gradients.

    The steps, and the state on disk, are those of ``torch.optim.Adadelta``; its ``weight_decay``
    and ``maximize`` are not to be had.

    Args:
        params: weights, or groups of weights.
        rho: how much of the averages is kept, 0.95 in the paper.
        eps: 1e-6 in the paper. A first step has the size of its root, whatever the gradient.
        lr: multiplies the steps: 1 in the paper, which needs no rate; for schedules.

    Raises:
        ValueError: a rho outside [0, 1), an eps that is not positive, a negative lr; and from
            `step` a state of torch's with options that are not to be had here.
    """

    def __init__(self, params, rho: float = 0.95, eps: float = 1e-6, lr: float = 1.0) -> None:
        if not 0 <= rho < 1:
            raise ValueError(f"rho must be in [0, 1), got {rho}")
        if not eps > 0:
            raise ValueError(f"eps must be positive, got {eps}")
        if not lr >= 0:
            raise ValueError(f"lr must not be negative, got {lr}")
        super().__init__(params, {"rho": rho, "eps": eps, "lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        """Take a step; return the closure's loss, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rho, eps, lr = group["rho"], group["eps"], group.get("lr", 1.0)
            unknown = [name for name in ("weight_decay", "maximize") if group.get(name)]
            if unknown:  # from a state of torch.optim.Adadelta
                raise ValueError(f"this Adadelta has no {' and no '.join(unknown)}")
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state, gradient = self.state[parameter], parameter.grad
                if gradient.is_sparse:
                    raise ValueError("Adadelta needs dense gradients, got a sparse one")
                if not state:
                    state["square_avg"] = torch.zeros_like(parameter)
                    state["acc_delta"] = torch.zeros_like(parameter)
                state.setdefault("step", torch.tensor(0.0)).add_(1)  # as torch's
                squares, steps = state["square_avg"], state["acc_delta"]
                squares.mul_(rho).addcmul_(gradient, gradient, value=1 - rho)
                change = (steps + eps).sqrt_().div_((squares + eps).sqrt_()).mul_(gradient)
                steps.mul_(rho).addcmul_(change, change, value=1 - rho)
                parameter.sub_(change, alpha=lr)
        return loss


@torch.no_grad()
def clip_gradient(parameters: Tensor | Iterable[Tensor], longest: float = 1.0) -> float:
    """Shorten the gradient to a norm of at most ``longest`` (B.2); return its norm before.

    Args:
        parameters: weights, or one.
        longest: the threshold, 1 in the paper.

    Raises:
        ValueError: longest is not positive.
    """
    if not longest > 0:
        raise ValueError(f"longest must be positive, got {longest}")
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = float(torch.stack([g.norm() for g in gradients]).norm()) if gradients else 0.0
    if norm > longest:
        for gradient in gradients:
            gradient.mul_(longest / norm)
    return norm


def batches_of_one_length(
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    batch: int = 80,
    batches: int = 20,
    generator: torch.Generator | None = None,
) -> Iterator[list[int]]:
    """Yield batches of pairs' numbers for one pass (B.2).

    1,600 pairs are drawn, sorted by length and cut into 20 batches of 80, before the next are.

    Args:
        pairs: sources and targets, as ids.
        batch: pairs a batch.
        batches: that are sorted together.
        generator: randomness of the order.

    Raises:
        ValueError: batch or batches below 1.
    """
    if min(batch, batches) < 1:
        raise ValueError(f"batch and batches must be at least 1, got {batch} and {batches}")
    order = torch.randperm(len(pairs), generator=generator).tolist()
    for start in range(0, len(order), batch * batches):
        drawn = sorted(
            order[start : start + batch * batches],
            key=lambda i: (len(pairs[i][1]), len(pairs[i][0])),
        )
        for first in range(0, len(drawn), batch):
            yield drawn[first : first + batch]


def pad(rows: Sequence[Sequence[int]], pad_id: int = 0) -> tuple[Tensor, Tensor]:
    """Return ids (B, S), padded on the right, and the rows' lengths (B,).

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("rows must hold at least one sentence, got none")
    length_B = torch.tensor([len(row) for row in rows])
    ids_BS = torch.full((len(rows), int(length_B.max())), pad_id)
    for i, row in enumerate(rows):
        ids_BS[i, : len(row)] = torch.tensor(row)
    return ids_BS, length_B
