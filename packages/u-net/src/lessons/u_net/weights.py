"""Released checkpoints: the paper's Caffe net, and two later ones, by their names for our tensors.

No checkpoint is fetched: the files are the user's. Where two maps are concatenated, the copied one
comes first here, as in Fig. 1, and in the most-used implementation; the paper's own release and
torch hub's net have it behind. The shapes are the same either way, so that a wrong order would load
without a word: the halves are exchanged where needed.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .files import State, check_tensors, filled, matched
from .files import load as _load_file
from .unet import PRESETS, UNet, UNetConfig


class Layout(NamedTuple):
    """How a program names the tensors, and what its nets are where the shapes do not say it."""

    name: str
    their_name: Callable[[str, int], str]  # of a tensor of ours, by the depth of the net
    preset: str
    form: dict[str, tuple]
    exchange: bool = False  # whether the copied maps come last there
    lowest: bool = True  # whether the lowest level is named as the others on the way down


def load(path) -> State:
    """Return the state dict in a file; see `files.load`.

    milesial's files also have the gray values of the masks, as "mask_values", which are left out.
    """
    return _load_file(path, but=("mask_values",))


def from_release(arrays: Mapping[str, Any], **changes: Any) -> UNet:
    """Return the net that the authors released, ``phseg_v5``.

    Args:
        arrays: "conv_d0a-b/0" (weights), "conv_d0a-b/1" (biases), …, as below ``data`` in the HDF5
            form of a Caffe model; NumPy arrays or tensors. The sizes are read off the shapes.
        changes: fields of `UNetConfig` that leave no trace in the shapes, such as ``dropout``.

    Returns:
        The net, in evaluation mode, of the arrays' type.

    Raises:
        ValueError: names or shapes differ, says which first; or a net of another form.
    """
    return _made(_tensors(arrays), RELEASE, changes)


def to_release(model: UNet) -> State:
    """Return the model's weights with the names of the authors' release.

    Raises:
        ValueError: the release's net has another form.
    """
    return _to(model, RELEASE)


def load_release(model: UNet, arrays: Mapping[str, Any]) -> None:
    """Load the authors' release into the preset "unet_release"; see `from_release`."""
    _load(model, _tensors(arrays), RELEASE)


def from_milesial(state_dict: State, **changes: Any) -> UNet:
    """Return the net of a state dict of github.com/milesial/Pytorch-UNet, bilinear or not.

    As `from_release`.
    """
    return _made(state_dict, MILESIAL, changes)


def to_milesial(model: UNet) -> State:
    """Return the model's state dict with milesial's names.

    Raises:
        ValueError: milesial's net has another form.
    """
    return _to(model, MILESIAL)


def load_milesial(model: UNet, state_dict: State) -> None:
    """Load milesial's layout into "unet_milesial" or its bilinear form; see `from_milesial`."""
    _load(model, state_dict, MILESIAL)


def from_brain(state_dict: State, **changes: Any) -> UNet:
    """Return the net of torch hub's ``mateuszbuda/brain-segmentation-pytorch``.

    As `from_release`. That net ends in a sigmoid, ours does not.
    """
    return _made(state_dict, BRAIN, changes)


def to_brain(model: UNet) -> State:
    """Return the model's state dict with the names of torch hub's net.

    Raises:
        ValueError: torch hub's net has another form.
    """
    return _to(model, BRAIN)


def load_brain(model: UNet, state_dict: State) -> None:
    """Load torch hub's layout into the preset "unet_brain"; see `from_brain`."""
    _load(model, state_dict, BRAIN)


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


def _exchanged(config: UNetConfig, name: str, tensor: Tensor, back: bool = False) -> Tensor:
    """Return a merging convolution's weight with the maps in the other order; others as they are.

    Args:
        config: of the net whose tensor it is.
        name: of the tensor, ours.
        tensor: with the copied maps first; with ``back`` with the copied maps last.
        back: exchange in the other direction.
    """
    found = re.fullmatch(r"merge\.(\d)\.conv1\.weight", name)
    if not found:
        return tensor
    first = config.channels[config.depth - 1 - int(found[1])]
    first = tensor.shape[1] - first if back else first
    return torch.cat((tensor[:, first:], tensor[:, :first]), 1)


