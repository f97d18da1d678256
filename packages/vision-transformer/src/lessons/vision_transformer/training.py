"""The paper's recipes: Tables 3 and 4, schedules, optimizers (§4.1, B.1)."""

import dataclasses
import math
from typing import Literal

import torch
from torch import nn


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is trained from scratch; a row of Table 3.

    Raises:
        ValueError: an unknown decay.
    """

    epochs: int
    lr: float
    decay: Literal["linear", "cosine"]
    weight_decay: float
    dropout: float
    batch: int = 4096
    warmup: int = 10_000
    clip: float | None = None  # of the gradient's global norm

    def __post_init__(self) -> None:
        if self.decay not in ("linear", "cosine"):
            raise ValueError(f"decay must be 'linear' or 'cosine', got {self.decay!r}")


IN_21K = ("linear", 0.03, 0.1)
JFT = ("linear", 0.1, 0.0)
# Table 3, by data set and model; where it has two lengths, 7/14 or 30/90, the longer.
RECIPES = {
    ("JFT-300M", "B/16"): Recipe(7, 8e-4, *JFT),
    ("JFT-300M", "B/32"): Recipe(7, 8e-4, *JFT),
    ("JFT-300M", "L/32"): Recipe(7, 6e-4, *JFT),
    ("JFT-300M", "L/16"): Recipe(14, 4e-4, *JFT),
    ("JFT-300M", "H/14"): Recipe(14, 3e-4, *JFT),
    ("JFT-300M", "R50+B/16"): Recipe(7, 8e-4, *JFT),
    ("JFT-300M", "R50+B/32"): Recipe(7, 8e-4, *JFT),
    ("JFT-300M", "R50+L/32"): Recipe(7, 2e-4, *JFT),
    ("JFT-300M", "R50+L/16"): Recipe(14, 4e-4, *JFT),
    ("ImageNet-21k", "B/16"): Recipe(90, 1e-3, *IN_21K),
    ("ImageNet-21k", "B/32"): Recipe(90, 1e-3, *IN_21K),
    ("ImageNet-21k", "L/16"): Recipe(90, 1e-3, *IN_21K),
    ("ImageNet-21k", "L/32"): Recipe(90, 1e-3, *IN_21K),
    ("ImageNet", "any"): Recipe(300, 3e-3, "cosine", 0.3, 0.1, clip=1.0),
}
# Table 4: (steps, learning rates tried); batch 512, cosine, no weight decay, clipped at 1.
FINE_TUNING = {
    "ImageNet": (20_000, (0.003, 0.01, 0.03, 0.06)),
    "CIFAR-100": (10_000, (0.001, 0.003, 0.01, 0.03)),
    "CIFAR-10": (10_000, (0.001, 0.003, 0.01, 0.03)),
    "Oxford-IIIT Pets": (500, (0.001, 0.003, 0.01, 0.03)),
    "Oxford Flowers-102": (500, (0.001, 0.003, 0.01, 0.03)),
    "VTAB": (2_500, (0.01,)),
}


def rate(step: int, steps: int, warmup: int = 0, decay: str = "linear") -> float:
    """Return the factor of the learning rate at a step: a linear rise, then a fall to zero.

    Args:
        step: updates done, from 0.
        steps: updates in all; the factor is 0 from there on.
        warmup: updates of the rise; the factor is 1 at its end.
        decay: "linear" or "cosine".

    Raises:
        ValueError: an unknown decay, or a warm-up that is not shorter than the training.

    Source: §4.1, B.1, Table 3.
    """
    if decay not in ("linear", "cosine"):
        raise ValueError(f"decay must be 'linear' or 'cosine', got {decay!r}")
    if not 0 <= warmup < steps:
        raise ValueError(f"warmup must be in 0 … {steps - 1} (steps − 1), got {warmup}")
    if step < warmup:
        return step / warmup
    done = min(1.0, (step - warmup) / (steps - warmup))
    return 1 - done if decay == "linear" else 0.5 * (1 + math.cos(math.pi * done))


def pretraining_optimizer(
    model: nn.Module, lr: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Return Adam with β (.9, .999), and its weight decay apart from the gradient.

    The paper says "Adam" and "a high weight decay", not how they meet; here the decay stands beside
    the gradient (AdamW). It names no parameter that is not decayed, so all are.

    Source: §4.1, Table 3.
    """
    return torch.optim.AdamW(model.parameters(), lr, (0.9, 0.999), weight_decay=weight_decay)


def fine_tuning_optimizer(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """Return SGD with momentum .9 and no weight decay.

    Source: §4.1, B.1.1, Table 4.
    """
    return torch.optim.SGD(model.parameters(), lr, momentum=0.9)
