r"""The building blocks: a few layers, and a shortcut around them (He et al. 2016).

Shapes: B batch, C channels, H height, W width; D output channels, Y, X output height and width.

A block computes $y = \mathcal F(x) + x$ (eq. 1), or $y = \mathcal F(x) + W_s x$ where the
dimensions change (eq. 2). With ``residual=False`` the shortcut is left out: the plain net.
"""

import torch.nn.functional as F
from torch import Tensor, nn

SHORTCUTS = ("A", "B", "C")


def conv3x3(channels: int, out: int, stride: int = 1, groups: int = 1, dilation: int = 1):
    """Return a 3x3 convolution without bias that keeps the size, but for its stride."""
    return nn.Conv2d(channels, out, 3, stride, dilation, dilation, groups, bias=False)


def conv1x1(channels: int, out: int, stride: int = 1) -> nn.Conv2d:
    """Return a 1x1 convolution without bias."""
    return nn.Conv2d(channels, out, 1, stride, bias=False)


class ZeroPadShortcut(nn.Module):
    """Option A: every stride-th pixel, and zeros for the channels that are new; no parameters.

    The paper does not say where the zeros go; here, as in most code for CIFAR, half of them
    before the old channels and half behind.

    Args:
        channels: C.
        out: D, at least C.
        stride: of the block that it goes around.

    Raises:
        ValueError: out is less than channels.

    Source: §3.3, option A; §4.2.
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        if out < channels:
            raise ValueError(f"shortcut A cannot go from {channels} channels to fewer, {out}")
        before = (out - channels) // 2
        self.padding, self.stride = (0, 0, 0, 0, before, out - channels - before), stride

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, D, Y, X)."""
        return F.pad(x_BCHW[:, :, :: self.stride, :: self.stride], self.padding)


def shortcut(option: str, channels: int, out: int, stride: int, norm: bool = True):
    """Return the module on a block's shortcut, or None for the identity.

    Args:
        option: "A" zero padding where dimensions change, "B" a projection there, "C" a projection
            on every block (§3.3; §4.1, Table 3).
        channels: C.
        out: D.
        stride: of the block.
        norm: batch norm behind the projection; pre-activation nets have none.

    Raises:
        ValueError: an unknown option, or "A" from more channels to fewer.
    """
    if option not in SHORTCUTS:
        raise ValueError(f"shortcut must be one of {', '.join(SHORTCUTS)}, got {option!r}")
    if option != "C" and stride == 1 and channels == out:
        return None
    if option == "A":
        return ZeroPadShortcut(channels, out, stride)
    projection = conv1x1(channels, out, stride)
    return nn.Sequential(projection, nn.BatchNorm2d(out)) if norm else projection


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut around them (Fig. 5, left; Table 1, 18 and 34 layers).

    Args:
        channels: C of the input.
        width: channels of both convolutions, and D of the output.
        stride: of the first convolution.
        option: of the shortcut, "A", "B" or "C".
        residual: False leaves the shortcut out.
        stride_in_1x1: must be False.
        groups: must be 1.
        width_per_group: must be 64.
        dilation: must be 1.

    Raises:
        ValueError: one of the last four asks for what only a bottleneck has.
    """

    expansion = 1

    def __init__(
        self, channels, width, stride=1, option="B", residual=True, stride_in_1x1=False,
        groups=1, width_per_group=64, dilation=1,
    ) -> None:  # fmt: skip
        super().__init__()
        refuse_bottleneck_options(stride_in_1x1, groups, width_per_group, dilation)
        self.conv1 = conv3x3(channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.residual = residual
        self.downsample = shortcut(option, channels, width, stride) if residual else None

    def branch(self, x_BCHW: Tensor) -> Tensor:
        """Return the residual function F(x), (B, D, Y, X)."""
        hidden_BDYX = self.relu(self.bn1(self.conv1(x_BCHW)))
        return self.bn2(self.conv2(hidden_BDYX))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, D, Y, X); the last ReLU comes after the addition (§3.2)."""
        return close(self, x_BCHW)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut (Fig. 5, right; Table 1, from 50 layers on).

    Args:
        channels: C of the input.
        width: channels of the 3x3 convolution at 64 a group; the output has four times as many.
        stride: of the block.
        option: of the shortcut, "A", "B" or "C".
        residual: False leaves the shortcut out.
        stride_in_1x1: where the stride is: True is the paper, False the "v1.5" of the released
            checkpoints (Goyal et al. 2017), which costs more arithmetic and no parameters.
        groups: of the 3x3 convolution; 32 in ResNeXt.
        width_per_group: 64; 128 in the wide net.
        dilation: of the 3x3 convolution, for dense prediction.
    """

    expansion = 4

    def __init__(
        self, channels, width, stride=1, option="B", residual=True, stride_in_1x1=False,
        groups=1, width_per_group=64, dilation=1,
    ) -> None:  # fmt: skip
        super().__init__()
        inner, out = width * width_per_group // 64 * groups, width * self.expansion
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = conv1x1(channels, inner, first)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv3x3(inner, inner, second, groups, dilation)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = conv1x1(inner, out)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.residual = residual
        self.downsample = shortcut(option, channels, out, stride) if residual else None

    def branch(self, x_BCHW: Tensor) -> Tensor:
        """Return the residual function F(x), (B, D, Y, X)."""
        hidden_BCHW = self.relu(self.bn1(self.conv1(x_BCHW)))
        hidden_BCYX = self.relu(self.bn2(self.conv2(hidden_BCHW)))
        return self.bn3(self.conv3(hidden_BCYX))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, D, Y, X); the last ReLU comes after the addition (§3.2)."""
        return close(self, x_BCHW)


