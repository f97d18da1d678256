r"""Training as in 1998: pattern by pattern, in a constant random order.

Shapes: B batch, N patterns.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .output import as_scores, check_targets
from .second_order import SCHEDULE, StochasticDiagonalLM


@dataclass(frozen=True)
class Pass:
    """What one pass over the data gave, measured while it trained."""

    number: int  # from 1
    loss: float  # mean over the patterns
    error: float  # share of patterns that were misread when they came


def fit(
    net: Any,
    x_N1HW: Tensor,
    targets_N: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    schedule: Sequence[float] = SCHEDULE,
    batch_size: int = 1,
    mu: float = 0.02,
    optimizer: torch.optim.Optimizer | None = None,
    curvature_patterns: int = 500,
    distortion: Callable[[Tensor], Tensor] | None = None,
    compile: bool = False,
    generator: torch.Generator | None = None,
    track: Callable[[Iterable, str], Iterable] = lambda iterable, what: iterable,
) -> Iterator[Pass]:
    """Train, and yield after each pass, so that the caller can measure or stop.

    Args:
        net: a `LeNet5` or `ZipNet`, any classifier if an optimizer is given.
        x_N1HW: the images.
        targets_N: their classes.
        loss: the mean loss of a batch, of results and targets.
        schedule: a learning rate for each pass: η of `StochasticDiagonalLM`.
        batch_size: patterns to a step. The paper has 1. Their gradients are added up, so that each
            pattern moves the weights as far as it would alone.
        mu: of `StochasticDiagonalLM`.
        optimizer: another one than that; its learning rate is set from the schedule, and gradients
            are means over the batch, as is usual.
        curvature_patterns: on how many the curvature is measured before each pass.
        distortion: changes the images before each pass, for example `distort`.
        compile: use `torch.compile` for the forward pass and the loss.
        generator: the order of the patterns.
        track: wraps a pass's batches to show progress.

    Raises:
        ValueError: an empty schedule or batch, or targets that are not classes of the net.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if not schedule:
        raise ValueError("schedule must have a learning rate for each pass, got none")
    with torch.no_grad():
        check_targets(targets_N, net(x_N1HW[:1]).shape[1])
    second_order = optimizer is None
    opt = StochasticDiagonalLM(net, schedule[0], mu) if optimizer is None else optimizer
    forward = torch.compile(net) if compile else net
    order = torch.randperm(len(x_N1HW), generator=generator).to(x_N1HW.device)
    for number, rate in enumerate(schedule, 1):
        images = distortion(x_N1HW) if distortion else x_N1HW
        for group in opt.param_groups:
            group["lr"] = rate
        if isinstance(opt, StochasticDiagonalLM):
            some = order[:curvature_patterns]
            opt.estimate(images[some], targets_N[some], loss)
        total, wrong = images.new_zeros(()), images.new_zeros(())
        for batch in track(order.split(batch_size), f"pass {number}"):
            opt.zero_grad(set_to_none=True)
            results_BK = forward(images[batch])
            value = loss(results_BK, targets_N[batch])
            (value * len(batch) if second_order else value).backward()
            opt.step()
            with torch.no_grad():
                total += value * len(batch)
                wrong += (as_scores(net, results_BK).argmax(1) != targets_N[batch]).sum()
        yield Pass(number, total.item() / len(order), wrong.item() / len(order))


@torch.no_grad()
def predict(net: Any, x_N1HW: Tensor, batch_size: int = 500) -> Tensor:
    """Return the scores (N, K), highest for the winner.

    Args:
        net: a classifier.
        x_N1HW: the images.
        batch_size: at a time.
    """
    return torch.cat([as_scores(net, net(batch)) for batch in x_N1HW.split(batch_size)])
