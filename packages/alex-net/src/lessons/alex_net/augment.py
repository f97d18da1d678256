"""Images on their way into the net: preprocessing, augmentation, ten crops (§2, §4.1).

Shapes: B batch, C channels, H height, W width, K classes.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def preprocess(image_CHW: Tensor, size: int = 256, mean_CHW: Tensor | None = None) -> Tensor:
    """Return an image with its shorter side scaled to ``size``, and of that the central square.

    Args:
        image_CHW: of any height and width, uint8 or floating point.
        size: in pixels.
        mean_CHW: subtracted, the mean of the training images (C, size, size).

    Returns:
        (C, size, size), float32.

    Raises:
        ValueError: image has another number of dimensions, or the mean another shape.

    Source: §2.
    """
    if image_CHW.dim() != 3 or min(image_CHW.shape) < 1:
        raise ValueError(f"image must have shape (C, H, W), got {tuple(image_CHW.shape)}")
    height, width = image_CHW.shape[-2:]
    shorter = min(height, width)
    shape = [max(size, round(side * size / shorter)) for side in (height, width)]
    x_CHW = image_CHW.float()
    if shape != [height, width]:
        x_CHW = F.interpolate(x_CHW[None], shape, mode="bilinear", antialias=True)[0]
    y, x = (shape[0] - size) // 2, (shape[1] - size) // 2
    x_CHW = x_CHW[:, y : y + size, x : x + size]
    if mean_CHW is None:
        return x_CHW
    if mean_CHW.shape != x_CHW.shape:
        want, got = tuple(x_CHW.shape), tuple(mean_CHW.shape)
        raise ValueError(f"mean must have shape {want}, got {got}")
    return x_CHW - mean_CHW


def check_crop(x: Tensor, size: int) -> None:
    """Raise a ValueError where crops of ``size`` do not fit into the images."""
    height, width = x.shape[-2:]
    if not 1 <= size <= min(height, width):
        raise ValueError(f"size of the crops ({size}) must fit the images, {height} by {width}")


def center_crop(x_BCHW: Tensor, size: int) -> Tensor:
    """Return the central squares, (B, C, size, size)."""
    check_crop(x_BCHW, size)
    y, x = ((side - size) // 2 for side in x_BCHW.shape[-2:])
    return x_BCHW[..., y : y + size, x : x + size]


def random_crop_flip(
    x_BCHW: Tensor,
    size: int = 224,
    generator: torch.Generator | None = None,
    flip: bool = True,
) -> Tensor:
    """Return a random square of each image, mirrored half of the time.

    Args:
        x_BCHW: images, at least ``size`` high and wide.
        size: of the crops, in pixels.
        generator: randomness, of the images' device.
        flip: False never mirrors: a mirrored 2 is no 2.

    Returns:
        (B, C, size, size); every image has its own place.

    Raises:
        ValueError: the images are smaller than the crops.

    Source: §4.1. From 256 to 224 pixels there are 33 places on each side, and 2 · 33² = 2,178
    different crops; the paper's 2,048 counts 32.
    """
    check_crop(x_BCHW, size)
    count, _, height, width = x_BCHW.shape
    device = x_BCHW.device
    y = torch.randint(height - size + 1, (count, 1), generator=generator, device=device)
    x = torch.randint(width - size + 1, (count, 1), generator=generator, device=device)
    rows = y + torch.arange(size, device=device)
    columns = x + torch.arange(size, device=device)
    mirrored = torch.rand(count, 1, generator=generator, device=device) < 0.5 * flip
    columns = torch.where(mirrored, columns.flip(-1), columns)
    index = torch.arange(count, device=device)[:, None, None]
    return x_BCHW.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


class ColorPCA(NamedTuple):
    """The principal components of a training set's RGB values."""

    eigvecs: Tensor  # (3, 3), a component in each column
    eigvals: Tensor  # (3,), variances, falling


