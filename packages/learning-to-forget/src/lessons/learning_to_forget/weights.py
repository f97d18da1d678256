"""Weights from and to files, `torch.nn.LSTM`, Keras, and the paper's blocks."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .blocks import Config, GersLSTM, four, four_bias
from .lstm import LSTM


def from_torch(state: Mapping[str, Tensor], batch_first: bool = False) -> LSTM:
    """Return our layers with the weights of a ``torch.nn.LSTM``.

    Sizes, layers, directions, projection, biases and peepholes are read off names and shapes.

    Args:
        state: its state dict, or one of ours of the same wiring.
        batch_first: which a state dict does not tell.

    Raises:
        ValueError: names that are missing or unexpected, or wrong shapes, all in one message;
            weights of a GRU or a plain recurrent net.
    """
    check_tensors(state)
    first, back = state.get("weight_ih_l0"), state.get("weight_hh_l0")
    if first is None or back is None or first.dim() != 2 or back.dim() != 2:
        raise ValueError(f"state has no matrices weight_ih_l0 and weight_hh_l0, but {[*state][:5]}")
    project = state.get("weight_hr_l0")
    hidden = back.shape[1] if project is None else project.shape[1]
    rows = len(back) / hidden
    if rows != 4:
        likely = {3: "as a GRU has", 1: "as a plain recurrent net has"}.get(rows, "as no net has")
        got = f"{len(back)} rows for {hidden} cells, {rows:g} for each"
        raise ValueError(f"weight_hh_l0 has {got}, {likely}; an LSTM has 4")
    count = sum(name.startswith("weight_ih_l") and "reverse" not in name for name in state)
    with torch.device("meta"):
        layer = LSTM(
            first.shape[1], hidden, count, bias="bias_ih_l0" in state, batch_first=batch_first,
            bidirectional="weight_ih_l0_reverse" in state, peephole="peephole_l0" in state,
            proj_size=0 if project is None else len(project),
        )  # fmt: skip
    return fill(layer, state)


def to_torch(net: LSTM | GersLSTM) -> dict[str, Tensor]:
    """Return weights for ``torch.nn.LSTM.load_state_dict``.

    The names of `LSTM` are the same; coupled gates and the activations of 1999 become torch's
    weights (its cell is then s/2). Blocks become one layer, without outputs.

    Raises:
        ValueError: peepholes, gates that see gates, several nets: torch's layer has none of these.
    """
    if isinstance(net, GersLSTM):
        c = net.config
        if c.gates_see_gates or net.seeds is not None:
            raise ValueError("torch.nn.LSTM has no gates_see_gates, and is one net")
        bias = four_bias(net.bias.detach()[None], c)[0]
        return {
            "weight_ih_l0": four(net.weight_x.detach()[None], c, 0.0)[0],
            "weight_hh_l0": four(net.weight_h.detach()[None], c, 0.0)[0],
            "bias_ih_l0": bias, "bias_hh_l0": torch.zeros_like(bias),
        }  # fmt: skip
    if net.peephole:
        raise ValueError("torch.nn.LSTM has no peepholes")
    rows = ("weight_ih", "weight_hh", "bias")
    state = {}
    for name, weight in net.state_dict().items():
        whole = net.wiring.whole(weight) if name.startswith(rows) else weight
        state[name] = weight if whole is None else whole
    return state


def from_torch_blocks(state: Mapping[str, Tensor], truncate: bool = True) -> GersLSTM:
    """Return the paper's blocks, of one cell each and without outputs, with torch's weights.

    Raises:
        ValueError: not one layer in one direction with biases; a bias of the cells, which the
            paper's have not.
    """
    layer = from_torch(state)
    hidden = layer.hidden_size
    if layer.num_layers > 1 or layer.bidirectional or layer.proj_size or layer.peephole:
        raise ValueError("blocks are one layer in one direction, without projection or peepholes")
    bias = sum((state[n] for n in ("bias_ih_l0", "bias_hh_l0") if n in state), torch.zeros(()))
    if bias.dim() and bias[2 * hidden : 3 * hidden].any():
        raise ValueError("the cells have a bias, and the paper's have none")
    with torch.device("meta"):
        net = GersLSTM(Config(layer.input_size, hidden, truncate=truncate))

    def rows(weight: Tensor) -> Tensor:
        i, f, g, o = weight.chunk(4)
        return torch.cat([i, f, o, 2 * g])

    bias = bias.expand(4 * hidden).to(state["weight_hh_l0"])
    i, f, _, o = bias.chunk(4)
    found = {"weight_x": rows(state["weight_ih_l0"]), "weight_h": rows(state["weight_hh_l0"])}
    return fill(net, found | {"bias": torch.cat([i, f, o])})


def to_keras(layer: LSTM) -> list[Tensor]:
    """Return kernel (I, 4H), recurrent kernel (H, 4H) and bias (4H,) as Keras's LSTM has them.

    Its gates stand in torch's order, i, f, c, o; it has one bias, the sum of torch's two.
    """
    if layer.num_layers > 1 or layer.bidirectional or layer.proj_size:
        raise ValueError("a Keras LSTM is one layer in one direction, without a projection")
    state = to_torch(layer)
    kernels = [state[name].T.contiguous() for name in ("weight_ih_l0", "weight_hh_l0")]
    return kernels + ([state["bias_ih_l0"] + state["bias_hh_l0"]] if layer.bias else [])


def from_keras(weights: Sequence[Any], batch_first: bool = True) -> LSTM:
    """Return our layer from what a Keras LSTM's ``get_weights()`` lists.

    Raises:
        ValueError: not two or three arrays, or shapes of another layer.
    """
    if len(weights) not in (2, 3):
        want = "kernel, recurrent kernel and, if it has one, bias"
        raise ValueError(f"{want} are needed, got {len(weights)} arrays")
    kernel, recurrent, *bias = (torch.as_tensor(value) for value in weights)
    if kernel.dim() != 2 or recurrent.dim() != 2:
        shapes = [tuple(value.shape) for value in (kernel, recurrent)]
        raise ValueError(f"kernels must be matrices, shapes are {shapes}")
    state = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T}
    if bias:
        state |= {"bias_ih_l0": bias[0], "bias_hh_l0": torch.zeros_like(bias[0])}
    return from_torch(state, batch_first)


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
