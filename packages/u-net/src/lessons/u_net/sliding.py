"""The method before: a net that looks at a window and says what its middle pixel is.

Shapes: B batch, C channels, H height, W width; S the window's size; K classes; Y, X output size.

Cireşan et al. 2012 ran a classifier once for each pixel. Here it is the U-Net's own contracting
path, so that nothing differs but the way back up.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .unet import DoubleConv, UNetConfig, initialize


class SlidingWindow(nn.Module):
    """A classifier of the pixel in the middle of a window.

    Args:
        config: of the U-Net of which this is the contracting path; without padding. Dropout is
            left out.
        generator: randomness of the initial weights.

    Raises:
        ValueError: the configuration has padding.
    """

    def __init__(self, config: UNetConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if config.padding != "valid":
            raise ValueError(f"config must have padding='valid', got {config.padding!r}")
        into = (config.in_channels, *config.channels)
        levels = range(config.depth + 1)
        self.down = nn.ModuleList(
            DoubleConv(into[i], into[i + 1], into[i + 1], config) for i in levels
        )
        self.score = nn.Conv2d(config.channels[-1], config.num_classes, 1)
        self.window = 9 * 2**config.depth - 4  # all that one unit of the lowest level sees
        initialize(self, generator)

    def forward(self, windows_BCSS: Tensor) -> Tensor:
        """Return scores (B, K) of the pixels at S/2, S/2.

        Raises:
            ValueError: windows have another size.
        """
        if windows_BCSS.shape[-2:] != (self.window, self.window):
            got = tuple(windows_BCSS.shape[-2:])
            raise ValueError(f"windows must be {self.window} by {self.window}, got {got}")
        x_BCHW = windows_BCSS
        for level, block in enumerate(self.down):
            x_BCHW = block(F.max_pool2d(x_BCHW, 2) if level else x_BCHW)
        return self.score(x_BCHW)[:, :, 0, 0]

    def dense(self, x_BCHW: Tensor) -> Tensor:
        """Return the scores of every window of an image, (B, K, H - S + 1, W - S + 1).

        The same numbers as `forward` of each window, in evaluation, without computing anything
        twice: poolings move by one pixel, and what follows them skips accordingly (later than
        2012).
        """
        for level, block in enumerate(self.down):
            if level:
                x_BCHW = F.max_pool2d(x_BCHW, 2, 1, dilation=2 ** (level - 1))
            assert isinstance(block, DoubleConv)
            for conv, norm in ((block.conv1, block.norm1), (block.conv2, block.norm2)):
                x_BCHW = F.conv2d(x_BCHW, conv.weight, conv.bias, dilation=2**level)
                x_BCHW = F.relu(norm(x_BCHW))
        return self.score(x_BCHW)


def windows_at(image_CHW: Tensor, y: Tensor, x: Tensor, size: int) -> Tensor:
    """Return the windows (B, C, size, size) whose upper left corners are at y, x."""
    span = torch.arange(size, device=image_CHW.device)
    rows, columns = y[:, None, None] + span[:, None], x[:, None, None] + span
    return image_CHW[:, rows, columns].movedim(0, 1)
