"""Released checkpoints: torchvision's and Caffe's names for our tensors.

No checkpoint is fetched: the files are the user's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from .net import AlexNet

State = dict[str, Tensor]
TORCHVISION = {
    "conv1": "features.0", "conv2": "features.3", "conv3": "features.6", "conv4": "features.8",
    "conv5": "features.10", "fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6",
}  # fmt: skip


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


def load_torchvision(model: AlexNet, state_dict: State) -> None:
    """Load torchvision's ``alexnet``.

    Args:
        model: the preset "alexnet_owt": torchvision's net is not the one of 2012.
        state_dict: as released.

    Raises:
        ValueError: names or shapes differ; says which first.
    """
    names = {torchvision_name(name): name for name in model.state_dict()}
    _load(model, state_dict, names, "torchvision's alexnet is the preset alexnet_owt")


def to_torchvision(model: AlexNet) -> State:
    """Return the model's state dict with torchvision's names."""
    return {torchvision_name(name): tensor for name, tensor in model.state_dict().items()}


def torchvision_name(name: str) -> str:
    """Return torchvision's name of a tensor of ours."""
    layer, _, kind = name.rpartition(".")
    return f"{TORCHVISION.get(layer, layer)}.{kind}"


def load_caffe(model: AlexNet, blobs: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Load the weights of Caffe's ``bvlc_alexnet`` or ``bvlc_reference_caffenet``.

    Args:
        model: the preset "caffe_alexnet" or "caffenet".
        blobs: weight and bias of each layer by Caffe's names, "conv1" to "fc8", as
            ``{name: [blob.data for blob in blobs] for name, blobs in net.params.items()}`` gives
            them. Caffe's images are BGR, so the first layer's channels are turned round; it groups
            convolutions and flattens maps as torch does.

    Raises:
        ValueError: names or shapes differ; says which first.
    """
    state = {}
    for layer, (weight, bias) in blobs.items():
        for kind, blob in (("weight", weight), ("bias", bias)):
            tensor = torch.from_numpy(np.array(blob))
            if layer.startswith("fc"):  # old files have (1, 1, out, in)
                tensor = tensor.reshape(tensor.shape[-2:] if kind == "weight" else (-1,))
            state[f"{layer}.{kind}"] = tensor.flatten() if kind == "bias" else tensor
    if "conv1.weight" in state:
        state["conv1.weight"] = state["conv1.weight"].flip(1)
    _load(model, state, {name: name for name in model.state_dict()})


def _load(model: AlexNet, state_dict: State, names: dict[str, str], hint: str = "") -> None:
    """Load strictly: every tensor of the model from the state dict, and none left over."""
    hint = f"; {hint}" if hint else ""
    left, state, ours = dict(state_dict), {}, model.state_dict()
    for theirs, name in names.items():
        tensor = left.pop(theirs, None)
        if tensor is None:
            raise ValueError(f"state_dict has no {theirs!r}, which is our {name!r}")
        if tensor.shape != ours[name].shape:
            want, got = tuple(ours[name].shape), tuple(tensor.shape)
            if name.startswith(model.fc_names[-1]) and want[1:] == got[1:]:
                hint = f": num_classes is {want[0]} here and {got[0]} there"
            what = name if name == theirs else f"{theirs}, our {name},"
            raise ValueError(f"{what} must have shape {want}, got {got}{hint}")
        state[name] = tensor
    if left:
        raise ValueError(f"state_dict has {len(left)} tensors too many, the first is {min(left)!r}")
    model.load_state_dict(state)
