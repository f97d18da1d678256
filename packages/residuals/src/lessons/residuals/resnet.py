"""The nets for ImageNet: ResNet-18 to ResNet-152, their plain twins, and later variants.

Shapes: B batch, C channels, H height, W width, F features, K classes.
"""

import dataclasses
from dataclasses import InitVar, dataclass

import torch
from torch import Tensor, nn

from .blocks import BLOCKS, SHORTCUTS, check_images
from .checkpointing import checkpointed
from .initial import initialize


@dataclass(frozen=True)
class ResNetConfig:
    """The shape of a `ResNet` (Table 1).

    Raises:
        ValueError: a value that is not one of those named below, or a plain net with
            ``zero_init_residual`` (nothing would pass).
    """

    block: str = "bottleneck"  # "basic", "bottleneck", "preact_basic", "preact_bottleneck"
    layers: tuple[int, int, int, int] = (3, 4, 6, 3)  # blocks in each stage
    num_classes: int = 1000
    shortcut: str = "B"  # where dimensions change: "A" zeros, "B" projection; "C" projects always
    residual: bool = True  # False: the plain net
    stride_in_1x1: bool = False  # True: the paper's bottleneck; False: the released checkpoints'
    zero_init_residual: bool = False  # later: Goyal et al. 2017
    groups: int = 1  # of a bottleneck's 3x3 convolution
    width_per_group: int = 64
    in_channels: int = 3
    dilate: tuple[bool, bool, bool] = (False, False, False)  # stages 2-4: dilation for stride
    grad_checkpointing: bool = False  # compute stages again in the backward pass, to save memory
    in_chans: InitVar[int | None] = None  # the former name of in_channels

    def __post_init__(self, in_chans: int | None) -> None:
        if in_chans is not None:
            object.__setattr__(self, "in_channels", in_chans)
        if self.block not in BLOCKS:
            raise ValueError(f"block must be one of {', '.join(BLOCKS)}, got {self.block!r}")
        if len(self.layers) != 4 or min(self.layers) < 1:
            raise ValueError(f"layers must be four positive numbers of blocks, got {self.layers}")
        if self.shortcut not in SHORTCUTS:
            wanted = ", ".join(SHORTCUTS)
            raise ValueError(f"shortcut must be one of {wanted}, got {self.shortcut!r}")
        if any(self.dilate) and "basic" in self.block:
            raise ValueError(f"a basic block has dilation=1 only, got dilate={self.dilate}")
        if not self.residual and self.zero_init_residual:
            raise ValueError("zero_init_residual=True needs residual=True, got a plain net")


PRESETS = {
    # The paper's (Table 1). From 50 layers on the released checkpoints have the stride in the 3x3
    # convolution; the nets as published are those with _v1.
    "resnet18": ResNetConfig("basic", (2, 2, 2, 2)),
    "resnet34": ResNetConfig("basic", (3, 4, 6, 3)),
    "resnet50": ResNetConfig("bottleneck", (3, 4, 6, 3)),
    "resnet101": ResNetConfig("bottleneck", (3, 4, 23, 3)),
    "resnet152": ResNetConfig("bottleneck", (3, 8, 36, 3)),
    "resnet50_v1": ResNetConfig("bottleneck", (3, 4, 6, 3), stride_in_1x1=True),
    "resnet101_v1": ResNetConfig("bottleneck", (3, 4, 23, 3), stride_in_1x1=True),
    "resnet152_v1": ResNetConfig("bottleneck", (3, 8, 36, 3), stride_in_1x1=True),
    "plain18": ResNetConfig("basic", (2, 2, 2, 2), residual=False),
    "plain34": ResNetConfig("basic", (3, 4, 6, 3), residual=False),
    # Later.
    "resnet200": ResNetConfig("bottleneck", (3, 24, 36, 3)),
    "wide_resnet50_2": ResNetConfig("bottleneck", (3, 4, 6, 3), width_per_group=128),
    "resnext50_32x4d": ResNetConfig("bottleneck", (3, 4, 6, 3), groups=32, width_per_group=4),
    "preact_resnet18": ResNetConfig("preact_basic", (2, 2, 2, 2)),
    "preact_resnet34": ResNetConfig("preact_basic", (3, 4, 6, 3)),
    "preact_resnet50": ResNetConfig("preact_bottleneck", (3, 4, 6, 3)),
    "preact_resnet101": ResNetConfig("preact_bottleneck", (3, 4, 23, 3)),
    "preact_resnet152": ResNetConfig("preact_bottleneck", (3, 8, 36, 3)),
}


class ResNet(nn.Module):
    """A residual net for images of about 224 pixels (Table 1; Fig. 3).

    The state dict has torchvision's names in torchvision's order.

    Args:
        config: the shape; `ResNet.from_preset` has the published ones.
        generator: randomness of the weights; None: torch's own.

    Raises:
        ValueError: an unknown shortcut, or options that the block does not have.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, config: ResNetConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        preact = config.block.startswith("preact")
        expansion = BLOCKS[config.block].expansion
        self.conv1 = nn.Conv2d(config.in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.Identity() if preact else nn.BatchNorm2d(64)
        self.relu = nn.Identity() if preact else nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels, dilation = 64, 1
        for stage, blocks in enumerate(config.layers):
            width, stride = 64 * 2**stage, 1 if stage == 0 else 2
            before = dilation
            if stage and config.dilate[stage - 1]:
                dilation, stride = dilation * stride, 1
            layer = []
            for i in range(blocks):
                layer.append(
                    BLOCKS[config.block](
                        channels,
                        width,
                        stride if i == 0 else 1,
                        config.shortcut,
                        config.residual,
                        config.stride_in_1x1,
                        config.groups,
                        config.width_per_group,
                        before if i == 0 else dilation,
                    )
                )
                channels = width * expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layer))
        # A pre-activation net ends in a sum that nothing has normalized yet.
        self.norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU()) if preact else nn.Identity()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, config.num_classes)
        initialize(self, config.zero_init_residual, generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes
    ) -> "ResNet":
        """Return a published net, with random weights.

        Args:
            name: a key of `PRESETS`, such as "resnet50".
            generator: randomness of the weights; None: torch's own.
            changes: fields of `ResNetConfig` to set otherwise, such as ``num_classes=10``.

        Raises:
            ValueError: an unknown name.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    def stages(self, x_BCHW: Tensor) -> list[Tensor]:
        """Return the maps behind each of the four stages, at strides of 4, 8, 16 and 32.

        Args:
            x_BCHW: images (B, in_channels, H, W).

        Raises:
            ValueError: x has another shape.
        """
        check_images(x_BCHW, self.config.in_channels)
        x_BCHW = self.maxpool(self.relu(self.bn1(self.conv1(x_BCHW))))
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            if self.config.grad_checkpointing and torch.is_grad_enabled():
                x_BCHW = checkpointed(layer, x_BCHW)
            else:
                x_BCHW = layer(x_BCHW)
            maps.append(x_BCHW)
        maps[-1] = self.norm(maps[-1])
        return maps

    def forward_features(self, x_BCHW: Tensor) -> Tensor:
        """Return the last stage's map, (B, F, H/32, W/32) for images (B, in_channels, H, W)."""
        return self.stages(x_BCHW)[-1]

    def forward_head(self, features_BFHW: Tensor) -> Tensor:
        """Return logits (B, K) from the last stage's map."""
        return self.fc(self.avgpool(features_BFHW).flatten(1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits (B, K) for images (B, in_channels, H, W)."""
        return self.forward_head(self.forward_features(x_BCHW))
