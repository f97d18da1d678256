"""How the paper trains: its schedule, and Adam with little memory for the experts (App. C.1, D)."""

import itertools
import math

import torch

AT_ONCE = 2**18  # numbers of a stack of matrices that are updated at once


def inverse_sqrt(step: int, warmup: int = 1000, flat: int = 0) -> float:
    """Return the share of the highest rate at a step, counted from 1.

    It rises in a straight line for ``warmup`` steps, stays for ``flat``, then falls as 1/√step.
    App. C.1: 1000 and 0; App. E: 2000 and 8000.

    Raises:
        ValueError: step or warmup below 1, flat below 0.
    """
    if step < 1 or warmup < 1 or flat < 0:
        raise ValueError(f"step ({step}) and warmup ({warmup}) must be at least 1, flat ({flat}) 0")
    return min(step / warmup, 1.0, math.sqrt((warmup + flat) / step))


class FactoredAdam(torch.optim.Optimizer):
    """Adam with β1 = 0 and a factored second moment (App. D).

    Of a matrix only the averages of squared gradients over rows and over columns are kept; their
    outer product, divided by the mean of either, stands for the whole. Of a stack of matrices,
    (N, rows, columns), each has its own. What has fewer than two dimensions is kept whole.
    Averages are in float32 at least: in half precision they would stand still, or vanish.

    Args:
        params: weights, or groups of them.
        lr: rate. beta2: how much of the averages is kept. eps: added to the root.

    Raises:
        ValueError: a rate or eps below 0, beta2 outside [0, 1), a sparse gradient.
    """

    def __init__(self, params, lr: float = 1e-3, beta2: float = 0.999, eps: float = 1e-8) -> None:
        if not lr >= 0 or not eps >= 0 or not 0 <= beta2 < 1:
            raise ValueError(
                f"lr ({lr}) and eps ({eps}) must not be negative, beta2 ({beta2}) in [0, 1)"
            )
        super().__init__(params, {"lr": lr, "beta2": beta2, "eps": eps})

    def load_state_dict(self, state_dict) -> None:
        """Go on from what `state_dict` returned."""
        super().load_state_dict(state_dict)
        # torch brings a state to the weights' own type, in which small averages would vanish.
        names = [name for group in state_dict["param_groups"] for name in group["params"]]
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        for name, parameter in zip(names, parameters):
            if name in state_dict["state"]:
                exact = torch.promote_types(parameter.dtype, torch.float32)
                self.state[parameter]["averages"] = [
                    average.detach().to(parameter.device, exact, copy=True)
                    for average in state_dict["state"][name]["averages"]
                ]

    @torch.no_grad()
    def step(self, closure=None):
        """Take a step; return the closure's loss, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: torch.Tensor, group: dict) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if gradient.is_sparse:
            raise ValueError("FactoredAdam needs dense gradients, got a sparse one")
        shape = parameter.shape
        factored = parameter.dim() >= 2
        if not state:
            state["step"] = 0
            sizes = (shape[:-1], (*shape[:-2], shape[-1])) if factored else (shape,)
            exact = torch.promote_types(parameter.dtype, torch.float32)
            state["averages"] = [parameter.new_zeros(size, dtype=exact) for size in sizes]
        state["step"] += 1
        if not factored:
            (second,) = state["averages"]
            gradient = gradient.to(second.dtype)
            second.mul_(group["beta2"]).addcmul_(gradient, gradient, value=1 - group["beta2"])
            self._move(parameter, gradient, second, state, group)
            return
        # Matrix by matrix of a stack, some at once: else what is computed on the way would take
        # the memory that is saved. Slices, not views of another shape: they have any strides.
        tensors = (parameter, gradient, *state["averages"])
        if parameter.dim() == 2:
            tensors = tuple(tensor.unsqueeze(0) for tensor in tensors)
        some = max(1, AT_ONCE // max(1, shape[-2] * shape[-1]))
        for place in itertools.product(*map(range, shape[:-3])):
            for parts in zip(*(tensor[place].split(some) for tensor in tensors)):
                self._move_matrices(*parts, state, group)

    def _move_matrices(self, weight_NRC, gradient_NRC, row_NR, column_NC, state, group) -> None:
        if not weight_NRC.numel():
            return
        gradient_NRC = gradient_NRC.to(row_NR.dtype)
        squared = gradient_NRC.square()
        row_NR.mul_(group["beta2"]).add_(squared.mean(-1), alpha=1 - group["beta2"])
        column_NC.mul_(group["beta2"]).add_(squared.mean(-2), alpha=1 - group["beta2"])
        mean = row_NR.mean(-1, keepdim=True).clamp_min(torch.finfo(row_NR.dtype).tiny)
        second = torch.mul((row_NR / mean).unsqueeze(-1), column_NC.unsqueeze(-2))
        self._move(weight_NRC, gradient_NRC, second, state, group)

    @staticmethod
    def _move(weight, gradient, second, state, group) -> None:
        root = (second / (1 - group["beta2"] ** state["step"])).sqrt_().add_(group["eps"])
        weight.add_(torch.div(gradient, root, out=root), alpha=-group["lr"])
