"""The training recipe (§3.4): plain descent, halved rates, a limit for the gradient, batches."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .model import Seq2Seq

Pair = tuple[Sequence[int], Sequence[int]]
EPOCHS = 7.5


def halving_lr(epoch: float, lr: float = 0.7, first: float = 5.0, every: float = 0.5) -> float:
    """Return the learning rate at a time in epochs.

    "After 5 epochs, we begun halving the learning rate every half epoch": whether the first halving
    is at 5 or at 5.5 is not said. With the first it ends at 0.021875, with the other at 0.04375.

    Args:
        epoch: passes over the data so far, with fractions.
        lr: the rate before.
        first: when it is first halved.
        every: epochs from one halving to the next.

    Raises:
        ValueError: a negative epoch, a rate or time that is not positive.
    """
    if epoch < 0 or not lr > 0 or not every > 0:
        raise ValueError(
            f"epoch must not be negative, lr and every be positive, got {epoch}, {lr}, {every}"
        )
    return lr if epoch < first else lr * 0.5 ** (1 + math.floor((epoch - first) / every))


@torch.no_grad()
def clip_gradient(parameters: Iterable[Tensor], longest: float = 5.0) -> float:
    """Scale the gradient to a norm of at most ``longest``; return its norm before.

    §3.4: s = ‖g‖₂, and if s > 5, g = 5g/s, where g is the mean of the sentences' gradients.

    Raises:
        ValueError: longest is not positive.
        RuntimeError: the norm is not finite. Nothing was scaled, and no step should be taken.
    """
    if not longest > 0:
        raise ValueError(f"longest must be positive, got {longest}")
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = float(torch.stack([g.norm() for g in gradients]).norm()) if gradients else 0.0
    if not math.isfinite(norm):
        raise RuntimeError(f"the gradient's norm is {norm}: a smaller rate, or other data?")
    if norm > longest:
        for gradient in gradients:
            gradient.mul_(longest / norm)
    return norm


def length_batches(
    pairs: Sequence[Pair],
    batch: int = 128,
    batches: int = 20,
    generator: torch.Generator | None = None,
) -> Iterator[list[int]]:
    """Yield batches of pairs' numbers for one pass, "roughly of the same length" (§3.4).

    Args:
        pairs: sources and targets, as ids.
        batch: pairs a batch.
        batches: that are drawn, sorted by length and cut together; the paper does not say.
        generator: randomness of the order.

    Raises:
        ValueError: batch or batches below 1.
    """
    if min(batch, batches) < 1:
        raise ValueError(f"batch and batches must be at least 1, got {batch} and {batches}")
    order = torch.randperm(len(pairs), generator=generator).tolist()
    found = []
    for start in range(0, len(order), batch * batches):
        drawn = sorted(
            order[start : start + batch * batches],
            key=lambda i: (len(pairs[i][1]), len(pairs[i][0])),
        )
        found += [drawn[first : first + batch] for first in range(0, len(drawn), batch)]
    for k in torch.randperm(len(found), generator=generator).tolist():
        yield found[k]


def pad(rows: Sequence[Sequence[int]], pad_id: int = 0) -> tuple[Tensor, Tensor]:
    """Return ids (B, S), padded on the right, and the rows' lengths (B,)."""
    length_B = torch.tensor([len(row) for row in rows])
    ids_BS = torch.full((len(rows), int(length_B.max())), pad_id)
    for i, row in enumerate(rows):
        ids_BS[i, : len(row)] = torch.tensor(row)
    return ids_BS, length_B


def fit(
    model: Seq2Seq,
    pairs: Sequence[Pair],
    epochs: float = EPOCHS,
    batch: int = 128,
    lr: float = 0.7,
    longest: float = 5.0,
    seed: int = 0,
    autocast: torch.dtype | None = None,
    checkpoint: str | os.PathLike | None = None,
    every: int = 1000,
    told: Callable[[int, float, float], Any] = lambda step, loss, lr: None,
) -> list[float]:
    """Train by the paper's recipe (§3.4); return the loss of each step, per sentence in nats.

    Args:
        model: is changed.
        pairs: sources without, targets with the end mark, as ids.
        epochs: passes over the data.
        batch: pairs a step; the gradient is that of their mean.
        lr: before it is halved (`halving_lr`).
        longest: norm of the gradient (`clip_gradient`).
        seed: of the order of the batches, which differs from pass to pass.
        autocast: compute in this type, such as ``torch.bfloat16``; weights keep theirs.
        checkpoint: a file from which training goes on if it is there, written every ``every`` steps
            and at the end.
        every: steps.
        told: is called with step, loss and rate.

    Raises:
        ValueError: no pairs, no epochs. RuntimeError: a gradient that is not finite.
    """
    if not pairs or not epochs > 0:
        raise ValueError(f"pairs and epochs are needed, got {len(pairs)} and {epochs}")
    device = next(model.parameters()).device
    a_pass = math.ceil(len(pairs) / batch)
    losses: list[float] = []
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.is_file():
        known = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(known["model"])
        losses = list(known["losses"])
    model.train()
    steps = math.ceil(epochs * a_pass)
    order: list[list[int]] = []
    for step in range(len(losses), steps):
        if not order or step % a_pass == 0:
            generator = torch.Generator().manual_seed(seed * 100_003 + step // a_pass)
            order = list(length_batches(pairs, batch, generator=generator))
        chosen = order[step % a_pass]
        src, length = pad([pairs[i][0] for i in chosen], model.config.pad_id)
        tgt, _ = pad([pairs[i][1] for i in chosen], model.config.pad_id)
        model.zero_grad(set_to_none=True)
        with torch.autocast(device.type, autocast or torch.bfloat16, autocast is not None):
            loss = model.loss(src.to(device), length.to(device), tgt.to(device))
        loss.backward()
        clip_gradient(model.parameters(), longest)
        rate = halving_lr(step / a_pass, lr)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=rate)
        losses.append(loss.item())
        told(step, losses[-1], rate)
        if path is not None and (len(losses) % every == 0 or len(losses) == steps):
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            try:
                torch.save({"model": model.state_dict(), "losses": losses}, temporary)
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
    return losses
