"""Training on a file of tokens; a run that was killed goes on where it was.

The paper gives the batch (512 sequences of 1,024 tokens, §2.3) and that the learning rate of each
model was tuned by hand (§3). The rest is GPT's (Radford et al. 2018, §4.1): Adam, a rate that rises
linearly for 2,000 steps to 2.5e-4 and falls to 0 as a cosine, weight decay 0.01 on all matrices.
"""

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from .checkpoint import keep, resume
from .model import GPT2
from .parallel import Spread, alone, place
from .token_file import TokenFile


def param_groups(model: nn.Module, weight_decay: float = 0.01) -> list[dict[str, Any]]:
    """Return an optimizer's groups: matrices decay, gains and biases do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


def learning_rate(
    step: int, steps: int, peak: float = 2.5e-4, warmup: int = 2000, last: float = 0.0
) -> float:
    """Return the rate of a step, counted from 0: it rises linearly, then falls as half a cosine.

    Raises:
        ValueError: a step outside 0 to steps - 1, or a warm-up that is not shorter than the whole.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step must be 0 to {steps - 1}, got {step}")
    if not 0 <= warmup < steps:
        raise ValueError(f"warmup must be 0 to {steps - 1}, got {warmup}")
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    share = (step - warmup) / (steps - warmup)
    return last + (peak - last) * (1 + math.cos(math.pi * share)) / 2


@dataclasses.dataclass(frozen=True)
class Progress:
    """What a step did."""

    step: int  # counted from 0
    loss: float  # mean over the step's tokens, in nats, before it
    learning_rate: float
    gradient_norm: float  # before it was clipped


def train(
    model: GPT2 | Spread,
    data: TokenFile,
    steps: int,
    *,
    batch: int = 512,
    length: int | None = None,
    accumulate: int = 1,
    peak: float = 2.5e-4,
    warmup: int = 2000,
    weight_decay: float = 0.01,
    clip: float | None = None,
    dtype: torch.dtype | None = None,
    chunk: int | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike | None = None,
    every: int = 1000,
) -> Iterator[Progress]:
    """Train a model, in place; yield what each step did.

    What a step draws, windows and dropout, depends on ``seed`` and its number alone: a run that was
    killed and goes on from its checkpoint ends with the same weights. Several processes (torchrun)
    share out each batch and take the steps that one would take, but for dropout, which each draws
    for itself; every process calls this, and writes its part of the checkpoint.

    Args:
        model: on the device where it is trained; with several processes, as `spread` returns it.
        data: tokens.
        steps: in all, those before a checkpoint included.
        batch: sequences a step.
        length: tokens of a sequence; default: ``n_positions``.
        accumulate: parts that a batch is read in, one after the other, to save memory; of several
            processes each takes its share of each part.
        peak: of `learning_rate`.
        warmup: of `learning_rate`.
        weight_decay: of `param_groups`.
        clip: largest norm of the gradient; None: any, as the papers name none.
        dtype: of autocast, such as torch.bfloat16; None: the model's own.
        chunk: logits held at a time.
        seed: of what is drawn.
        checkpoint: a folder, which all processes see; what is there is gone on from.
        every: steps between checkpoints; the last step writes one, too.

    Raises:
        ValueError: parts or processes that do not share out the batch, a number below 1, or a
            checkpoint of another seed.
    """
    for name, number in (("steps", steps), ("batch", batch), ("accumulate", accumulate),
                         ("every", every)):  # fmt: skip
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    net: Any = model.module if isinstance(model, DistributedDataParallel) else model
    rank, world = place(model)
    if batch % (accumulate * world):
        by = f"accumulate ({accumulate})" + (f" times processes ({world})" if world > 1 else "")
        raise ValueError(f"batch ({batch}) must be divisible by {by}")
    learning_rate(0, steps, peak, warmup)
    length = net.config.n_positions if length is None else length
    device = net.wte.weight.device
    # On a GPU one kernel for all parameters; torch's for the CPU ignores strides.
    fused = device.type == "cuda"
    groups = param_groups(net, weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=peak, eps=1e-8, fused=fused)
    first = resume(checkpoint, model, optimizer, {"seed": seed})
    return _train(
        model, data, optimizer, range(first, steps), (batch, length, accumulate), (peak, warmup),
        clip, (device, dtype, chunk), seed, checkpoint, every, (rank, world),
    )  # fmt: skip


def _train(
    model, data, optimizer, steps, sizes, rates, clip, how, seed, checkpoint, every, place
) -> Iterator[Progress]:
    batch, length, accumulate = sizes
    device, dtype, chunk = how
    rank, world = place
    model.train()
    for step in steps:
        generator = torch.Generator().manual_seed((seed << 32) + step)
        windows = data.batch(batch, length, generator).to(device)
        parts = windows.view(accumulate, world, -1, length)[:, rank]
        rate = learning_rate(step, steps.stop, *rates)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        total = 0.0
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed((seed << 32) + step * world + rank)
            for n, part in enumerate(parts):
                mixed = torch.autocast(device.type, dtype) if dtype else contextlib.nullcontext()
                with alone(model, waits=world > 1 and n + 1 < accumulate):
                    with mixed:
                        loss = model(part, labels_BT=part, chunk=chunk) / accumulate
                    loss.backward()
                total += loss.item()
        if world > 1:
            mean = torch.tensor(total, dtype=torch.float64, device=device)
            dist.all_reduce(mean)
            total = mean.item() / world
        limit = math.inf if clip is None else clip
        norm = nn.utils.clip_grad_norm_(model.parameters(), limit)
        norm = (norm.full_tensor() if isinstance(norm, DTensor) else norm).item()
        optimizer.step()
        due = (step + 1) % every == 0 or step + 1 == steps.stop
        if checkpoint is not None and due:
            keep(checkpoint, model, optimizer, step + 1, {"seed": seed})
        yield Progress(step, total, rate, norm)
