"""What the net has learned: its first filters, and which images it holds to be alike (§6.1).

Shapes: Q queries, N images of a gallery, F features, C channels, H height, W width.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .net import AlexNet


class Neighbours(NamedTuple):
    """The images of a gallery that are nearest to each query."""

    distances: Tensor  # (Q, k), Euclidean, rising
    indices: Tensor  # (Q, k), places in the gallery


def retrieve(query_QF: Tensor, gallery_NF: Tensor, k: int = 6) -> Neighbours:
    """Return the k nearest of the gallery to each query, by Euclidean distance.

    Args:
        query_QF: vectors, such as ``model.features(images, "fc7")`` or flattened pixels.
        gallery_NF: likewise.
        k: neighbours; the paper shows 6.

    Raises:
        ValueError: shapes do not agree, or the gallery has fewer than k images.
    """
    if query_QF.dim() != 2 or gallery_NF.dim() != 2 or query_QF.shape[1] != gallery_NF.shape[1]:
        got = f"{tuple(query_QF.shape)} and {tuple(gallery_NF.shape)}"
        raise ValueError(f"query and gallery must have shapes (Q, F) and (N, F), got {got}")
    if not 1 <= k <= len(gallery_NF):
        raise ValueError(f"k must be from 1 to the gallery's {len(gallery_NF)} images, got {k}")
    nearest = torch.cdist(query_QF, gallery_NF).topk(k, largest=False)
    return Neighbours(nearest.values, nearest.indices)


@torch.no_grad()
def conv1_filters(model: AlexNet, columns: int = 16, gap: int = 1) -> Tensor:
    """Return the first layer's kernels as one picture in [0, 1], as in Fig. 3.

    Args:
        model: the net; the first half of its kernels are those of the first GPU.
        columns: kernels in a row.
        gap: pixels between them, white.

    Returns:
        (C, H, W); each kernel is scaled by its own largest weight, and grey is 0.
    """
    kernels_NCHW = getattr(model, model.conv_names[0]).weight
    scale = kernels_NCHW.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
    tiles = F.pad(kernels_NCHW / (2 * scale) + 0.5, (0, gap, 0, gap), value=1.0)
    missing = -len(tiles) % columns
    tiles = torch.cat([tiles, tiles.new_ones(missing, *tiles.shape[1:])])
    channels, height, width = tiles.shape[1:]
    grid = tiles.view(-1, columns, channels, height, width).permute(2, 0, 3, 1, 4)
    return grid.reshape(channels, -1, columns * width)
