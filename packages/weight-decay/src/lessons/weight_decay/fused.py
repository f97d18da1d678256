"""torch's fused kernels: what they take without a word, and what they cannot."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, optim


def kernel(params: Iterable) -> tuple[list, bool]:
    """Return the parameters (or groups) as a list, and whether torch's fused kernels take them."""
    entries = list(params)
    nested = [e["params"] if isinstance(e, dict) else [e] for e in entries]
    flat = [[group] if isinstance(group, Tensor) else list(group) for group in nested]
    entries = [e | {"params": f} if isinstance(e, dict) else e for e, f in zip(entries, flat)]
    tensors = [p[1] if isinstance(p, tuple) else p for group in flat for p in group]
    return entries, all(t.is_floating_point() and t.device.type in ("cpu", "cuda") for t in tensors)


def alike(a: Tensor, b: Tensor) -> bool:
    """Return whether the numbers of two tensors of one shape lie in the same order."""
    if a.stride() == b.stride():
        return True
    pairs = zip(a.shape, a.stride(), b.stride())
    return all(size < 2 or one == other for size, one, other in pairs)


def dense(tensor: Tensor) -> bool:
    """Return whether a tensor's memory has neither gaps nor overlaps, in whatever order."""
    expected = 1
    for step, size in sorted(zip(tensor.stride(), tensor.shape)):
        if size > 1 and step != expected:
            return False
        expected *= size
    return True


def fits(group: dict[str, Any], state: dict[Tensor, dict[str, Any]]) -> bool:
    """Return whether the fused kernel can take a step on a group, once it is `laid_alike`."""
    params = [param for param in group["params"] if param.grad is not None]
    if any(param.grad.is_sparse or not (param.is_contiguous() or dense(param)) for param in params):
        return False
    if not group.get("momentum"):
        return True
    # SGD's kernel takes momentum of all parameters or of none; a gradient may come later.
    begun = {(state.get(param) or {}).get("momentum_buffer") is not None for param in params}
    return len(begun) < 2


def laid_alike(
    group: dict[str, Any], state: dict[Tensor, dict[str, Any]]
) -> list[tuple[Tensor, Tensor]]:
    """Give gradients and state the strides of their parameters; return what gradients there were.

    The kernels walk through the memory of each tensor from end to end: of a transposed parameter
    with a contiguous gradient they would add numbers that do not belong together.
    """
    before = []
    for param in group["params"]:
        grad = param.grad
        if grad is None:
            continue
        if not alike(grad, param):
            before.append((param, grad))
            param.grad = torch.empty_like(param, dtype=grad.dtype).copy_(grad)
        own = state.get(param) or {}
        for name, value in own.items():
            moment = isinstance(value, Tensor) and value.shape == param.shape
            if moment and not alike(value, param):
                own[name] = torch.empty_like(param, dtype=value.dtype).copy_(value)
    return before


def fit(optimizer: optim.Optimizer) -> tuple[list[tuple[Tensor, Tensor]], list[dict[str, Any]]]:
    """Make every fused group fit its kernel, or not fused.

    Returns:
        Gradients to be put back after the step, with their parameters, and groups that are to be
        fused again.
    """
    grads: list[tuple[Tensor, Tensor]] = []
    groups: list[dict[str, Any]] = []
    for group in optimizer.param_groups:
        if not group.get("fused"):
            continue
        if fits(group, optimizer.state):
            grads += laid_alike(group, optimizer.state)
        else:
            group["fused"] = False
            groups.append(group)
    return grads, groups
