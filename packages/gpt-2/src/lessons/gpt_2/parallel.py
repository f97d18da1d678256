"""One program for one processor and for many: torchrun tells each process who it is."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from .model import GPT2

Spread = DistributedDataParallel | FSDPModule  # a model that several processes train together


@contextmanager
def processes(device: str) -> Generator[torch.device]:
    """Join the others that torchrun started, if it did; yield the device of this process.

    Args:
        device: "cpu" or "cuda"; of several GPUs each process takes its own.
    """
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield torch.device(device)
        return
    mine = torch.device(device)
    if mine.type == "cuda":
        mine = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(mine)
    dist.init_process_group("nccl" if mine.type == "cuda" else "gloo")
    try:
        yield mine
    finally:
        dist.destroy_process_group()


def spread(model: GPT2, sharded: bool = False) -> Any:
    """Return the model as all processes of the group train it together; alone, the model itself.

    Args:
        model: with the same weights in every process.
        sharded: False: each process holds the whole model, and gradients are averaged
            (DistributedDataParallel). True: each holds a part of every tensor, of its gradient and
            of the optimizer's state; a block is put together where it is computed (FSDP2).

    The embedding, which is also the output matrix, belongs to the outermost group: sharded apart
    from its second use it would be two parameters.
    """
    if not dist.is_initialized():
        return model
    if not sharded:
        return DistributedDataParallel(model)
    for block in model.h:
        fully_shard(block)
    return fully_shard(model)


def place(model: Any) -> tuple[int, int]:
    """Return (this process, how many) that a model is trained by."""
    if isinstance(model, Spread):
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


@contextmanager
def alone(model: Any, waits: bool) -> Generator[None]:
    """Keep gradients to oneself, if ``waits``: they are exchanged with the last part of a batch."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(not waits)
        yield
    elif isinstance(model, DistributedDataParallel) and waits:
        with model.no_sync():
            yield
    else:
        yield
