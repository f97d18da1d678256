"""Checkpoints in the layout that most LeNets are saved in.

Shapes: as in the state dicts.
"""

from typing import Any

import torch
from torch import Tensor

from .files import State, check_tensors, filled, matched
from .files import load as load
from .lenet import LeNet5

NAMES = {"c1": "conv1", "c3": "conv2", "c5": "fc1", "f6": "fc2", "out": "fc3"}


def from_conv_stack(state_dict: State, **changes: Any) -> LeNet5:
    """Return a LeNet-5 with the weights of a net of conv1, conv2, fc1, fc2 and fc3.

    Those nets have an input of 28 by 28 and a padding of 2; here the image comes with its frame.
    The layout says nothing about what lies between the layers: "lenet5_modern" has ReLUs and
    max-pooling, as most of them do.

    Args:
        state_dict: conv1 (6, 1, 5, 5), conv2 (16, 6, 5, 5), fc1 (120, 400), fc2 (84, 120), fc3.
        changes: fields of `LeNet5Config` that are otherwise, ``activation`` and ``subsample``.

    Returns:
        The net, in evaluation mode, of the state dict's device and type.

    Raises:
        ValueError: names or shapes differ, says which first; or parts that the layout has not.
    """
    check_tensors(state_dict)
    last = state_dict.get("fc3.bias", torch.empty(10))
    changes = {"num_classes": len(last) if last.ndim else 10, **changes}
    with torch.random.fork_rng(devices=[]):  # the first weights are not to be seen
        net = LeNet5.from_preset("lenet5_modern", **changes)
    _check_form(net)
    ours = {name: tensor.to("meta") for name, tensor in net.state_dict().items()}
    theirs = {name: _as_theirs(their_name(name), tensor) for name, tensor in ours.items()}
    found = matched(theirs, state_dict, their_name)
    filled(net, {name: tensor.reshape(ours[name].shape) for name, tensor in found.items()})
    return net.to(net.c1.weight)  # the buffers that no state dict has


def to_conv_stack(net: LeNet5) -> State:
    """Return the state dict of a net of the form of "lenet5_modern" in that layout.

    Its activation and its pooling leave no trace: tell them to `from_conv_stack` again.

    Raises:
        ValueError: the net has parts that the layout has no place for.
    """
    _check_form(net)
    named = ((their_name(name), tensor) for name, tensor in net.state_dict().items())
    return {theirs: _as_theirs(theirs, tensor) for theirs, tensor in named}


def their_name(name: str) -> str:
    """Return the name in that layout of a tensor of ours."""
    layer, _, rest = name.partition(".")
    return f"{NAMES[layer]}.{rest}"


def _check_form(net: LeNet5) -> None:
    config = net.config
    if config.c3 != "full" or config.subsample == "trainable" or config.output != "linear":
        raise ValueError(f"net must be of the form lenet5_modern, got {config}")


def _as_theirs(name: str, ours: Tensor) -> Tensor:
    """Return a tensor of ours in the shape that it has there: C5, F6 and outputs are linear."""
    return ours.flatten(1) if name.startswith("fc") and ours.ndim > 1 else ours
