"""The GELU, its approximations and its relatives (Hendrycks and Gimpel 2016, §2).

All are x·P(X ≤ (x − μ)/σ) for some random X: `gated` says so and is the specification,
`GatedIdentity` adds the gradient, and the default path calls torch's kernels, or for many numbers
on a CPU what is faster (`blocks`).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import Proxy

from .blocks import in_blocks, suits
from .checks import broadcast, checked, located, located_in
from .gates import APPROXIMATE, GATES, SLOPE
from .tracing import node

METHODS = ("fast", "kernel", "by hand", "readable")
NARROW = (torch.float16, torch.bfloat16)


def gated(x: Tensor, mu: float | Tensor, sigma: float | Tensor, gate: str) -> Tensor:
    """Return x·P(X ≤ (x − μ)/σ), of x's shape, for a gate of `GATES`."""
    wide = x.float() if x.dtype in NARROW else x  # a cube overflows float16 from 41 on
    return (wide * GATES[gate].cdf((wide - mu) / sigma)).to(x.dtype)


class GatedIdentity(torch.autograd.Function):
    """The same with its gradient written out: of x, and of μ and σ if they are tensors.

    The backward pass consists of differentiable operations on inputs, so it can be differentiated.
    It needs x itself: on both sides of its minimum the GELU takes the same value, so that, other
    than a ReLU's, its input cannot be told from its output.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x, mu, sigma, gate):
        """Return what `gated` does."""
        return gated(x, mu, sigma, gate)

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep the inputs."""
        x, mu, sigma, ctx.gate = inputs
        tensors = [value if isinstance(value, Tensor) else None for value in (mu, sigma)]
        ctx.save_for_backward(x, *tensors)
        ctx.numbers = [None if isinstance(value, Tensor) else value for value in (mu, sigma)]

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients of x, μ and σ (and None, for the gate)."""
        (dy,), (x, *tensors) = gradients, ctx.saved_tensors
        mu, sigma = (n if t is None else t for n, t in zip(ctx.numbers, tensors))
        if x.dtype in NARROW:
            dy, x = dy.float(), x.float()
        z = (x - mu) / sigma
        cdf, density = GATES[ctx.gate]
        pulled = x * density(z) / sigma  # x·dP/dx
        dx = dy * (cdf(z) + pulled)
        dmu = dsigma = None
        if ctx.needs_input_grad[1]:
            dmu = (-dy * pulled).sum_to_size(mu.shape)
        if ctx.needs_input_grad[2]:
            dsigma = (-dy * pulled * z).sum_to_size(sigma.shape)
        return dx, dmu, dsigma, None


class GatedIdentityJvp(GatedIdentity):
    """The same with forward derivatives; a class of its own, as torch.compile refuses a jvp."""

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep the inputs for both ways."""
        GatedIdentity.setup_context(ctx, inputs, output)
        tensors = [value if isinstance(value, Tensor) else None for value in inputs[:3]]
        ctx.save_for_forward(*tensors)

    @staticmethod
    def jvp(ctx, *tangents):
        """Return the change of the output by changes of x, μ and σ."""
        x, *tensors = ctx.saved_tensors
        mu, sigma = (n if t is None else t for n, t in zip(ctx.numbers, tensors))
        dx, dmu, dsigma = (0.0 if t is None else t for t in tangents[:3])
        wide = x.float() if x.dtype in NARROW else x
        z = (wide - mu) / sigma
        cdf, density = GATES[ctx.gate]
        change = dx * cdf(z) + wide * density(z) * (dx - dmu - z * dsigma) / sigma
        return change.to(x.dtype)


def by_hand(x: Tensor, mu: float | Tensor, sigma: float | Tensor, gate: str) -> Tensor:
    """Return what `gated` does, with the derivatives written out."""
    function = GatedIdentity if torch.compiler.is_compiling() else GatedIdentityJvp
    return function.apply(x, mu, sigma, gate)


