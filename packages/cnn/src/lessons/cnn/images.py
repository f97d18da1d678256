r"""Images of digits as the papers prepare them, and their planar distortions.

Shapes: B batch, H, W height and width; S size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

WHITE, BLACK = -0.1, 1.175  # 1998, §II-B


def normalize(pixels_BHW: Tensor, size: int = 32) -> Tensor:
    """Return images (B, 1, size, size), background −0.1, ink 1.175, framed with background.

    Args:
        pixels_BHW: uint8 from 0 (background) to 255, or floats from 0 to 1.
        size: height and width of the result.

    Raises:
        ValueError: pixels are larger than the result, or out of range.

    Source: 1998, §II-B and §III-A.
    """
    ink_B1HW = _ink(pixels_BHW)
    height, width = ink_B1HW.shape[-2:]
    if max(height, width) > size:
        raise ValueError(f"pixels must be at most {size} high and wide, got {height} by {width}")
    top, left = (size - height) // 2, (size - width) // 2
    framed = F.pad(ink_B1HW, (left, size - width - left, top, size - height - top))
    return WHITE + (BLACK - WHITE) * framed


def fill(pixels_BHW: Tensor, size: int = 16) -> Tensor:
    """Return images (B, 1, size, size) in [−1, 1], each digit scaled to fill the square.

    The scaling is linear and keeps the shape; an empty image stays empty.

    Args:
        pixels_BHW: uint8 from 0 (background) to 255, or floats from 0 to 1.
        size: height and width of the result.

    Raises:
        ValueError: pixels are out of range.

    Source: 1989, of the zip codes' preparation.
    """
    ink_B1HW = _ink(pixels_BHW)
    height, width = ink_B1HW.shape[-2:]
    rows, columns = (ink_B1HW.amax(d).squeeze(1) > 0.1 for d in (3, 2))  # (B, H), (B, W)
    first, last = [], []
    for there in (columns, rows):  # x before y, as affine_grid has it
        place = torch.arange(there.shape[1], device=there.device)
        first.append(place.where(there, there.shape[1]).amin(1).clamp(max=there.shape[1] - 1))
        last.append(place.where(there, -1).amax(1).clamp(min=0))
    low, high = torch.stack(first, 1).float(), torch.stack(last, 1).float() + 1
    empty = (high <= low).any(1, keepdim=True)
    extent = torch.tensor([width, height], device=low.device).float()
    low, high = low.where(~empty, 0.0), high.where(~empty, extent)
    half = (high - low).amax(1, keepdim=True) / extent  # of the square, in affine_grid's units
    centre = (high + low) / extent - 1
    theta = torch.diag_embed(half).to(ink_B1HW)
    theta = torch.cat([theta, centre[:, :, None].to(ink_B1HW)], 2)
    grid = F.affine_grid(theta, [len(theta), 1, size, size], align_corners=False)
    return 2 * F.grid_sample(ink_B1HW, grid, align_corners=False) - 1


def shift(x_BCHW: Tensor, down: int, right: int, background: float = WHITE) -> Tensor:
    """Return the images moved by whole pixels, background moving in.

    Args:
        x_BCHW: images.
        down: pixels, up if negative.
        right: pixels, to the left if negative.
        background: what moves in.
    """
    moved = x_BCHW.roll((down, right), (-2, -1))
    for amount, view in ((down, moved), (right, moved.transpose(-2, -1))):
        if amount > 0:
            view[..., :amount, :] = background
        elif amount < 0:
            view[..., amount:, :] = background
    return moved


def distort(
    x_BCHW: Tensor,
    translate: float = 1.0,
    scale: float = 0.1,
    squeeze: float = 0.1,
    shear: float = 0.2,
    background: float = WHITE,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return each image after a random planar affine map of its own.

    Args:
        x_BCHW: images.
        translate: largest shift along each axis, in pixels.
        scale: largest logarithm of the size's factor.
        squeeze: largest logarithm of the factor by which it is higher and narrower at once.
        shear: largest horizontal shift per pixel of height.
        background: the value outside of the images.
        generator: randomness, of the images' device.

    Raises:
        ValueError: an amount is negative.

    Source: 1998, §III-B, which names the four kinds and not the amounts: those are ours.
    """
    amounts = {"translate": translate, "scale": scale, "squeeze": squeeze, "shear": shear}
    for name, amount in amounts.items():
        if not amount >= 0:
            raise ValueError(f"{name} must be at least 0, got {amount}")
    count, height, width = len(x_BCHW), *x_BCHW.shape[-2:]
    random = torch.rand(5, count, generator=generator, device=x_BCHW.device) * 2 - 1
    size, narrow = torch.exp(scale * random[0]), torch.exp(squeeze * random[1])
    # affine_grid asks where each pixel of the result comes from: the inverse map.
    theta = torch.zeros(count, 2, 3, device=x_BCHW.device)
    theta[:, 0, 0] = narrow / size
    theta[:, 0, 1] = shear * random[2] * height / width
    theta[:, 1, 1] = 1 / (narrow * size)
    theta[:, 0, 2] = 2 * translate * random[3] / width
    theta[:, 1, 2] = 2 * translate * random[4] / height
    grid = F.affine_grid(theta.to(x_BCHW), list(x_BCHW.shape), align_corners=False)
    return F.grid_sample(x_BCHW - background, grid, align_corners=False) + background


def _ink(pixels_BHW: Tensor) -> Tensor:
    """Return pixels as floats from 0 to 1, (B, 1, H, W)."""
    if pixels_BHW.ndim != 3:
        got = tuple(pixels_BHW.shape)
        raise ValueError(f"pixels must be of shape (batch, height, width), got {got}")
    if pixels_BHW.dtype == torch.uint8:
        return pixels_BHW[:, None].float() / 255
    if not pixels_BHW.is_floating_point():
        raise ValueError(f"pixels must be uint8 or floats, got {pixels_BHW.dtype}")
    low, high = pixels_BHW.min().item(), pixels_BHW.max().item()
    if low < 0 or high > 1:
        raise ValueError(f"pixels must be in [0, 1], got {low:g} to {high:g}")
    return pixels_BHW[:, None]
