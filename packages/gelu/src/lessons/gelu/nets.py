"""The paper's networks (§3.1, §3.2, App. A) and their initialization."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from .activation import GELU

Activation = Callable[[], nn.Module]


def unit_norm_rows_(weight: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Fill a weight (outputs, …) with normal numbers, each output's scaled to norm 1 (§3.1)."""
    with torch.no_grad():
        weight.normal_(generator=generator)
        return weight.div_(weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1)))


def fully_connected(
    sizes: Sequence[int], activation: Activation = GELU, keep: float = 1.0
) -> nn.Sequential:
    """Return linear layers of these sizes, an activation and dropout after all but the last.

    Args:
        sizes: input, hidden layers, output.
        activation: makes a layer.
        keep: chance of a hidden unit to be kept.

    Raises:
        ValueError: fewer than two sizes, or keep not in (0, 1].
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes must be at least input and output, got {list(sizes)}")
    if not 0 < keep <= 1:
        raise ValueError(f"keep must be in (0, 1], got {keep}")
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        if layers:
            layers.append(activation())
            layers += [nn.Dropout(1 - keep)] if keep < 1 else []
        linear = nn.Linear(n_in, n_out)
        unit_norm_rows_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers.append(linear)
    return nn.Sequential(*layers)


def mnist_classifier(activation: Activation = GELU, keep: float = 1.0) -> nn.Sequential:
    """Return §3.1's net: eight hidden layers of 128 units, and ten logits."""
    return fully_connected([784, *[128] * 8, 10], activation, keep)


def autoencoder(activation: Activation = GELU) -> nn.Sequential:
    """Return §3.2's net, which squeezes 784 pixels through 30 units."""
    return fully_connected([784, 1000, 500, 250, 30, 250, 500, 1000, 784], activation)


class GaussianNoise(nn.Module):
    """Add normal noise in training (App. A)."""

    def __init__(self, std: float = 0.15) -> None:
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in training with noise."""
        return x + self.std * torch.randn_like(x) if self.training else x


def cifar_net(activation: Activation = GELU, classes: int = 10) -> nn.Sequential:
    """Return App. A's net of nine convolutions, for ZCA-whitened images (B, 3, 32, 32).

    Batch norm, of which §3.5 speaks and Table 1 does not, stands before each activation.
    """

    def conv(n_in: int, n_out: int, kernel: int, padding: int) -> list[nn.Module]:
        layer = nn.Conv2d(n_in, n_out, kernel, padding=padding, bias=False)
        return [layer, nn.BatchNorm2d(n_out), activation()]

    return nn.Sequential(
        GaussianNoise(),
        *conv(3, 96, 3, 1), *conv(96, 96, 3, 1), *conv(96, 96, 3, 1),
        nn.MaxPool2d(2), nn.Dropout(0.5),
        *conv(96, 192, 3, 1), *conv(192, 192, 3, 1), *conv(192, 192, 3, 1),
        nn.MaxPool2d(2), nn.Dropout(0.5),
        *conv(192, 192, 3, 0), *conv(192, 192, 1, 0), *conv(192, 192, 1, 0),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(192, classes),
    )  # fmt: skip
