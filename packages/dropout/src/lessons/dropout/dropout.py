"""Dropout (Srivastava et al. 2014, §4): multiply by random zeros and ones, and keep the mean.

The paper's p is the probability that a unit is RETAINED; torch's, and everywhere below, ``p`` is
the probability that it is DROPPED, so the paper's p is 1 − ``p``.

Shapes: `…` any.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import Proxy

MODES, NOISES = ("inverted", "paper"), ("bernoulli", "gaussian")

# From so many numbers on a CPU our mask is faster than torch's; before, calls cost more than it.
MANY = 2048


def dropout_reference(x: Tensor, keep: Tensor, p: float = 0.5) -> Tensor:
    """Drop the units where ``keep`` is 0, scale up the others: the specification of `dropout`.

    Args:
        x: (…), activations.
        keep: (…), zeros and ones, each 1 with probability 1 − p.
        p: the probability of dropping.

    Source: §4 (the product r ∗ y), §10 (the factor 1/(1 − p), "inverted" dropout).
    """
    if p == 1:
        return x * 0  # nothing is left that could be scaled up
    return x * keep / (1 - p)


class MaskFunction(torch.autograd.Function):
    """x · mask · scale, in one fresh tensor, and its gradient written out: the same of dy.

    The map is linear in x and its own transpose. That makes the backward pass an instance of the
    forward pass, so it can be differentiated as often as one likes.
    """

    @staticmethod
    def forward(x, mask, scale):
        """Return x · mask · scale; mask is uint8, whose product with floats is the fastest."""
        return torch.mul(x, mask).mul_(scale)

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep the mask: a byte a number, where a mask of floats has four."""
        ctx.save_for_backward(inputs[1])
        ctx.save_for_forward(inputs[1])
        ctx.scale = inputs[2]

    @staticmethod
    def jvp(ctx, *tangents):
        """Return the change of the output with that of x: the map is linear."""
        return torch.mul(tangents[0], ctx.saved_tensors[0]).mul_(ctx.scale)

    @staticmethod
    def backward(ctx, *gradients):
        """Return dy · mask · scale."""
        # Calling through autograd costs as much as the arithmetic of a small layer.
        call = MaskFunction.apply if torch.is_grad_enabled() else MaskFunction.forward
        return call(gradients[0], ctx.saved_tensors[0], ctx.scale), None, None


