"""AlexNet as published, and the nets that are called by its name.

Shapes: B batch, C channels, H height, W width, F features, K classes.
"""

import dataclasses
from dataclasses import InitVar, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lrn import LocalResponseNorm


@dataclass(frozen=True)
class Conv:
    """One convolutional layer, and what follows it.

    Raises:
        ValueError: groups do not divide the kernels.
    """

    kernels: int
    size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1  # 2: each half of the kernels sees the maps of its own GPU only
    norm: bool = False  # local response normalization behind the ReLU
    pool: bool = False
    bias: float = 0.0  # its initial value (§5)

    def __post_init__(self) -> None:
        if self.groups < 1 or self.kernels % self.groups:
            raise ValueError(
                f"kernels ({self.kernels}) must be divisible by groups ({self.groups})"
            )


# §3.5. Layers 2, 4 and 5 are those that do not see the other GPU's maps, and (§5) those whose
# biases begin at 1, so that their ReLUs have something to pass on.
PAPER = (
    Conv(96, 11, stride=4, norm=True, pool=True),
    Conv(256, 5, padding=2, groups=2, norm=True, pool=True, bias=1.0),
    Conv(384, 3, padding=1),
    Conv(384, 3, padding=1, groups=2, bias=1.0),
    Conv(256, 3, padding=1, groups=2, pool=True, bias=1.0),
)


def change(convs: tuple[Conv, ...], layer: int | None = None, **changes) -> tuple[Conv, ...]:
    """Return the layers with fields set otherwise: in all of them, or in one, counted from 1."""
    return tuple(
        dataclasses.replace(conv, **changes) if layer in (None, i) else conv
        for i, conv in enumerate(convs, 1)
    )


