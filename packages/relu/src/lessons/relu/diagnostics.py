"""What a rectifier network does with an input: which units are on, and the linear map that leaves.

Once it is known which units are on, the network is linear (Fig. 2 left).
"""

import contextlib
import math
from collections.abc import Generator, Iterable, Sequence

import torch
from torch import Tensor, nn

from .rectifier import ReLU, SignedRectifier

RECTIFIERS = (ReLU, SignedRectifier, nn.ReLU)


@contextlib.contextmanager
def recording(
    model: nn.Module, kinds: tuple[type[nn.Module], ...] = RECTIFIERS
) -> Generator[dict[str, Tensor]]:
    """Keep the outputs of layers of some kinds, while the ``with`` lasts.

    Yields:
        A dict that each forward pass fills: the layer's name -> its output, with its graph.

    Raises:
        ValueError: the model has no such layer.
    """
    found: dict[str, Tensor] = {}
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, kinds)]
    if not layers:
        raise ValueError(f"model has no layer of {', '.join(kind.__name__ for kind in kinds)}")
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: found.update({name: out}))
        for name, module in layers
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def sparsity(model: nn.Module, batches: Iterable[Tensor]) -> dict[str, float]:
    """Return the fraction of exact zeros in each layer of rectifiers (§4.1).

    Args:
        model: any module with rectifier layers.
        batches: inputs, a batch each.
    """
    zeros: dict[str, int] = {}
    values: dict[str, int] = {}
    with recording(model) as found:
        for x in batches:
            model(x)
            for name, h in found.items():
                zeros[name] = zeros.get(name, 0) + int((h == 0).sum())
                values[name] = values.get(name, 0) + h.numel()
    return {name: zeros[name] / values[name] for name in zeros}


@torch.no_grad()
def dead_units(model: nn.Module, batches: Iterable[Tensor]) -> dict[str, int]:
    """Return how many units (last axis) of each layer are 0 on every input, so never learn."""
    ever: dict[str, Tensor] = {}
    with recording(model) as found:
        for x in batches:
            model(x)
            for name, h in found.items():
                on = (h != 0).flatten(0, -2).any(0)
                ever[name] = on | ever[name] if name in ever else on
    return {name: int((~on).sum()) for name, on in ever.items()}


@torch.no_grad()
def activation_pattern(model: nn.Module, x: Tensor) -> Tensor:
    """Return which units are on, bool (B, all units), for inputs (B, F)."""
    with recording(model) as found:
        model(x)
    return torch.cat([(h != 0).flatten(1) for h in found.values()], dim=1)


def linear_map(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the affine map (A, b) that the model is around one input (F,): f(x) = Ax + b.

    It is the same for every input with the same `activation_pattern`.
    """
    matrix = torch.func.jacrev(model)(x)
    return matrix, (model(x) - matrix @ x).detach()


def count_regions_2d(
    model: nn.Module, low: float = -1.0, high: float = 1.0, resolution: int = 200
) -> int:
    """Count the activation patterns met on a grid over a square of a 2-d input space.

    Regions smaller than the grid's meshes can be missed: the count is a lower bound.
    """
    parameter = next(model.parameters())
    axis = torch.linspace(low, high, resolution, dtype=parameter.dtype, device=parameter.device)
    return len(activation_pattern(model, torch.cartesian_prod(axis, axis)).unique(dim=0))


@torch.no_grad()
def rescale_(model: nn.Module, alphas: Sequence[float], allow_scale: bool = False) -> nn.Module:
    """Divide weights and biases so that the function stays the same (§3.1); return the model.

    W_i is divided by α_i, b_i by α_1 ⋯ α_i; the output then is divided by the product of all.

    Args:
        model: linear layers with rectifiers between them.
        alphas: a positive number for each linear layer. The paper does not ask for positive ones,
            but max(0, x/α) = max(0, x)/α needs them.
        allow_scale: let the product differ from 1.

    Raises:
        ValueError: a number that is not positive, too few or too many, or a product other than 1.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if len(alphas) != len(layers):
        raise ValueError(f"alphas has {len(alphas)} numbers, the model {len(layers)} layers")
    for i, alpha in enumerate(alphas):
        if not alpha > 0:
            raise ValueError(f"alphas must be positive, got {alpha} at {i} of {len(layers)} layers")
    if not allow_scale and not math.isclose(math.prod(alphas), 1, rel_tol=1e-9):
        raise ValueError(
            f"the product of alphas is {math.prod(alphas):g}, which divides the output: make it 1, "
            "or say allow_scale=True"
        )
    product = 1.0
    for layer, alpha in zip(layers, alphas):
        product *= alpha
        layer.weight.div_(alpha)
        layer.bias.div_(product)
    return model
