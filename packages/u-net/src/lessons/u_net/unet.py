"""The U-Net: a path down that sees more and more, a path up that locates, and copies across.

Shapes: B batch, C channels, H height, W width; D channels of a level; K classes; Y, X the size of
the output, which without padding is smaller than the input's.

Source: Ronneberger et al. 2015, §2 and Fig. 1.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import InitVar, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpointing import checkpointed
from .sizes import border, output_size

CHOICES = {
    "padding": ("valid", "same"),
    "up": ("transpose", "upsample_conv", "bilinear"),
    "norm": (None, "batch"),
}


@dataclass(frozen=True)
class UNetConfig:
    """The shape of a `UNet`; the defaults are Fig. 1.

    Raises:
        ValueError: a value that is none of those named below.
    """

    in_channels: int = 1
    num_classes: int = 2
    channels: tuple[int, ...] = (64, 128, 256, 512, 1024)  # of the levels, from top to bottom
    padding: str = "valid"  # the paper; "same" puts zeros around each map (later)
    # How maps grow: "transpose" is what Fig. 1's sizes and the released net need; "upsample_conv"
    # the words of §2 taken literally; "bilinear" has no weights, and leaves halving the channels to
    # the convolutions (later).
    up: str = "transpose"
    norm: str | None = None  # "batch" normalizes behind each convolution, which has no bias (later)
    dropout: float = 0.5  # behind the two lowest levels of the contracting path (§3.1)
    upconv_relu: bool = False  # the released net has a ReLU behind each up-convolution
    last_up_channels: int | None = None  # of the last up-convolution: 128 in the released net
    skips: bool = True  # False: no copies, a plain encoder-decoder
    grad_checkpointing: bool = False  # compute levels again in the backward pass, to save memory
    out_channels: InitVar[int | None] = None  # the former name of num_classes

    def __post_init__(self, out_channels: int | None) -> None:
        if out_channels is not None:
            object.__setattr__(self, "num_classes", out_channels)
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                listed = ", ".join(map(repr, allowed))
                raise ValueError(f"{name} must be one of {listed}, got {getattr(self, name)!r}")
        widths = self.channels
        if len(widths) < 2 or min(widths) < 1 or list(widths) != sorted(widths):
            raise ValueError(f"channels must be two or more positive, rising numbers, got {widths}")
        if min(self.in_channels, self.num_classes, self.last_up_channels or 1) < 1:
            raise ValueError(f"numbers of channels must be positive, got {self}")
        if self.up == "bilinear" and self.last_up_channels:
            raise ValueError("last_up_channels needs up='transpose': 'bilinear' keeps the channels")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")

    @property
    def depth(self) -> int:
        """Number of poolings: 4 in the paper."""
        return len(self.channels) - 1

    @property
    def border(self) -> int:
        """Pixels that the output lacks on each side: 92 in the paper, 0 with padding."""
        return border(self.depth) if self.padding == "valid" else 0

    def output_size(self, size: int, name: str = "size") -> int:
        """Return the output's height or width; a ValueError names the sizes that fit."""
        return output_size(size, self.depth, self.padding, name)


SAME = UNetConfig(padding="same", norm="batch", dropout=0.0)  # what most later code has in common
PRESETS = {
    "unet_paper": UNetConfig(),
    "unet_release": UNetConfig(upconv_relu=True, last_up_channels=128),  # phseg_v5 of 2015
    # Later, with padding and batch norm: the most-used implementation, and torch hub's.
    "unet_milesial": dataclasses.replace(SAME, in_channels=3),
    "unet_milesial_bilinear": dataclasses.replace(
        SAME, in_channels=3, channels=(64, 128, 256, 512, 512), up="bilinear"
    ),
    "unet_brain": dataclasses.replace(
        SAME, in_channels=3, num_classes=1, channels=(32, 64, 128, 256, 512)
    ),
    # Ours, for a desk. Half of 32 channels is more than a net this small can spare: no dropout.
    "unet_small": UNetConfig(channels=(8, 16, 32), dropout=0.0),
}


def center_crop(x_BCHW: Tensor, size: Sequence[int]) -> Tensor:
    """Return the middle of a map (or of labels, (B, H, W)): a view.

    Args:
        x_BCHW: of which the last two dimensions are cropped.
        size: height and width that are wanted.

    Raises:
        ValueError: the map is smaller, or what is too much is odd, so that there is no middle.
    """
    extra = [have - want for have, want in zip(x_BCHW.shape[-2:], size)]
    if min(extra) < 0 or any(e % 2 for e in extra):
        have = tuple(x_BCHW.shape[-2:])
        raise ValueError(f"size must be {have} less an even border, got {tuple(size)}")
    top, left = (e // 2 for e in extra)
    return x_BCHW[..., top : top + size[0], left : left + size[1]]


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each followed by a ReLU (§2): what every level does.

    Args:
        channels: C.
        middle: channels between the two.
        out: D.
        config: of the net, for padding and norm.
        dropout: behind the second ReLU.
    """

    def __init__(
        self, channels: int, middle: int, out: int, config: UNetConfig, dropout: float = 0.0
    ) -> None:
        super().__init__()
        pad, normed = int(config.padding == "same"), config.norm == "batch"
        self.conv1 = nn.Conv2d(channels, middle, 3, padding=pad, bias=not normed)
        self.norm1 = nn.BatchNorm2d(middle) if normed else nn.Identity()
        self.conv2 = nn.Conv2d(middle, out, 3, padding=pad, bias=not normed)
        self.norm2 = nn.BatchNorm2d(out) if normed else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.relu = nn.ReLU(inplace=True)  # a convolution does not need its output to learn

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, D, H-4, W-4), with padding (B, D, H, W)."""
        x_BCHW = self.relu(self.norm1(self.conv1(x_BCHW)))
        return self.dropout(self.relu(self.norm2(self.conv2(x_BCHW))))


def up_convolution(kind: str, channels: int, out: int) -> nn.Module:
    """Return what doubles a map's size and takes it to ``out`` channels.

    Args:
        kind: "transpose": each pixel becomes four by a 2x2 matrix per pair of channels, which is
            a 2x2 convolution behind an upsampling that inserts zeros. "upsample_conv": the
            convolution behind one that repeats pixels, with a row and a column of zeros at the end,
            since it would lose them otherwise. "bilinear": keeps the channels, has no weights.
        channels: C.
        out: D.

    Source: §2, "up-convolution".
    """
    if kind == "transpose":
        return nn.ConvTranspose2d(channels, out, 2, stride=2)
    if kind == "upsample_conv":
        return nn.Sequential(
            nn.Upsample(scale_factor=2), nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(channels, out, 2)
        )
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)


