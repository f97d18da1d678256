"""What arguments of the activations have to be."""

import torch
from torch import Tensor, nn


def checked(x: Tensor) -> None:
    """Raise a TypeError unless x is a tensor of floats."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"x must be floating point, got {x.dtype}")


def located(x: Tensor, mu: float | Tensor, sigma: float | Tensor) -> None:
    """Raise a ValueError unless μ and σ broadcast to x and σ is positive."""
    for name, value in (("mu", mu), ("sigma", sigma)):
        if isinstance(value, Tensor):
            broadcast(x, name, value)
    if not isinstance(sigma, Tensor) and not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    # A tensor's values are looked at where that neither breaks a graph nor meets none, or many.
    traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    look = isinstance(sigma, Tensor) and not traced and not sigma.is_meta
    if look and not bool((sigma > 0).all()):
        raise ValueError(f"sigma must be positive, its smallest value is {sigma.min().item()}")


def broadcast(x: Tensor, name: str, value: Tensor) -> None:
    """Raise a ValueError unless ``value`` broadcasts to x's shape."""
    there, pairs = value.ndim <= x.ndim, zip(reversed(value.shape), reversed(x.shape))
    if not there or any(size not in (1, wanted) for size, wanted in pairs):
        raise ValueError(
            f"{name} has shape {tuple(value.shape)}, which does not broadcast to x's "
            f"{tuple(x.shape)}"
        )


def located_in(layer: nn.Module, mu: float | Tensor, sigma: float | Tensor) -> None:
    """Give a layer μ and σ: tensors go where it goes, and are no part of its state dict."""
    for name, value in (("mu", mu), ("sigma", sigma)):
        if isinstance(value, Tensor):
            layer.register_buffer(name, value, persistent=False)
        else:
            setattr(layer, name, value)
