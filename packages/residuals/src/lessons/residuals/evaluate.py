"""How the paper evaluates on ImageNet: ten crops, and whole images at several sizes (§3.4).

Shapes: B batch, C channels, H height, W width, K classes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .resnet import ResNet


def ten_crops(x_BCHW: Tensor, size: int = 224) -> Tensor:
    """Return the four corners and the centre, and their mirror images, (10, B, C, size, size).

    Args:
        x_BCHW: images at least ``size`` high and wide.
        size: of the crops, in pixels.

    Raises:
        ValueError: the images are smaller than the crops.
    """
    height, width = x_BCHW.shape[-2:]
    if min(height, width) < size:
        raise ValueError(f"x must be at least {size} pixels high and wide, got {height} by {width}")
    down, right = height - size, width - size
    corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    crops = [x_BCHW[..., y : y + size, x : x + size] for y, x in corners]
    return torch.stack(crops + [crop.flip(-1) for crop in crops])


def evaluate_ten_crops(model: ResNet, x_BCHW: Tensor, size: int = 224) -> Tensor:
    """Return the mean of the class probabilities over ten crops, (B, K)."""
    crops_TBCHW = ten_crops(x_BCHW, size)
    probabilities = model(crops_TBCHW.flatten(0, 1)).softmax(-1)
    return probabilities.unflatten(0, (10, -1)).mean(0)


def evaluate_fully_convolutional(
    model: ResNet, x_BCHW: Tensor, sizes: Sequence[int] = (224, 256, 384, 480, 640)
) -> Tensor:
    """Return logits (B, K), averaged over the places of a whole image and over its sizes.

    Args:
        model: the net; its last layer is applied at each place of the last map, and the scores
            are averaged, which equals averaging the map first, since both are linear.
        x_BCHW: images of any size.
        sizes: of the shorter side, in pixels.

    Raises:
        ValueError: there are no sizes, or one is not positive.
    """
    if not sizes or min(sizes) < 1:
        raise ValueError(f"sizes must be positive numbers of pixels, got {tuple(sizes)}")
    shorter = min(x_BCHW.shape[-2:])
    scores = []
    for size in sizes:
        shape = [round(side * size / shorter) for side in x_BCHW.shape[-2:]]
        resized = F.interpolate(x_BCHW, shape, mode="bilinear", antialias=True, align_corners=False)
        scores.append(model(resized))
    return torch.stack(scores).mean(0)