def gelu(
    x: Tensor,
    approximate: str = "none",
    mu: float | Tensor = 0.0,
    sigma: float | Tensor = 1.0,
    method: str = "fast",
) -> Tensor:
    """Return x·Φ((x − μ)/σ), or an approximation.

    Args:
        x: floating point, any shape. −∞ gives NaN (−∞ · 0), as in torch; so does +∞ in torch's
            float32 kernel of the exact form, while the last two methods give +∞.
        approximate: "none", "tanh" or "sigmoid", which is x·σ(1.702 x).
        mu: mean of the gate's normal distribution; a tensor has to broadcast to x's shape.
        sigma: its standard deviation, positive; likewise.
        method: "fast" (the next, or `blocks` for many numbers in float32 on a CPU), "kernel"
            (torch's; falls to the next where there is none), "by hand" (`GatedIdentity`) or
            "readable" (`gated`). The last two use erfc and are exact far below zero too, where the
            kernel rounds to 0 (in float32 from about −5.5 on).

    "fast" takes other ways only where they are the faster ones, from 65,536 numbers on. The exact
    form is the kernel's to the bit, in fresh memory that costs less (`pages`). The other two are
    x·σ(…), right to 2·10⁻⁷ of |x|, as torch's kernel of the tanh form is; but that rounds to 0
    below −5.1, where these are right to 10⁻⁵ of the value (down to −9). The slope is right to
    2·10⁻⁶, the kernel's to 10⁻⁶.

    Raises:
        TypeError: x is no tensor of floats.
        ValueError: an unknown approximation or method; mu or sigma does not broadcast; sigma ≤ 0.

    Source: §2.
    """
    if isinstance(x, Proxy):  # torch.fx traces: one node, as of torch's own functions
        return node(gelu, x, approximate, mu, sigma, method)
    checked(x)
    if approximate not in APPROXIMATE:
        raise ValueError(
            f"approximate must be one of {', '.join(APPROXIMATE)}, got {approximate!r}"
        )
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    plain = not isinstance(mu, Tensor) and mu == 0 and not isinstance(sigma, Tensor) and sigma == 1
    if not plain:
        located(x, mu, sigma)
    if plain and method in ("fast", "kernel"):
        if method == "fast" and suits(x, approximate):
            return in_blocks(x, approximate)
        if approximate == "sigmoid":
            return silu(x, beta=SLOPE)
        return F.gelu(x, approximate=approximate)
    return (gated if method == "readable" else by_hand)(x, mu, sigma, approximate)


def silu(x: Tensor, inplace: bool = False, beta: float | Tensor = 1.0) -> Tensor:
    """Return x·σ(βx): the SiLU of §2, with a slope (later called swish; β = 1.702 is §2's GELU).

    Args:
        x: floating point, any shape.
        inplace: overwrite x, as torch does (β = 1 only).
        beta: a number, or a tensor that broadcasts to x's shape.

    Raises:
        TypeError: x is no tensor of floats.
        ValueError: beta is NaN or does not broadcast; inplace with another beta than 1.
    """
    if isinstance(x, Proxy):
        return node(silu, x, inplace, beta)
    checked(x)
    if not isinstance(beta, Tensor) and beta == 1:
        return F.silu(x, inplace)
    if inplace:
        raise ValueError(f"inplace needs beta = 1, got {beta}")
    wide = x.float() if x.dtype in NARROW else x
    if isinstance(beta, Tensor):
        broadcast(x, "beta", beta)
        return (wide * torch.sigmoid(beta * wide)).to(x.dtype)
    if beta != beta:
        raise ValueError("beta must be a number, got NaN")
    if beta == 0 or abs(beta) == math.inf:
        return x * torch.sigmoid(beta * x)
    # xσ(βx) = silu(βx)/β: two fresh tensors instead of three, and one kept for the gradient.
    return F.silu(wide * beta).mul_(1 / beta).to(x.dtype)


