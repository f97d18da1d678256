"""Deformed, turned and shaded copies of the few images that there are (§3.1).

Shapes: C channels, H height, W width; a field_2HW holds each pixel's displacement, down and right.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def displacements(
    size: tuple[int, int],
    grid: int = 3,
    sigma: float = 10.0,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return a smooth random field (2, H, W) in pixels.

    Args:
        size: height and width.
        grid: random vectors stand on a grid of this many by this many points, its corners on the
            image's; between them the field is interpolated bicubically.
        sigma: standard deviation of the vectors' components, in pixels.
        generator: randomness, of the device.
        device: of the field.

    Raises:
        ValueError: grid is below 2, or sigma negative.
    """
    if grid < 2 or sigma < 0:
        raise ValueError(f"grid must be 2 or more and sigma at least 0, got {grid} and {sigma}")
    coarse = sigma * torch.randn(1, 2, grid, grid, generator=generator, device=device)
    return F.interpolate(coarse, size, mode="bicubic", align_corners=True)[0]


def warp(map_CHW: Tensor, field_2HW: Tensor, mode: str = "bilinear") -> Tensor:
    """Return the map with each pixel taken from its place plus the field.

    Args:
        map_CHW: mirrored at its edges where the field leads outside.
        field_2HW: displacements, in pixels.
        mode: "bilinear", or "nearest" for labels.
    """
    height, width = map_CHW.shape[-2:]
    place = torch.meshgrid(
        torch.arange(height, device=field_2HW.device),
        torch.arange(width, device=field_2HW.device),
        indexing="ij",
    )
    scale = [2 / max(size - 1, 1) for size in (height, width)]
    y, x = ((p + d) * s - 1 for p, d, s in zip(place, field_2HW, scale))
    where_HW2 = torch.stack((x, y), -1)
    return F.grid_sample(
        map_CHW[None].to(where_HW2.dtype), where_HW2[None], mode, "reflection", align_corners=True
    )[0]


def elastic_deform(
    image_CHW: Tensor,
    labels_HW: Tensor,
    weight_HW: Tensor,
    grid: int = 3,
    sigma: float = 10.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return image, labels and weights, deformed by the same random field.

    Args:
        image_CHW: interpolated bilinearly.
        labels_HW: integers, below 2^24; each pixel takes the nearest one's.
        weight_HW: interpolated bilinearly.
        grid: see `displacements`; 3 in the paper.
        sigma: see `displacements`; 10 pixels in the paper, for images of 512.
        generator: randomness.

    Raises:
        TypeError: labels are not integers.
        ValueError: sizes differ, or grid or sigma are none.

    Source: §3.1.
    """
    if labels_HW.is_floating_point():
        raise TypeError(f"labels must be integers, got {labels_HW.dtype}")
    size = image_CHW.shape[-2:]
    for name, other in (("labels", labels_HW), ("weight", weight_HW)):
        if other.shape != size:
            want, got = tuple(size), tuple(other.shape)
            raise ValueError(f"{name} must have shape {want}, as the image has, got {got}")
    field_2HW = displacements((size[0], size[1]), grid, sigma, generator, image_CHW.device)
    labels = warp(labels_HW[None].float(), field_2HW, "nearest")[0].to(labels_HW.dtype)
    return warp(image_CHW, field_2HW), labels, warp(weight_HW[None], field_2HW)[0]


def random_rot90_flip(*maps: Tensor, generator: torch.Generator | None = None) -> list[Tensor]:
    """Return the maps, each (..., H, W), all turned and mirrored in the same one of 8 ways."""
    way = int(torch.randint(8, (), generator=generator))
    turned = [torch.rot90(m, way % 4, (-2, -1)) for m in maps]
    return [m.flip(-1) for m in turned] if way >= 4 else turned


def gray_jitter(
    image: Tensor,
    contrast: float = 0.1,
    shift: float = 0.1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the image times 1 + N(0, contrast²) plus N(0, shift²): another exposure.

    §3.1 asks for robustness to variations of gray values, and does not say how.
    """
    a, b = torch.randn(2, generator=generator).tolist()
    return image * (1 + contrast * a) + shift * b
