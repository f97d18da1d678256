"""What the experiments compute with: normal numbers, images, the order of batches."""

from functools import cache

import torch
from torch import Tensor

from ..lab.mnist import load
from ..lab.run import Run


def gaussian(seed, *shape):
    """Return standard normal numbers in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's digits, (1797, 8, 8) in [0, 1], shuffled, and their labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    return torch.from_numpy(found.images).float()[order] / 16, torch.from_numpy(found.target)[order]


def images(run: Run, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return n training images and labels, and others to test on: MNIST in a full run."""
    if run.scale in ("full", "paper"):
        sets = [load("mnist", split, run.data, run.track) for split in ("train", "test")]
        (x, y), (test_x, test_y) = [(x.float() / 255, y) for x, y in sets]
        kept = x[:n], y[:n], test_x, test_y
    else:
        x, y = digits()
        kept = x[: min(n, 1347)], y[: min(n, 1347)], x[1347:], y[1347:]
    x, y, test_x, test_y = (tensor.to(run.device) for tensor in kept)
    return x, y.long(), test_x, test_y.long()


def batches(examples: int, size: int, epochs: int, seeds: list[int]):
    """Yield indices (R, size): each seed its own order, the same for all that is compared."""
    generators = [torch.Generator().manual_seed(1000 + seed) for seed in seeds]
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(examples, generator=g) for g in generators])
        for batch in orders.split(size, dim=1):
            if batch.shape[1] == size:
                yield batch