class GELU(nn.Module):
    """A layer of GELUs, in place of ``nn.GELU``: same first argument, same (empty) state dict.

    Args:
        approximate: "none", "tanh" or "sigmoid".
        mu, sigma: of the gate's normal distribution, numbers or tensors (one value per feature).
        learnable: make them parameters, ``mu`` and ``log_sigma`` (§2 says that they may be).
        method: see `gelu`.
    """

    mu: float | Tensor
    sigma: float | Tensor

    def __init__(
        self,
        approximate: str = "none",
        mu: float | Tensor = 0.0,
        sigma: float | Tensor = 1.0,
        learnable: bool = False,
        method: str = "fast",
    ) -> None:
        super().__init__()
        largest = torch.broadcast_tensors(torch.as_tensor(mu), torch.as_tensor(sigma))[0]
        gelu(largest.float(), approximate, mu, sigma, method)  # says now what is wrong
        self.approximate, self.method, self.learnable = approximate, method, learnable
        plain = not (learnable or isinstance(mu, Tensor) or isinstance(sigma, Tensor))
        self.is_plain = plain and (mu, sigma) == (0, 1) and method in ("fast", "kernel")
        if learnable:
            self.mu = nn.Parameter(torch.as_tensor(mu, dtype=torch.get_default_dtype()).clone())
            sigma = torch.as_tensor(sigma, dtype=torch.get_default_dtype())
            self.log_sigma = nn.Parameter(sigma.log())
        else:
            located_in(self, mu, sigma)

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation, of the input's shape; the same in training and evaluation."""
        if self.is_plain and isinstance(input, Tensor) and input.is_floating_point():
            # no detour: a small call takes 10 µs
            if self.method == "fast" and suits(input, self.approximate):
                return in_blocks(input, self.approximate)
            if self.approximate != "sigmoid":
                return F.gelu(input, approximate=self.approximate)
        sigma = self.log_sigma.exp() if self.learnable else self.sigma
        return gelu(input, self.approximate, self.mu, sigma, self.method)

    def extra_repr(self) -> str:
        """Return the arguments."""
        values = "learnable" if self.learnable else f"mu={self.mu}, sigma={self.sigma}"
        return f"approximate={self.approximate!r}, {values}"


class QuickGELU(GELU):
    """x·σ(1.702 x), under the name that CLIP's code gave it."""

    def __init__(self) -> None:
        super().__init__("sigmoid")


class SiLU(nn.Module):
    """A layer of SiLUs, in place of ``nn.SiLU``.

    Args:
        inplace: overwrite the input. beta: the slope. learnable: make it a parameter, as swish did.
    """

    def __init__(self, inplace: bool = False, beta: float = 1.0, learnable: bool = False) -> None:
        super().__init__()
        silu(torch.zeros(()), inplace, beta)
        self.inplace, self.learnable = inplace, learnable
        self.is_torchs = not learnable and beta == 1
        self.beta = nn.Parameter(torch.tensor(beta)) if learnable else beta

    def forward(self, input: Tensor) -> Tensor:
        """Return x·σ(βx), of the input's shape."""
        if self.is_torchs and isinstance(input, Tensor) and input.is_floating_point():
            return F.silu(input, self.inplace)
        return silu(input, self.inplace, self.beta)

    def extra_repr(self) -> str:
        """Return what was asked for beyond the default."""
        beta = [] if self.learnable or self.beta == 1 else [f"beta={self.beta}"]
        return ", ".join(["inplace=True"] * self.inplace + ["learnable"] * self.learnable + beta)


class CDFLinearUnit(nn.Module):
    """x·P(X ≤ (x − μ)/σ) for another X (§2: "we could use different CDFs").

    Args:
        cdf: "logistic" (the SiLU), "cauchy", "laplace", or a gate of `gelu`.
        mu, sigma: place and scale, numbers or tensors.
    """

    mu: float | Tensor
    sigma: float | Tensor

    def __init__(
        self, cdf: str = "logistic", mu: float | Tensor = 0.0, sigma: float | Tensor = 1.0
    ) -> None:
        super().__init__()
        if cdf not in GATES:
            raise ValueError(f"cdf must be one of {', '.join(GATES)}, got {cdf!r}")
        self.cdf = cdf
        located_in(self, mu, sigma)

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation, of the input's shape."""
        return cdf_linear(input, self.mu, self.sigma, self.cdf)


def cdf_linear(x: Tensor, mu: float | Tensor, sigma: float | Tensor, gate: str) -> Tensor:
    """Return x·P(X ≤ (x − μ)/σ) for a gate of `GATES`, checked."""
    if isinstance(x, Proxy):
        return node(cdf_linear, x, mu, sigma, gate)
    checked(x)
    located(x, mu, sigma)
    return by_hand(x, mu, sigma, gate)
