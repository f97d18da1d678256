"""Released checkpoints: the paper's Caffe net, and two later ones, by their names for our tensors.

No checkpoint is fetched: the files are the user's. Where two maps are concatenated, the copied one
comes first here, as in Fig. 1, and in the most-used implementation; the paper's own release and
torch hub's net have it behind. The shapes are the same either way, so that a wrong order would load
without a word: the halves are exchanged where needed.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from .unet import UNet

State = dict[str, Tensor]


def load(path: str | Path) -> State:
    """Return the state dict in a file.

    Args:
        path: a safetensors file, or one written by `torch.save`, of which only tensors are read.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else than named tensors.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(state, dict):
        state.pop("mask_values", None)  # milesial's files also have the gray values of the masks
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path} must hold a state dict, a dict of tensors")
    return state


def load_release(model: UNet, arrays: Mapping[str, Any]) -> None:
    """Load the weights that the authors released, ``phseg_v5``.

    Args:
        model: preset "unet_release".
        arrays: "conv_d0a-b/0" (weights), "conv_d0a-b/1" (biases), …, as below ``data`` in the HDF5
            form of a Caffe model; NumPy arrays or tensors.

    Raises:
        ValueError: names or shapes differ; says which first.
    """
    _load(model, {k: torch.as_tensor(v) for k, v in arrays.items()}, release_name, exchange=True)


def to_release(model: UNet) -> State:
    """Return the model's weights with the names of the authors' release."""
    return _to(model, release_name, exchange=True)


def load_milesial(model: UNet, state_dict: State) -> None:
    """Load a state dict of github.com/milesial/Pytorch-UNet.

    Args:
        model: preset "unet_milesial", or "unet_milesial_bilinear".
        state_dict: as released.

    Raises:
        ValueError: names or shapes differ; says which first.
    """
    _load(model, state_dict, milesial_name)


def to_milesial(model: UNet) -> State:
    """Return the model's state dict with milesial's names."""
    return _to(model, milesial_name)


def load_brain(model: UNet, state_dict: State) -> None:
    """Load torch hub's ``mateuszbuda/brain-segmentation-pytorch``; it ends in a sigmoid, ours not.

    Args:
        model: preset "unet_brain".
        state_dict: as released.

    Raises:
        ValueError: names or shapes differ; says which first.
    """
    _load(model, state_dict, brain_name, exchange=True)


def to_brain(model: UNet) -> State:
    """Return the model's state dict with the names of torch hub's net."""
    return _to(model, brain_name, exchange=True)


def release_name(name: str, depth: int) -> str:
    """Return the release's name of a tensor of ours."""
    part, _, rest = name.partition(".")
    place, blob = rest.split(".")[0], "0" if name.endswith("weight") else "1"
    if part == "score":
        return f"conv_u0d-score/{blob}"
    if part == "down":
        return f"conv_d{place}{'a-b' if 'conv1' in name else 'b-c'}/{blob}"
    level = depth - 1 - int(place)
    if part == "up":
        return f"upconv_{'d' if place == '0' else 'u'}{level + 1}{'c' if place == '0' else 'd'}" + (
            f"_u{level}a/{blob}"
        )
    return f"conv_u{level}{'b-c' if 'conv1' in name else 'c-d'}/{blob}"


def milesial_name(name: str, depth: int) -> str:
    """Return milesial's name of a tensor of ours."""
    for ours, place in (("conv1", 0), ("norm1", 1), ("conv2", 3), ("norm2", 4)):
        name = name.replace(f".{ours}.", f".double_conv.{place}.")
    name = re.sub(r"^down\.0\.", "inc.", name)
    name = re.sub(r"^down\.(\d)\.", r"down\1.maxpool_conv.1.", name)
    name = re.sub(r"^up\.(\d)\.", lambda m: f"up{int(m[1]) + 1}.up.", name)
    name = re.sub(r"^merge\.(\d)\.", lambda m: f"up{int(m[1]) + 1}.conv.", name)
    return re.sub(r"^score\.", "outc.conv.", name)


def brain_name(name: str, depth: int) -> str:
    """Return torch hub's name of a tensor of ours."""
    name = re.sub(rf"^down\.{depth}\.", "bottleneck.bottleneck", name)
    name = re.sub(r"^down\.(\d)\.", lambda m: f"encoder{int(m[1]) + 1}.enc{int(m[1]) + 1}", name)
    name = re.sub(r"^up\.(\d)\.", lambda m: f"upconv{depth - int(m[1])}.", name)
    name = re.sub(
        r"^merge\.(\d)\.", lambda m: f"decoder{depth - int(m[1])}.dec{depth - int(m[1])}", name
    )
    return re.sub(r"^score\.", "conv.", name)


def _exchanged(model: UNet, name: str, tensor: Tensor, back: bool = False) -> Tensor:
    """Return a merging convolution's weight with the maps in the other order; others as they are.

    Args:
        model: whose tensor it is.
        name: of the tensor, ours.
        tensor: with the copied maps first; with ``back`` with the copied maps last.
        back: exchange in the other direction.
    """
    found = re.fullmatch(r"merge\.(\d)\.conv1\.weight", name)
    if not found:
        return tensor
    first = model.config.channels[model.config.depth - 1 - int(found[1])]
    first = tensor.shape[1] - first if back else first
    return torch.cat((tensor[:, first:], tensor[:, :first]), 1)


def _to(model: UNet, their_name: Callable[[str, int], str], exchange: bool = False) -> State:
    return {
        their_name(name, model.config.depth): _exchanged(model, name, t) if exchange else t
        for name, t in model.state_dict().items()
    }


def _load(
    model: UNet, state_dict: State, their_name: Callable[[str, int], str], exchange: bool = False
) -> None:
    """Load strictly: every tensor of the model from the state dict, and none left over."""
    left, state = dict(state_dict), {}
    for name, ours in model.state_dict().items():
        theirs_is = their_name(name, model.config.depth)
        theirs = left.pop(theirs_is, None)
        if theirs is None:
            if name.endswith("num_batches_tracked"):  # older checkpoints do not have it
                state[name] = ours
                continue
            raise ValueError(f"state_dict has no {theirs_is!r}, which is our {name!r}")
        if theirs.shape != ours.shape:
            want, got = tuple(ours.shape), tuple(theirs.shape)
            raise ValueError(f"{theirs_is} must have shape {want}, got {got}")
        state[name] = _exchanged(model, name, theirs, back=True) if exchange else theirs
    if left:
        raise ValueError(f"state_dict has {len(left)} tensors too many, the first is {min(left)!r}")
    model.load_state_dict(state)