def fit_rgb_pca(x_BCHW: Tensor) -> ColorPCA:
    """Return the principal components of the RGB values of all pixels.

    Args:
        x_BCHW: images with three channels; on the scale on which noise will be added.

    Raises:
        ValueError: images have not three channels.
    """
    if x_BCHW.dim() != 4 or x_BCHW.shape[1] != 3:
        raise ValueError(f"x must have shape (N, 3, H, W), got {tuple(x_BCHW.shape)}")
    pixels_3P = x_BCHW.double().transpose(0, 1).flatten(1)
    eigvals, eigvecs = torch.linalg.eigh(torch.cov(pixels_3P))
    return ColorPCA(eigvecs.flip(1).float(), eigvals.flip(0).clamp_min(0).float())


def pca_color_augment(
    x_BCHW: Tensor,
    eigvecs: Tensor,
    eigvals: Tensor,
    sigma: float = 0.1,
    generator: torch.Generator | None = None,
    magnitude: str = "eigenvalue",
) -> Tensor:
    """Add one colour to all pixels of each image, along the principal components of colour.

    Args:
        x_BCHW: images with three channels, floating point.
        eigvecs: (3, 3), a component in each column.
        eigvals: (3,), variances of the images' own scale.
        sigma: standard deviation of the multiples α.
        generator: randomness, of the images' device.
        magnitude: "eigenvalue" is the paper's p₁α₁λ₁ + p₂α₂λ₂ + p₃α₃λ₃. A variance grows with the
            square of the unit, so this depends on the scale: on pixels in [0, 1] the noise is
            about 3 of 255 levels for photographs, on pixels in [0, 255] it is 255 times as much.
            "std" takes the roots of the λ, as the code does that Krizhevsky released
            (cuda-convnet2, convdata.py), and means the same on every scale.

    Returns:
        (B, 3, H, W).

    Raises:
        ValueError: shapes are others, or an unknown magnitude.

    Source: §4.1.
    """
    if x_BCHW.dim() != 4 or x_BCHW.shape[1] != 3:
        raise ValueError(f"x must have shape (N, 3, H, W), got {tuple(x_BCHW.shape)}")
    for name, got, want in (("eigvecs", eigvecs, (3, 3)), ("eigvals", eigvals, (3,))):
        if got.shape != want:
            raise ValueError(f"{name} must have shape {want}, got {tuple(got.shape)}")
    if magnitude not in ("eigenvalue", "std"):
        raise ValueError(f"magnitude must be eigenvalue or std, got {magnitude!r}")
    shape, device = (len(x_BCHW), 3), x_BCHW.device
    alpha_B3 = sigma * torch.randn(shape, generator=generator, device=device)
    size_3 = eigvals if magnitude == "eigenvalue" else eigvals.sqrt()
    colors_B3 = (alpha_B3 * size_3) @ eigvecs.T
    return x_BCHW + colors_B3[:, :, None, None].to(x_BCHW.dtype)


def ten_crop(x_BCHW: Tensor, size: int = 224) -> Tensor:
    """Return the four corners and the centre, and their mirror images, (10, B, C, size, size).

    Raises:
        ValueError: the images are smaller than the crops.
    """
    check_crop(x_BCHW, size)
    height, width = x_BCHW.shape[-2:]
    down, right = height - size, width - size
    corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    crops = [x_BCHW[..., y : y + size, x : x + size] for y, x in corners]
    return torch.stack(crops + [crop.flip(-1) for crop in crops])


@torch.no_grad()
def predict_ten_crop(model: nn.Module, x_BCHW: Tensor, size: int = 224) -> Tensor:
    """Return class probabilities (B, K), the mean of the softmax over ten crops (§4.1)."""
    probabilities = [model(crop_BCHW).softmax(-1) for crop_BCHW in ten_crop(x_BCHW, size)]
    return torch.stack(probabilities).mean(0)
