"""What came LATER than the paper: slopes below zero, caps, squares.

Maas et al. 2013 let a little through where the rectifier is off, so that no unit is ever dead; He
et al. 2015 learn how much.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.fx import Proxy

from .rectifier import relu

METHODS = ("kernel", "readable")


class Leak(Function):
    """x above 0, slope · x below; gradients for both."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, slope: Tensor) -> Tensor:
        """Return x or slope · x; slope broadcasts to x."""
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Keep both inputs: the output's sign does not tell x's if the slope may be negative."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor):  # ty: ignore[incompatible-method-override]
        """Weigh the gradient with 1 or the slope; the slope gathers grad · x where x ≤ 0."""
        x, slope = ctx.saved_tensors
        return (
            torch.where(x > 0, grad, slope * grad),
            torch.where(x > 0, 0, x * grad).sum_to_size(slope.shape),
        )


class LeakJvp(Leak):
    """The same with forward derivatives; a class of its own, as torch.compile refuses a jvp."""

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Keep both inputs for both ways."""
        Leak.setup_context(ctx, inputs, output)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx, by_x: Tensor, by_slope: Tensor):  # ty: ignore[incompatible-method-override]
        """Return the change of the output by changes of x and of the slope."""
        x, slope = ctx.saved_tensors
        return torch.where(x > 0, by_x, slope * by_x + by_slope * x)


def leak(x: Tensor, slope: Tensor) -> Tensor:
    """Return x above 0, slope · x below."""
    return (Leak if torch.compiler.is_compiling() else LeakJvp).apply(x, slope)


def checked(method: str) -> str:
    """Return a layer's method; raise a ValueError where there is no such."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    return method


class LeakyReLU(nn.Module):
    """LATER (Maas et al. 2013): a fixed small slope below 0, in place of ``nn.LeakyReLU``.

    Args:
        negative_slope: below 0. inplace: overwrite the input.
        method: "kernel" (torch's, the default) or "readable" (`Leak`).
    """

    def __init__(
        self, negative_slope: float = 0.01, inplace: bool = False, method: str = "kernel"
    ) -> None:
        super().__init__()
        self.negative_slope, self.inplace, self.method = negative_slope, inplace, checked(method)
        if inplace and method != "kernel":
            raise ValueError(f"inplace needs method 'kernel', got {method!r}")

    def forward(self, input: Tensor) -> Tensor:
        """Return x or negative_slope · x, of the input's shape."""
        if self.method == "readable" and not isinstance(input, Proxy):  # which torch.fx traces with
            return leak(input, input.new_tensor(self.negative_slope))
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """Return the slope."""
        return f"negative_slope={self.negative_slope}"


class PReLU(nn.Module):
    """LATER (He et al. 2015): the slope below 0 is learned, in place of ``nn.PReLU``.

    Args:
        num_parameters: 1, or one slope for each channel (axis 1).
        init: the slopes at first. device, dtype: of the slopes.
        method: "kernel" (torch's, the default) or "readable" (`Leak`).
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device=None, dtype=None,
        method: str = "kernel",
    ) -> None:  # fmt: skip
        super().__init__()
        self.method = checked(method)
        self.weight = nn.Parameter(torch.full((num_parameters,), init, device=device, dtype=dtype))

    def forward(self, input: Tensor) -> Tensor:
        """Return x or weight · x, of the input's shape (N, C, …)."""
        if self.method != "readable" or isinstance(input, Proxy):
            return F.prelu(input, self.weight)
        after = (-1, *[1] * max(input.dim() - 2, 0)) if len(self.weight) > 1 else ()
        return leak(input, self.weight.to(input.dtype).view(after))

    def extra_repr(self) -> str:
        """Return the number of slopes."""
        return f"num_parameters={len(self.weight)}"


def relu6(x: Tensor) -> Tensor:
    """LATER: return min(max(0, x), 6), which suits arithmetic of few bits."""
    return relu(x).clamp(max=6)


def squared_relu(x: Tensor) -> Tensor:
    """LATER: return max(0, x)², used in language models for its zeros."""
    return relu(x).square()
