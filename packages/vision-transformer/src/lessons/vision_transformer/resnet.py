"""The hybrid's feature extractor: a ResNet with standardized convolutions and group norm (§4.1).

Shapes: B batch, C channels, h height, w width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# What keeps divisions from zero: (beside the weights' deviation, beside its square, group norm's).
EPSILONS = {"google": (1e-5, 0.0, 1e-6), "timm": (0.0, 1e-8, 1e-5)}


@torch.fx.wrap  # one node: it looks at sizes
def pad_same(x_BChw: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad with zeros so that a convolution leaves ⌈size/stride⌉, as TensorFlow's "SAME" does.

    An odd number of rows is larger below and on the right, where torch's padding is symmetric.
    """
    pads = []
    for size in (x_BChw.shape[-1], x_BChw.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x_BChw, pads) if any(pads) else x_BChw


class StandardizedConv(nn.Conv2d):
    """A convolution whose filters have mean 0 and variance 1, padded as "SAME", without bias.

    Source: §4.1; Qiao et al. 2019.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1,
        numerics: str = "google",
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel, stride, bias=False)
        self.outside, self.inside, _ = EPSILONS[numerics]

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, C, h, w)."""
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) / ((variance + self.inside).sqrt() + self.outside)
        padded_BChw = pad_same(input, self.kernel_size[0], self.stride[0])
        return F.conv2d(padded_BChw, weight, None, self.stride)


def group_norm(channels: int, numerics: str) -> nn.GroupNorm:
    """Return group norm with 32 groups, or one a channel where there are fewer."""
    return nn.GroupNorm(min(32, channels), channels, eps=EPSILONS[numerics][2])


class Bottleneck(nn.Module):
    """A residual block of 1 × 1, 3 × 3 and 1 × 1 convolutions; the middle one has the stride."""

    def __init__(self, in_channels: int, width: int, stride: int, numerics: str) -> None:
        super().__init__()
        out, n = 4 * width, numerics
        self.conv1, self.norm1 = StandardizedConv(in_channels, width, 1, 1, n), group_norm(width, n)
        self.conv2, self.norm2 = StandardizedConv(width, width, 3, stride, n), group_norm(width, n)
        self.conv3, self.norm3 = StandardizedConv(width, out, 1, 1, n), group_norm(out, n)
        self.projection = None
        if stride != 1 or in_channels != out:
            self.projection = StandardizedConv(in_channels, out, 1, stride, n)
            self.projection_norm = group_norm(out, n)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, 4·width, h/stride, w/stride)."""
        y = F.relu(self.norm1(self.conv1(x_BChw)))
        y = F.relu(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        if self.projection is not None:
            x_BChw = self.projection_norm(self.projection(x_BChw))
        return F.relu(x_BChw + y)


class Backbone(nn.Module):
    """The stages of a ResNet up to where the Transformer takes over.

    Args:
        blocks: blocks in each stage: (3, 4, 6, 3) is ResNet-50 to its last stage, and (3, 4, 9)
            the one whose stage 4 has gone into stage 3.
        in_channels: of the picture.
        width: channels of the first layer.
        numerics: "google" or "timm", which keep divisions from zero in different places.

    Source: §3.1, §4.1.
    """

    def __init__(
        self, blocks: tuple[int, ...], in_channels: int = 3, width: int = 64,
        numerics: str = "google",
    ) -> None:  # fmt: skip
        super().__init__()
        self.root = StandardizedConv(in_channels, width, 7, 2, numerics)
        self.root_norm = group_norm(width, numerics)
        self.stages, channels = nn.ModuleList(), width
        for i, n in enumerate(blocks):
            stage = nn.Sequential()
            for j in range(n):
                stride = 2 if i and not j else 1
                stage.append(Bottleneck(channels, width * 2**i, stride, numerics))
                channels = 4 * width * 2**i
            self.stages.append(stage)
        self.out_channels = channels

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw filters after LeCun; blocks begin as the identity: their last gain is 0."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 4:
                parameter.normal_(std=parameter[0].numel() ** -0.5, generator=generator)
            else:
                last = name.endswith("norm3.weight")
                parameter.fill_(float(name.endswith("weight") and not last))

    def forward(self, images_BChw: Tensor) -> Tensor:
        """Map pictures (B, C, h, w) to feature maps."""
        x = F.relu(self.root_norm(self.root(images_BChw)))
        # Zeros as padding change no maximum of what is not negative.
        x = F.max_pool2d(pad_same(x, 3, 2), 3, 2)
        for stage in self.stages:
            x = stage(x)
        return x
