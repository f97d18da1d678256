r"""Local response normalization: each map is divided by how active its neighbours are (§3.3).

Shapes: B batch, G groups of maps, C maps, H height, W width.

With $a_i$ the activity in map i at one place, and a sum over the n maps around it that exist,

$$b_i = a_i / d_i^{\beta}, \qquad d_i = k + \alpha \sum_{|j - i| \le n/2} a_j^2 .$$

The paper's alpha is not divided by n. torch's, Caffe's and cuda-convnet's are: to get the paper's
from ``torch.nn.functional.local_response_norm`` give it ``alpha * n``.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.autograd.function import once_differentiable
from torch.fx import Proxy

CACHED = 2**16  # numbers: 256 kB in single precision


def local_response_norm_reference(
    x_BCHW: Tensor, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> Tensor:
    """Return the formula, map by map: what the other paths are tested against.

    Args:
        x_BCHW: activities behind the ReLU.
        n: maps in a window.
        k: what the divisor is without activity, before the exponent.
        alpha: of the sum of squares.
        beta: the exponent.

    Returns:
        (B, C, H, W).

    Source: §3.3.
    """
    maps, half = x_BCHW.shape[1], n // 2
    normalized = []
    for i in range(maps):
        window_BJHW = x_BCHW[:, max(0, i - half) : min(maps - 1, i + half) + 1]
        normalized.append(x_BCHW[:, i] / (k + alpha * window_BJHW.square().sum(1)) ** beta)
    return torch.stack(normalized, 1)


def divisor(x_BGCHW: Tensor, n: int, k: float, alpha: float) -> Tensor:
    """Return d, (B, G, C, H, W)."""
    return sum_around(x_BGCHW.square(), n).mul_(alpha).add_(k)


def sum_around(x_BGCHW: Tensor, n: int) -> Tensor:
    """Return the sum over the n maps around each map."""
    sums_BGCHW = x_BGCHW.clone()
    for step in range(1, n // 2 + 1):
        sums_BGCHW[:, :, step:] += x_BGCHW[:, :, :-step]
        sums_BGCHW[:, :, :-step] += x_BGCHW[:, :, step:]
    return sums_BGCHW


def power(d: Tensor, beta: float) -> Tensor:
    """Return d to the power of -beta; two square roots cost half of a general power."""
    if beta == 0.75:
        root = d.rsqrt()
        return root.sqrt() * root  # not in place: where it is traced, the root is kept
    return d**-beta


def formula(x_BGCHW: Tensor, n: int, k: float, alpha: float, beta: float) -> Tensor:
    """Return b, (B, G, C, H, W), by operations of torch's that know every transform."""
    return x_BGCHW * power(divisor(x_BGCHW, n, k, alpha), beta)


def parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield a few images of each tensor at a time.

    So many that what is computed on the way stays in the processor's cache: to fill fresh memory
    for the whole batch takes longer than the arithmetic. Other devices get all at once.
    """
    images = max(1, len(tensors[0]))
    if tensors[0].device.type == "cpu":
        images = max(1, CACHED // max(1, tensors[0][:1].numel()))
    yield from zip(*(tensor.split(images) for tensor in tensors))


class Normalize(torch.autograd.Function):
    r"""The formula with its gradient by hand.

    From $\partial b_i / \partial a_j = [i{=}j]\, d_i^{-\beta} - 2 \alpha \beta\, a_j\, b_i / d_i$
    for j in the window of i, and since i is then in the window of j, the gradient with respect to
    $a_j$ is $g_j d_j^{-\beta} - 2 \alpha \beta\, a_j \sum_i g_i b_i / d_i$, the sum over the same
    window again.
    """

    @staticmethod
    def forward(ctx, x_BGCHW, n, k, alpha, beta):
        """Return b, (B, G, C, H, W)."""
        y_BGCHW, d_BGCHW = torch.empty_like(x_BGCHW), torch.empty_like(x_BGCHW)
        for x, y, d in parts(x_BGCHW, y_BGCHW, d_BGCHW):
            d.copy_(divisor(x, n, k, alpha))
            torch.mul(x, power(d, beta), out=y)
        ctx.save_for_backward(x_BGCHW, d_BGCHW)
        ctx.constants = n, alpha, beta
        return y_BGCHW

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_BGCHW):
        """Return the gradient with respect to x, and none for the constants."""
        n, alpha, beta = ctx.constants
        result_BGCHW = torch.empty_like(ctx.saved_tensors[0])
        for g, x, d, result in parts(grad_BGCHW, *ctx.saved_tensors, result_BGCHW):
            passed = g * power(d, beta)
            others = sum_around((passed * x).div_(d), n).mul_(x)
            torch.add(passed, others, alpha=-2 * alpha * beta, out=result)
        return result_BGCHW, None, None, None, None


class NormalizeAgain(Normalize):
    """The same, whose gradient can be differentiated again."""

    @staticmethod
    def forward(ctx, x_BGCHW, n, k, alpha, beta):
        """Return b, (B, G, C, H, W)."""
        ctx.all = n, k, alpha, beta
        return Normalize.forward(ctx, x_BGCHW, n, k, alpha, beta)

    @staticmethod
    def backward(ctx, grad_BGCHW):
        """Return the gradient by hand, or where that is to be differentiated through torch's own.

        Marked as differentiable once it would be a constant where the gradient that comes is one.
        """
        if not torch.is_grad_enabled():
            return Normalize.backward(ctx, grad_BGCHW)
        x_BGCHW = ctx.saved_tensors[0]
        y_BGCHW = formula(x_BGCHW, *ctx.all)
        (dx_BGCHW,) = torch.autograd.grad(y_BGCHW, x_BGCHW, grad_BGCHW, create_graph=True)
        return dx_BGCHW, None, None, None, None


@torch.no_grad()
def normalize_(x_BGCHW: Tensor, n: int, k: float, alpha: float, beta: float) -> None:
    """Normalize in place: for inference."""
    x_BHWGC = x_BGCHW.permute(0, 3, 4, 1, 2)
    if x_BHWGC.is_contiguous():  # channels_last: the maps of a place lie side by side
        normalize_places_(x_BHWGC.flatten(0, 2), n, k, alpha, beta)
    else:
        for (x,) in parts(x_BGCHW):
            x.mul_(power(divisor(x, n, k, alpha), beta))


def normalize_places_(x_PGC: Tensor, n: int, k: float, alpha: float, beta: float) -> None:
    """Normalize P places in place, with the same scratch memory for some of them at a time."""
    groups, maps = x_PGC.shape[1:]
    places, half = max(1, CACHED // (groups * maps)), n // 2
    squares_PGN = x_PGC.new_zeros(places, groups, maps + 2 * half)  # no neighbours: zeros
    divisors_PGC = x_PGC.new_empty(places, groups, maps)
    for x in x_PGC.split(places):
        squares, d = squares_PGN[: len(x)], divisors_PGC[: len(x)]
        torch.mul(x, x, out=squares[..., half : half + maps])
        torch.mul(squares[..., :maps], alpha, out=d).add_(k)
        for step in range(1, n):
            d.add_(squares[..., step : step + maps], alpha=alpha)
        if beta == 0.75:
            x.mul_(d.rsqrt_()).mul_(d.sqrt_())
        else:
            x.mul_(d.pow_(-beta))


class LocalResponseNorm(nn.Module):
    """Local response normalization with the paper's constants, which it tuned (§3.3).

    Args:
        n: maps in a window, odd.
        k: positive.
        alpha: of the sum of squares, not divided by n.
        beta: the exponent.
        groups: windows do not reach from one group of maps into another. 1 is the formula's N,
            "the total number of kernels in the layer"; 2 is what two GPUs compute that do not
            exchange these maps.
        inplace: may overwrite the input where no gradient is needed.

    Raises:
        ValueError: n is even or less than 1, k is not positive, groups less than 1.
    """

    def __init__(
        self, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75,
        groups: int = 1, inplace: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if n < 1 or n % 2 == 0:
            raise ValueError(f"n must be an odd number of maps, at least 1, got {n}")
        if k <= 0:
            raise ValueError(f"k must be positive, got {k}")
        if groups < 1:
            raise ValueError(f"groups must be at least 1, got {groups}")
        self.n, self.k, self.alpha, self.beta = n, k, alpha, beta
        self.groups, self.inplace = groups, inplace

    def extra_repr(self) -> str:
        """Return the constants."""
        constants = f"n={self.n}, k={self.k}, alpha={self.alpha}, beta={self.beta}"
        return f"{constants}, groups={self.groups}"

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, C, H, W).

        Args:
            x_BCHW: activities behind the ReLU; half precision is computed in single.

        Raises:
            ValueError: x has not four dimensions, or groups do not divide its maps.
        """
        if isinstance(x_BCHW, Proxy):  # torch.fx traces: one node, as of torch's own layers
            tracer: Any = x_BCHW.tracer
            return tracer.create_proxy("call_module", tracer.path_of_module(self), (x_BCHW,), {})
        if x_BCHW.dim() != 4 or x_BCHW.shape[1] % self.groups:
            wanted = f"(N, C, H, W) with C divisible by groups ({self.groups})"
            raise ValueError(f"x must have shape {wanted}, got {tuple(x_BCHW.shape)}")
        dtype = x_BCHW.dtype
        single = x_BCHW.float() if dtype in (torch.float16, torch.bfloat16) else x_BCHW
        constants = (self.n, self.k, self.alpha, self.beta)
        # A compiler fuses the formula by itself; what maps over cases (torch.func) and what
        # differentiates forward know its operations.
        traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
        if traced or forward_ad._current_level >= 0:
            x_BGCHW = single.unflatten(1, (self.groups, -1))
            single = formula(x_BGCHW, *constants).flatten(1, 2)
        elif torch.is_grad_enabled() and x_BCHW.requires_grad:
            x_BGCHW = single.unflatten(1, (self.groups, -1))
            single = NormalizeAgain.apply(x_BGCHW, *constants).flatten(1, 2)
        else:
            if single is x_BCHW and not self.inplace:
                single = single.clone()
            normalize_(single.unflatten(1, (self.groups, -1)), *constants)
        return single.to(dtype)
