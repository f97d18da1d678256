"""Training on tiles of a few images, each deformed anew (§3).

Shapes: N images, C channels, H height, W width; Y, X the size of the output.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .augment import elastic_deform, random_rot90_flip
from .loss import weighted_cross_entropy
from .tiles import mirror
from .unet import UNet, center_crop
from .weighting import check_cells, separate, weight_map

MOMENTUM = 0.99  # §3: high, since a batch is a single tile; the paper does not give the step size


@dataclass(frozen=True)
class Augmentation:
    """What is done to each tile, and how its pixels are weighed; the defaults are the paper's.

    Raises:
        ValueError: a negative number.
    """

    elastic: float = 10.0  # pixels; 0 leaves the deformations out (§3.1)
    turn: bool = True  # rotations by 90 degrees and mirror images
    w0: float = 10.0  # of the borders, eq. 2; 0 leaves them out
    sigma: float = 5.0  # of the borders, in pixels
    balance: bool = True  # of the classes, eq. 2

    def __post_init__(self) -> None:
        if min(self.elastic, self.w0) < 0 or self.sigma <= 0:
            raise ValueError(f"elastic and w0 must be at least 0, sigma above 0, got {self}")


def make_optimizer(model: nn.Module, lr: float) -> torch.optim.SGD:
    """Return the paper's optimizer, stochastic gradient descent with momentum 0.99 (§3)."""
    return torch.optim.SGD(model.parameters(), lr, MOMENTUM)


class Tiles:
    """Random tiles of a training set: an image, its border mirrored; classes; weights.

    Args:
        images_NCHW: the images.
        cells_NHW: their cells, numbered.
        border: pixels that the net loses on each side.
        size: of a tile's output, at most H and W.
        augmentation: what is done to a tile.
        generator: randomness.

    Raises:
        TypeError: cells are not integers.
        ValueError: sizes differ, or are too small.
    """

    def __init__(
        self,
        images_NCHW: Tensor,
        cells_NHW: Tensor,
        border: int,
        size: int,
        augmentation: Augmentation,
        generator: torch.Generator | None = None,
    ) -> None:
        check_cells(cells_NHW)
        if images_NCHW.dim() != 4 or images_NCHW[:, 0].shape != cells_NHW.shape:
            want, got = tuple(cells_NHW.shape), tuple(images_NCHW.shape)
            raise ValueError(f"images must have shape (N, C, H, W), (N, H, W) = {want}, got {got}")
        if min(cells_NHW.shape[1:]) < max(size, border + 1):
            got = tuple(cells_NHW.shape[1:])
            raise ValueError(
                f"images must have {size} pixels a side, and more than the border of {border} "
                f"that is mirrored, got {got}"
            )
        self.images, self.cells = images_NCHW, cells_NHW
        self.border, self.size = border, size
        self.augmentation, self.generator = augmentation, generator
        how = augmentation
        self.weights = weight_map(separate(cells_NHW), how.w0, how.sigma, how.balance)

    def _draw(self, high: int) -> int:
        return int(torch.randint(high, (), generator=self.generator))

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return an image (1, C, Y + 2 border, X + 2 border), classes and weights (1, Y, X)."""
        which = self._draw(len(self.images))
        device, shape = self.images.device, self.images.shape[-2:]
        inside = torch.arange(-self.border, self.size + self.border, device=device)
        y, x = (mirror(inside + self._draw(n - self.size + 1), n) for n in shape)
        image, cells, weight = (
            whole[which][..., y[:, None], x] for whole in (self.images, self.cells, self.weights)
        )
        how = self.augmentation
        if how.elastic:
            image, cells, weight = elastic_deform(
                image, cells, weight, sigma=how.elastic, generator=self.generator
            )
        if how.turn:
            image, cells, weight = random_rot90_flip(image, cells, weight, generator=self.generator)
        cells, weight = (center_crop(m, (self.size, self.size)) for m in (cells, weight))
        return image[None], (separate(cells) > 0).long()[None], weight[None]


def fit(
    model: UNet,
    tiles: Tiles,
    optimizer: torch.optim.Optimizer,
    steps: int,
    track: Callable[[Iterable], Iterable] = lambda steps: steps,
) -> list[float]:
    """Train a net, one tile a step, and return the losses (nats a pixel, weighted).

    The learning rate falls linearly to zero, and is put back at the end. The loss is the weighted
    mean, not the paper's sum: the step size then does not hang on the tile's size.

    Args:
        model: is left in evaluation mode.
        tiles: with the model's border.
        optimizer: of the model's parameters.
        steps: number of tiles.
        track: wraps the steps, to show progress.
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    losses = []
    model.train()
    try:
        for step in track(range(steps)):
            image, target, weight = tiles.draw()
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate * (1 - step / steps)
            optimizer.zero_grad()
            loss = weighted_cross_entropy(model(image), target, weight, "mean")
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    finally:
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate
    model.eval()
    return torch.stack(losses).tolist()