def close(block: BasicBlock | Bottleneck, x_BCHW: Tensor) -> Tensor:
    """Return ReLU(F(x) + shortcut(x)), eqs. 1 and 2; without a shortcut ReLU(F(x))."""
    y_BDYX = block.branch(x_BCHW)
    if block.residual:
        y_BDYX = y_BDYX + (x_BCHW if block.downsample is None else block.downsample(x_BCHW))
    return block.relu(y_BDYX)


class PreActBasicBlock(nn.Module):
    """`BasicBlock` with norm and ReLU before each convolution (He et al. 2016b, Fig. 1b); later.

    Nothing is done to the sum, so the identity runs from the first block to the last. Where the
    dimensions change, the shortcut starts behind the block's first norm and ReLU.
    """

    expansion = 1

    def __init__(
        self, channels, width, stride=1, option="B", residual=True, stride_in_1x1=False,
        groups=1, width_per_group=64, dilation=1,
    ) -> None:  # fmt: skip
        super().__init__()
        refuse_bottleneck_options(stride_in_1x1, groups, width_per_group, dilation)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = conv3x3(channels, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.residual = residual
        self.downsample = (
            shortcut(option, channels, width, stride, norm=False) if residual else None
        )

    def branch(self, active_BCHW: Tensor) -> Tensor:
        """Return F from the activated input, (B, D, Y, X)."""
        return self.conv2(F.relu(self.bn2(self.conv1(active_BCHW))))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, D, Y, X)."""
        return close_preactivated(self, x_BCHW)


class PreActBottleneck(nn.Module):
    """`Bottleneck` with norm and ReLU before each convolution (He et al. 2016b); later."""

    expansion = 4

    def __init__(
        self, channels, width, stride=1, option="B", residual=True, stride_in_1x1=False,
        groups=1, width_per_group=64, dilation=1,
    ) -> None:  # fmt: skip
        super().__init__()
        inner, out = width * width_per_group // 64 * groups, width * self.expansion
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = conv1x1(channels, inner, first)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv2 = conv3x3(inner, inner, second, groups, dilation)
        self.bn3 = nn.BatchNorm2d(inner)
        self.conv3 = conv1x1(inner, out)
        self.residual = residual
        self.downsample = shortcut(option, channels, out, stride, norm=False) if residual else None

    def branch(self, active_BCHW: Tensor) -> Tensor:
        """Return F from the activated input, (B, D, Y, X)."""
        hidden_BCHW = F.relu(self.bn2(self.conv1(active_BCHW)))
        return self.conv3(F.relu(self.bn3(self.conv2(hidden_BCHW))))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, D, Y, X)."""
        return close_preactivated(self, x_BCHW)


def close_preactivated(block: PreActBasicBlock | PreActBottleneck, x_BCHW: Tensor) -> Tensor:
    """Return x + F(x), the sum as it is (He et al. 2016b, eqs. 3 and 4)."""
    active_BCHW = F.relu(block.bn1(x_BCHW))
    y_BDYX = block.branch(active_BCHW)
    if not block.residual:
        return y_BDYX
    return y_BDYX + (x_BCHW if block.downsample is None else block.downsample(active_BCHW))


def refuse_bottleneck_options(
    stride_in_1x1: bool, groups: int, width_per_group: int, dilation: int
) -> None:
    """Raise a ValueError for what a basic block does not have."""
    for name, value, only in (
        ("stride_in_1x1", stride_in_1x1, False),
        ("groups", groups, 1),
        ("width_per_group", width_per_group, 64),
        ("dilation", dilation, 1),
    ):
        if value != only:
            raise ValueError(f"a basic block has {name}={only} only, got {value}; use a bottleneck")


def check_images(x: Tensor, channels: int) -> None:
    """Raise a ValueError where x is not a batch of images of that many channels."""
    if x.dim() != 4 or x.shape[1] != channels or min(x.shape[2:]) < 1:
        raise ValueError(f"x must have shape (N, {channels}, H, W), got {tuple(x.shape)}")


BLOCKS = {
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
    "preact_basic": PreActBasicBlock,
    "preact_bottleneck": PreActBottleneck,
}
