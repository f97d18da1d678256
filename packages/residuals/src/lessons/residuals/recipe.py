"""How the paper trains on CIFAR-10 (§4.2), as data and three small functions.

Shapes: B batch, C channels, H height, W width.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH = 128
ITERATIONS = 64_000
DROPS = (32_000, 48_000)  # iterations at which the learning rate is divided by 10
LEARNING_RATE = 0.1
WARMUP_LEARNING_RATE = 0.01  # 110 layers only, until the training error is below 80%
OPTIMIZER: dict[str, Any] = {"lr": LEARNING_RATE, "momentum": 0.9, "weight_decay": 1e-4}


def make_optimizer(model: nn.Module) -> torch.optim.SGD:
    """Return the paper's optimizer; the weight decay is on norms and biases too, as there."""
    return torch.optim.SGD(model.parameters(), **OPTIMIZER)


def learning_rate(iteration: int, iterations: int = ITERATIONS) -> float:
    """Return the learning rate at an iteration (from 0) of a run of that many.

    The paper's schedule for 64,000 iterations, at the same fractions for shorter runs.

    Raises:
        ValueError: iteration is not in [0, iterations).
    """
    if not 0 <= iteration < iterations:
        raise ValueError(f"iteration must be in [0, {iterations}), got {iteration}")
    drops = sum(iteration * ITERATIONS >= drop * iterations for drop in DROPS)
    return LEARNING_RATE * 0.1**drops


def augment(x_BCHW: Tensor, pad: int = 4, generator: torch.Generator | None = None) -> Tensor:
    """Return the images shifted by up to ``pad`` pixels and mirrored half of the time.

    Args:
        x_BCHW: images.
        pad: pixels of zeros on each side before the crop.
        generator: randomness, of the images' device.
    """
    count, _, height, width = x_BCHW.shape
    device = x_BCHW.device
    padded = F.pad(x_BCHW, (pad,) * 4)
    y, x = torch.randint(2 * pad + 1, (2, count, 1), generator=generator, device=device)
    rows = y + torch.arange(height, device=device)
    columns = x + torch.arange(width, device=device)
    mirrored = torch.rand(count, 1, generator=generator, device=device) < 0.5
    columns = torch.where(mirrored, columns.flip(-1), columns)
    index = torch.arange(count, device=device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
