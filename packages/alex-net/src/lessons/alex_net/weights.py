"""Released checkpoints: torchvision's and Caffe's names for our tensors.

No checkpoint is fetched: the files are the user's.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from .files import State, check_tensors, filled, matched
from .files import load as load
from .net import PRESETS, AlexNet, AlexNetConfig

TORCHVISION = {
    "conv1": "features.0", "conv2": "features.3", "conv3": "features.6", "conv4": "features.8",
    "conv5": "features.10", "fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6",
}  # fmt: skip
Blobs = Mapping[str, Sequence[np.ndarray]]
# Of a layer, what its weights' shapes say, and what weights it begins with.
SHAPE = ("kernels", "bias")


def from_torchvision(state_dict: State, **changes: Any) -> AlexNet:
    """Return the net of a state dict of torchvision's ``alexnet``, which is not the one of 2012.

    Args:
        state_dict: as released; the sizes are read off the shapes.
        changes: fields of `AlexNetConfig` that leave no trace in the shapes, such as ``dropout``.

    Returns:
        The net, in evaluation mode, of the state dict's device and type.

    Raises:
        ValueError: names or shapes differ, says which first; or a net that torchvision has not.
    """
    return _made(state_dict, torchvision_name, "alexnet_owt", changes)


def to_torchvision(model: AlexNet) -> State:
    """Return the model's state dict with torchvision's names.

    Raises:
        ValueError: torchvision has no such net.
    """
    check_form(model.config, "alexnet_owt")
    return {torchvision_name(name): tensor for name, tensor in model.state_dict().items()}


def load_torchvision(model: AlexNet, state_dict: State) -> None:
    """Load torchvision's layout into the preset "alexnet_owt"; see `from_torchvision`."""
    hint = "; torchvision's alexnet is the preset alexnet_owt"
    _load(model, state_dict, torchvision_name, ("alexnet_owt",), hint)


def torchvision_name(name: str) -> str:
    """Return torchvision's name of a tensor of ours."""
    layer, _, kind = name.rpartition(".")
    return f"{TORCHVISION.get(layer, layer)}.{kind}"


def from_caffe(blobs: Blobs, preset: str = "caffe_alexnet", **changes: Any) -> AlexNet:
    """Return the net of the weights of Caffe's ``bvlc_alexnet`` or ``bvlc_reference_caffenet``.

    Args:
        blobs: weight and bias of each layer by Caffe's names, "conv1" to "fc8", as
            ``{name: [blob.data for blob in blobs] for name, blobs in net.params.items()}`` gives
            them. Caffe's images are BGR, so the first layer's channels are turned round; it groups
            convolutions and flattens maps as torch does.
        preset: "caffe_alexnet", or "caffenet", which pools before it normalizes: the shapes of
            their weights are the same.
        changes: fields of `AlexNetConfig` that leave no trace in the shapes, such as ``dropout``.

    Returns:
        The net, in evaluation mode.

    Raises:
        ValueError: names or shapes differ, says which first; or another preset.
    """
    if preset not in ("caffe_alexnet", "caffenet"):
        raise ValueError(f"preset must be 'caffe_alexnet' or 'caffenet', got {preset!r}")
    return _made(_read(blobs), lambda name: name, preset, changes)


def to_caffe(model: AlexNet) -> dict[str, list[np.ndarray]]:
    """Return the weights of a net of either of Caffe's forms as `from_caffe` takes them.

    Raises:
        ValueError: Caffe has no such net.
    """
    check_form(model.config, "caffe_alexnet", "caffenet")
    state = {name: tensor.detach().cpu().float() for name, tensor in model.state_dict().items()}
    state["conv1.weight"] = state["conv1.weight"].flip(1)
    layers = (*model.conv_names, *model.fc_names)
    return {
        layer: [state[f"{layer}.{kind}"].numpy().copy() for kind in ("weight", "bias")]
        for layer in layers
    }


def load_caffe(model: AlexNet, blobs: Blobs) -> None:
    """Load Caffe's weights into the preset "caffe_alexnet" or "caffenet"; see `from_caffe`."""
    _load(model, _read(blobs), lambda name: name, ("caffe_alexnet", "caffenet"))


def check_form(config: AlexNetConfig, *presets: str) -> None:
    """Raise a ValueError unless a net computes what one of these presets does, sizes apart."""

    def form(config: AlexNetConfig) -> dict[str, Any]:
        fields = ("adaptive_pool", "pool", "lrn", "lrn_groups", "pool_before_norm", "activation")
        found = {name: getattr(config, name) for name in fields}
        if not any(conv.norm for conv in config.convs):
            found |= {"lrn": None, "lrn_groups": None, "pool_before_norm": None}
        for i, conv in enumerate(config.convs, 1):
            how = dataclasses.asdict(conv)
            found |= {f"conv{i}'s {name}": how[name] for name in how if name not in SHAPE}
        return found

    ours = form(config)
    wanted = [form(PRESETS[preset]) for preset in presets]
    if ours not in wanted:
        names = [name for name, value in wanted[0].items() if ours.get(name) != value]
        name = names[0] if names else "number of layers"
        value, want = ours.get(name), wanted[0].get(name)
        raise ValueError(
            f"model must have the form of {' or '.join(presets)}: {name} is {value}, not {want}"
        )


def _read(blobs: Blobs) -> State:
    """Return Caffe's blobs as a state dict of torch's shapes, for images of RGB."""
    state = {}
    for layer, pair in blobs.items() if isinstance(blobs, Mapping) else ():
        try:
            weight, bias = (torch.from_numpy(np.array(blob)) for blob in pair)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"blobs of {layer!r} must be a weight and a bias: {error}") from error
        if str(layer).startswith("fc") and weight.ndim > 2:  # old files have (1, 1, out, in)
            weight = weight.flatten(0, -2)
        state[f"{layer}.weight"], state[f"{layer}.bias"] = weight, bias.flatten()
    if not state:
        raise ValueError(f"blobs must map layers to weights and biases, got {type(blobs).__name__}")
    if state.get("conv1.weight", torch.empty(0)).ndim == 4:
        state["conv1.weight"] = state["conv1.weight"].flip(1)
    return state


def _made(
    state_dict: State, their_name: Callable[[str], str], preset: str, changes: dict[str, Any]
) -> AlexNet:
    check_tensors(state_dict)

    def size(name: str, dim: int, default: int) -> int:
        tensor = state_dict.get(their_name(name), torch.empty(()))
        return max(1, tensor.shape[dim]) if tensor.ndim > dim else default

    config = dataclasses.replace(
        PRESETS[preset],
        hidden=(size("fc6.weight", 0, 4096), size("fc7.weight", 0, 4096)),
        num_classes=size("fc8.weight", 0, 1000),
        in_channels=size("conv1.weight", 1, 3),
    )
    config = dataclasses.replace(config, **changes)
    check_form(config, preset)
    with torch.device("meta"):
        model = AlexNet(config)
    filled(model, matched(model.state_dict(), state_dict, their_name))
    return model


def _load(
    model: AlexNet,
    state_dict: State,
    their_name: Callable[[str], str],
    presets: tuple[str, ...],
    hint: str = "",
) -> None:
    """Load strictly: every tensor of the model from the state dict, and none left over."""
    state = matched(model.state_dict(), state_dict, their_name, model.fc_names[-1], hint)
    check_form(model.config, *presets)
    model.load_state_dict(state)
