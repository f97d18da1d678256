"""Files of weights: read without executing anything, written whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

EXPECTED = "a state dict, in a safetensors file or one that torch.save wrote"


def load(path: str | os.PathLike) -> dict[str, Tensor]:
    """Return the state dict in a file, on the CPU.

    What training programs wrap it in is undone: "state_dict", "model_state_dict" or "model" around
    it, "module." and "_orig_mod." before the names.

    Args:
        path: a safetensors file, or one written by `torch.save`, in which nothing is executed.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is something else, or damaged; names the file.
    """
    path = Path(path)
    with open(path, "rb") as file:
        head = file.read(9)
        file.seek(0)
        try:
            if head[8:9] == b"{":  # after the length of the header
                state: Any = load_file(path)
            else:
                state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            # Damaged files raise many types; torch's text for pickles advises to execute the file.
            why = "it is empty" if not head else "it is damaged, or holds more than tensors"
            raise ValueError(f"{path} cannot be read: {why}; expected {EXPECTED}") from error
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    check_tensors(state, f"{path} holds")
    state = {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}
    while all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def check_tensors(state: Any, what: str = "state_dict is") -> None:
    """Raise a ValueError unless this maps names to tensors, at least one."""
    if not isinstance(state, Mapping) or not state:
        kind = "nothing" if isinstance(state, Mapping) else type(state).__name__
        raise ValueError(f"{what} {kind}; expected {EXPECTED}")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(f"{what} {name!r}: {type(tensor).__name__}; expected {EXPECTED}")


def save(
    path: str | os.PathLike,
    state_dict: Mapping[str, Tensor],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a state dict as safetensors: the old file stays until the new one is whole.

    Raises:
        OSError: the file cannot be written.
        ValueError: it is no state dict, or its tensors hold nothing (the meta device).
    """
    check_tensors(state_dict)
    if meta := [name for name, tensor in state_dict.items() if tensor.is_meta]:
        raise ValueError(f"{meta[0]!r} is on the meta device, and has no numbers to write")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    tensors = {k: v.detach().cpu().clone(memory_format=torch.contiguous_format)
               for k, v in state_dict.items()}  # fmt: skip
    try:
        save_file(tensors, temporary, metadata)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def fit(
    wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], what: str = "state_dict"
) -> dict[str, Tensor]:
    """Return a state dict whose names and shapes are those wanted, no more and no fewer.

    Raises:
        ValueError: a name that is missing or left over, a shape that differs; says which, what was
            found and what was expected.
    """
    check_tensors(state, f"{what} is")
    for name, tensor in wanted.items():
        if name not in state:
            raise ValueError(f"{what} has no {name!r}, expected with shape {tuple(tensor.shape)}")
        if state[name].shape != tensor.shape:
            shapes = f"{tuple(state[name].shape)}, expected {tuple(tensor.shape)}"
            raise ValueError(f"{what}: {name!r} has shape {shapes}")
    if left := sorted(set(state) - set(wanted)):
        raise ValueError(f"{what} has {len(left)} tensors too many, the first is {left[0]!r}")
    return {name: state[name] for name in wanted}
