"""What Adam and AdaMax have in common as PyTorch optimizers: checks, and the state's beginning."""

import math
from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor

EPS_MODES = ("paper", "hat")
KERNELS = ("cpu", "cuda", "mps", "xpu")  # the devices that have torch's fused kernel


def rate(group: dict[str, Any]) -> Any:
    """Return α as a number; compiled code, which may not look into a tensor, gets that."""
    lr = group["lr"]
    if torch.compiler.is_compiling():
        return lr.squeeze() if torch.is_tensor(lr) else lr
    return float(lr)


def step_device(param: Tensor, group: dict[str, Any], second: str) -> Any:
    """Return where the count of steps is kept: beside the parameter if the kernel reads it."""
    kernel = second == "exp_avg_sq" and group["fused"] is not False
    return param.device if kernel and param.device.type in KERNELS else "cpu"


def prepared(
    optimizer, number: int, group: dict[str, Any], second: str = "exp_avg_sq"
) -> Generator[tuple[Tensor, Tensor, dict[str, Tensor]]]:
    """Yield (parameter, gradient, state), the state begun and the penalty's gradient added."""
    wanted, decay, maximize = group.get("state_dtype"), group["weight_decay"], group["maximize"]
    for i, param in enumerate(group["params"]):
        grad = param.grad
        if grad is None:
            continue
        if grad.is_sparse:
            raise RuntimeError(
                f"parameter {i} of group {number}, of shape {tuple(param.shape)}, has a sparse"
                " gradient; use torch.optim.SparseAdam for it, or an embedding with sparse=False"
            )
        state = optimizer.state[param]
        dtype = wanted or param.dtype
        if not state:
            device = step_device(param, group, second)
            state["step"] = torch.zeros((), dtype=torch.float32, device=device)
            for name in ("exp_avg", second) + ("max_exp_avg_sq",) * bool(group.get("amsgrad")):
                state[name] = torch.zeros_like(
                    param, dtype=dtype, memory_format=torch.preserve_format
                )
        if grad.dtype is not dtype:
            grad = grad.to(dtype)
        if maximize:
            grad = -grad
        if decay and not group.get("decoupled_weight_decay"):
            grad = grad.add(param, alpha=decay)
        yield param, grad, state


def same_layout(tensors: list[Tensor]) -> bool:
    """Return whether all tensors have the same strides, without gaps or overlap between numbers.

    `torch._fused_adam_` walks through the memory of each from end to end: of a transposed
    parameter with a contiguous gradient it would add numbers that do not belong together.
    """
    strides = tensors[0].stride()
    if any(tensor.stride() != strides for tensor in tensors[1:]):
        return False
    if tensors[0].is_contiguous():
        return True
    expected = 1
    for stride, size in sorted(zip(strides, tensors[0].shape)):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def complete(optimizer: torch.optim.Optimizer) -> None:
    """Add to a state that was just taken over what torch's own, or older versions', lack."""
    for group in optimizer.param_groups:
        group.setdefault("amsgrad", False)
        for key, value in optimizer.defaults.items():
            group.setdefault(key, value)
        for param in group["params"]:
            state = optimizer.state.get(param, {})
            if "step" in state:  # a number before torch 1.12; a half would not count past 256
                device = step_device(param, group, "exp_avg_sq" if "exp_avg_sq" in state else "")
                step = torch.as_tensor(state["step"], dtype=torch.float32, device=device)
                state["step"] = step.reshape(())


def real(tensors: list[Tensor]) -> list[Tensor]:
    """View complex tensors as real ones: Adam treats their two parts as two parameters."""
    return [torch.view_as_real(t) if t.is_complex() else t for t in tensors]


def check_group(optimizer: torch.optim.Optimizer, param_group: dict[str, Any]) -> None:
    """Raise a ValueError where a group's options or parameters are not usable."""
    if isinstance(param_group, dict) and isinstance(param_group.get("params"), torch.Tensor):
        param_group["params"] = [param_group["params"]]
    options = optimizer.defaults | param_group
    params = options["params"] = param_group["params"] = list(options["params"])
    for name in ("lr", "eps", "weight_decay"):
        if torch.is_tensor(options[name]) and options[name].numel() != 1:
            raise ValueError(f"{name} must be one number, got shape {tuple(options[name].shape)}")
        if not float(options[name]) >= 0 or math.isinf(float(options[name])):
            raise ValueError(f"{name} must be >= 0 and finite, got {options[name]}")
    betas = options["betas"]
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise ValueError(f"betas must be two numbers in [0, 1), got {betas!r}")
    for i, beta in enumerate(betas):
        if not 0 <= beta < 1:
            raise ValueError(f"betas[{i}] must be in [0, 1), got {beta}")
    if options.get("eps_mode", "paper") not in EPS_MODES:
        raise ValueError(f"eps_mode must be one of {EPS_MODES}, got {options['eps_mode']!r}")
    plain = options.get("bias_correction", True) and options.get("eps_mode", "paper") == "paper"
    if options.get("amsgrad") and not options.get("bias_correction", True):
        raise ValueError("amsgrad=True needs bias_correction=True; there is no such variant")
    if options.get("fused") and not plain:
        raise ValueError("fused=True needs bias_correction=True and eps_mode='paper'")
    if options.get("fused") and options.get("foreach"):
        raise ValueError("foreach and fused cannot both be True: they are two ways to do the same")
    seen = {id(param) for group in optimizer.param_groups for param in group["params"]}
    for i, param in enumerate(params):
        tensor = param[1] if isinstance(param, tuple) else param
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"params[{i}] must be a tensor, got {type(tensor).__name__}")
        if id(tensor) in seen:
            raise ValueError(f"params[{i}], of shape {tuple(tensor.shape)}, is there twice")
        if not tensor.is_leaf:
            shape = tuple(tensor.shape)
            raise ValueError(f"params[{i}], of shape {shape}, must be a leaf, not a result")
        seen.add(id(tensor))


def check_state(optimizer, state_dict: dict[str, Any], moments: tuple[str, ...]) -> None:
    """Raise a ValueError where a state to load does not fit the parameters."""
    params = [param for group in optimizer.param_groups for param in group["params"]]
    numbers = [i for group in state_dict["param_groups"] for i in group["params"]]
    for param, number in zip(params, numbers):
        state = state_dict["state"].get(number, {})
        for name in moments if state else ():
            if name not in state:
                raise ValueError(f"state of parameter {number} has no {name}")
            got, want = tuple(state[name].shape), tuple(param.shape)
            if got != want:
                raise ValueError(f"{name} of parameter {number} has shape {got}, expected {want}")


def keep_state_dtype(optimizer, state_dict: dict[str, Any]) -> None:
    """Undo torch's cast of loaded moments to the parameters' dtype, where state_dtype says so."""
    numbers = [i for group in state_dict["param_groups"] for i in group["params"]]
    places = [(group, param) for group in optimizer.param_groups for param in group["params"]]
    for (group, param), number in zip(places, numbers):
        dtype = group["state_dtype"]
        for name, value in state_dict["state"].get(number, {}).items() if dtype else ():
            if name != "step":
                optimizer.state[param][name] = value.to(param.device, dtype, copy=True)
