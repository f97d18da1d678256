"""The decay itself: as a term of the loss, and as a step of its own (§1, eqs 1, 2)."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def check_lam(lam: float, name: str = "lam") -> float:
    """Return λ; raise a ValueError where it is negative, infinite or not a number."""
    if not 0 <= lam < math.inf:
        raise ValueError(f"{name} must be >= 0 and finite, got {lam}")
    return lam


def floating(params: Iterable[Tensor]) -> list[Tensor]:
    """Return the tensors as a list; raise a TypeError where one cannot decay."""
    params = list(params)
    for i, param in enumerate(params):
        if not isinstance(param, Tensor) or not param.is_floating_point():
            got = param.dtype if isinstance(param, Tensor) else type(param).__name__
            raise TypeError(f"params[{i}] must be a tensor of floating-point numbers, got {got}")
    return params


class L2Penalty(torch.autograd.Function):
    """½λΣw² with its gradient λw by hand, which can itself be differentiated.

    The forward is one pass over memory without a fresh tensor: w·w instead of the sum of w².
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(lam, *params):
        """Return ½λΣw², 0-dimensional, of float λ and tensors of any shapes."""
        return 0.5 * lam * torch.stack([p.flatten().dot(p.flatten()) for p in params]).sum()

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep λ and the weights."""
        ctx.lam, *params = inputs
        ctx.save_for_backward(*params)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # ty: ignore[incompatible-method-override]
        """Return ∂/∂w = λw, times the gradient of what follows."""
        return None, *(grad * ctx.lam * param for param in ctx.saved_tensors)


class L2PenaltyJvp(L2Penalty):
    """The same with forward derivatives; a class of its own, as torch.compile refuses a jvp."""

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep λ, and the weights for both ways."""
        L2Penalty.setup_context(ctx, inputs, output)
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def jvp(ctx: Any, _, *changes: Tensor) -> Any:  # ty: ignore[incompatible-method-override]
        """Return λΣw·dw."""
        pairs = zip(ctx.saved_tensors, changes)
        return ctx.lam * torch.stack([(w * dw).sum() for w, dw in pairs if dw is not None]).sum()


def l2_penalty(params: Iterable[Tensor], lam: float, fast: bool = True) -> Tensor:
    r"""Return $\tfrac12\lambda\sum_i w_i^2$, 0-dimensional, to be added to the loss (eq. 1).

    Args:
        params: tensors of one floating dtype and device, of any shapes.
        lam: λ ≥ 0, per unit of the loss. The paper's loss is ½ the *sum* of squares over all p
            patterns: beside a mean over patterns the same decay is λ/p, and beside `MSELoss`, which
            has no ½, it is 2λ/p.
        fast: False is the readable form, through torch's own derivative.

    Raises:
        ValueError: λ is negative or NaN, or there is no parameter.
        TypeError: a parameter is not a floating-point tensor.
    """
    check_lam(lam)
    params = floating(params)
    if not params:
        raise ValueError("params must hold at least one tensor, got none")
    if fast and torch.compiler.is_compiling():
        value = L2Penalty.apply(lam, *params)
        # There a forward derivative of a single number is float64; casts to it and back undo that.
        return value if value.device.type == "mps" else value.double().to(params[0].dtype)
    if fast:
        return L2PenaltyJvp.apply(lam, *params)
    return 0.5 * lam * torch.stack([(param**2).sum() for param in params]).sum()


@torch.no_grad()
def weight_decay_(
    params: Iterable[Tensor],
    lam: float,
    lr: float | Tensor,
    towards: Iterable[Tensor] | None = None,
) -> None:
    r"""Decay weights in place, $w \leftarrow (1-\eta\lambda)\,w$: eq. 2 without its force term.

    Args:
        params: tensors of floating-point numbers, of any shapes.
        lam: λ ≥ 0.
        lr: η, the step; as in torch the weights shrink by ηλ a step, not by λ.
        towards: weights of the same shapes to decay to, in place of 0.

    Raises:
        ValueError: λ is negative, or ηλ ≥ 1, which would turn the weights' signs.
        TypeError: a parameter is not a floating-point tensor.
    """
    check_lam(lam)
    params = floating(params)
    check_factor(lr, lam)
    if towards is not None:
        for param, reference in zip(params, towards, strict=True):
            param.lerp_(reference, lr * lam)
    elif params and params[0].is_cuda:
        torch._foreach_mul_(params, 1 - lr * lam)
    else:  # on a CPU `_foreach_mul_` saves nothing and is no faster
        for param in params:
            param.mul_(1 - lr * lam)


def check_factor(lr: float | Tensor, lam: float) -> None:
    """Raise a ValueError where 1 − ηλ is not positive; a tensor's value is not looked at."""
    if not isinstance(lr, Tensor) and lr * lam >= 1:
        raise ValueError(
            f"the decay factor 1 - lr * lam must be positive, got 1 - {lr} * {lam} = {1 - lr * lam}"
        )
