"""Checkpoints: the layout that most LeNets are saved in, and files.

Shapes: as in the state dicts.
"""

from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from .lenet import LeNet5

State = dict[str, Tensor]
NAMES = {"c1": "conv1", "c3": "conv2", "c5": "fc1", "f6": "fc2", "out": "fc3"}


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


def from_conv_stack(state_dict: State) -> LeNet5:
    """Return "lenet5_modern" with the weights of a net of conv1, conv2, fc1, fc2 and fc3.

    Those nets have an input of 28 by 28 and a padding of 2; here the image comes with its frame.
    Their ReLUs, their max-pooling and the size of their output may differ only in the last.

    Args:
        state_dict: conv1 (6, 1, 5, 5), conv2 (16, 6, 5, 5), fc1 (120, 400), fc2 (84, 120), fc3.

    Raises:
        ValueError: names or shapes differ; says which first.
    """
    left, state = dict(state_dict), {}
    classes = len(left["fc3.bias"]) if "fc3.bias" in left else 10
    net = LeNet5.from_preset("lenet5_modern", num_classes=classes)
    for name, ours in net.state_dict().items():
        theirs = their_name(name)
        if theirs not in left:
            raise ValueError(f"state_dict has no {theirs!r}, which is our {name!r}")
        tensor = left.pop(theirs)
        want, got = tuple(_as_theirs(theirs, ours).shape), tuple(tensor.shape)
        if got != want:
            raise ValueError(f"{theirs} must have shape {want}, got {got}")
        state[name] = tensor.view(ours.shape)
    if left:
        raise ValueError(f"state_dict has {len(left)} tensors too many, the first is {min(left)!r}")
    net.load_state_dict(state)
    return net


def to_conv_stack(net: LeNet5) -> State:
    """Return the state dict of a "lenet5_modern" in that layout.

    Raises:
        ValueError: the net has parts that the layout has no place for.
    """
    config = net.config
    if config.c3 != "full" or config.subsample == "trainable" or config.output != "linear":
        raise ValueError(f"net must be of the form lenet5_modern, got {config}")
    named = ((their_name(name), tensor) for name, tensor in net.state_dict().items())
    return {theirs: _as_theirs(theirs, tensor) for theirs, tensor in named}


def their_name(name: str) -> str:
    """Return the name in that layout of a tensor of ours."""
    layer, _, rest = name.partition(".")
    return f"{NAMES[layer]}.{rest}"


def _as_theirs(name: str, ours: Tensor) -> Tensor:
    """Return a tensor of ours in the shape that it has there: C5, F6 and outputs are linear."""
    return ours.flatten(1) if name.startswith("fc") and ours.ndim > 1 else ours
