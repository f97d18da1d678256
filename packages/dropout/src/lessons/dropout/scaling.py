"""Weights that fit: scaled for evaluation and after pretraining (§4, §5.2), and bounded (§5.1)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .dropout import Dropout

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# What a positive factor passes through: f(a·x) = a·f(x).
HOMOGENEOUS = (nn.ReLU, nn.LeakyReLU, nn.Flatten, nn.Identity, nn.MaxPool1d, nn.MaxPool2d,
               nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)  # fmt: skip


def behind_dropout(net: nn.Module) -> Iterator[tuple[nn.Module, list[Dropout], float]]:
    """Yield each weighted layer of a feed-forward net, its dropouts and their retention 1 − p."""
    keep, dropouts = 1.0, []
    for name, module in net.named_modules():
        if isinstance(module, Dropout):
            keep *= 1 - module.p
            dropouts.append(module)
        elif isinstance(module, WEIGHTED):
            if dropouts:
                yield module, dropouts, keep
            keep, dropouts = 1.0, []
        elif dropouts and not any(module.children()) and not isinstance(module, HOMOGENEOUS):
            raise ValueError(
                f"{name} ({type(module).__name__}) stands between a dropout and the next weights; "
                "a factor does not pass through it"
            )
    if dropouts:
        raise ValueError("a dropout has no weights behind it that could be scaled")


@torch.no_grad()
def to_inference_weights_(net: nn.Module) -> nn.Module:
    """Multiply the weights behind each dropout by its retention 1 − p, and set p to 0 (§4, Fig. 2).

    Args:
        net: modules in the order in which they are called, with dropouts of mode "paper".

    Returns:
        The net, which no longer needs to know of dropout.

    Raises:
        ValueError: a dropout of another mode (its weights need no scaling), or one without weights
            behind it.
    """
    found = list(behind_dropout(net))
    for _, dropouts, _ in found:
        for module in dropouts:
            if module.mode != "paper" or module.noise != "bernoulli":
                raise ValueError(f"weights are scaled for mode 'paper' only, got {module}")
    for layer, dropouts, keep in found:
        layer.weight.mul_(keep)  # type: ignore
        for module in dropouts:
            module.p = 0.0
    return net


@torch.no_grad()
def from_pretrained_scale_(net: nn.Module) -> nn.Module:
    """Divide the weights behind each dropout by its retention 1 − p: pretrained without it (§5.2).

    Args:
        net: as in `to_inference_weights_`; its dropouts stay.

    Raises:
        ValueError: as there, and p = 1.
    """
    found = list(behind_dropout(net))
    if any(keep == 0 or d.mode != "paper" for _, dropouts, keep in found for d in dropouts):
        raise ValueError("weights are scaled for mode 'paper' only, with p below 1")
    for layer, _, keep in found:
        layer.weight.div_(keep)  # type: ignore
    return net


@torch.no_grad()
def max_norm_(weight: Tensor, c: float, dim: int | tuple[int, ...] = 0) -> Tensor:
    """Project each unit's incoming weights onto the ball ‖w‖₂ ≤ c, in place (§5.1).

    Args:
        weight: (units, …), as torch has it.
        c: the radius; the paper's is 2 on MNIST, else 3 to 4.
        dim: along which the units lie (1 for a transposed convolution, (0, 1) for stacked nets).

    Returns:
        The weight. A vector inside the ball is left as it is.

    Raises:
        ValueError: c is not above 0.
    """
    if not c > 0:
        raise ValueError(f"c must be above 0, got {c}")
    units = {d % weight.ndim for d in (dim if isinstance(dim, tuple) else (dim,))}
    others = [d for d in range(weight.ndim) if d not in units]
    norm = torch.linalg.vector_norm(weight, dim=others, keepdim=True)
    return weight.mul_(c / norm.clamp_min(c))  # no 0/0 where all weights are 0


class MaxNorm:
    """Bound the incoming weights of every unit of a model after each step of its optimizer.

    ``optimizer.register_step_post_hook(MaxNorm(model, c=2.0))``, or call it yourself. Biases, and
    modules other than linear and convolutional ones, are let be.

    Args:
        model: whose weights. c: the radius.

    Source: §5.1.
    """

    def __init__(self, model: nn.Module, c: float) -> None:
        if not c > 0:
            raise ValueError(f"c must be above 0, got {c}")
        self.c = c
        self.weights = [m.weight for m in model.modules() if isinstance(m, WEIGHTED)]

    def __call__(self, *_) -> None:
        """Project."""
        for weight in self.weights:
            max_norm_(weight, self.c)
