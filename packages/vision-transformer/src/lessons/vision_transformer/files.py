"""Files of weights: read without executing anything, written whole or not at all."""

import os
from collections.abc import Callable, Container, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

State = dict[str, Tensor]
EXPECTED = "a state dict, in a safetensors file or one that torch.save wrote"
BEGINNINGS = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file that it stands for"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<", "a web page"),
)
WRAPPERS = ("state_dict", "model_state_dict", "model")
REFUSED = ("nsupported global", "nsupported class", "unrecognized function", "TorchScript")
NUMBERS = {
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool,
    torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
}  # fmt: skip


def load(path: str | os.PathLike, but: Container[Any] = ()) -> State:
    """Return the state dict in a file, on the CPU.

    What training programs wrap it in is undone: a dict that has it as "state_dict",
    "model_state_dict" or "model"; "module." and "_orig_mod." before the names; the counter of an
    averaged model.

    Args:
        path: a safetensors file, or one written by `torch.save`, in which nothing is executed.
        but: names of what else may stand beside the tensors, and is left out.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is something else, or damaged; says what.
    """
    path = Path(path)
    with open(path, "rb") as file:
        head = file.read(64)
        file.seek(0)
        try:
            if head[8:9] == b"{":  # after the length of the header
                state = load_file(path)
            else:  # not by its path: torch would go by how that ends
                state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            # Damaged files raise many types; torch's text for pickles advises to execute the file.
            raise ValueError(f"{path} is {_kind(head, error)}; expected {EXPECTED}") from error
    return _unwrapped(state, f"{path} holds", but)


def _kind(head: bytes, error: Exception) -> str:
    """Say what a file is that could not be read, by how it begins and what was raised."""
    if not head:
        return "empty"
    if head[8:9] == b"{":
        return "damaged or cut short"
    for beginning, kind in BEGINNINGS:
        if head.lstrip().startswith(beginning):
            return kind
    if any(word in str(error) for word in REFUSED):
        return "a pickle of more than tensors, which was not executed"
    if head[:2] in (b"PK", b"\x80\x02"):
        return "damaged or cut short"
    return "no file of weights"


def _unwrapped(state: Any, what: str, but: Container[Any] = ()) -> State:
    """Return the state dict in what a program saved; ``what`` begins the error's text."""
    for _ in range(len(WRAPPERS)):  # no deeper: a pickle may hold itself
        inner = [state[k] for k in WRAPPERS if isinstance(state, Mapping) and k in state]
        state = inner[0] if inner and isinstance(inner[0], Mapping) else state
    if isinstance(state, Mapping):
        state = {name: value for name, value in state.items() if name not in but}
    if not isinstance(state, Mapping) or not state:
        kind = "nothing" if isinstance(state, Mapping) else type(state).__name__
        raise ValueError(f"{what} {kind}; expected {EXPECTED}")
    check_tensors(state, what)
    names = {name: name.replace("_orig_mod.", "") for name in state}
    while set(names.values()) - {"n_averaged"} and all(
        name.startswith("module.") or name == "n_averaged" for name in names.values()
    ):
        names = {k: v.removeprefix("module.") for k, v in names.items() if v != "n_averaged"}
    if len(set(names.values())) < len(names):
        raise ValueError(f"{what} two tensors of one name, but for its prefix; expected {EXPECTED}")
    return {name: state[old] for old, name in names.items()}


def check_tensors(state: Any, what: str = "state_dict is") -> None:
    """Raise a ValueError unless it maps names to tensors of plain numbers."""
    if not isinstance(state, Mapping):
        raise ValueError(f"{what} {type(state).__name__}; expected {EXPECTED}")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(f"{what} {name!r}: {type(tensor).__name__}; expected {EXPECTED}")
        if tensor.layout != torch.strided or tensor.dtype not in NUMBERS:
            kind = f"{tensor.dtype}, {tensor.layout}"
            raise ValueError(f"{what} {name!r} of {kind}; expected dense tensors of plain numbers")


def save(
    path: str | os.PathLike,
    state_dict: Mapping[str, Tensor],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a state dict as safetensors: the old file stays until the new one is whole.

    Tensors that share memory are written each for itself. ``metadata`` stands in the file's header.

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


def matched(
    ours: Mapping[str, Tensor],
    state_dict: Mapping[str, Tensor],
    their_name: Callable[[str], str],
    last: str = "",
    hint: str = "",
) -> State:
    """Return their tensors under our names: every one of ours, and none left over.

    Args:
        ours: names and shapes that are wanted.
        state_dict: what there is.
        their_name: their name of a tensor of ours.
        last: our name of the layer that has an output for each class.
        hint: ends the text where a shape is wrong.

    Raises:
        ValueError: names, shapes or types differ; says which first.
    """
    check_tensors(state_dict)
    left, found = dict(state_dict), {}
    device = next((tensor.device for tensor in left.values()), None)
    for name, want in ours.items():
        theirs = their_name(name)
        if theirs not in left:
            if name.endswith("num_batches_tracked"):  # older checkpoints do not have it
                found[name] = torch.zeros((), dtype=torch.long, device=device)
                continue
            raise ValueError(f"state_dict has no {theirs!r}, which is our {name!r}")
        tensor = left.pop(theirs)
        what = theirs if theirs == name else f"{theirs}, our {name},"
        if tensor.shape != want.shape:
            shapes = f"{tuple(want.shape)}, got {tuple(tensor.shape)}"
            if last and name.startswith(f"{last}.") and want.shape[1:] == tensor.shape[1:]:
                hint = f": num_classes is {want.shape[0]} here and {tensor.shape[0]} there"
            raise ValueError(f"{what} must have shape {shapes}{hint}")
        if tensor.is_floating_point() != want.is_floating_point() or tensor.dtype == torch.bool:
            kind = "floats" if want.is_floating_point() else "a count"
            raise ValueError(f"{what} must hold {kind}, got {tensor.dtype}")
        if tensor.device != device or (tensor.is_meta and not want.is_meta):
            raise ValueError(f"{what} is on {tensor.device}, the first tensor on {device}")
        found[name] = tensor
    if left:
        raise ValueError(f"state_dict has {len(left)} tensors too many, the first is {min(left)!r}")
    return found


def filled(model: nn.Module, state: State) -> nn.Module:
    """Return the model, in evaluation mode, with copies of these tensors in place of its own.

    They are all there, as `matched` returns them; the model, which may be on the meta device, gets
    their device and the widest of their types.
    """
    device = next(iter(state.values())).device
    dtype = reduce(torch.promote_types, (t.dtype for t in state.values() if t.is_floating_point()))
    for name, tensor in state.items():
        kind = dtype if tensor.is_floating_point() else torch.long
        state[name] = tensor.detach().to(device, kind, copy=True)
    model.load_state_dict(state, assign=True)
    return model.eval()
