r"""The network of 1989 that read zip codes.

Shapes: B batch; K classes (10).
"""

import torch
from torch import Tensor, nn

from .layers import PartialConv2d, ScaledTanh, init_lecun
from .output import check_targets

# Which 8 of the 12 maps of H1 each map of H2 sees was never published. This is the guess that
# others made too: three groups of four maps, each blind to another third.
BLOCKS = tuple(
    maps
    for maps in ((0, 1, 2, 3, 4, 5, 6, 7), (4, 5, 6, 7, 8, 9, 10, 11), (0, 1, 2, 3, 8, 9, 10, 11))
    for _ in range(4)
)


class ZipNet(nn.Module):
    """The network of 1989: 9,760 weights behind 64,660 connections, for images of 16 by 16.

    H1, 12 maps of 8 by 8; H2, 12 maps of 4 by 4; H3, 30 units; 10 outputs. Kernels are shared over
    a map, biases are not. Outside of a map everything is background, −1, for H1's output as well.

    Args:
        connectivity: the maps of H1 that each map of H2 sees: "block" for `BLOCKS`, or a tensor of
            indices (12, 8).
        generator: randomness of the first weights; None: torch's own.

    Raises:
        ValueError: another connectivity.

    Source: 1989, Fig. 3.
    """

    def __init__(
        self, connectivity: str | Tensor = "block", generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        table = BLOCKS
        if isinstance(connectivity, Tensor):
            if connectivity.shape != (12, 8):
                got = tuple(connectivity.shape)
                raise ValueError(f"connectivity must be of shape (12, 8), got {got}")
            table = tuple(tuple(row) for row in connectivity.tolist())
        elif connectivity != "block":
            raise ValueError(f"connectivity must be 'block' or a tensor, got {connectivity!r}")
        self.pad = nn.ConstantPad2d(2, -1.0)
        self.h1 = PartialConv2d(1, [[0]] * 12, stride=2, unit_biases=(8, 8))
        self.h2 = PartialConv2d(12, table, stride=2, unit_biases=(4, 4))
        self.h3 = nn.Linear(192, 30)
        self.out = nn.Linear(30, 10)
        self.flatten = nn.Flatten()
        self.squash = ScaledTanh()
        self.head = nn.Identity()
        init_lecun(self, generator, sqrt=True)  # as in `LeNet5`

    @property
    def layers(self) -> list[nn.Module]:
        """What maps an image to the outputs, in order."""
        f = self.squash
        first = [self.pad, self.h1, f, self.pad, self.h2, f, self.flatten]
        return [*first, self.h3, f, self.out, f]

    def forward(self, x_B1HW: Tensor) -> Tensor:
        """Return outputs (B, K), +1 for the class and −1 for the others if it is sure.

        Args:
            x_B1HW: images (B, 1, 16, 16), background −1 and ink 1.

        Raises:
            ValueError: another shape.
            TypeError: the images hold integers.
        """
        if x_B1HW.shape[1:] != (1, 16, 16):
            raise ValueError(f"x must be of shape (batch, 1, 16, 16), got {tuple(x_B1HW.shape)}")
        if not torch.is_floating_point(x_B1HW):
            raise TypeError(f"x must hold floats, got {x_B1HW.dtype}: scale to [-1, 1] first")
        for layer in self.layers:
            x_B1HW = layer(x_B1HW)
        return x_B1HW


def loss_signs(outputs_BK: Tensor, targets_B: Tensor) -> Tensor:
    """Return the mean squared error to +1 for the right class and −1 for the others.

    Source: 1989. Whether it halved the square, and whether it summed over outputs, is not known.

    Raises:
        ValueError: targets are not in [0, K).
    """
    check_targets(targets_B, outputs_BK.shape[1])
    signs_BK = torch.full_like(outputs_BK, -1.0).scatter(1, targets_B[:, None], 1.0)
    return (outputs_BK - signs_BK).square().mean()
