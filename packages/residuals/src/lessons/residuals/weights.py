"""Released checkpoints: torchvision's, timm's and Hugging Face's names for our tensors.

Our names are torchvision's, which timm shares for all nets but the pre-activation ones. No
checkpoint is fetched: the files are the user's.
"""

import re
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from .resnet import ResNet

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
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path} must hold a state dict, a dict of tensors")
    return state


def load_torchvision(model: ResNet, state_dict: State) -> None:
    """Load torchvision's ``resnet*``, ``resnext*`` and ``wide_resnet*`` (and timm's ``resnet*``).

    Args:
        model: of the same shape; torchvision's nets from 50 layers on have the stride in the 3x3
            convolution, as the presets without ``_v1`` do.
        state_dict: as released.

    Raises:
        ValueError: names or shapes differ; says which first.
    """
    _load(model, state_dict, lambda name: name)


def to_torchvision(model: ResNet) -> State:
    """Return the model's state dict for torchvision: the names are the same."""
    return dict(model.state_dict())


def load_timm(model: ResNet, state_dict: State) -> None:
    """Load timm's ``resnetv2_18`` to ``resnetv2_152``, the pre-activation nets with batch norm.

    Args:
        model: one of the ``preact_resnet`` presets.
        state_dict: timm's; its last layer is a 1x1 convolution.

    Raises:
        ValueError: names or shapes differ; says which first.
    """
    state = dict(state_dict)
    if "head.fc.weight" in state:
        state["head.fc.weight"] = state["head.fc.weight"].flatten(1)
    _load(model, state, timm_name)


def to_timm(model: ResNet) -> State:
    """Return a pre-activation net's state dict with timm's names and shapes."""
    state = {timm_name(name): tensor for name, tensor in model.state_dict().items()}
    state["head.fc.weight"] = state["head.fc.weight"][:, :, None, None]
    return state


def load_hf(model: ResNet, state_dict: State) -> None:
    """Load Hugging Face's ``ResNetForImageClassification``.

    Args:
        model: of the same shape: a ``_v1`` preset where the checkpoint's configuration says
            ``downsample_in_bottleneck``, else one without.
        state_dict: as released.

    Raises:
        ValueError: names or shapes differ; says which first.
    """
    _load(model, state_dict, hf_name)


def to_hf(model: ResNet) -> State:
    """Return the model's state dict with Hugging Face's names."""
    return {hf_name(name): tensor for name, tensor in model.state_dict().items()}


def hf_name(name: str) -> str:
    """Return Hugging Face's name of a tensor of ours."""
    kind = {"conv": "convolution", "bn": "normalization", "0": "convolution", "1": "normalization"}
    if found := re.match(r"(conv|bn)1\.(.*)", name):
        return f"resnet.embedder.embedder.{kind[found[1]]}.{found[2]}"
    if found := re.match(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\.(.*)", name):
        place = f"stages.{int(found[1]) - 1}.layers.{found[2]}.layer.{int(found[4]) - 1}"
        return f"resnet.encoder.{place}.{kind[found[3]]}.{found[5]}"
    if found := re.match(r"layer(\d)\.(\d+)\.downsample\.(\d)\.(.*)", name):
        place = f"stages.{int(found[1]) - 1}.layers.{found[2]}.shortcut"
        return f"resnet.encoder.{place}.{kind[found[3]]}.{found[4]}"
    return re.sub(r"^fc\.", "classifier.1.", name)


def timm_name(name: str) -> str:
    """Return timm's name of a tensor of a pre-activation net of ours."""
    for pattern, replacement in (
        (r"^conv1\.", "stem.conv."),
        (r"^layer(\d)\.(\d+)\.", lambda m: f"stages.{int(m[1]) - 1}.blocks.{m[2]}."),
        (r"\.bn(\d)\.", r".norm\1."),
        (r"\.downsample\.", ".downsample.conv."),
        (r"^norm\.0\.", "norm."),
        (r"^fc\.", "head.fc."),
    ):
        name = re.sub(pattern, replacement, name)
    return name


def _load(model: ResNet, state_dict: State, their_name: Callable[[str], str]) -> None:
    """Load strictly: every tensor of the model from the state dict, and none left over."""
    left, state = dict(state_dict), {}
    for name, ours in model.state_dict().items():
        theirs = left.pop(their_name(name), None)
        if theirs is None:
            if name.endswith("num_batches_tracked"):  # older checkpoints do not have it
                state[name] = ours
                continue
            raise ValueError(f"state_dict has no {their_name(name)!r}, which is our {name!r}")
        if theirs.shape != ours.shape:
            want, got = tuple(ours.shape), tuple(theirs.shape)
            raise ValueError(f"{their_name(name)} must have shape {want}, got {got}")
        state[name] = theirs
    if left:
        raise ValueError(f"state_dict has {len(left)} tensors too many, the first is {min(left)!r}")
    model.load_state_dict(state)
