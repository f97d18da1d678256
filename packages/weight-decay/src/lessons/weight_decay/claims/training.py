"""Small networks on images whose training labels are partly wrong: static noise on the targets.

Shapes: S networks side by side (one a seed, each with its own data), B batch, F features, H hidden.
"""

import math
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..lab.mnist import load
from ..lab.run import Run

NOISE = 0.2  # of the training labels are drawn again at random


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's 1,797 digits of 8 by 8 pixels: float32 (N, 64) in [0, 1], labels."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return torch.from_numpy(images).float() / 16, torch.from_numpy(labels).long()


@cache
def mnist(folder, track: Callable) -> tuple[Tensor, Tensor]:
    """Return MNIST's first 12,000 images, halved to 14 by 14 pixels, and labels."""
    pixels, labels = load("mnist", "train", folder, track)
    halved = F.avg_pool2d(pixels[:12_000].float()[:, None] / 255, 2)
    return halved.flatten(1), labels[:12_000]


def images(run: Run) -> tuple[Tensor, Tensor]:
    """Return MNIST in a full run, else the digits."""
    return mnist(run.data, run.track) if run.scale in ("full", "paper") else digits()


class Sets:
    """What each of S networks trains on and is tried on.

    Attributes:
        x_SBF, y_SB: n images a seed, and labels of which `NOISE` are drawn again.
        valid, test: pairs of images and labels, disjoint from them; labels are right.
    """

    def __init__(self, run: Run, n: int, seeds: list[int]) -> None:
        x, y = images(run)
        held = run.pick(test=(100, 200), default=(400, 700), full=(1000, 2000))
        trains, labels, self.valid, self.test = [], [], [], []
        for seed in seeds:
            generator = torch.Generator().manual_seed(1000 + seed)
            order = torch.randperm(len(x), generator=generator)
            rows, valid, test = order[:n], order[-held[0] :], order[-sum(held) : -held[0]]
            wrong = torch.rand(n, generator=generator) < NOISE
            drawn = torch.randint(10, (n,), generator=generator)
            trains.append(x[rows])
            labels.append(torch.where(wrong, drawn, y[rows]))
            self.valid.append((x[valid], y[valid]))
            self.test.append((x[test], y[test]))
        self.x_SBF, self.y_SB = torch.stack(trains), torch.stack(labels)


class Nets(nn.Module):
    """S networks F-H-10 with one hidden layer, as batched products; returns logits (S, B, 10)."""

    def __init__(self, features: int, hidden: int, activation: Callable, seeds: list[int]) -> None:
        super().__init__()
        draws: list[list[Tensor]] = [[], [], [], []]
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            for i, (rows, columns) in enumerate(((features, hidden), (hidden, 10))):
                bound = 1 / math.sqrt(rows)
                for j, shape in enumerate(((rows, columns), (1, columns))):
                    uniform = 2 * torch.rand(shape, generator=generator) - 1
                    draws[2 * i + j].append(bound * uniform)
        self.first, self.bias, self.last, self.threshold = (
            nn.Parameter(torch.stack(rows)) for rows in draws
        )
        self.activation = activation

    def forward(self, x_SBF: Tensor) -> Tensor:
        """Map images to logits."""
        h_SBH = self.activation(torch.baddbmm(self.bias, x_SBF, self.first))
        return torch.baddbmm(self.threshold, h_SBH, self.last)


def entropic(logits: Tensor, onehot: Tensor) -> Tensor:
    """Return the paper's error [12]: cross-entropies of independent outputs, summed over these.

    A mean over the batch, and a sum over the networks, whose gradients do not meet.
    """
    losses = F.binary_cross_entropy_with_logits(logits, onehot, reduction="none")
    return losses.sum((0, 2)).mean()


def softmax_entropy(logits: Tensor, onehot: Tensor) -> Tensor:
    """Return the cross-entropy of a softmax: a mean over the batch, a sum over the networks."""
    return -(onehot * logits.log_softmax(2)).sum((0, 2)).mean()


def judge(nets: Nets, sets: list[tuple[Tensor, Tensor]], squash: Callable) -> tuple[Tensor, Tensor]:
    """Return F (squared error, summed over outputs) and the share of wrong answers, each (S,)."""
    x, y = (torch.stack(part) for part in zip(*sets))
    with torch.no_grad():
        out = squash(nets(x))
    squared = ((out - F.one_hot(y, 10)) ** 2).sum(2).mean(1)
    # One-hot targets all have one length: the one at the smallest angle is the largest output.
    return squared, (out.argmax(2) != y).float().mean(1)


def train(
    nets: Nets,
    sets: Sets,
    optimizer: torch.optim.Optimizer,
    loss: Callable,
    epochs: int,
    batch: int,
    every: int,
    seed: int,
) -> dict[str, list]:
    """Train; return at every ``every``-th epoch F and error rates, [epoch][seed], of both sets."""
    squash = torch.sigmoid if loss is entropic else (lambda out: out.softmax(2))
    onehot = F.one_hot(sets.y_SB, 10).float()
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, list] = {"valid_F": [], "valid_error": [], "F": [], "error": []}
    for epoch in range(1, epochs + 1):
        for rows in torch.randperm(onehot.shape[1], generator=generator).split(batch):
            optimizer.zero_grad()
            loss(nets(sets.x_SBF[:, rows]), onehot[:, rows]).backward()
            optimizer.step()
        if epoch % every == 0:
            for prefix, part in (("valid_", sets.valid), ("", sets.test)):
                squared, error = judge(nets, part, squash)
                found[prefix + "F"].append([round(v, 5) for v in squared.tolist()])
                found[prefix + "error"].append([round(v, 5) for v in error.tolist()])
    return found
