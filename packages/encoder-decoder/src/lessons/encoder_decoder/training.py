"""The training recipe: Adadelta (§4.1.1); as in the released code a limit, sorted batches."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor


class Adadelta(torch.optim.Optimizer):
    """Adadelta (Zeiler 2012): each weight's rate from the sizes of its past steps and gradients.

    The same as ``torch.optim.Adadelta(lr=1)``, in the paper's letters.

    Args:
        params: weights, or groups of weights.
        rho: how much of the averages is kept, 0.95 in the paper.
        eps: 1e-6 in the paper. A first step has the size of its root, whatever the gradient.
    """

    def __init__(self, params, rho: float = 0.95, eps: float = 1e-6) -> None:
        if not 0 <= rho < 1:
            raise ValueError(f"rho must be in [0, 1), got {rho}")
        if not eps > 0:
            raise ValueError(f"eps must be positive, got {eps}")
        super().__init__(params, {"rho": rho, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        """Take a step; return the closure's loss, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rho, eps = group["rho"], group["eps"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state, gradient = self.state[parameter], parameter.grad
                if not state:
                    state["square_avg"] = torch.zeros_like(parameter)
                    state["acc_delta"] = torch.zeros_like(parameter)
                squares, steps = state["square_avg"], state["acc_delta"]
                squares.mul_(rho).addcmul_(gradient, gradient, value=1 - rho)
                change = (steps + eps).sqrt_().div_((squares + eps).sqrt_()).mul_(gradient)
                steps.mul_(rho).addcmul_(change, change, value=1 - rho)
                parameter.sub_(change)
        return loss


@torch.no_grad()
def clip_gradient(parameters: Iterable[Tensor], longest: float = 1.0) -> float:
    """Shorten the gradient to a norm of at most ``longest``; return its norm before.

    Raises:
        ValueError: longest is not positive.
    """
    if not longest > 0:
        raise ValueError(f"longest must be positive, got {longest}")
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = float(torch.stack([g.norm() for g in gradients]).norm()) if gradients else 0.0
    if norm > longest:
        for gradient in gradients:
            gradient.mul_(longest / norm)
    return norm


def batches_of_one_length(
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    batch: int = 64,
    batches: int = 10,
    generator: torch.Generator | None = None,
) -> Iterator[list[int]]:
    """Yield batches of pairs' numbers for one pass.

    As in the released code, 640 pairs are drawn, sorted by length and cut into 10 batches of 64.

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
        ValueError: no rows.
    """
    if not len(rows):
        raise ValueError("rows must hold at least one phrase, got none")
    length_B = torch.tensor([len(row) for row in rows])
    ids_BS = torch.full((len(rows), int(length_B.max())), pad_id)
    for i, row in enumerate(rows):
        ids_BS[i, : len(row)] = torch.tensor(row)
    return ids_BS, length_B
