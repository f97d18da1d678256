"""What the nets are trained, chosen and judged on: MNIST in a full run, else small digits."""

import functools

import torch
from torch import Tensor

from ..lab.mnist import load
from ..lab.run import Run

# Passes through memory add up: the sets are read once a process.
Sets = dict[str, tuple[Tensor, Tensor]]


def sets(run: Run) -> Sets:
    """Return "train", "valid" and "test": images as rows in [0, 1], and their classes.

    MNIST: 50,000 cases to train on, 10,000 held out at random to choose on (B.1), its own test
    set. Digits (scikit-learn's, 8 × 8): 800, 397 and 600.
    """
    if run.scale in ("full", "paper"):
        return mnist(run.data, str(run.device), run.track)
    return digits(str(run.device))


def digit_sets(run: Run) -> str:
    """Return the data's name in words."""
    return run.pick(test="digits", default="scikit-learn's digits", full="MNIST")


@functools.cache
def digits(device: str) -> Sets:
    """Return scikit-learn's digits."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(pixels).float()[order].to(device) / 16
    y = torch.from_numpy(labels).long()[order].to(device)
    spans = {"train": slice(800), "valid": slice(800, 1197), "test": slice(1197, None)}
    return {name: (x[span], y[span]) for name, span in spans.items()}


@functools.lru_cache(1)
def mnist(folder, device: str, track) -> Sets:
    """Return MNIST."""
    x, y = load("mnist", "train", folder, track)
    test_x, test_y = load("mnist", "test", folder, track)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = x[order].flatten(1).float().to(device) / 255, y[order].to(device)
    test = test_x.flatten(1).float().to(device) / 255, test_y.to(device)
    return {"train": (x[:50_000], y[:50_000]), "valid": (x[50_000:], y[50_000:]), "test": test}
