"""Nets of one kind side by side, one for each seed, and their training.

Shapes: R replicates, B batch, I and O a layer's inputs and outputs. Calling torch costs more than
the arithmetic of nets as small as these.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Replicates(nn.Module):
    """R fully connected nets.

    Args:
        sizes: of the layers. seeds: R of them; the same weights for every activation.
        activation: after all layers but the last. keep: chance of a hidden unit to be kept.
        gain: of the hidden layers' weights, whose columns have this norm (§3.1: 1).
    """

    def __init__(
        self,
        sizes: Sequence[int],
        seeds: Sequence[int],
        activation: nn.Module,
        keep: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.activation, self.keep = activation, keep
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for i, (n_in, n_out) in enumerate(pairwise(sizes)):
            normal = torch.stack([torch.randn(n_in, n_out, generator=g) for g in generators])
            weight_RIO = normal / normal.norm(dim=1, keepdim=True)
            self.weights.append(weight_RIO * (gain if i < len(sizes) - 2 else 1.0))
            self.biases.append(torch.zeros(len(seeds), 1, n_out))

    def forward(self, h_RBI: Tensor) -> Tensor:
        """Map (R, B, I) to (R, B, O)."""
        last = len(self.weights) - 1
        for i, (weight_RIO, bias_R1O) in enumerate(zip(self.weights, self.biases)):
            h_RBI = torch.baddbmm(bias_R1O, h_RBI, weight_RIO)
            if i < last:
                h_RBI = self.activation(h_RBI)
                if self.keep < 1:
                    h_RBI = F.dropout(h_RBI, 1 - self.keep, self.training)
        return h_RBI


def cross_entropy(logits_RBC: Tensor, labels: Tensor) -> Tensor:
    """Return each net's mean cross-entropy in nats, (R,); labels (R, B) or (B,)."""
    labels_RB = labels.expand(logits_RBC.shape[:2])
    return F.cross_entropy(logits_RBC.movedim(2, 1), labels_RB, reduction="none").mean(1)


def batches(examples: int, size: int, epochs: int, seeds: Sequence[int]) -> Iterator[Tensor]:
    """Yield indices (R, size): each seed its own order, the same for all that is compared."""
    generators = [torch.Generator().manual_seed(1000 + seed) for seed in seeds]
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(examples, generator=g) for g in generators])
        yield from (b for b in orders.split(size, dim=1) if b.shape[1] == size)


def train(
    net: Replicates,
    examples: int,
    loss: Callable[[Tensor], Tensor],
    lr: float,
    batch: int,
    epochs: int,
    seeds: Sequence[int],
    track: Callable,
    each_epoch: Callable[[], None] = lambda: None,
) -> None:
    """Train with Adam.

    Args:
        net: the nets.
        examples: so many there are.
        loss: of indices (R, B), for each net, (R,).
        lr: the learning rate.
        batch: examples per update.
        epochs: so many passes.
        seeds: of the orders.
        track: wraps the updates to show progress.
        each_epoch: called after each, with the net in evaluation mode and without gradients.
    """
    opt = torch.optim.Adam(net.parameters(), lr, fused=True)
    steps = examples // batch
    for step, index_RB in enumerate(track(list(batches(examples, batch, epochs, seeds))), 1):
        opt.zero_grad()
        loss(index_RB).sum().backward()
        opt.step()
        if step % steps == 0:
            net.eval()
            with torch.no_grad():
                each_epoch()
            net.train()


def summary(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard error."""
    v = torch.tensor(values, dtype=torch.float64)
    return v.mean().item(), (v.std() / math.sqrt(len(v))).item() if len(v) > 1 else math.nan


def log_ratio(upper: Sequence[float], lower: Sequence[float]) -> tuple[float, float]:
    """Return the mean of log(upper/lower) over paired seeds, and its standard error."""
    return summary([math.log(a / b) for a, b in zip(upper, lower)])
