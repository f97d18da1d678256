"""Weights from and to files, and Mixtral's mixtures of experts, whose gate is this paper's.

Mixtral (Jiang et al. 2024) has the same layer with SwiGLU experts and no noise. It takes the
softmax over all experts first and renormalizes the k largest, which is the same.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .layer import SparseMoE


def from_mixtral(state: Mapping[str, Tensor], k: int = 2, **options: Any) -> SparseMoE:
    """Return a layer with the weights of a Mixtral block.

    Args:
        state: the block's state dict: ``gate.weight`` and ``experts.gate_up_proj``,
            ``experts.down_proj``; or, as in older versions and in files, ``experts.0.w1.weight``,
            ``w2``, ``w3`` of each expert. Names may begin with "block_sparse_moe." or "mlp.".
        k: experts a token (Mixtral: 2).
        options: of `SparseMoE`, such as ``dispatch``.

    Raises:
        ValueError: missing or unexpected names, shapes that do not fit each other.
    """
    check_tensors(state)
    for prefix in ("block_sparse_moe.", "mlp."):
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    state = stacked(dict(state))
    names = {"gate.weight", "experts.gate_up_proj", "experts.down_proj"}
    wrong = [f"missing {name}" for name in sorted(names - state.keys())]
    wrong += [f"unexpected {name}" for name in sorted(state.keys() - names)]
    if wrong:
        raise ValueError(f"state dict does not fit: {'; '.join(wrong)}")
    gate_ND, up_NHD, down_NDH = (
        state[f] for f in ("gate.weight", "experts.gate_up_proj", "experts.down_proj")
    )
    if down_NDH.dim() != 3 or gate_ND.dim() != 2:
        raise ValueError(
            f"expected a gate (n, d) and stacks, got {tuple(gate_ND.shape)}, "
            f"{tuple(up_NHD.shape)}, {tuple(down_NDH.shape)}"
        )
    n, width, hidden = down_NDH.shape
    options = {"w_importance": 0.0, "w_load": 0.0} | options
    with torch.device("meta"):
        layer = SparseMoE(width, hidden, n, k, activation="swiglu", gate="topk", **options)
    return fill(layer, {
        "gate.weight": gate_ND.T,
        "experts.weights.0": up_NHD.transpose(-2, -1),
        "experts.weights.1": down_NDH.transpose(-2, -1),
    })  # fmt: skip


def to_mixtral(layer: SparseMoE) -> dict[str, Tensor]:
    """Return a Mixtral block's state dict.

    Raises:
        ValueError: other experts than SwiGLU without biases, or a gate with noise.
    """
    state = layer.state_dict()
    names = {"gate.weight", "experts.weights.0", "experts.weights.1"}
    if getattr(layer.experts, "activation", None) != "swiglu" or state.keys() != names:
        raise ValueError("Mixtral has SwiGLU experts without biases, and a gate without noise")
    return {
        "gate.weight": state["gate.weight"].T.contiguous(),
        "experts.gate_up_proj": state["experts.weights.0"].transpose(-2, -1).contiguous(),
        "experts.down_proj": state["experts.weights.1"].transpose(-2, -1).contiguous(),
    }


def stacked(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict with one stack for all experts, in place of three matrices for each."""
    parts = ("w1", "w3", "w2")
    n = sum(name.startswith("experts.") and name.endswith(".w1.weight") for name in state)
    if not n:
        return state
    try:
        each = [[state.pop(f"experts.{i}.{w}.weight") for w in parts] for i in range(n)]
        state["experts.gate_up_proj"] = torch.stack([torch.cat(three[:2]) for three in each])
        state["experts.down_proj"] = torch.stack([three[2] for three in each])
    except KeyError as error:
        raise ValueError(f"state dict does not fit: missing {error.args[0]}") from error
    except RuntimeError as error:
        raise ValueError(f"experts have unequal shapes: {error}") from error
    return state


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