@dataclass(frozen=True)
class AlexNetConfig:
    """The shape of an `AlexNet`.

    Raises:
        ValueError: a value that is not one of those named below, a layer's groups that do not
            divide its input maps, or an in_size that leaves nothing of the maps.
    """

    convs: tuple[Conv, ...] = PAPER
    hidden: tuple[int, ...] = (4096, 4096)
    num_classes: int = 1000
    in_channels: int = 3
    in_size: int = 227
    adaptive_pool: int | None = None  # average the last maps to this size, so any in_size will do
    pool: tuple[int, int] = (3, 2)  # size and stride; (2, 2) does not overlap
    lrn: tuple[int, float, float, float] = (5, 2.0, 1e-4, 0.75)  # n, k, alpha, beta
    lrn_groups: int = 1
    pool_before_norm: bool = False
    dropout: float = 0.5
    dropout_first: bool = False  # before each hidden layer, as torchvision has it, not behind it
    activation: str = "relu"  # "relu" or "tanh"
    init: str = "paper"  # "paper" (§5), "he" or "torch"
    in_chans: InitVar[int | None] = None  # the former name of in_channels

    def __post_init__(self, in_chans: int | None) -> None:
        if in_chans is not None:
            object.__setattr__(self, "in_channels", in_chans)
        for name, known in (("activation", ("relu", "tanh")), ("init", ("paper", "he", "torch"))):
            if getattr(self, name) not in known:
                got = getattr(self, name)
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {got!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        before = self.in_channels
        for i, conv in enumerate(self.convs, 1):
            if before % conv.groups:
                raise ValueError(
                    f"groups ({conv.groups}) of conv{i} must divide its {before} input maps"
                )
            before = conv.kernels
        map_sizes(self, self.in_size, self.in_size)

    @property
    def flat_features(self) -> int:
        """F, the number of inputs of the first fully-connected layer."""
        last = map_sizes(self, self.in_size, self.in_size)[-1]
        height, width = (self.adaptive_pool,) * 2 if self.adaptive_pool else last
        return self.convs[-1].kernels * height * width


def map_sizes(config: AlexNetConfig, height: int, width: int) -> list[tuple[int, int]]:
    """Return height and width of the maps of each layer, behind its pooling.

    Raises:
        ValueError: nothing is left of the maps.
    """
    sizes, smallest = [], (height, width)
    for i, conv in enumerate(config.convs, 1):
        steps = [(conv.size, conv.stride, conv.padding)]
        steps += [(*config.pool, 0)] if conv.pool else []
        for size, stride, padding in steps:
            height, width = ((side + 2 * padding - size) // stride + 1 for side in (height, width))
            if min(height, width) < 1:
                got = f"{smallest[0]} by {smallest[1]}"
                raise ValueError(f"images of {got} pixels are too small: conv{i} has no output")
        sizes.append((height, width))
    return sizes


OWT = tuple(
    dataclasses.replace(conv, kernels=kernels, groups=1, norm=False, padding=padding)
    for conv, kernels, padding in zip(PAPER, (64, 192, 384, 256, 256), (2, 2, 1, 1, 1))
)
# The same five and three layers for images of 23 pixels, on a CPU. With so few inputs to a unit the
# paper's weights of 0.01 would leave nothing of the signal, so initialization is He's, and pixels
# have variance 1. What alpha = 0.0001 is to activities of 64, as raw pixels bring, 0.4 is to 1.
SMALL = (
    Conv(16, 5, padding=2, norm=True, pool=True),
    Conv(32, 5, padding=2, groups=2, norm=True, pool=True),
    Conv(48, 3, padding=1),
    Conv(48, 3, padding=1, groups=2),
    Conv(32, 3, padding=1, groups=2, pool=True),
)
HALF = tuple(
    dataclasses.replace(conv, kernels=kernels, groups=1)
    for conv, kernels in zip(PAPER, (48, 128, 192, 192, 256))
)
CAFFE_LRN = (5, 1.0, 2e-5, 0.75)  # Caffe divides alpha, 0.0001, by n

PRESETS = {
    # The paper's. It says 224 pixels; with 224 the first layer has 55 by 55 places only if padded.
    "alexnet": AlexNetConfig(),
    "alexnet_224": AlexNetConfig(change(PAPER, 1, padding=2), in_size=224),
    "one_gpu": AlexNetConfig(HALF),  # §3.2, footnote 2: half the kernels, but not in layer 5
    "ungrouped": AlexNetConfig(change(PAPER, groups=1)),
    "small": AlexNetConfig(
        SMALL, (256, 256), num_classes=10, in_size=23, lrn=(5, 2.0, 0.4, 0.75), init="he"
    ),
    # Later.
    "caffe_alexnet": AlexNetConfig(lrn=CAFFE_LRN),
    "caffenet": AlexNetConfig(lrn=CAFFE_LRN, pool_before_norm=True),
    "alexnet_owt": AlexNetConfig(
        OWT, in_size=224, adaptive_pool=6, dropout_first=True, init="torch"
    ),  # torchvision's, after Krizhevsky 2014
}


class AlexNet(nn.Module):
    """Convolutional layers, some normalized and pooled, and three fully-connected ones (§3.5).

    Args:
        config: the shape; `AlexNet.from_preset` has the published ones.
        generator: randomness of the first weights; None: torch's own.
    """

    def __init__(self, config: AlexNetConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        channels, features = config.in_channels, config.flat_features
        self.conv_names, self.fc_names = [], []
        for conv in config.convs:
            self.conv_names.append(f"conv{len(self.conv_names) + 1}")
            layer = nn.Conv2d(
                channels, conv.kernels, conv.size, conv.stride, conv.padding, groups=conv.groups
            )
            self.add_module(self.conv_names[-1], layer)
            channels = conv.kernels
        for units in (*config.hidden, config.num_classes):
            self.fc_names.append(f"fc{len(self.conv_names) + len(self.fc_names) + 1}")
            self.add_module(self.fc_names[-1], nn.Linear(features, units))
            features = units
        self.norm = LocalResponseNorm(*config.lrn, config.lrn_groups, inplace=True)
        self.dropout = nn.Dropout(config.dropout)
        initialize(self, generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes
    ) -> "AlexNet":
        """Return a published net, with random weights.

        Args:
            name: a key of `PRESETS`, such as "alexnet" or "alexnet_owt".
            generator: randomness of the first weights; None: torch's own.
            changes: fields of `AlexNetConfig` to set otherwise, such as ``num_classes=10``.

        Raises:
            ValueError: an unknown name.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    def activate(self, x: Tensor) -> Tensor:
        """Apply the nonlinearity of §3.1."""
        return F.relu(x, inplace=True) if self.config.activation == "relu" else x.tanh()

    def conv_layer(self, i: int, x_BCHW: Tensor) -> Tensor:
        """Return a convolutional layer's maps: filtered, activated, normalized, pooled."""
        conv = self.config.convs[i]
        x_BCHW = self.activate(getattr(self, self.conv_names[i])(x_BCHW))
        if conv.norm and not self.config.pool_before_norm:
            x_BCHW = self.norm(x_BCHW)
        if conv.pool:
            x_BCHW = F.max_pool2d(x_BCHW, *self.config.pool)
        if conv.norm and self.config.pool_before_norm:
            x_BCHW = self.norm(x_BCHW)
        return x_BCHW

    def flat(self, x_BCHW: Tensor) -> Tensor:
        """Return the last maps as one vector an image, (B, F)."""
        size = self.config.adaptive_pool
        if size and x_BCHW.shape[-2:] != (size, size):
            x_BCHW = F.adaptive_avg_pool2d(x_BCHW, size)
        return x_BCHW.flatten(1)

    def fc_layer(self, i: int, x_BF: Tensor) -> Tensor:
        """Return a fully-connected layer's units; the last one's are the logits."""
        fc, last = getattr(self, self.fc_names[i]), i == len(self.fc_names) - 1
        if last:
            return fc(x_BF)
        if self.config.dropout_first:
            return self.activate(fc(self.dropout(x_BF)))
        # §4.2: "in the first two fully-connected layers", so on their outputs. torch scales up
        # what is left by 2 in training, where the paper halves everything at test time.
        return self.dropout(self.activate(fc(x_BF)))

    def features(self, x_BCHW: Tensor, layer: str = "fc7") -> Tensor:
        """Return what a layer puts out: "conv1" its maps behind the pooling, "fc7" its units.

        Args:
            x_BCHW: images (B, in_channels, in_size, in_size), floating point, the mean subtracted.
            layer: a name such as "conv5" or "fc7".

        Raises:
            TypeError: x is not floating point.
            ValueError: x has another shape, or there is no such layer.
        """
        names = (*self.conv_names, *self.fc_names)
        if layer not in names:
            raise ValueError(f"layer must be one of {', '.join(names)}, got {layer!r}")
        check_images(self.config, x_BCHW)
        for i, name in enumerate(self.conv_names):
            x_BCHW = self.conv_layer(i, x_BCHW)
            if name == layer:
                return x_BCHW
        x_BF = self.flat(x_BCHW)
        for i, name in enumerate(self.fc_names):
            x_BF = self.fc_layer(i, x_BF)
            if name == layer:
                break
        return x_BF

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, in_channels, in_size, in_size)."""
        return self.features(x_BCHW, self.fc_names[-1])


def check_images(config: AlexNetConfig, x: Tensor) -> None:
    """Raise a TypeError or a ValueError where x is not a batch of images for this net."""
    if not x.is_floating_point():
        raise TypeError(f"x must be floating point with the mean subtracted, got {x.dtype}")
    if x.dim() != 4 or x.shape[1] != config.in_channels or min(x.shape[2:]) < 1:
        raise ValueError(f"x must have shape (N, {config.in_channels}, H, W), got {tuple(x.shape)}")
    height, width = map_sizes(config, *x.shape[-2:])[-1]
    flat = config.convs[-1].kernels * height * width
    if not config.adaptive_pool and flat != config.flat_features:
        side, first = config.in_size, f"fc{len(config.convs) + 1}"
        raise ValueError(
            f"x must be {side} by {side} pixels, got {x.shape[-2]} by {x.shape[-1]}: they flatten "
            f"to {flat} features, and {first} has {config.flat_features} inputs"
        )


@torch.no_grad()
def initialize(model: AlexNet, generator: torch.Generator | None = None) -> None:
    """Initialize in place.

    "paper" is §5: weights from N(0, 0.01), biases of 1 in convolutional layers 2, 4 and 5 and in
    the hidden fully-connected ones, else 0. "he" scales each layer's weights by its inputs, with
    biases of 0. "torch" is what torch's layers start with, as torchvision does.
    """
    init = model.config.init
    hidden = dict.fromkeys(model.fc_names[:-1], 1.0)
    biases = dict(zip(model.conv_names, (conv.bias for conv in model.config.convs))) | hidden
    for name in (*model.conv_names, *model.fc_names):
        layer = getattr(model, name)
        inputs = layer.weight[0].numel()
        if init == "paper":
            nn.init.normal_(layer.weight, 0, 0.01, generator=generator)
            nn.init.constant_(layer.bias, biases.get(name, 0.0))
        elif init == "he":
            gain = 2 if model.config.activation == "relu" else 1
            nn.init.normal_(layer.weight, 0, (gain / inputs) ** 0.5, generator=generator)
            nn.init.zeros_(layer.bias)
        elif generator is not None:  # otherwise the layers have begun so
            for tensor in (layer.weight, layer.bias):
                tensor.uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)
