"""What the claims are tested on.

Images have 28 pixels a side and the nets see 23 of them, where pooling 3/2 and pooling 2/2 give
maps of the same sizes, as in the paper.
"""

import functools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lab import mnist
from .shapes import make_shapes

CROP = 23
WHAT = {
    "digits": "scikit-learn's digits, enlarged",
    "shapes": "generated colour images of ten shapes",
    "clothes": "Fashion-MNIST",
}


class Set(NamedTuple):
    """Images and labels, to train on and to test on."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


def images(run, data: str, count: int, tests: int) -> Set:
    """Return a set, its pixels in [0, 1], the mean training image subtracted."""
    if data == "clothes":
        made = clothes(run.data, run.track)
    else:
        made = digits() if data == "digits" else shapes(max(count, tests))
    x, y, test_x, test_y = made
    x, test_x = x[:count], test_x[:tests]
    mean = x.mean(0)
    return Set(*(t.to(run.device) for t in (x - mean, y[:count], test_x - mean, test_y[:tests])))


@functools.lru_cache(1)
def clothes(folder, track) -> Set:
    """Return Fashion-MNIST."""
    parts = []
    for split in ("train", "test"):
        pixels, labels = mnist.load("fashion-mnist", split, folder, track)
        parts += [pixels[:, None].float() / 255, labels]
    return Set(*parts)


@functools.lru_cache(1)
def digits() -> Set:
    """Return scikit-learn's digits, 8 pixels a side, enlarged to 24 within a frame."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) / 16
    x = F.pad(F.interpolate(x, size=24, mode="bilinear"), (2, 2, 2, 2))
    y = torch.from_numpy(labels).long()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[:1297], order[1297:]
    return Set(x[train], y[train], x[test], y[test])


@functools.lru_cache(2)
def shapes(count: int) -> Set:
    """Return generated shapes."""
    return Set(*make_shapes(count, seed=0), *make_shapes(count, seed=1))


def endless(count: int, batch: int, seed: int):
    """Yield batches of indices, in a new order each epoch."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        for part in torch.randperm(count, generator=generator).split(batch):
            if len(part) == batch:
                yield part


def the_data(run) -> str:
    """Return what the small net is trained on."""
    return run.pick(test="digits", default="digits", full="clothes")
