r"""Adam's step on tensors (Kingma and Ba 2015, Algorithm 1), three times, and once compiled.

`adam_` is the specification: Algorithm 1, one tensor after another. `adam_foreach_` does the same
to all tensors an operation at a time, which saves launches on a GPU; `adam_fused_` hands them to
the kernel that reads and writes each number once. `adam_compiled_` is for torch.compile, which
makes such a kernel itself. All are tested to be equal.
"""

import math
from typing import Any

import torch
from torch import Tensor


def adam_(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    max_exp_avg_sqs: list[Tensor],
    steps: list[float],
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float = 1e-8,
    bias_correction: bool = True,
    eps_mode: str = "paper",
) -> None:
    r"""Take one step of Adam in place, one tensor after another.

    $$ m_t = \beta_1 m_{t-1} + (1-\beta_1) g_t, \qquad
       v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2, \qquad
       \theta_t = \theta_{t-1}
         - \alpha \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon} $$

    Args:
        params: the tensors θ to change.
        grads: their gradients, of the same shapes.
        exp_avgs: first moments m, changed in place.
        exp_avg_sqs: second raw moments v, changed in place.
        max_exp_avg_sqs: the largest v so far, for AMSGrad; an empty list for Adam.
        steps: t of each tensor, counting this step: 1 at the first.
        lr: the step size α.
        betas: the decay rates β₁ and β₂.
        eps: ε.
        bias_correction: divide by 1 − βᵗ; without it, the experiment of §6.4.
        eps_mode: "paper" adds ε to √(v/(1 − β₂ᵗ)) as Algorithm 1 does; "hat" adds it to √v, the
            reordered form at the end of §2, which TensorFlow and Keras use.

    Source: Algorithm 1; §2, last paragraph; for AMSGrad, Reddi et al. 2018, Algorithm 2.
    """
    beta1, beta2 = betas
    for i, (param, grad, exp_avg, exp_avg_sq) in enumerate(
        zip(params, grads, exp_avgs, exp_avg_sqs)
    ):
        exp_avg.lerp_(grad, 1 - beta1)  # m + (1 − β₁)(g − m)
        exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        # Python floats: in float32 tensors 1 − β₂ᵗ would lose half of its digits at t = 1.
        correction1 = 1 - beta1 ** steps[i] if bias_correction else 1.0
        correction2 = math.sqrt(1 - beta2 ** steps[i]) if bias_correction else 1.0
        second = exp_avg_sq
        if max_exp_avg_sqs:
            # Of the uncorrected v, as torch does; Reddi et al. have no bias correction at all.
            second = torch.maximum(max_exp_avg_sqs[i], exp_avg_sq, out=max_exp_avg_sqs[i])
        if eps_mode == "paper":
            denominator = second.sqrt().div_(correction2).add_(eps)
        else:
            denominator = second.sqrt().add_(eps).div_(correction2)
        param.addcdiv_(exp_avg, denominator, value=-lr / correction1)


def adam_foreach_(
    params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, *, lr, betas,
    eps=1e-8, bias_correction=True, eps_mode="paper",
) -> None:  # fmt: skip
    """Take the step of `adam_`, an operation on all tensors at a time: few launches on a GPU.

    The tensors are of one device and one dtype; otherwise the arguments are those of `adam_`.
    """
    beta1, beta2 = betas
    torch._foreach_lerp_(exp_avgs, grads, 1 - beta1)
    torch._foreach_mul_(exp_avg_sqs, beta2)
    torch._foreach_addcmul_(exp_avg_sqs, grads, grads, 1 - beta2)
    if max_exp_avg_sqs:
        torch._foreach_maximum_(max_exp_avg_sqs, exp_avg_sqs)
    denominators = list(torch._foreach_sqrt(max_exp_avg_sqs or exp_avg_sqs))
    corrections = [math.sqrt(1 - beta2**t) if bias_correction else 1.0 for t in steps]
    if eps_mode == "hat":
        torch._foreach_add_(denominators, eps)
    torch._foreach_div_(denominators, corrections)
    if eps_mode == "paper":
        torch._foreach_add_(denominators, eps)
    sizes = [-lr / (1 - beta1**t) if bias_correction else -lr for t in steps]
    torch._foreach_addcdiv_(params, exp_avgs, denominators, sizes)


def adam_fused_(
    params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, *, lr, betas, eps=1e-8, decay=0.0
) -> None:  # fmt: skip
    """Take the step of `adam_` with torch's kernel, which passes over memory once.

    The tensors are of one device and one dtype, and ``steps`` are 0-dimensional float32 tensors on
    that device. The kernel knows bias correction and the paper's ε only. ``decay`` is AdamW's λ:
    in the kernel it is not rounded on its own, which in bfloat16 could take it away altogether.
    """
    kernel = torch._fused_adamw_ if decay else torch._fused_adam_
    kernel(
        params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, lr=lr,
        beta1=betas[0], beta2=betas[1], weight_decay=float(decay), eps=eps,
        amsgrad=bool(max_exp_avg_sqs), maximize=False, grad_scale=None, found_inf=None,
    )  # fmt: skip


def adam_compiled_(
    params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, *, lr, betas,
    eps=1e-8, bias_correction=True, eps_mode="paper",
) -> None:  # fmt: skip
    """Take the step of `adam_` as torch.compile wants it: ``steps``, and ``lr``, may be tensors.

    A number would be a constant in the compiled code, which were made anew for each t.
    """
    for i, (param, grad, exp_avg, second) in enumerate(zip(params, grads, exp_avgs, exp_avg_sqs)):
        exp_avg.lerp_(grad, 1 - betas[0])
        second.mul_(betas[1]).addcmul_(grad, grad, value=1 - betas[1])
        if max_exp_avg_sqs:
            second = torch.maximum(max_exp_avg_sqs[i], second, out=max_exp_avg_sqs[i])
        correction1 = correction2 = torch.ones_like(steps[i])
        if bias_correction:
            t = steps[i].to(torch.promote_types(exp_avg.dtype, torch.float32))
            correction1, correction2 = correction(t, betas[0]), correction(t, betas[1])
        if eps_mode == "paper":
            denominator = (second.sqrt() / correction2.sqrt()) + eps
        else:
            denominator = (second.sqrt() + eps) / correction2.sqrt()
        param.sub_(exp_avg / denominator * (lr / correction1))


def correction(t: float | Tensor, beta: float) -> Any:
    """Return 1 − βᵗ; of a tensor t with all its digits, half of which the power would lose."""
    if not torch.is_tensor(t):
        return 1 - beta**t
    return -torch.expm1(t * math.log(beta)) if beta else torch.ones_like(t)
