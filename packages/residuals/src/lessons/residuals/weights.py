"""Released checkpoints: torchvision's, timm's and Hugging Face's names for our tensors.

Our names are torchvision's, which timm shares for all nets but the pre-activation ones. No
checkpoint is fetched: the files are the user's.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import torch

from .files import State, check_tensors, filled, matched
from .files import load as load
from .resnet import ResNet, ResNetConfig

# What a layout's nets are, where the shapes do not say it.
COMMON = {"residual": (True,), "shortcut": ("B",)}
PLAIN = {"block": ("basic", "bottleneck"), **COMMON}
TORCHVISION = {**PLAIN, "stride_in_1x1": (False,)}
TIMM = {"block": ("preact_basic", "preact_bottleneck"), **COMMON, "stride_in_1x1": (False,)}
HF = {**PLAIN, "dilate": ((False, False, False),)}


def from_torchvision(state_dict: State, **changes: Any) -> ResNet:
    """Return the net of a state dict of torchvision's ``resnet*``, ``resnext*``, ``wide_resnet*``.

    timm's ``resnet*`` have the same layout. The sizes are read off the shapes.

    Args:
        state_dict: as released.
        changes: fields of `ResNetConfig` that leave no trace in the shapes, such as ``dilate``.

    Returns:
        The net, in evaluation mode, of the state dict's device and type.

    Raises:
        ValueError: names or shapes differ, says which first; or a net that torchvision has not.
    """
    return _made(state_dict, torchvision_name, TORCHVISION, "torchvision", changes)


def to_torchvision(model: ResNet) -> State:
    """Return the model's state dict for torchvision: the names are the same.

    Raises:
        ValueError: torchvision has no such net.
    """
    check_form(model.config, TORCHVISION, "torchvision")
    return dict(model.state_dict())


def from_timm(state_dict: State, **changes: Any) -> ResNet:
    """Return the net of timm's ``resnetv2_18`` to ``resnetv2_152``, pre-activation, batch norm.

    As `from_torchvision`. timm's last layer is a 1x1 convolution.
    """
    return _made(_flat(state_dict), timm_name, TIMM, "timm's resnetv2", changes)


def to_timm(model: ResNet) -> State:
    """Return a pre-activation net's state dict with timm's names and shapes.

    Raises:
        ValueError: timm has no such net.
    """
    check_form(model.config, TIMM, "timm's resnetv2")
    state = {timm_name(name): tensor for name, tensor in model.state_dict().items()}
    state["head.fc.weight"] = state["head.fc.weight"][:, :, None, None]
    return state


def from_hf(state_dict: State, stride_in_1x1: bool = False, **changes: Any) -> ResNet:
    """Return the net of Hugging Face's ``ResNetForImageClassification``.

    As `from_torchvision`.

    Args:
        state_dict: as released.
        stride_in_1x1: what the checkpoint's configuration says as ``downsample_in_bottleneck``.
        changes: further fields of `ResNetConfig`.
    """
    changes = {"stride_in_1x1": stride_in_1x1, **changes}
    return _made(state_dict, hf_name, HF, "Hugging Face", changes)


def to_hf(model: ResNet) -> State:
    """Return the model's state dict with Hugging Face's names.

    Raises:
        ValueError: Hugging Face has no such net.
    """
    check_form(model.config, HF, "Hugging Face")
    return {hf_name(name): tensor for name, tensor in model.state_dict().items()}


def load_torchvision(model: ResNet, state_dict: State) -> None:
    """Load torchvision's layout into a model of the same shape; see `from_torchvision`."""
    _load(model, state_dict, torchvision_name, TORCHVISION, "torchvision")


def load_timm(model: ResNet, state_dict: State) -> None:
    """Load timm's layout into one of the ``preact_resnet`` presets; see `from_timm`."""
    _load(model, _flat(state_dict), timm_name, TIMM, "timm's resnetv2")


def load_hf(model: ResNet, state_dict: State) -> None:
    """Load Hugging Face's layout into a model of the same shape; see `from_hf`.

    Where the checkpoint's configuration says ``downsample_in_bottleneck``, a ``_v1`` preset.
    """
    _load(model, state_dict, hf_name, HF, "Hugging Face")


def torchvision_name(name: str) -> str:
    """Return torchvision's name of a tensor of ours: the same."""
    return name


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


def check_form(config: ResNetConfig, form: dict[str, tuple], layout: str) -> None:
    """Raise a ValueError where a layout has no such net, though the names might fit."""
    for name, known in form.items():
        if (value := getattr(config, name)) not in known:
            wanted = " or ".join(map(repr, known))
            raise ValueError(f"{layout} has no nets with {name}={value!r}; expected {wanted}")


def _flat(state_dict: State) -> State:
    """Return timm's state dict with a linear last layer."""
    check_tensors(state_dict)
    name = "head.fc.weight"
    last = {name: state_dict[name].flatten(1)} if name in state_dict else {}
    return {**state_dict, **(last if last and state_dict[name].ndim == 4 else {})}


def _config(state_dict: State, their_name: Callable[[str], str], preact: bool) -> ResNetConfig:
    """Return the shape of the net that a state dict is of, as far as the names and shapes say."""

    def size(name: str, dim: int, default: int) -> int:
        tensor = state_dict.get(their_name(name), torch.empty(()))
        return max(1, tensor.shape[dim]) if tensor.ndim > dim else default

    def blocks(stage: int) -> int:
        count = 1
        while their_name(f"layer{stage}.{count}.conv1.weight") in state_dict:
            count += 1
        return count

    deep = their_name("layer1.0.conv3.weight") in state_dict
    config = ResNetConfig(
        ("preact_" if preact else "") + ("bottleneck" if deep else "basic"),
        (blocks(1), blocks(2), blocks(3), blocks(4)),
        num_classes=size("fc.weight", 0, 1000),
        in_channels=size("conv1.weight", 1, 3),
    )
    if not deep:
        return config
    inner = size("layer1.0.conv2.weight", 0, 64)
    groups = max(1, inner // size("layer1.0.conv2.weight", 1, 64))
    return dataclasses.replace(config, groups=groups, width_per_group=max(1, inner // groups))


def _made(
    state_dict: State, their_name: Callable[[str], str], form: dict[str, tuple], layout: str,
    changes: dict[str, Any],
) -> ResNet:  # fmt: skip
    check_tensors(state_dict)
    config = _config(state_dict, their_name, preact="preact_basic" in form["block"])
    config = dataclasses.replace(config, **changes)
    check_form(config, form, layout)
    with torch.device("meta"):
        model = ResNet(config)
    filled(model, matched(model.state_dict(), state_dict, their_name))
    return model


def _load(
    model: ResNet, state_dict: State, their_name: Callable[[str], str], form: dict[str, tuple],
    layout: str,
) -> None:  # fmt: skip
    """Load strictly: every tensor of the model from the state dict, and none left over."""
    state = matched(model.state_dict(), state_dict, their_name, "fc")
    check_form(model.config, form, layout)
    model.load_state_dict(state)
