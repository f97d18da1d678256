"""Weights from and to files, `torch.nn.LSTM`, and Keras; `kernel` says why they are the same."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .config import Config
from .kernel import OPEN, four, misfits, whole_bias
from .network import LSTM1997


def to_torch(net: LSTM1997) -> dict[str, Tensor]:
    """Return the cells' weights for a one-layer ``torch.nn.LSTM(input_size, cells)``.

    Torch's outputs are the cells' outputs; its c is s/2. Gates of a block are repeated for its
    cells. The output layer stays behind.

    Raises:
        ValueError: a wiring that torch's layer has not: cells or gates that see gates, no input
            or output gate, other squashing functions, several nets side by side.
    """
    c = net.config
    wrong = misfits(c) + (["several nets side by side"] if net.seeds is not None else [])
    if wrong:
        raise ValueError(f"torch.nn.LSTM has no net with {', '.join(wrong)}")
    own = None if net.bias is None else net.bias.detach()
    bias = four(whole_bias(own, c, net.weight_x.detach()), c, OPEN)
    return {
        "weight_ih_l0": four(net.weight_x.detach(), c, 0.0),
        "weight_hh_l0": four(net.weight_h.detach(), c, 0.0),
        "bias_ih_l0": bias,
        "bias_hh_l0": torch.zeros_like(bias),
    }


def from_torch(state: Mapping[str, Tensor], truncate: bool = False) -> LSTM1997:
    """Return the cells of a ``torch.nn.LSTM`` whose forget gates stand open, blocks of one cell.

    Args:
        state: its state dict.
        truncate: whether errors end at net inputs; torch's do not.

    Raises:
        ValueError: several layers or directions, a projection, a forget gate that can close;
            names that are missing or unexpected, wrong shapes.
    """
    check_tensors(state)
    for mark, what in (
        ("_reverse", "a second direction"),
        ("weight_hr", "a projection (proj_size)"),
        ("_l1", "more than one layer"),
    ):
        if any(mark in name for name in state):
            raise ValueError(f"state has {what}, and the paper's net has none")
    names = {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}
    wrong = [f"missing {name}" for name in sorted(names - state.keys())]
    wrong += [f"unexpected {name}" for name in sorted(state.keys() - names)]
    if "missing bias_ih_l0" in wrong:
        wrong.append("without a bias the forget gate stands half open")
    if wrong:
        raise ValueError(f"state dict does not fit: {'; '.join(wrong)}")
    w_ih, w_hh = state["weight_ih_l0"], state["weight_hh_l0"]
    bias = state["bias_ih_l0"] + state["bias_hh_l0"]
    hidden = w_hh.shape[-1]
    if w_ih.dim() != 2 or w_hh.shape != (4 * hidden, hidden) or bias.shape != (4 * hidden,):
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        raise ValueError(f"expected four rows of each matrix for a cell, got {shapes}")
    forget = slice(hidden, 2 * hidden)
    closed = w_ih[forget].any() or w_hh[forget].any() or (torch.sigmoid(bias[forget]) < 1).any()
    if closed:
        raise ValueError("a forget gate can close: the net of 1997 has none, and always remembers")
    if len(w_ih) != 4 * hidden or not w_ih.is_floating_point():
        raise ValueError(f"weight_ih_l0 must have {4 * hidden} rows, has {len(w_ih)}")
    config = Config(w_ih.shape[1], hidden, bias="hidden", gate_recurrence=False, truncate=truncate)

    def three(rows: Tensor) -> Tensor:
        gates_in, _, cells, gates_out = rows.chunk(4)
        return torch.cat([gates_in, gates_out, 2 * cells]).clone()

    with torch.device("meta"):
        net = LSTM1997(config)
    rows = {"weight_x": three(w_ih), "weight_h": three(w_hh), "bias": three(bias)}
    return fill(net, rows)


def to_keras(net: LSTM1997) -> list[Tensor]:
    """Return kernel (I, 4H), recurrent kernel (H, 4H) and bias (4H,) as Keras's LSTM has them.

    Its gates stand in the order input, forget, cell, output, as torch's do; it has one bias.
    """
    state = to_torch(net)
    bias = state["bias_ih_l0"] + state["bias_hh_l0"]
    return [state["weight_ih_l0"].T.contiguous(), state["weight_hh_l0"].T.contiguous(), bias]


def from_keras(weights: Sequence[Any], truncate: bool = False) -> LSTM1997:
    """Return the cells of a Keras LSTM, from what its ``get_weights()`` lists.

    Raises:
        ValueError: not three arrays, or what `from_torch` refuses.
    """
    if len(weights) != 3:
        want = "kernel, recurrent kernel, bias"
        raise ValueError(f"three arrays are needed ({want}), got {len(weights)}")
    kernel, recurrent, bias = (torch.as_tensor(value) for value in weights)
    if kernel.dim() != 2 or recurrent.dim() != 2:
        shapes = [tuple(value.shape) for value in (kernel, recurrent, bias)]
        raise ValueError(f"kernels must be matrices, shapes are {shapes}")
    state = {
        "weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T,
        "bias_ih_l0": bias, "bias_hh_l0": torch.zeros_like(bias),
    }  # fmt: skip
    return from_torch(state, truncate)


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
