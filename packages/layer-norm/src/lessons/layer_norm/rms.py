"""LATER: RMSNorm (Zhang and Sennrich 2019), layer norm without the mean.

Shapes as in `norm`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from .norm import NARROW, check, checked_shape
from .tracing import node


def rms_norm_reference(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divide by the root of the mean square: the specification. Arguments: `rms_norm`."""
    dims = tuple(range(-len(normalized_shape), 0))
    wide = x.float() if x.dtype in NARROW else x
    eps = torch.finfo(wide.dtype).eps if eps is None else eps
    normalized = wide * ((wide * wide).mean(dims, keepdim=True) + eps).rsqrt()
    return (normalized if weight is None else normalized * weight).to(x.dtype)


MANY = 1 << 16  # numbers; for fewer the call of a function in Python costs more than it saves


class RMSNormFunction(torch.autograd.Function):
    """RMSNorm over the last dimension, with its gradient: fewer passes over memory on a CPU.

    torch has no kernel for it there and strings elementwise operations together, whose every fresh
    result costs more than the arithmetic. Returns also 1/rms, (…, 1), which has no gradient.
    """

    @staticmethod
    def forward(x, weight, eps):
        """Return (…, H) and (…, 1)."""
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)  # no tensor of squares
        rstd = (length.square() / x.shape[-1] + eps).rsqrt()
        return torch.mul(x, rstd).mul_(weight), rstd

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep what the gradient needs."""
        x, weight, ctx.eps = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, weight, output[1])
        ctx.save_for_forward(x, weight, output[1])

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients of x and weight (and None, for ε)."""
        dy, (x, weight, rstd) = gradients[0], ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again: from inputs, readably
            rstd = (x.square().mean(-1, keepdim=True) + ctx.eps).rsqrt()
            normalized, scaled = x * rstd, dy * weight
            stretch = (scaled * normalized).mean(-1, keepdim=True)
            dweight = (dy * normalized).reshape(-1, x.shape[-1]).sum(0)
            return rstd * (scaled - normalized * stretch), dweight, None
        # Layer norm's kernel with a mean of 0 does all of it, and takes out a shift that has to
        # be put back.
        mean = torch.zeros_like(rstd)
        dx, dweight, _ = torch.ops.aten.native_layer_norm_backward(
            dy, x, weight.shape, mean, rstd, weight, None, [True, True, False]
        )
        shift = (dy @ weight).div_(x.shape[-1]).unsqueeze(-1).mul_(rstd)
        return dx.add_(shift), dweight, None

    @staticmethod
    def jvp(ctx, *tangents):
        """Return the change of the output by changes of x and weight (and None, for 1/rms)."""
        (dx, dweight, _), (x, weight, rstd) = tangents, ctx.saved_tensors
        normalized = x * rstd
        change = torch.zeros_like(x)
        if dx is not None:
            stretch = (dx * normalized).mean(-1, keepdim=True)
            change = weight * rstd * (dx - normalized * stretch)
        return (change if dweight is None else change + normalized * dweight), None


def rms_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divide the trailing dimensions by the root of their mean square, then scale.

    Args:
        x: (…, *N), floating-point.
        normalized_shape: N.
        weight: the gains, (*N), or None for 1.
        eps: added to the mean square; None: the dtype's machine epsilon (float32's for narrower
            ones), as torch has it.

    Returns:
        (…, *N), of x's dtype.

    Raises:
        ValueError, TypeError: as `layer_norm`.

    Source: Zhang and Sennrich 2019, eq. 4.
    """
    shape = tuple(normalized_shape)
    if isinstance(x, Proxy):  # torch.fx traces: one node, as of torch's own functions
        return node(rms_norm, x, shape, weight, eps)
    if x.shape[-len(shape) :] != shape or not x.is_floating_point():
        check(x, shape)
    if weight is not None and weight.shape != shape:
        raise ValueError(f"weight is {tuple(weight.shape)}, and should be {shape}")
    if eps is not None and not eps >= 0:
        raise ValueError(f"eps must be at least 0 or None, got {eps}")
    # What compiles or exports fuses torch's operations by itself, and does not look at a size that
    # may vary; what maps over cases or differentiates forward (torch.func) knows them all.
    traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    ours = not traced and weight is not None and len(shape) == 1 and x.device.type == "cpu"
    if ours and x.dtype not in NARROW and x.dtype == weight.dtype and x.numel() >= MANY:
        eps = torch.finfo(x.dtype).eps if eps is None else eps
        function = RMSNormFunction.apply if torch.is_grad_enabled() else RMSNormFunction.forward
        return function(x, weight, eps)[0]
    if weight is not None and x.dtype != weight.dtype:  # as under autocast
        return rms_norm_reference(x, shape, weight, eps)
    return torch.rms_norm(x, shape, weight, eps)


class RMSNorm(nn.Module):
    """RMSNorm, in place of `torch.nn.RMSNorm`: same arguments, same state dict.

    Args:
        normalized_shape: the trailing dimensions over which the mean square is taken.
        eps: added to it; None: the dtype's machine epsilon.
        elementwise_affine: whether there are gains.
        device, dtype: of the parameters.
        offset: 0; or 1 for gains of ``1 + weight`` with weights that begin at 0 (Gemma).
    """

    weight: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device=None,
        dtype=None,
        *,
        offset: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalized_shape = checked_shape(normalized_shape)
        if eps is not None and not eps >= 0:
            raise ValueError(f"eps must be at least 0 or None, got {eps}")
        self.eps, self.elementwise_affine, self.offset = eps, elementwise_affine, offset
        empty = torch.empty(self.normalized_shape, device=device, dtype=dtype)
        self.register_parameter("weight", nn.Parameter(empty) if elementwise_affine else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the gains to 1."""
        if self.weight is not None:
            nn.init.constant_(self.weight, 1 - self.offset)

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, *normalized_shape) to the same shape."""
        weight = self.weight
        weight = weight + self.offset if weight is not None and self.offset else weight
        return rms_norm(x, self.normalized_shape, weight, self.eps)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, offset={self.offset}"
        )
