"""Chains of matrix products in a computation, counted from autograd's own graph of it."""

from typing import Any

import torch
from torch import Tensor

# Fused attention is two products that wait for each other: scores, then the mean of the values.
PRODUCTS = {
    "MmBackward0": 1, "AddmmBackward0": 1, "BmmBackward0": 1, "BaddbmmBackward0": 1,
    "LinearBackward0": 1, "ConvolutionBackward0": 1, "MvBackward0": 1,
}  # fmt: skip


def cost(node) -> int:
    """Return how many products an operation is, one after the other."""
    name = type(node).__name__
    return 2 if name.startswith("ScaledDotProduct") else PRODUCTS.get(name, 0)


def longest_chain(result: Tensor) -> int:
    """Return the most products that wait for one another on the way to a result."""
    return max(_chains(result, max).values())


def shortest_chain(result: Tensor, leaf: Tensor) -> int:
    """Return the fewest products between a leaf and a result that depends on it."""
    found = _chains(result, min)
    return next(depth for node, depth in found.items() if getattr(node, "variable", None) is leaf)


def _chains(result: Tensor, choose) -> dict[Any, int]:
    """Return for each operation the products between it and the result, itself included."""
    order: list[Any] = []
    seen: set[Any] = set()
    stack: list[tuple[Any, bool]] = [(result.grad_fn, False)]
    while stack:  # depth first, without recursion: graphs are thousands of operations deep
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(child, False) for child, _ in node.next_functions if child is not None]
    depth: dict[Any, int] = {result.grad_fn: cost(result.grad_fn)}
    for node in reversed(order):
        for child, _ in node.next_functions:
            if child is not None:
                here = depth[node] + cost(child)
                depth[child] = choose(depth.get(child, here), here)
    return depth


def reaches(result: Tensor, leaf: Tensor, row: int) -> bool:
    """Return whether a result depends on a row of a leaf."""
    (gradient,) = torch.autograd.grad(result, leaf)
    return bool(gradient[row].abs().sum() > 0)
