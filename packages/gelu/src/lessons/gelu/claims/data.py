"""What the nets learn from: MNIST in a full run, else scikit-learn's digits."""

from functools import cache

import torch
from torch import Tensor

from ..lab.mnist import load
from ..lab.run import Run


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's digits, (1797, 64) in [0, 1], shuffled, and their labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(found.data).float() / 16
    return x[order], torch.from_numpy(found.target)[order]


def images(run: Run) -> list[Tensor]:
    """Return images and labels to train on, to tune on, and to test on: MNIST in a full run."""
    if run.scale in ("full", "paper"):
        (x, y), (test_x, test_y) = [
            (x.flatten(1).float() / 255, y)
            for x, y in (load("mnist", split, run.data, run.track) for split in ("train", "test"))
        ]
        parts = [x[:20_000], y[:20_000], x[55_000:], y[55_000:], test_x[:5_000], test_y[:5_000]]
    else:
        x, y = digits()
        n = run.pick(test=128, default=1100)
        parts = [x[:n], y[:n], x[1100:1347], y[1100:1347], x[1347:], y[1347:]]
    return [part.to(run.device) for part in parts]
