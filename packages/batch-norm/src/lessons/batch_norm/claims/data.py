"""What the nets learn from: MNIST in a full run, else scikit-learn's digits."""

import torch
from torch import Tensor

from ..lab.mnist import load
from ..lab.run import Run


def images(run: Run) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return training and test images (N, F), binary as in §4.1 in a full run, and labels."""
    if run.scale in ("full", "paper"):
        sets = [load("mnist", split, run.data, run.track) for split in ("train", "test")]
        (x, y), (x_test, y_test) = [((pixels.flatten(1) > 127).byte(), y) for pixels, y in sets]
        return x, y, x_test, y_test
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x, y = torch.from_numpy(pixels).float()[order] / 16, torch.from_numpy(labels).long()[order]
    return x[:1347], y[:1347], x[1347:], y[1347:]


def data_of(run: Run) -> str:
    """Return in words what the nets are trained on."""
    return run.pick(
        test="digits", default="scikit-learn's digits (1,347 of 8 by 8)", full="MNIST, binary"
    )