def keep_mask(
    shape: Sequence[int], p: float, device=None, generator: torch.Generator | None = None
) -> Tensor:
    """Draw ones with probability 1 − p, else zeros.

    Random bits are what dropout costs on a CPU, and torch's ``bernoulli_`` makes a draw for each
    number. Here a 64-bit draw serves for four numbers, each 1 where its 16 bits, as an integer,
    are below (1 − p)·2¹⁶; or for eight, where 8 bits are enough for p to be exact. The
    probability is thereby rounded to a multiple of 2⁻¹⁶: it is off by at most 2⁻¹⁷. Where that
    would matter, with p or 1 − p below 2⁻⁸, on other devices, for few numbers and in compiled
    code, the mask is torch's.

    Args:
        shape: of the mask.
        p: the probability of dropping.
        device: where; torch's default by default.
        generator: of the random bits, on that device; torch's own by default.

    Returns:
        (*shape), uint8.
    """
    device = torch.get_default_device() if device is None else torch.device(device)
    plain = torch.compiler.is_compiling() or device.type != "cpu"  # what traces knows no random_
    if plain or (n := math.prod(shape)) < MANY or min(p, 1 - p) < 2**-8:
        mask = torch.empty(shape, dtype=torch.uint8, device=device)
        return mask.bernoulli_(1 - p, generator=generator)
    bits, dtype = (8, torch.int8) if 256 * p % 1 == 0 else (16, torch.int16)
    each = 64 // bits
    words = torch.empty((n + each - 1) // each, dtype=torch.int64, device=device)
    words.random_(-(2**63), None, generator=generator)  # all 64 bits
    below = round((1 - p) * 2**bits) - 2 ** (bits - 1)  # the integers are signed
    return (words.view(dtype)[:n] < below).view(torch.uint8).view(shape)


def dropout(
    x: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    mode: str = "inverted",
    noise: str = "bernoulli",
    generator: torch.Generator | None = None,
    shape: Sequence[int] | None = None,
) -> Tensor:
    """Drop each number with probability p (retention = 1 − p), independently for every case.

    Args:
        x: (…), floating-point in training.
        p: the probability of dropping; the paper's p is 1 − p.
        training: whether to drop; else x is returned, in mode "paper" times 1 − p.
        inplace: whether to write over x.
        mode: "inverted" divides by 1 − p in training, so that the mean is x; "paper" does not,
            and multiplies by 1 − p in evaluation (§4, §10).
        noise: "bernoulli", or "gaussian": factors N(1, σ²) with σ² = p/(1 − p), which have the
            mean and variance of inverted Bernoulli factors (§10). Needs no scaling in either mode.
        generator: of the noise, on x's device; by default torch's own, which alone is replayed by
            `torch.utils.checkpoint`.
        shape: of the mask, to be broadcast to x, (B, C, 1, 1) for whole feature maps, say; by
            default x's.

    Returns:
        (…), of x's dtype.

    Raises:
        ValueError: p is not in [0, 1] (or 1 with gaussian noise); an unknown mode or noise; a shape
            that does not broadcast to x's; a generator on another device.
        TypeError: x is an integer tensor, in training.

    Source: §4, §5.1, §10.
    """
    if isinstance(x, Proxy):  # torch.fx traces: one node, as of torch's own functions
        named = {"mode": mode, "noise": noise, "generator": generator, "shape": shape}
        given = {name: value for name, value in named.items() if value is not None}
        tracer: Any = x.tracer
        return tracer.create_proxy("call_function", dropout, (x, p, training, inplace), given)
    # What compiles, exports, maps over cases or differentiates forward (torch.func) knows torch's
    # draws and not ours; and a size that it may not look at (a dynamic batch) is not looked at.
    traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    usual = mode == "inverted" and noise == "bernoulli" and generator is None and shape is None
    usual = usual and x.is_floating_point() and 0 <= p <= 1
    if usual and (traced or x.device.type != "cpu" or x.numel() < MANY):
        return F.dropout(x, p, training, inplace)
    check(x, p, training, mode, noise, generator, shape)
    if p == 0 or not training:
        unscaled = p == 0 or mode == "inverted" or noise == "gaussian"
        return x if unscaled else x.mul_(1 - p) if inplace else x * (1 - p)
    if generator is not None and not traced and torch._C._current_graph_task_id() != -1:
        warnings.warn(
            "dropout with a generator runs within a backward pass: checkpointing replays torch's "
            "own random numbers only, so this mask is another than the forward pass had",
            stacklevel=2,
        )
    size = x.shape if shape is None else tuple(shape)
    if traced and generator is None:
        factor = torch_factor(x, p, mode, noise, size)
        return x.mul_(factor) if inplace else x * factor
    if noise == "gaussian":
        factor = torch.empty(size, dtype=x.dtype, device=x.device)
        factor.normal_(1, (p / (1 - p)) ** 0.5, generator=generator)
        return x.mul_(factor) if inplace else x * factor
    scale = 1 / (1 - p) if mode == "inverted" and p < 1 else 1.0
    mask = keep_mask(size, p, x.device, generator)
    # The product of a small mask with the scale is cheap, and saves a pass; what is traced knows
    # torch's product, and not our function.
    if traced or size != x.shape:
        factor = mask.to(x.dtype).mul_(scale)
        return x.mul_(factor) if inplace else x * factor
    return x.mul_(mask).mul_(scale) if inplace else MaskFunction.apply(x, mask, scale)


def torch_factor(x: Tensor, p: float, mode: str, noise: str, size: Sequence[int]) -> Tensor:
    """Draw factors of a size by functions of torch's that know x's transforms and traces."""
    corner = x.detach()
    for d, (have, want) in enumerate(zip(x.shape, size)):
        if want == 1 and have != 1:
            corner = corner.narrow(d, 0, 1)
    if noise == "gaussian":
        return 1 + (p / (1 - p)) ** 0.5 * torch.randn_like(corner)
    factor = F.dropout(torch.ones_like(corner), p, True)
    return factor * (1 - p) if mode == "paper" else factor


def check(x, p, training, mode, noise, generator, shape) -> None:
    """Raise what is wrong with arguments of `dropout`."""
    check_probability(p)
    for name, got, known in (("mode", mode, MODES), ("noise", noise, NOISES)):
        if got not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {got!r}")
    if noise == "gaussian" and p == 1:
        raise ValueError("p, the probability of dropping, is 1: gaussian noise would be infinite")
    if training and not (x.is_floating_point() or x.is_complex()):
        raise TypeError(f"x must be floating-point in training, got {x.dtype}")
    if generator is not None and generator.device.type != x.device.type:
        raise ValueError(f"generator is on {generator.device}, and x on {x.device}")
    if shape is not None:
        got, want = tuple(shape), tuple(x.shape)
        if len(got) != len(want) or any(a not in (1, b) for a, b in zip(got, want)):
            raise ValueError(f"shape is {got}, and should broadcast to x's, {want}")


def check_probability(p: float) -> None:
    """Raise a ValueError where p is no probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"p, the probability of dropping, must be in [0, 1], got {p}")


class Dropout(nn.Module):
    """Drop units in training, in place of `torch.nn.Dropout`: same arguments, no state.

    Args:
        p: the probability of dropping a unit (retention = 1 − p).
        inplace: whether to write over the input.
        mode, noise, generator: as in `dropout`.

    Source: §4.
    """

    def __init__(
        self,
        p: float = 0.5,
        inplace: bool = False,
        *,
        mode: str = "inverted",
        noise: str = "bernoulli",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check(torch.empty(0), p, True, mode, noise, None, None)
        self.p, self.inplace, self.mode, self.noise = p, inplace, mode, noise
        self.generator = generator

    def mask_shape(self, x: Tensor) -> tuple[int, ...] | None:
        """Return the shape of the mask for x; None: x's own."""
        return None

    def forward(self, input: Tensor) -> Tensor:
        """Map (…) to the same shape."""
        if isinstance(input, Proxy):
            tracer: Any = input.tracer
            if path := tracer.path_of_module(self):  # a node that heeds train(), as torch's layers
                return tracer.create_proxy("call_module", path, (input,), {})
        return dropout(
            input, self.p, self.training, self.inplace, mode=self.mode, noise=self.noise,
            generator=self.generator, shape=self.mask_shape(input),
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"p={self.p}, inplace={self.inplace}, mode={self.mode!r}, noise={self.noise!r}"


class GaussianDropout(Dropout):
    """Multiply by N(1, p/(1 − p)) in training (retention = 1 − p; §10). Arguments: `Dropout`."""

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(p, inplace, noise="gaussian", generator=generator)


class Dropout1d(Dropout):
    """Drop whole channels of (B, C, L) or (C, L), in place of `torch.nn.Dropout1d`.

    LATER: Tompson et al. 2015. Neighbours in a feature map say the same thing, so that dropping
    single numbers removes little. Arguments: `Dropout`.
    """

    dims = 1

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        """Return the shape of one number for each channel."""
        if x.ndim not in (self.dims + 1, self.dims + 2):
            raise ValueError(
                f"the input of {type(self).__name__} must have {self.dims + 1} or {self.dims + 2} "
                f"dimensions, its shape is {tuple(x.shape)}"
            )
        channels = x.ndim - self.dims
        return (*x.shape[:channels], *(1,) * self.dims)


class Dropout2d(Dropout1d):
    """Drop whole channels of (B, C, H, W), in place of `torch.nn.Dropout2d`. See `Dropout1d`."""

    dims = 2

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        """Return the shape of one number for each channel."""
        # torch takes three dimensions for (B, C, L), not for (C, H, W); so do we.
        return (*x.shape[:2], 1) if x.ndim == 3 else super().mask_shape(x)


class Dropout3d(Dropout1d):
    """Drop whole channels of (B, C, D, H, W) or (C, D, H, W), in place of `torch.nn.Dropout3d`."""

    dims = 3
