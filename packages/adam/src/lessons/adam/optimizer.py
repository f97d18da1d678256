r"""Adam and AdamW as PyTorch optimizers (Kingma and Ba 2015; Loshchilov and Hutter 2019)."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from .groups import (
    KERNELS,
    check_group,
    check_state,
    complete,
    keep_state_dtype,
    prepared,
    rate,
    real,
    same_layout,
)
from .update import adam_, adam_compiled_, adam_foreach_, adam_fused_


class Adam(torch.optim.Optimizer):
    r"""Adam, the optimizer of Kingma and Ba (2015).

    Args:
        params: an iterable of tensors, of (name, tensor) pairs, or of dicts that define groups.
        lr: the step size α, the most that a parameter usually moves in a step.
        betas: the decay rates β₁, β₂ of the two moving averages, each in [0, 1).
        eps: ε, added to √v̂.
        weight_decay: coefficient of an L2 penalty, added to the gradient; not in the paper.
        amsgrad: never let √v̂ shrink (Reddi et al. 2018); later than the paper.
        foreach: use `adam_foreach_`; None: on CUDA where the fused kernel cannot be used.
        fused: use `adam_fused_`; None: wherever that can be used. Never for tensors whose
            parameter, gradient and state differ in strides: it passes over memory in one order.
            ``foreach=False, fused=False`` is the readable path.
        maximize: step up the gradient.
        decoupled_weight_decay: decay the weights themselves, as `AdamW` does; later.
        bias_correction: False leaves out the division by 1 − βᵗ (§6.4).
        eps_mode: "paper", or "hat" for the ε̂ form at the end of §2 (TensorFlow, Keras).
        state_dtype: dtype of the moments and of the arithmetic, for parameters in bfloat16 or
            float16 (torch.float32); None: the parameters' own.

    Raises:
        TypeError: params is a single tensor.
        ValueError: an argument is out of its range, params is empty, or holds a tensor twice or
            one that is not a leaf.

    The state has torch.optim.Adam's layout: each loads the other's `state_dict` and goes on alike.

    Source: Algorithm 1.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        fused: bool | None = None,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        bias_correction: bool = True,
        eps_mode: str = "paper",
        state_dtype: torch.dtype | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "foreach": foreach,
            "fused": fused,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
            "capturable": False,  # this and the next only so that torch can read our state
            "differentiable": False,
        }
        own = {
            "bias_correction": bias_correction,
            "eps_mode": eps_mode,
            "state_dtype": state_dtype,
        }
        super().__init__(params, defaults | own)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with options of its own where it names them."""
        check_group(self, param_group)
        super().add_param_group(param_group)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        complete(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of this class or of torch.optim.Adam.

        Raises:
            ValueError: a moment is missing or has another shape than its parameter.
        """
        check_state(self, state_dict, ("exp_avg", "exp_avg_sq"))
        super().load_state_dict(state_dict)
        keep_state_dtype(self, state_dict)

    @torch.no_grad()
    def step(self, closure=None):
        """Take one step on every parameter that has a gradient.

        Args:
            closure: computes the loss anew, with gradients, and returns it.

        Raises:
            RuntimeError: a gradient is sparse.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for number, group in enumerate(self.param_groups):
            moments = ("exp_avg", "exp_avg_sq") + ("max_exp_avg_sq",) * bool(group["amsgrad"])
            # Tensors of one device and dtype go together, as the kernels want them.
            batches: dict[tuple, list[tuple]] = defaultdict(list)
            for param, grad, state in prepared(self, number, group):
                row = [param, grad, *[state[name] for name in moments]]
                alike = same_layout(row)
                batches[param.device, param.dtype, alike].append((*row, state["step"]))
            for (device, dtype, alike), rows in batches.items():
                *tensors, steps = [list(column) for column in zip(*rows)]
                torch._foreach_add_(steps, 1)
                if dtype.is_complex:
                    tensors = [real(column) for column in tensors]
                self._update(group, device, *tensors, steps=steps, alike=alike)
        return loss

    def _update(
        self, group, device, params, grads, exp_avgs, exp_avg_sqs, *more, steps, alike
    ) -> None:
        """Choose among the three paths for tensors of one device and dtype."""
        hyper: dict[str, Any] = {
            "lr": rate(group), "betas": group["betas"], "eps": group["eps"]
        }  # fmt: skip
        max_exp_avg_sqs, dtype = (more[0] if more else []), exp_avgs[0].dtype
        # Arithmetic in the state's dtype; where that is wider it is rounded once, at the end.
        narrow = params[0].dtype is not dtype
        work = [param.to(dtype) for param in params] if narrow else params
        fused, foreach = group["fused"], group["foreach"]
        if fused is None:
            plain = group["bias_correction"] and group["eps_mode"] == "paper"
            known = device.type in KERNELS and steps[0].device == device
            fused = plain and known and foreach is None
        compiling = torch.compiler.is_compiling()  # which makes kernels of its own
        tensors = work, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs
        decay = group["weight_decay"] if group["decoupled_weight_decay"] else 0.0
        if fused and alike and not compiling:
            adam_fused_(*tensors, steps, decay=decay, **hyper)
        else:
            for param in work if decay else ():
                param.mul_(1 - hyper["lr"] * decay)
            hyper["bias_correction"] = group["bias_correction"]
            hyper["eps_mode"] = group["eps_mode"]
            if compiling:
                adam_compiled_(*tensors, steps, **hyper)
            else:
                many = foreach or (foreach is None and device.type == "cuda")
                counts = [step.item() for step in steps]
                (adam_foreach_ if many else adam_)(*tensors, counts, **hyper)
        if narrow:
            for param, result in zip(params, work):
                param.copy_(result)


class AdamW(Adam):
    r"""Adam with decoupled weight decay (Loshchilov and Hutter 2019); later than the paper.

    $$ \theta_t = (1 - \alpha\lambda)\,\theta_{t-1} - \text{Adam's step} $$

    The decay passes by the moments instead of through them, so it is not divided by √v̂. As in
    torch the coefficient is α λ; the paper of 2019 has η_t λ, its schedule without α.

    Args:
        params: as for `Adam`.
        lr: the step size α.
        betas: β₁ and β₂.
        eps: ε.
        weight_decay: λ.
        amsgrad: as for `Adam`.
        **options: the other options of `Adam`.
    """

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False,
        **options,
    ) -> None:  # fmt: skip
        options |= {"decoupled_weight_decay": True}
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **options)


def snr(optimizer: Adam) -> dict[Tensor, Tensor]:
    r"""Return $\hat m_t / \sqrt{\hat v_t}$ of each parameter that was stepped, in its shape.

    The paper calls it, loosely, the signal-to-noise ratio: it is the step in units of α, near ±1
    where the gradient keeps its sign and near 0 where it is mostly noise.

    Args:
        optimizer: an `Adam` or `AdamW`, or torch's.

    Source: §2.1.
    """
    ratios = {}
    for group in optimizer.param_groups:
        for param in group["params"]:
            state = optimizer.state.get(param)
            if state:
                t = float(state["step"])
                first = state["exp_avg"] / (1 - group["betas"][0] ** t)
                ratios[param] = first / (state["exp_avg_sq"] / (1 - group["betas"][1] ** t)).sqrt()
    return ratios
