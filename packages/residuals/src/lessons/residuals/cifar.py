"""The nets of §4.2 for small images: depth 6n + 2, three stages, hardly a parameter to spare.

Shapes: B batch, C channels, H height, W width, F features, K classes.
"""

import dataclasses
from dataclasses import InitVar, dataclass

import torch
from torch import Tensor, nn

from .blocks import BLOCKS, SHORTCUTS, check_images, conv3x3
from .initial import initialize


@dataclass(frozen=True)
class CifarResNetConfig:
    """The shape of a `CifarResNet` (§4.2).

    Raises:
        ValueError: depth is not 6n + 2 (with bottlenecks 9n + 2).
    """

    depth: int = 20  # layers with weights: convolutions and the last layer, projections apart
    plain: bool = False  # without shortcuts
    preact: bool = False  # later: He et al. 2016b
    bottleneck: bool = False  # later: He et al. 2016b
    shortcut: str = "A"  # the paper's choice here: no parameters; "B", "C" as in `ResNetConfig`
    num_classes: int = 10
    widths: tuple[int, int, int] = (16, 32, 64)  # channels of the three stages
    in_channels: int = 3
    in_chans: InitVar[int | None] = None  # the former name of in_channels

    def __post_init__(self, in_chans: int | None) -> None:
        if in_chans is not None:
            object.__setattr__(self, "in_channels", in_chans)
        layers = 9 if self.bottleneck else 6
        if self.depth < layers + 2 or (self.depth - 2) % layers:
            raise ValueError(f"depth must be {layers}n+2, got {self.depth}")
        if self.shortcut not in SHORTCUTS:
            wanted = ", ".join(SHORTCUTS)
            raise ValueError(f"shortcut must be one of {wanted}, got {self.shortcut!r}")


CIFAR_PRESETS = {
    **{f"cifar_resnet{d}": CifarResNetConfig(d) for d in (20, 32, 44, 56, 110, 1202)},
    **{f"cifar_plain{d}": CifarResNetConfig(d, plain=True) for d in (20, 32, 44, 56, 110)},
    "cifar_preact_resnet110": CifarResNetConfig(110, preact=True),
    "cifar_preact_resnet164": CifarResNetConfig(164, preact=True, bottleneck=True, shortcut="B"),
    "cifar_preact_resnet1001": CifarResNetConfig(1001, preact=True, bottleneck=True, shortcut="B"),
}


class CifarResNet(nn.Module):
    """A residual net for images of about 32 pixels.

    A 3x3 convolution, then three stages of n blocks with maps of full, half and quarter size, the
    mean over the map, and one layer to the classes.

    Args:
        config: the shape; `CifarResNet.from_preset` has the published ones.
        generator: randomness of the weights; None: torch's own.

    Source: §4.2; pre-activation and bottlenecks: He et al. 2016b, §4.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential

    def __init__(self, config: CifarResNetConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        kind = ("preact_" if config.preact else "") + (
            "bottleneck" if config.bottleneck else "basic"
        )
        block, count = BLOCKS[kind], (config.depth - 2) // (9 if config.bottleneck else 6)
        channels = config.widths[0]
        self.conv1 = conv3x3(config.in_channels, channels)
        self.bn1 = nn.Identity() if config.preact else nn.BatchNorm2d(channels)
        self.relu = nn.Identity() if config.preact else nn.ReLU(inplace=True)
        for stage, width in enumerate(config.widths):
            layer = []
            for i in range(count):
                stride = 2 if stage and i == 0 else 1
                layer.append(block(channels, width, stride, config.shortcut, not config.plain))
                channels = width * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layer))
        last = (
            nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU()) if config.preact else nn.Identity()
        )
        self.norm = last
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, config.num_classes)
        initialize(self, generator=generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes
    ) -> "CifarResNet":
        """Return a published net, with random weights.

        Args:
            name: a key of `CIFAR_PRESETS`, such as "cifar_resnet20".
            generator: randomness of the weights; None: torch's own.
            changes: fields of `CifarResNetConfig` to set otherwise.

        Raises:
            ValueError: an unknown name.
        """
        if name not in CIFAR_PRESETS:
            raise ValueError(f"name must be one of {', '.join(CIFAR_PRESETS)}, got {name!r}")
        return cls(dataclasses.replace(CIFAR_PRESETS[name], **changes), generator)

    def forward_features(self, x_BCHW: Tensor) -> Tensor:
        """Return the last stage's map, (B, F, H/4, W/4) for images (B, in_channels, H, W)."""
        check_images(x_BCHW, self.config.in_channels)
        x_BCHW = self.relu(self.bn1(self.conv1(x_BCHW)))
        return self.norm(self.layer3(self.layer2(self.layer1(x_BCHW))))

    def forward_head(self, features_BFHW: Tensor) -> Tensor:
        """Return logits (B, K) from the last stage's map."""
        return self.fc(self.avgpool(features_BFHW).flatten(1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, in_channels, H, W)."""
        return self.forward_head(self.forward_features(x_BCHW))