class UNet(nn.Module):
    """A net from images to class scores of every pixel (Fig. 1).

    Args:
        config: the shape; `UNet.from_preset` has the published ones.
        generator: randomness of the initial weights.
    """

    def __init__(self, config: UNetConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        widths, depth = config.channels, config.depth
        into = (config.in_channels, *widths)
        self.down = nn.ModuleList(
            DoubleConv(into[i], widths[i], widths[i], config, config.dropout * (i >= depth - 1))
            for i in range(depth + 1)
        )
        ups, merges, below = [], [], widths[-1]
        for level in reversed(range(depth)):
            width = widths[level]
            copied = width if config.skips else 0
            if config.up == "bilinear":
                grown, middle, out = below, (below + copied) // 2, widths[max(level - 1, 0)]
            else:
                last = config.last_up_channels if level == 0 else None
                grown, middle, out = last or width, width, width
            ups.append(up_convolution(config.up, below, grown))
            merges.append(DoubleConv(copied + grown, middle, out, config))
            below = out
        self.up, self.merge = nn.ModuleList(ups), nn.ModuleList(merges)  # from the bottom upwards
        self.score = nn.Conv2d(widths[0], config.num_classes, 1)
        initialize(self, generator)

    @classmethod
    def from_preset(cls, name: str, generator: torch.Generator | None = None, **changes) -> "UNet":
        """Return a published net, with random weights.

        Args:
            name: a key of `PRESETS`, such as "unet_paper".
            generator: randomness of the initial weights.
            changes: fields of `UNetConfig` to set otherwise, such as ``in_channels=3``.

        Raises:
            ValueError: an unknown name, or a value that is none.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return scores (B, K, Y, X); softmax over K makes them probabilities (§3).

        Args:
            x_BCHW: images (B, in_channels, H, W), without padding H and W of the form
                2^d k + 4(2^d - 1); Y = H - 2 border and X = W - 2 border.

        Raises:
            ValueError: x has another shape, or a size that does not fit; says which would.
        """
        config = self.config
        if x_BCHW.dim() != 4 or x_BCHW.shape[1] != config.in_channels:
            want, got = f"(N, {config.in_channels}, H, W)", tuple(x_BCHW.shape)
            raise ValueError(f"x must have shape (N, C, H, W) = {want}, got {got}")
        for name, size in zip(("height", "width"), x_BCHW.shape[-2:]):
            config.output_size(size, f"x's {name}")
        copies = []
        for level in range(config.depth):
            x_BCHW = self._level(self.down[level], x_BCHW)
            copies.append(x_BCHW)
            x_BCHW = F.max_pool2d(x_BCHW, 2)
        x_BCHW = self._level(self.down[-1], x_BCHW)
        for up, merge in zip(self.up, self.merge):
            x_BCHW, copy_BDHW = up(x_BCHW), copies.pop()
            if config.upconv_relu:
                x_BCHW = F.relu(x_BCHW, inplace=True)
            if config.skips:
                cropped_BDHW = center_crop(copy_BDHW, x_BCHW.shape[-2:])
                x_BCHW = torch.cat((cropped_BDHW, x_BCHW), 1)  # in Fig. 1's order
            del copy_BDHW  # the largest maps of all: not to be kept for the rest of the way
            x_BCHW = self._level(merge, x_BCHW)
        return self.score(x_BCHW)

    def _level(self, level: nn.Module, x_BCHW: Tensor) -> Tensor:
        if self.config.grad_checkpointing and torch.is_grad_enabled():
            return checkpointed(level, x_BCHW)
        return level(x_BCHW)


@torch.no_grad()
def initialize(model: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw weights from N(0, 2/N) in place, N the incoming nodes of a neuron; biases are zero.

    An output of the 2x2 up-convolution with stride 2 sees one pixel, so its N is the number of
    channels. (torch's ``kaiming_normal_`` takes 4 times the *outgoing* channels there.)

    Args:
        model: its convolutions are drawn anew.
        generator: randomness.

    Source: §3; He et al. 2015.
    """
    for module in model.modules():
        if isinstance(module, nn.ConvTranspose2d):
            incoming = module.in_channels
        elif isinstance(module, nn.Conv2d):
            incoming = module.in_channels * math.prod(module.kernel_size)
        else:
            continue
        module.weight.normal_(0, math.sqrt(2 / incoming), generator=generator)
        if module.bias is not None:
            module.bias.zero_()
