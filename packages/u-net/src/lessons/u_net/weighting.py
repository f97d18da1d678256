r"""The map of weights that makes a net learn the thin borders between cells (§3, eq. 2, Fig. 3).

Shapes: N images, H height, W width; cells_NHW numbers the cells of each image from 1, background 0.
"""

import math
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor


def check_cells(cells: Tensor) -> None:
    """Raise a TypeError or a ValueError where these are not numbered cells, (..., H, W)."""
    if cells.is_floating_point() or cells.is_complex():
        raise TypeError(f"cells must be integers, one per cell, got {cells.dtype}")
    if cells.dim() not in (2, 3):
        raise ValueError(f"cells must have shape (H, W) or (N, H, W), got {tuple(cells.shape)}")


def separate(cells_NHW: Tensor) -> Tensor:
    """Return the cells with a line of background between those that touch.

    A pixel next to another cell, also diagonally, becomes background: the two pixels, one of each
    cell, between which the border runs. The connected pieces of the foreground then are the cells.
    The paper shows such lines and says no more than "morphological operations"; this one treats
    the two cells alike, so that it may be computed before an image is turned or after.

    Args:
        cells_NHW: numbered cells, or (H, W).

    Source: §3, Fig. 3c.
    """
    check_cells(cells_NHW)
    size = cells_NHW.shape[-2:]
    numbers = cells_NHW.reshape(-1, 1, *size).double()  # max_pool2d has no integers
    highest = F.max_pool2d(numbers, 3, 1, 1)
    numbers = numbers.masked_fill(numbers == 0, math.inf)
    lowest = -F.max_pool2d(-numbers, 3, 1, 1)
    line = (highest > lowest).view(cells_NHW.shape)
    return cells_NHW.masked_fill(line, 0)


def squared_distance(inside_HW: Tensor) -> Tensor:
    """Return each pixel's squared Euclidean distance to the nearest pixel inside, exactly.

    First along rows, where the nearest pixel is the last one seen from the left or from the right;
    then the best row for each pixel, since squares of distances add up.

    Args:
        inside_HW: booleans; infinity where there is none.
    """
    height, width = inside_HW.shape
    place = torch.arange(width, device=inside_HW.device, dtype=torch.float64)
    never = torch.full((), -math.inf, dtype=place.dtype, device=place.device)
    left = torch.where(inside_HW, place, never).cummax(1).values
    right = torch.where(inside_HW, -place, never).flip(1).cummax(1).values.flip(1)
    along_HW = torch.minimum(place - left, -right - place).square()
    rows = torch.arange(height, device=place.device, dtype=place.dtype)
    best_HW = torch.full_like(along_HW, math.inf)
    for row in range(height):
        best_HW = torch.minimum(best_HW, (rows - row).square()[:, None] + along_HW[row])
    return best_HW


def nearest_two(cells_HW: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Return the distances to the nearest and to the second nearest cell, each (H, W).

    Args:
        cells_HW: numbered cells.
        reach: distances up to this are exact; beyond, a cell may count as infinitely far.
    """
    first = torch.full(cells_HW.shape, math.inf, dtype=torch.float64, device=cells_HW.device)
    second = first.clone()
    for number in cells_HW.unique().tolist():
        if number == 0:
            continue
        inside = cells_HW == number
        rows, columns = inside.any(1).nonzero(), inside.any(0).nonzero()
        box = tuple(
            slice(max(0, int(found[0]) - reach), int(found[-1]) + reach + 1)
            for found in (rows, columns)
        )
        distance = squared_distance(inside[box])
        second[box] = torch.minimum(second[box], torch.maximum(first[box], distance))
        first[box] = torch.minimum(first[box], distance)
    return first.sqrt(), second.sqrt()


def weight_map(
    cells_NHW: Tensor, w0: float = 10.0, sigma: float = 5.0, class_balance: bool = True
) -> Tensor:
    r"""Return $w = w_c + w_0 \exp(-(d_1 + d_2)^2 / 2\sigma^2)$ (eq. 2), float32, as large as cells.

    $d_1$ and $d_2$ are the distances to the two nearest cells. The second term is for background
    only, as in Fig. 3d; read to the letter, eq. 2 would also weigh the rims of the cells.

    Args:
        cells_NHW: the numbered cells of the whole training set, since $w_c$ makes up for the
            frequency of background and cells in all of it; or (H, W).
        w0: weight of a border; 0 leaves only the balance.
        sigma: in pixels, about 5 for the paper's cells; smaller cells want a smaller one.
        class_balance: whether $w_c$ is the inverse frequency of the pixel's class, with mean 1
            over all pixels; else, and where there is one class only, it is 1.

    Raises:
        TypeError: cells are not integers. ValueError: w0 is negative, or sigma not positive.

    Warns:
        UserWarning: there is one number only, as in a mask, so that no cell has a neighbour.
    """
    check_cells(cells_NHW)
    if not (w0 >= 0 and sigma > 0):
        raise ValueError(f"w0 must be at least 0 and sigma above 0, got {w0} and {sigma}")
    if w0 and (cells_NHW.dtype == torch.bool or int(cells_NHW.max()) <= 1):
        warnings.warn("weight_map needs instance labels, one number for each cell", stacklevel=2)
    cells_NHW = cells_NHW.long()
    background = cells_NHW == 0
    share = background.double().mean()
    weight_NHW = torch.ones(cells_NHW.shape, dtype=torch.float64, device=cells_NHW.device)
    if class_balance and 0 < share < 1:
        weight_NHW = torch.where(background, 0.5 / share, 0.5 / (1 - share))
    images = cells_NHW.shape[:-2]
    for image in range(images[0]) if images else [...]:
        # At 7 sigma the term is below 3e-11 of w0: nothing in float32.
        first, second = nearest_two(cells_NHW[image], math.ceil(7 * sigma))
        term = w0 * torch.exp(-(first + second).square() / (2 * sigma**2))
        weight_NHW[image] += term * background[image]
    return weight_NHW.float()
