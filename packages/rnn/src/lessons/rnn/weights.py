"""Weights from and to files, `torch.nn.RNN`, and the paper's form."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .fully_recurrent import FullyRecurrent
from .rnn import RNN


def from_torch(
    state: Mapping[str, Tensor], nonlinearity: str = "tanh", batch_first: bool = False
) -> RNN:
    """Return our layers with the weights of a ``torch.nn.RNN``.

    Sizes, layers, directions and biases are read off the names and shapes.

    Args:
        state: its state dict.
        nonlinearity: which a state dict does not tell.
        batch_first: likewise.

    Raises:
        ValueError: names that are missing or unexpected, or wrong shapes, all in one message;
            weights of a net with gates.
    """
    check_tensors(state)
    first, back = state.get("weight_ih_l0"), state.get("weight_hh_l0")
    if first is None or back is None or first.dim() != 2 or back.dim() != 2:
        raise ValueError(f"state has no matrices weight_ih_l0 and weight_hh_l0, but {[*state][:5]}")
    hidden = back.shape[1]
    if len(back) != hidden:
        gates = f"{len(back)} rows for {hidden} units"
        raise ValueError(f"weight_hh_l0 has {gates}: a GRU has 3 for each, an LSTM 4, and no RNN")
    count = sum(name.startswith("weight_ih_l") and "reverse" not in name for name in state)
    with torch.device("meta"):
        layer = RNN(
            first.shape[1], hidden, count, nonlinearity, bias="bias_ih_l0" in state,
            batch_first=batch_first, bidirectional="weight_ih_l0_reverse" in state,
        )  # fmt: skip
    return fill(layer, state)


def to_torch(layer: RNN) -> dict[str, Tensor]:
    """Return the weights for ``torch.nn.RNN.load_state_dict``; the names are the same.

    Raises:
        ValueError: logistic units, which torch's layer has not.
    """
    if layer.nonlinearity == "logistic":
        raise ValueError("torch.nn.RNN has no logistic units: `as_tanh` turns them into tanh ones")
    return dict(layer.state_dict())


def as_tanh(net: FullyRecurrent, which: int = 0) -> tuple[RNN, Tensor]:
    """Return a net of the paper's as a layer of tanh units, and the state to begin with.

    A logistic unit is a tanh unit in other units of measure: σ(s) = (1 + tanh(s/2))/2. With
    y = (1 + h)/2 the net input of h is s/2 = (W_y 1/2 + W_x x + b)/2 + W_y h/4.

    Args:
        net: the paper's net, with or without a bias.
        which: of the nets side by side.

    Returns:
        The layer, and h(0) = 2y − 1, (1, 1, N). Its outputs h give y = (1 + h)/2.
    """
    weight, n = net.weight[which], net.n_units
    if not net.n_inputs:
        raise ValueError("the net has no inputs, and a layer of torch's needs one")
    layer = RNN(net.n_inputs, n, device=weight.device, dtype=weight.dtype)
    bias = weight[:, -1] if net.bias else 0
    state = {
        "weight_ih_l0": weight[:, n : n + net.n_inputs] / 2, "weight_hh_l0": weight[:, :n] / 4,
        "bias_ih_l0": (bias + weight[:, :n].sum(1) / 2) / 2, "bias_hh_l0": weight.new_zeros(n),
    }  # fmt: skip
    layer.load_state_dict(state)
    return layer, (2 * net.y[which] - 1).view(1, 1, n)


def load(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read a state dict from a safetensors file, or from one that ``torch.save`` wrote.

    The latter is read with ``weights_only=True``: nothing in it is executed. Wrappers are undone:
    a state dict under "state_dict" or "model", names that begin with "module." or "_orig_mod.".

    Raises:
        OSError: no such file.
        ValueError: the file holds no state dict, or cannot be read; names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Damaged files raise half a dozen types, and torch's text advises to execute the file.
        why = "it holds more than weights" if "weights_only" in str(error) else "it is damaged"
        raise ValueError(f"{path} holds no weights that can be read: {why}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not state:
        raise ValueError(f"{path} holds no state dict, but {type(state).__name__}")
    check_tensors(state, str(path))
    for prefix in ("module.", "_orig_mod.", "module."):
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return dict(state)


def save(
    path: str | os.PathLike, state: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write a state dict as safetensors, atomically; a tensor under two names is written twice."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    tensors, seen = {}, set()
    for name, tensor in state.items():
        tensor = tensor.detach().cpu().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    try:
        save_file(tensors, temporary, metadata)
        os.replace(temporary, path)
    finally:  # a full disk leaves nothing behind
        temporary.unlink(missing_ok=True)


def check_tensors(state: Mapping[Any, Any], where: str = "state") -> None:
    """Raise a ValueError unless all names are text and all values tensors."""
    wrong = [f"{k!r}: {type(v).__name__}" for k, v in state.items()
             if not isinstance(k, str) or not isinstance(v, Tensor)]  # fmt: skip
    if wrong:
        raise ValueError(f"{where} must map names to tensors, got {'; '.join(wrong[:5])}")


def fill(module: Any, state: Mapping[str, Tensor]) -> Any:
    """Load strictly into a module on the meta device; the tensors become its own copies."""
    wanted = module.state_dict()
    check_tensors(state)
    wrong = [f"missing {name}" for name in sorted(wanted.keys() - state.keys())]
    wrong += [f"unexpected {name}" for name in sorted(state.keys() - wanted.keys())]
    wrong += [
        f"{name} is {tuple(state[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if wrong:
        raise ValueError(f"state dict does not fit: {'; '.join(wrong)}")
    like = next(iter(state.values()))
    kinds = {(tensor.dtype, tensor.device) for tensor in state.values()}
    if len(kinds) > 1 or not like.is_floating_point():
        found = "; ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
        raise ValueError(f"tensors must be of one floating-point type and device, got {found}")
    module.to(like.dtype).to_empty(device=like.device)
    module.load_state_dict(state)
    return module
