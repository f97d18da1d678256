"""Prediction of images of any size, tile by tile, as if in one piece (Fig. 2).

Shapes: C channels, H height, W width, K classes; T tiles, S a tile's size.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .sizes import valid_sizes
from .unet import UNet


def mirror(index: Tensor, size: int) -> Tensor:
    """Return the pixels that stand at places outside of an image: it is mirrored at its edges.

    Args:
        index: places, of which those from 0 to size - 1 are inside.
        size: in pixels.
    """
    period = max(2 * (size - 1), 1)
    index = index % period
    return torch.minimum(index, period - index)


@torch.no_grad()
def tile_predict(
    model: UNet, image_CHW: Tensor, tile: int = 572, batch: int = 1, out: Tensor | None = None
) -> Tensor:
    """Return the scores of every pixel of an image, (K, H, W), computed in tiles.

    They are those of one pass over the whole image with mirrored borders. For this the tiles have
    to begin at multiples of 2^d, d the depth: elsewhere poolings would pair other pixels. The
    output of the paper's net, 16k - 124 pixels, is none, so that its last 4 rows and columns
    are computed anew by the neighbour. Beside image and output, the memory is a tile's.

    Args:
        model: in evaluation mode.
        image_CHW: of any size above ``model.config.border``; on any device, or a mapped file's.
        tile: the largest input, of a size that fits (572 in the paper: 384 pixels of output).
        batch: tiles that are computed at a time.
        out: where to write, (K, H, W); new if None.

    Raises:
        ValueError: the model is in training mode; the image has another number of channels or is
            too small to be mirrored; the tile does not fit; ``out`` has another shape.

    Source: Fig. 2; §2, last paragraph.
    """
    config, (channels, *shape) = model.config, image_CHW.shape
    if model.training:
        raise ValueError("model must be in evaluation mode, where dropout rests: model.eval()")
    if image_CHW.dim() != 3 or channels != config.in_channels:
        got = tuple(image_CHW.shape)
        raise ValueError(f"image must have shape ({config.in_channels}, H, W), got {got}")
    if min(shape) <= config.border:
        raise ValueError(
            f"image must have more than {config.border} pixels a side, which is what is mirrored "
            f"at its edges, got {tuple(shape)}"
        )
    want = (config.num_classes, *shape)
    first = next(model.parameters())
    out = torch.empty(want, dtype=first.dtype, device=image_CHW.device) if out is None else out
    if tuple(out.shape) != want:
        raise ValueError(f"out must have shape {want}, got {tuple(out.shape)}")
    steps, sizes, step = [], [], 2**config.depth
    config.output_size(tile, "tile")
    for side in shape:  # no larger than the image needs
        fits = valid_sizes(0, tile, config.depth) if config.border else range(step, tile + 1, step)
        kept = [(n - 2 * config.border) // step * step for n in fits]
        covers = next((i for i, k in enumerate(kept) if k >= side), len(kept) - 1)
        if kept[covers] < 1:
            raise ValueError(f"tile must leave {step} pixels of output or more, got {tile}")
        steps.append(kept[covers])
        sizes.append(fits[covers])
    origins = [(y, x) for y in range(0, shape[0], steps[0]) for x in range(0, shape[1], steps[1])]
    inside = [torch.arange(size, device=image_CHW.device) - config.border for size in sizes]
    for start in range(0, len(origins), batch):
        some = origins[start : start + batch]
        tiles = []
        for origin in some:
            y, x = (mirror(i + o, n) for i, o, n in zip(inside, origin, shape))
            tiles.append(image_CHW[:, y[:, None], x])
        tiles_TCSS = torch.stack(tiles)
        scores_TKSS = model(tiles_TCSS.to(first.device, first.dtype))
        for (y, x), scores_KSS in zip(some, scores_TKSS):
            place_KSS = out[:, y : y + steps[0], x : x + steps[1]]
            place_KSS.copy_(scores_KSS[:, : place_KSS.shape[1], : place_KSS.shape[2]])
    return out


def rotations_mean(predict: Callable[[Tensor], Tensor], image_CHW: Tensor) -> Tensor:
    """Return the mean prediction over the image's four rotations and their mirror images.

    The paper averages 7 rotated versions, and does not say which; these are the 8 that move every
    pixel onto a pixel.

    Args:
        predict: from an image (C, H, W) to probabilities (K, H, W).
        image_CHW: the image.

    Source: §4.
    """
    total = None
    for flip in (False, True):
        flipped = image_CHW.flip(-1) if flip else image_CHW
        for turns in range(4):
            turned = predict(torch.rot90(flipped, turns, (-2, -1)))
            back = torch.rot90(turned, -turns, (-2, -1))
            back = back.flip(-1) if flip else back
            total = back.clone() if total is None else total.add_(back)
    return total / 8
