"""The rectifier, max(0, x), and its gradient (Glorot et al. 2011, §3.1).

The derivative is 1 where the unit is on and 0 where it is off. At 0 it does not exist; like the
paper's software and torch we take 0, so that the sign of the *output* tells all that the backward
pass needs.
"""

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.fx import Proxy

from .tracing import node

METHODS = ("kernel", "readable", "bitmask")


class Rectify(Function):
    """max(0, x), whose backward pass reads the output only."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        """Return max(0, x)."""
        # Not x * (x > 0), which makes NaN of infinities; and NaN is not ≤ 0, so it stays visible.
        return torch.where(x <= 0, 0, x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Keep the output: the next layer keeps it anyway, so it costs no memory."""
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # ty: ignore[incompatible-method-override]
        """Let the gradient pass where the unit is on."""
        (y,) = ctx.saved_tensors
        return torch.where(y <= 0, 0, grad)


class RectifyJvp(Rectify):
    """The same with forward derivatives; a class of its own, as torch.compile refuses a jvp."""

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Keep the output for both ways."""
        Rectify.setup_context(ctx, inputs, output)
        ctx.save_for_forward(output)

    @staticmethod
    def jvp(ctx, tangent: Tensor) -> Tensor:  # ty: ignore[incompatible-method-override]
        """Let a change of the input pass where the unit is on."""
        return Rectify.backward(ctx, tangent)


class RectifyBits(Function):
    """max(0, x), which keeps one bit per value for the backward pass."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        """Return max(0, x)."""
        y = torch.relu(x)
        bits = pack(~(y <= 0))
        ctx.save_for_backward(bits)
        ctx.save_for_forward(bits)
        return y

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # ty: ignore[incompatible-method-override]
        """Let the gradient pass where the unit is on."""
        (bits,) = ctx.saved_tensors
        on = unpack(bits, grad.shape).to(grad.dtype)
        return torch.ops.aten.threshold_backward(
            grad, on, 0
        )  # torch.where(on, grad, 0), vectorized

    @staticmethod
    def jvp(ctx, tangent: Tensor) -> Tensor:  # ty: ignore[incompatible-method-override]
        """Let a change of the input pass where the unit is on."""
        return RectifyBits.backward(ctx, tangent)


def pack(mask: Tensor) -> Tensor:
    """Pack a bool tensor into bytes, eight values each: uint8 (⌈numel / 8⌉,).

    Eight bools are the eight bytes of an int64. Multiplied by a number with bits 7, 14, …, 56, bit
    0 of byte i arrives at bit 56 + i, and no two of the other products meet, so nothing carries.
    """
    flat = mask.reshape(-1)
    flat = torch.nn.functional.pad(flat, (0, -len(flat) % 8))
    return (flat.view(torch.int64) * 0x0102040810204080 >> 56).to(torch.uint8)


def unpack(bits: Tensor, shape: torch.Size) -> Tensor:
    """Return the bool tensor that `pack` made ``bits`` of."""
    # The byte in all eight places of an int64; then bit i of place i, and nothing else.
    spread = bits.to(torch.int64) * 0x0101010101010101 & -0x7FBFDFEFF7FBFDFF
    return spread.view(torch.uint8)[: shape.numel()].ne(0).view(shape)


def relu(x: Tensor, inplace: bool = False, method: str = "kernel") -> Tensor:
    """Return max(0, x).

    Args:
        x: floating point, any shape.
        inplace: overwrite x, which saves the memory of one activation.
        method: "kernel" (torch's, the default), "readable" (`Rectify`, the specification) or
            "bitmask" (`RectifyBits`: saves memory where nothing else keeps the output).

    Raises:
        TypeError: x is not floating point.
        ValueError: an unknown method, or inplace with another than "kernel".
        RuntimeError: inplace on a leaf that requires its gradient.

    Source: §3.1.
    """
    if isinstance(x, Proxy):  # torch.fx traces: one node, as of torch's own functions
        return node(relu, x, inplace, method)
    if not x.is_floating_point():
        raise TypeError(f"x must be floating point, got {x.dtype}")
    if inplace:
        if method != "kernel":
            raise ValueError(f"inplace needs method 'kernel', got {method!r}")
        if x.requires_grad and x.is_leaf and torch.is_grad_enabled():
            raise RuntimeError(
                "inplace would overwrite x, a leaf that requires its gradient: use inplace=False"
            )
        return torch.relu_(x)
    if method == "kernel":
        return torch.relu(x)
    if method in ("readable", "bitmask"):
        function = Rectify if torch.compiler.is_compiling() else RectifyJvp
        # torch.func cannot map over its bytes, nor can a batch be dynamic; a compiler chooses
        # itself what it keeps.
        traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
        return (RectifyBits if method == "bitmask" and not traced else function).apply(x)
    raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")


class ReLU(nn.Module):
    """A layer of rectifiers, in place of ``nn.ReLU``.

    Args:
        inplace: overwrite the input. method: see `relu`.
    """

    def __init__(self, inplace: bool = False, method: str = "kernel") -> None:
        super().__init__()
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        self.inplace, self.method = inplace, method

    def forward(self, input: Tensor) -> Tensor:
        """Return max(0, x), of the input's shape."""
        return relu(input, self.inplace, self.method)

    def extra_repr(self) -> str:
        """Return what was asked for beyond the default."""
        method = [f"method={self.method!r}"] if self.method != "kernel" else []
        return ", ".join(["inplace=True"] * self.inplace + method)


class SignedRectifier(nn.Module):
    """Rectifiers, the second half of them multiplied by −1 (§4.1).

    Rectified values have a positive mean, which this cancels; one may think of inhibitory neurons.
    The paper does not say which half.

    Args:
        features: size of the last axis; even.

    Raises:
        ValueError: features is odd or not positive, or is not the input's.
    """

    signs: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        if features < 2 or features % 2:
            raise ValueError(f"features must be even and positive, got {features}")
        signs = torch.ones(features)
        signs[features // 2 :] = -1
        self.register_buffer("signs", signs, persistent=False)  # the state dict is nn.ReLU's

    def forward(self, input: Tensor) -> Tensor:
        """Return ±max(0, x), of the input's shape (…, features)."""
        if not isinstance(input, Proxy) and input.shape[-1] != len(self.signs):
            raise ValueError(f"x has {input.shape[-1]} features, expected {len(self.signs)}")
        return relu(input) * self.signs.to(input.dtype)
