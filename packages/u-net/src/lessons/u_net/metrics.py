"""How good a segmentation is: by pixels, by pairs of pixels, and by cells.

Shapes: H height, W width. Masks are booleans; cells_HW numbers the cells from 1, background 0.

Of Table 1's three errors the warping error is not here: it bends the true borders towards the
predicted ones without letting cells merge, split or vanish, and counts the pixels that remain.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

THRESHOLDS = tuple(i / 10 for i in range(10))  # at which a map is cut, 10 levels as in §4


def check_mask(mask: Tensor, name: str) -> Tensor:
    """Return a mask as booleans; a ValueError says that it has other numbers than 0 and 1."""
    if mask.dtype != torch.bool and bool(((mask != 0) & (mask != 1)).any()):
        raise ValueError(
            f"{name} must be a mask of True and False, or 1 and 0; it has other numbers"
        )
    return mask.bool()


def iou(predicted: Tensor, true: Tensor) -> float:
    """Return intersection over union of two masks; 1 if both are empty (Table 2)."""
    predicted, true = check_mask(predicted, "predicted"), check_mask(true, "true")
    union = (predicted | true).sum()
    return ((predicted & true).sum() / union).item() if union else 1.0


def dice(predicted: Tensor, true: Tensor) -> float:
    """Return twice the intersection over the sum of two masks' sizes; 1 if both are empty."""
    predicted, true = check_mask(predicted, "predicted"), check_mask(true, "true")
    total = predicted.sum() + true.sum()
    return (2 * (predicted & true).sum() / total).item() if total else 1.0


def boundary_iou(predicted_HW: Tensor, true_HW: Tensor, width: int = 3) -> float:
    """Return the IoU of the masks' rims, the pixels within ``width`` of the outside.

    Later than the paper (Cheng et al. 2021): the inside of a cell, which is easy, does not count.
    """

    def rim(mask_HW: Tensor) -> Tensor:
        outside = (~mask_HW)[None, None].float()
        return mask_HW & (F.max_pool2d(outside, 2 * width + 1, 1, width)[0, 0] > 0)

    return iou(rim(predicted_HW), rim(true_HW))


def pixel_error(probability_HW: Tensor, true_HW: Tensor) -> float:
    """Return the share of wrong pixels at the best of 10 thresholds (Table 1)."""
    return min(((probability_HW > t) != true_HW).double().mean().item() for t in THRESHOLDS)


def components(mask_HW: Tensor) -> Tensor:
    """Return the mask's pieces that hang together (up, down, left, right), numbered from 1.

    Every pixel takes the largest number around it, and then the number that the pixel of that
    number has by now, which makes the way through a long piece short.
    """
    height, width = mask_HW.shape
    numbers = torch.arange(1, height * width + 1, device=mask_HW.device).view(height, width)
    numbers = numbers * mask_HW
    while True:
        padded = F.pad(numbers, (1, 1, 1, 1))
        best = numbers
        for dy, dx in ((0, 1), (1, 0), (1, 2), (2, 1)):
            best = torch.maximum(best, padded[dy : dy + height, dx : dx + width])
        best = best * mask_HW
        best = F.pad(best.flatten(), (1, 0))[best]
        if torch.equal(best, numbers):
            break
        numbers = best
    values, numbered = numbers.unique(return_inverse=True)
    return numbered if len(values) and values[0] == 0 else numbered + 1


def overlaps(objects_HW: Tensor, cells_HW: Tensor) -> Tensor:
    """Return how many pixels each object shares with each cell, row and column 0 the background."""
    rows, columns = int(objects_HW.max()) + 1, int(cells_HW.max()) + 1
    pairs = objects_HW.long() * columns + cells_HW.long()
    return torch.bincount(pairs.flatten(), minlength=rows * columns).view(rows, columns)


def rand_error(probability_HW: Tensor, cells_HW: Tensor) -> float:
    """Return 1 - F for pairs of pixels, at the best of 10 thresholds (Table 1).

    Of the pairs of pixels that lie in cells: F is the harmonic mean of precision and recall of
    "both are in the same object". A pixel that was taken for background is an object by itself.
    """
    inside, errors = cells_HW > 0, []
    for threshold in THRESHOLDS:
        table = overlaps(components(probability_HW > threshold), cells_HW)[:, 1:].double()
        alone = table[0].sum()
        both = table[1:].square().sum() + alone
        found = table[1:].sum(1).square().sum() + alone
        true = table.sum(0).square().sum()
        errors.append((1 - 2 * both / (found + true)).item() if inside.any() else 0.0)
    return min(errors)


@dataclass(frozen=True)
class Match:
    """Cells and predicted objects, compared; matches of several images add up with +."""

    cells: int  # that there are
    objects: int  # that were predicted
    found: int  # cells with an object of which the intersection is above half of the union
    merged: int  # cells lost since an object covers more than half of several: one less than those
    split: int  # objects too many that lie, by more than half, in the same cell

    def __add__(self, other: "Match") -> "Match":
        mine, theirs = vars(self).values(), vars(other).values()
        return Match(*(a + b for a, b in zip(mine, theirs)))

    @property
    def share(self) -> float:
        """The share of the cells that were found; 1 if there are none."""
        return self.found / self.cells if self.cells else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of the shares of cells and of objects that are matched."""
        total = self.cells + self.objects
        return 2 * self.found / total if total else 1.0


def match_cells(objects_HW: Tensor, cells_HW: Tensor) -> Match:
    """Compare predicted objects with the cells.

    Args:
        objects_HW: a mask, of which the `components` are the objects, or numbered objects.
        cells_HW: the true cells.

    Raises:
        ValueError: the shapes differ.
    """
    if objects_HW.shape != cells_HW.shape:
        want, got = tuple(cells_HW.shape), tuple(objects_HW.shape)
        raise ValueError(f"objects must have shape {want}, as cells have, got {got}")
    objects_HW = components(objects_HW) if objects_HW.dtype == torch.bool else objects_HW
    table = overlaps(objects_HW, cells_HW)
    sizes, areas = table.sum(1)[1:, None], table.sum(0)[None, 1:]
    there, shared = areas[0] > 0, table[1:, 1:]
    covered = (2 * shared > areas).sum(1)  # cells of which an object covers more than half
    inner = (2 * shared > sizes).sum(0)  # objects of which more than half lies in a cell
    return Match(
        cells=int(there.sum()),
        objects=int((sizes > 0).sum()),
        found=int((2 * shared > sizes + areas - shared).sum()),
        merged=int((covered - 1).clamp(min=0).sum()),
        split=int((inner - 1).clamp(min=0).sum()),
    )
