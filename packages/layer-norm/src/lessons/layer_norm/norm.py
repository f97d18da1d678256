"""Layer normalization (Ba et al. 2016, §3): statistics over the units of a layer, for each case.

Shapes: `…` any leading dimensions, N those of ``normalized_shape`` (together H numbers).
"""

import math
import numbers
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from .tracing import node

NARROW = (torch.float16, torch.bfloat16)

# The ε of released models, to which their weights are used.
EPS = {"bert": 1e-12, "roberta": 1e-12, "gpt2": 1e-5, "clip": 1e-5, "t5": 1e-6, "vit": 1e-12,
       "vit (timm)": 1e-6}  # fmt: skip


def layer_norm_reference(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize as eq. 3 says: the specification of all that follows. Arguments: `layer_norm`."""
    dims = tuple(range(-len(normalized_shape), 0))
    wide = x.float() if x.dtype in NARROW else x  # eight bits of mantissa are no statistics
    centred = wide - wide.mean(dims, keepdim=True)  # before the square: E[x²] − E[x]² cancels
    variance = (centred * centred).mean(dims, keepdim=True)  # biased: 1/H, not 1/(H − 1)
    normalized = centred / (variance + eps).sqrt()  # the paper has no ε
    normalized = normalized if weight is None else normalized * weight
    return (normalized if bias is None else normalized + bias).to(x.dtype)


class LayerNormFunction(torch.autograd.Function):
    """The same with its gradient written out; for tensors of one dtype, weight and bias not None.

    The backward pass consists of differentiable operations on what was saved, which are inputs
    only: so it can itself be differentiated.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        """Return what `layer_norm_reference` does."""
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        return layer_norm_reference(x, weight.shape, weight, bias, eps)

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients of x, weight and bias (and None, for ε)."""
        (dy,), (x, weight) = gradients, ctx.saved_tensors
        dims = tuple(range(-weight.ndim, 0))
        cases = tuple(range(x.ndim - weight.ndim))
        centred = x - x.mean(dims, keepdim=True)
        rstd = ((centred * centred).mean(dims, keepdim=True) + ctx.eps).rsqrt()
        normalized = centred * rstd
        scaled = dy * weight
        # What x̂ cannot follow is taken out: a shift of all units, and a stretch along x̂ itself.
        shift = scaled.mean(dims, keepdim=True)
        stretch = (scaled * normalized).mean(dims, keepdim=True)
        dx = rstd * (scaled - shift - normalized * stretch)
        dweight = (dy * normalized).sum(cases) if cases else dy * normalized
        return dx, dweight, dy.sum(cases) if cases else dy, None


def layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize the trailing dimensions to mean 0 and variance 1, then scale and shift.

    Calls torch's kernel, which reads and writes every number once; equal to
    `layer_norm_reference`.

    Args:
        x: (…, *N), floating-point.
        normalized_shape: N, the trailing dimensions over which mean and variance are taken.
        weight: the gains g, (*N), or None for 1.
        bias: b, (*N), or None for 0.
        eps: added to the variance; the paper has none.

    Returns:
        (…, *N), of x's dtype.

    Raises:
        ValueError: trailing dimensions, weight or bias that are not ``normalized_shape``, or eps.
        TypeError: x is not floating-point.

    Source: eq. 3, and eq. 15 of the supplement.
    """
    shape = tuple(normalized_shape)
    if isinstance(x, Proxy):  # torch.fx traces: one node, as of torch's own functions
        return node(layer_norm, x, shape, weight, bias, eps)
    if x.shape[-len(shape) :] != shape or not x.is_floating_point():
        check(x, shape)
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor.shape != shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, and should be {shape}")
    if not eps >= 0:
        raise ValueError(f"eps must be at least 0, got {eps}")
    return torch.layer_norm(x, shape, weight, bias, eps)


def check(x: Tensor, shape: tuple[int, ...]) -> None:
    """Raise what is wrong with an input of these trailing dimensions."""
    checked_shape(shape)
    if x.shape[-len(shape) :] != shape:
        raise ValueError(
            f"normalized_shape is {shape}, and the input's trailing dimensions should be the same: "
            f"it is {tuple(x.shape)}"
        )
    if not x.is_floating_point():
        raise TypeError(f"the input must be floating-point, got {x.dtype}")


def checked_shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """Return ``normalized_shape`` as a tuple of at least one positive number."""
    single = isinstance(normalized_shape, numbers.Integral)
    shape = (int(normalized_shape),) if single else tuple(normalized_shape)  # type: ignore
    if not shape or min(shape) < 1:
        raise ValueError(f"normalized_shape must have positive sizes only, got {normalized_shape}")
    return shape


def rename(module, state_dict, prefix, *_) -> None:
    """Give TensorFlow's names in a state dict torch's: gamma is weight, beta is bias."""
    for old, new in ((f"{prefix}gamma", f"{prefix}weight"), (f"{prefix}beta", f"{prefix}bias")):
        if old in state_dict and new in state_dict:
            raise ValueError(f"the state dict has both {old} and {new}, and should have one")
        if old in state_dict:
            state_dict[new] = state_dict.pop(old)


class LayerNorm(nn.Module):
    """Layer normalization, in place of `torch.nn.LayerNorm`: same arguments, same state dict.

    Checkpoints from TensorFlow's days, with ``gamma`` and ``beta``, load as well.

    Args:
        normalized_shape: the trailing dimensions over which mean and variance are taken.
        eps: added to the variance. torch's default is 1e-5; the paper has none.
        elementwise_affine: whether there are gains (1 at first) and biases (0 at first; §6. The
            supplement has it the other way round, with which nothing could be learned).
        bias: whether there are biases.
        device, dtype: of the parameters.

    Source: §3, eq. 3.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.normalized_shape = checked_shape(normalized_shape)
        if not eps >= 0:
            raise ValueError(f"eps must be at least 0, got {eps}")
        if math.prod(self.normalized_shape) == 1:
            warnings.warn("layer norm over a single unit: its output is constant", stacklevel=2)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        for name, there in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            empty = torch.empty(self.normalized_shape, device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(empty) if there else None)
        self.register_load_state_dict_pre_hook(rename)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the gains to 1 and the biases to 0 (§6)."""
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (…, *normalized_shape) to the same shape; the same in training and evaluation."""
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class LayerNorm2d(LayerNorm):
    """Layer norm of images (B, C, H, W) or (C, H, W) over their channels, for each pixel.

    LATER: ConvNeXt and others. The paper's own, over all of an image (§6.7), is
    ``LayerNorm((C, H, W))``.

    Args:
        num_channels: C. eps, elementwise_affine, bias, device, dtype: as in `LayerNorm`.
    """

    def __init__(self, num_channels: int, *args, **kwargs) -> None:
        super().__init__(num_channels, *args, **kwargs)

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        if not isinstance(input, Proxy) and input.ndim not in (3, 4):
            got = tuple(input.shape)
            raise ValueError(f"the input should be (B, C, H, W) or (C, H, W), is {got}")
        return super().forward(input.movedim(-3, -1)).movedim(-1, -3)
