"""What is wrong with an input, said before it does harm."""

import torch
from torch import Tensor


def readable(tensor: Tensor) -> bool:
    """Return whether a check may look at the numbers: not in a trace, nor where a GPU would wait.

    Shapes are always checked, numbers only here.
    """
    traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    return not traced and tensor.device.type == "cpu"


def same_shape(**tensors: Tensor | None) -> None:
    """Raise a ValueError that names two of the tensors whose shapes differ; None is left out."""
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first, *rest = given
    for name in rest:
        if given[name].shape != given[first].shape:
            raise ValueError(
                f"{name} must have the shape of {first}, {(*given[first].shape,)}, "
                f"got {(*given[name].shape,)}"
            )


def no_empty_row(mask_BT: Tensor, name: str = "mask") -> None:
    """Raise a ValueError if a row of a mask has no position at all."""
    if readable(mask_BT) and mask_BT.numel() and not (any_BT := mask_BT.bool().any(-1)).all():
        row = int((~any_BT).nonzero()[0, 0])
        raise ValueError(f"{name} has no position in row {row}: a mean over it would be 0 / 0")


def no_positive(log_probs: Tensor, name: str) -> None:
    """Raise a ValueError if a log-probability is above 0, but for rounding."""
    if readable(log_probs) and log_probs.numel() and not (high := log_probs.max()) <= 1e-4:
        raise ValueError(f"{name} must be log-probabilities, at most 0, got {high.item():.4g}")


def finite(tensor: Tensor, name: str) -> None:
    """Raise a ValueError that names the first row with a number that is not finite."""
    if readable(tensor) and not (good := tensor.isfinite()).all():
        row = int((~good).nonzero()[0, 0])
        raise ValueError(f"{name} must be finite, got {tensor[row].tolist()} in row {row}")


def in_range(name: str, value: float, low: float, high: float, open_low: bool = False) -> None:
    """Raise a ValueError unless low ≤ value ≤ high (or low < value)."""
    if not (low < value if open_low else low <= value) or not value <= high:
        bracket = "(" if open_low else "["
        raise ValueError(f"{name} must be in {bracket}{low}, {high}], got {value}")
