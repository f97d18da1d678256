"""Memory for time: what is inside a stage is not kept, but computed again in the backward pass."""

import contextlib

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def checkpointed(module: nn.Module, x: Tensor) -> Tensor:
    """Return ``module(x)``, of whose inside nothing is kept for the backward pass.

    Running statistics move once a step, as they do without; torch's `checkpoint` alone moves them
    again with the second computation.
    """
    if torch.compiler.is_compiling():  # a compiled graph writes the statistics once
        return checkpoint(module, x, use_reentrant=False)

    def contexts() -> tuple:
        return contextlib.nullcontext(), StatisticsAside(module)

    return checkpoint(module, x, use_reentrant=False, context_fn=contexts)


class StatisticsAside:
    """A context, for any number of times, in which norms in training write statistics elsewhere."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.kept = module, []

    def __enter__(self) -> None:
        norms = [m for m in self.module.modules() if m.training and "running_mean" in m._buffers]
        self.kept = [(norm, norm._buffers) for norm in norms]
        for norm, buffers in self.kept:
            copies = {k: None if v is None else v.clone() for k, v in buffers.items()}
            norm._buffers = copies

    def __exit__(self, *_) -> None:
        for norm, buffers in self.kept:
            norm._buffers = buffers
