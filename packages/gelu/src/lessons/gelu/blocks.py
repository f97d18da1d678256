"""The default path for many numbers on a CPU: a GELU of x as blocks that stay in the cache.

torch's kernel of the tanh form spends most of its time in tanh. Here it is x·σ(b(x)), b being the
log-odds (`gates.log_odds`): a chain of four of torch's operations, or of seven for the gradient,
which write over one another. Over whole tensors each would pass through all the memory; over blocks
they stay in the cache. The specification is `gated`; what is slow about large results besides is
told in `pages`.
"""

import math

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from .gates import CUBIC, GATES, SLOPE
from .pages import fresh_like

aten = torch.ops.aten

BLOCK = 2**17  # numbers for each thread. Fewer cost more in calls, more in memory.
# From so many numbers on this is the faster path. The exact form only gains by its memory: 32 MiB
# are always new, as glibc's malloc maps so much for each result (mallopt(3), M_MMAP_THRESHOLD).
MANY = {"none": 2**23, "tanh": 2**16, "sigmoid": 2**16}
SURE = 20.0  # above, σ is 1 in float32
LINEAR = 2 * math.sqrt(2 / math.pi)  # b(x) = LINEAR·(x + CUBIC·x³)


def traceless(x: Tensor) -> bool:
    """Whether x has a size that may be looked at: it is no subclass's, and nothing traces."""
    tracing = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return not tracing and type(x) in (Tensor, nn.Parameter)


def plain(x: Tensor) -> bool:
    """Whether x has memory that may be read and written: no transform or mode is around it."""
    return (
        traceless(x)
        and not torch._C._are_functorch_transforms_active()
        and not torch._C._functorch.is_legacy_batchedtensor(x)  # autograd's is_grads_batched
        and not torch._C._len_torch_dispatch_stack()
        and x.layout == torch.strided
        and not x.is_nested
        and forward_ad.unpack_dual(x).tangent is None
    )


def layout(x: Tensor) -> tuple[list[int], tuple[int, ...]] | None:
    """Return an order of x's axes and the shape, (N,) or (rows, N), of a view in memory's order.

    None if there is no such view. If there is, ``torch.empty_like(x)`` has it too.
    """
    if x.is_contiguous():
        return list(range(x.ndim)), (-1,)
    # Axes of size 1 come first, since their strides mean nothing.
    order = sorted(range(x.ndim), key=lambda d: (x.shape[d] == 1, x.stride(d)), reverse=True)
    inner = x.permute(order)
    if inner.is_contiguous():  # channels_last, for example
        return order, (-1,)
    *rows, width = inner.shape
    strides = inner.stride()
    # Rows without gaps, equally far from each other: one half of a gated layer's projection.
    steps = zip(rows, rows[1:], strides, strides[1:])
    even = all(one == 1 or far == near * size for one, size, far, near in steps)
    apart = strides[-1] == 1 and strides[-2] >= width and even
    return (order, (-1, width)) if apart else None


def suits(x: Tensor, form: str) -> bool:
    """Whether this path computes the form of x, and is the faster one."""
    return (
        traceless(x)
        and x.numel() >= MANY[form]
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and plain(x)
        and layout(x) is not None
    )


def split(x: Tensor, result: Tensor, *gradient: Tensor):
    """Return blocks of x, of a result like it and of its gradient, in the order of x's memory."""
    block, found = BLOCK * torch.get_num_threads(), layout(x)
    if x.numel() <= block or found is None:
        return [(x, result, *gradient)]
    order, shape = found
    size = max(1, block if len(shape) == 1 else block // shape[-1])
    views = [t.permute(order).view(shape) for t in (x, result)]
    views += [t.permute(order).reshape(shape) for t in gradient]  # of other strides: copied
    return zip(*(view.split(size) for view in views))


def constant(x: Tensor, value: float) -> Tensor:
    """Return a scalar of x's dtype and device."""
    return torch.full((), value, dtype=x.dtype, device=x.device)


def value(x: Tensor, form: str) -> Tensor:
    """Return the form of x."""
    y = fresh_like(x)
    if form == "none":
        return aten.gelu.out(x, out=y)
    if form == "sigmoid":  # torch names it after where it uses it: its first argument times σ
        return aten.softplus_backward.grad_input(x, x, SLOPE, SURE, grad_input=y)
    linear = constant(x, LINEAR)
    for x_N, y_N in split(x, y):
        torch.addcmul(linear, x_N, x_N, value=LINEAR * CUBIC, out=y_N).mul_(x_N)
        y_N.sigmoid_().mul_(x_N)
    return y


def pulled_back(x: Tensor, dy: Tensor, form: str) -> Tensor:
    """Return dy times the form's derivative, σ(b) + x·b′(x)·σ(b)(1 − σ(b))."""
    dx = fresh_like(x)
    if form == "none":
        return aten.gelu_backward.grad_input(dy, x, grad_input=dx)
    linear, room = constant(x, LINEAR), None
    for x_N, dx_N, dy_N in split(x, dx, dy):
        if form == "sigmoid":  # xσ(cx) = silu(cx)/c
            torch.mul(x_N, SLOPE, out=dx_N)
            aten.silu_backward.grad_input(dy_N, dx_N, grad_input=dx_N)
            continue
        room = torch.empty_like(dx_N) if room is None else room  # of this call: threads share none
        gate_N = room[: len(x_N)]
        torch.addcmul(linear, x_N, x_N, value=LINEAR * CUBIC, out=gate_N).mul_(x_N)  # b
        torch.add(gate_N, x_N, alpha=-2 / 3 * LINEAR, out=dx_N)  # x·b′ = 3b − 2·LINEAR·x, a third
        gate_N.sigmoid_()
        aten.sigmoid_backward.grad_input(dx_N, gate_N, grad_input=dx_N)  # times σ(1 − σ)
        torch.add(gate_N, dx_N, alpha=3, out=dx_N).mul_(dy_N)
        if not math.isfinite(dx_N.sum().item()):  # b overflows from |x| = 10¹³ on, torch later
            aten.gelu_backward.grad_input(dy_N, x_N, approximate=form, grad_input=dx_N)
    return dx


class InBlocks(torch.autograd.Function):
    """`value` with its gradient. One tensor is kept, x, as by torch."""

    @staticmethod
    def forward(ctx, x, form):
        """Return the form of x."""
        ctx.save_for_backward(x)
        ctx.form = form
        return value(x, form)

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradient of x; if it is to be differentiated, by functions that can be."""
        (dy,), (x,) = gradients, ctx.saved_tensors
        if not torch.is_grad_enabled() and plain(dy) and plain(x):
            return pulled_back(x, dy, ctx.form), None
        cdf, density = GATES[ctx.form]
        return dy * (cdf(x) + x * density(x)), None


def in_blocks(x: Tensor, form: str) -> Tensor:
    """Return the form of an x that `suits`; differentiable as often as one likes."""
    if x.requires_grad and torch.is_grad_enabled():
        return InBlocks.apply(x, form)
    return value(x, form)
