r"""AdaMax: Adam with the infinity norm (Kingma and Ba 2015, §7.1, Algorithm 2)."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from .groups import check_group, check_state, complete, prepared, rate, real
from .update import correction


def adamax_(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_infs: list[Tensor],
    steps: list[float],
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float = 0.0,
) -> None:
    r"""Take one step of AdaMax in place.

    $$ u_t = \max(\beta_2 u_{t-1}, |g_t|), \qquad
       \theta_t = \theta_{t-1} - \frac{\alpha}{1-\beta_1^t} \frac{m_t}{u_t} $$

    Args:
        params: the tensors θ to change.
        grads: their gradients, of the same shapes.
        exp_avgs: first moments m, changed in place.
        exp_infs: u, the exponentially weighted infinity norm, changed in place.
        steps: t of each tensor, counting this step.
        lr: the step size α.
        betas: the decay rates β₁ and β₂.
        eps: 0 for the paper's form; torch.optim.Adamax has max(β₂u, |g| + ε) with ε = 1e-8.

    Source: Algorithm 2, eqs. 6-12.
    """
    for param, grad, exp_avg, exp_inf, t in zip(params, grads, exp_avgs, exp_infs, steps):
        exp_avg.lerp_(grad, 1 - betas[0])
        torch.maximum(exp_inf.mul_(betas[1]), grad.abs().add_(eps), out=exp_inf)
        # u is 0 where every gradient so far was 0; m is 0 there too, and 0/0 shall be no step.
        tiny = torch.finfo(exp_inf.dtype).tiny
        param.addcdiv_(exp_avg, exp_inf.clamp(min=tiny), value=-lr / (1 - betas[0] ** t))


def adamax_foreach_(
    params, grads, exp_avgs, exp_infs, steps, *, lr, betas, eps=0.0
) -> None:  # fmt: skip
    """Take the step of `adamax_`, an operation on all tensors at a time: few launches on a GPU.

    The tensors are of one device and one dtype. Each of ``steps``, and ``lr``, may be a tensor: as
    a number it is a constant in compiled code, which were made anew for each t.
    """
    torch._foreach_lerp_(exp_avgs, grads, 1 - betas[0])
    torch._foreach_mul_(exp_infs, betas[1])
    sizes = torch._foreach_abs(grads)
    torch._foreach_add_(sizes, eps)
    torch._foreach_maximum_(exp_infs, sizes)
    tiny = torch.finfo(exp_infs[0].dtype).tiny
    moves = torch._foreach_div(exp_avgs, torch._foreach_clamp_min(exp_infs, tiny))
    wide = torch.promote_types(exp_infs[0].dtype, torch.float32)
    counts = [t.to(wide) if torch.is_tensor(t) else t for t in steps]
    torch._foreach_mul_(moves, [lr / correction(t, betas[0]) for t in counts])
    torch._foreach_sub_(params, moves)


class AdaMax(torch.optim.Optimizer):
    r"""AdaMax, Adam with the infinity norm in the place of √v (Kingma and Ba 2015, §7.1).

    Args:
        params: as for `Adam`.
        lr: the step size α.
        betas: the decay rates β₁ and β₂, each in [0, 1).
        eps: 0 is the paper's form; torch.optim.Adamax adds 1e-8 to |g|.
        weight_decay: coefficient of an L2 penalty, added to the gradient; not in the paper.
        foreach: use `adamax_foreach_`; None: on CUDA. False is the readable path.
        maximize: step up the gradient.

    Raises:
        TypeError: params is a single tensor.
        ValueError: as for `Adam`.

    Source: Algorithm 2.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 0.0,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": False,  # this and the next only so that torch can read our state
            "differentiable": False,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with options of its own where it names them."""
        check_group(self, param_group)
        super().add_param_group(param_group)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        complete(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of this class or of torch.optim.Adamax.

        Raises:
            ValueError: a moment is missing or has another shape than its parameter.
        """
        check_state(self, state_dict, ("exp_avg", "exp_inf"))
        super().load_state_dict(state_dict)

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step on every parameter that has a gradient; arguments as for `Adam.step`."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        compiling = torch.compiler.is_compiling()
        for number, group in enumerate(self.param_groups):
            # Tensors of one device and dtype go together, as `adamax_foreach_` wants them.
            batches: dict[tuple, list[tuple]] = defaultdict(list)
            for param, grad, state in prepared(self, number, group, second="exp_inf"):
                state["step"] += 1
                t = state["step"] if compiling else state["step"].item()
                row = real([param, grad, state["exp_avg"], state["exp_inf"]])
                batches[param.device, param.dtype].append((*row, t))
            hyper = {"lr": rate(group), "betas": group["betas"], "eps": group["eps"]}
            for (device, _), rows in batches.items():
                foreach = group["foreach"]
                many = device.type == "cuda" if foreach is None else foreach
                step_ = adamax_foreach_ if many or compiling else adamax_
                step_(*[list(column) for column in zip(*rows)], **hyper)
        return loss
