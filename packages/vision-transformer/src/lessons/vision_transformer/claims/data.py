"""What the nets are trained, chosen and judged on: Fashion-MNIST in a full run, else digits."""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lab.mnist import load
from ..lab.run import Run

# Passes through memory add up: the sets are read once a process.
Sets = dict[str, tuple[Tensor, Tensor]]
COPIES = 8  # of each picture at the largest size: itself, and seven altered
CLASSES = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
           "ankle boot")  # fmt: skip


def sets(run: Run) -> Sets:
    """Return "train", "dev" and "test": pictures (N, 1, h, w) in [−1, 1], and their classes.

    Fashion-MNIST: 55,000 to train on, 5,000 to choose rates and to stop on, its own 10,000 to
    judge. Digits (scikit-learn's, 8 × 8): 800, 397 and 600.
    """
    if run.scale in ("full", "paper"):
        return fashion(run.data, str(run.device), run.track)
    return digits(str(run.device))


def name(run: Run) -> str:
    """Return the data's name in words."""
    return run.pick(test="digits", default="scikit-learn's digits", full="Fashion-MNIST")


@functools.cache
def digits(device: str) -> Sets:
    """Return scikit-learn's digits."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(pixels).float()[order].reshape(-1, 1, 8, 8).to(device) / 8 - 1
    y = torch.from_numpy(labels).long()[order].to(device)
    spans = {"train": slice(800), "dev": slice(800, 1197), "test": slice(1197, None)}
    return {name: (x[span], y[span]) for name, span in spans.items()}


@functools.lru_cache(1)
def fashion(folder, device: str, track) -> Sets:
    """Return Fashion-MNIST."""
    x, y = load("fashion-mnist", "train", folder, track)
    test = load("fashion-mnist", "test", folder, track)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    x, y = scaled(x[order]).to(device), y[order].to(device)
    spans = {"train": slice(55_000), "dev": slice(55_000, None)}
    found = {name: (x[span], y[span]) for name, span in spans.items()}
    return found | {"test": (scaled(test[0]).to(device), test[1].to(device))}


def scaled(pixels: Tensor) -> Tensor:
    """Return bytes (N, h, w) as (N, 1, h, w) in [−1, 1]."""
    return pixels[:, None].float() / 127.5 - 1


def sizes(run: Run) -> list[int]:
    """Return the numbers of training pictures; the last is the one before, with altered copies."""
    return run.pick(
        test=[40, 80, 120, 240], default=[50, 200, 800, 800 * COPIES],
        full=[600, 6_000, 55_000, 55_000 * COPIES],
    )  # fmt: skip


def seen(run: Run, size: int) -> int:
    """Return how many pictures a net sees in training at a size."""
    few = run.pick(
        test=[128] * 4, default=[8_000, 12_000, 16_000, 800 * COPIES * 3],
        full=[80_000, 150_000, 275_000, 55_000 * COPIES],
    )  # fmt: skip
    return dict(zip(sizes(run), few))[size]


def subset(run: Run, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return a random subset of a seed's own: as many pictures as there are, if it wants more."""
    x, y = sets(run)["train"]
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:size]
    return x[order.to(x.device)], y[order.to(x.device)]


def altered(x_BChw: Tensor, generator: torch.Generator, amount: float = 1.0) -> Tensor:
    """Return shifted and elastically deformed copies, each in its own way.

    A shift of up to a fourteenth of the side, and a smooth field of displacements: 4 × 4 normal
    draws with a deviation of a twentieth of the side, interpolated between.
    """
    b, device = len(x_BChw), x_BChw.device
    shift = (torch.rand(b, 2, 1, 1, generator=generator, device=device) * 2 - 1) / 7
    field = torch.randn(b, 2, 4, 4, generator=generator, device=device) / 10
    field = F.interpolate(field, x_BChw.shape[2:], mode="bicubic", align_corners=True) + shift
    still = torch.eye(2, 3, device=device).expand(b, 2, 3)
    grid = F.affine_grid(still, list(x_BChw.shape), align_corners=False)
    grid = grid + amount * field.permute(0, 2, 3, 1)
    return F.grid_sample(x_BChw + 1, grid, align_corners=False) - 1  # −1 is the background


def moved(x_BChw: Tensor, down: int, right: int) -> Tensor:
    """Return pictures shifted by whole pixels, with background where they came from."""
    h, w = x_BChw.shape[2:]
    padded = F.pad(x_BChw, (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)), value=-1.0)
    return padded[:, :, max(-down, 0) :, max(-right, 0) :][:, :, :h, :w]