SAME = {"padding": ("same",), "norm": ("batch",), "upconv_relu": (False,), "skips": (True,),
        "last_up_channels": (None,)}  # fmt: skip
RELEASE = Layout(
    "the authors' release", release_name, "unet_release",
    {"padding": ("valid",), "norm": (None,), "up": ("transpose",), "upconv_relu": (True,),
     "skips": (True,)},
    exchange=True,
)  # fmt: skip
MILESIAL = Layout(
    "milesial's layout", milesial_name, "unet_milesial", {**SAME, "up": ("transpose", "bilinear")}
)
BRAIN = Layout(
    "torch hub's layout", brain_name, "unet_brain", {**SAME, "up": ("transpose",)},
    exchange=True, lowest=False,
)  # fmt: skip


def check_form(config: UNetConfig, layout: Layout) -> None:
    """Raise a ValueError where a layout has no such net, though the names might fit."""
    for name, known in layout.form.items():
        if (value := getattr(config, name)) not in known:
            wanted = " or ".join(map(repr, known))
            raise ValueError(f"{layout.name} has no nets with {name}={value!r}; expected {wanted}")


def _tensors(arrays: Any) -> State:
    """Return the release's arrays as tensors."""
    if not isinstance(arrays, Mapping):
        raise ValueError(f"arrays must map names to arrays, got {type(arrays).__name__}")
    found = {}
    for name, array in arrays.items():
        try:
            found[name] = array if isinstance(array, Tensor) else torch.from_numpy(np.array(array))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name!r} must be an array of numbers: {error}") from error
    return found


def _to(model: UNet, layout: Layout) -> State:
    check_form(model.config, layout)
    return {
        layout.their_name(name, model.config.depth): (
            _exchanged(model.config, name, tensor) if layout.exchange else tensor
        )
        for name, tensor in model.state_dict().items()
    }


def _config(state_dict: State, layout: Layout, changes: dict[str, Any]) -> UNetConfig:
    """Return the shape of the net that a state dict is of, as far as the names and shapes say."""

    def size(name: str, dim: int, default: int, depth: int = 99) -> int:
        tensor = state_dict.get(layout.their_name(name, depth), torch.empty(()))
        return max(1, tensor.shape[dim]) if tensor.ndim > dim else default

    levels = 0
    while levels < 9 and layout.their_name(f"down.{levels}.conv1.weight", 99) in state_dict:
        levels += 1
    depth = max(1, levels - 1 if layout.lowest else levels)
    widths = tuple(size(f"down.{i}.conv2.weight", 0, 1, depth) for i in range(depth + 1))
    if list(widths) != sorted(widths):
        raise ValueError(f"state_dict must have more channels at lower levels, got {widths}")
    found: dict[str, Any] = {
        "channels": widths,
        "in_channels": size("down.0.conv1.weight", 1, 1),
        "num_classes": size("score.weight", 0, 2),
    }
    if layout.name == MILESIAL.name and milesial_name("up.0.weight", depth) not in state_dict:
        found["up"] = "bilinear"
    if layout.name == RELEASE.name:
        last = size(f"up.{depth - 1}.weight", 1, widths[0], depth)
        found["last_up_channels"] = None if last == widths[0] else last
    return dataclasses.replace(PRESETS[layout.preset], **(found | changes))


def _made(state_dict: State, layout: Layout, changes: dict[str, Any]) -> UNet:
    check_tensors(state_dict)
    config = _config(state_dict, layout, changes)
    check_form(config, layout)
    with torch.device("meta"):
        model = UNet(config)
    filled(model, _ours(model, state_dict, layout))
    return model


def _load(model: UNet, state_dict: State, layout: Layout) -> None:
    """Load strictly: every tensor of the model from the state dict, and none left over."""
    state = _ours(model, state_dict, layout)
    check_form(model.config, layout)
    model.load_state_dict(state)


def _ours(model: UNet, state_dict: State, layout: Layout) -> State:
    """Return their tensors under our names, the maps in our order."""
    depth = model.config.depth

    def their_name(name: str) -> str:
        return layout.their_name(name, depth)

    state = matched(model.state_dict(), state_dict, their_name, "score")
    if not layout.exchange:
        return state
    return {name: _exchanged(model.config, name, t, back=True) for name, t in state.items()}
