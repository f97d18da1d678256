"""The contenders: Vision Transformers, and a ResNet of as many parameters and operations."""

import dataclasses
import functools
import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import ViTConfig, count_operations, count_parameters
from ..lab.run import Run
from ..model import VisionTransformer

SLACK = {"operations": 0.05, "parameters": 0.10}  # what counts as equal


def config(run: Run, width: int, positions: str = "1d", pool: str = "cls") -> ViTConfig:
    """Return a Vision Transformer of 16 patches: of 7 × 7 pixels in a full run, 2 × 2 of digits."""
    sizes: dict[str, Any] = {"positions": positions, "pool": pool}
    return ViTConfig(
        image_size=run.pick(test=8, default=8, full=28), in_channels=1, num_classes=10,
        patch_size=run.pick(test=2, default=2, full=7), hidden_size=width, mlp_dim=4 * width,
        num_layers=run.pick(test=2, default=2, full=4), num_heads=max(1, width // 16), **sizes,
    )  # fmt: skip


def widths(run: Run) -> tuple[int, int]:
    """Return the smaller and the larger width."""
    return run.pick(test=(8, 16), default=(16, 32), full=(32, 64))


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions with batch norm, and a shortcut (He et al. 2016)."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        self.projection = None
        if stride != 1 or channels != out:
            self.projection = nn.Conv2d(channels, out, 1, stride, bias=False)
            self.norm3 = nn.BatchNorm2d(out)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, out, h/stride, w/stride)."""
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x_BChw)))))
        if self.projection is not None:
            x_BChw = self.norm3(self.projection(x_BChw))
        return F.relu(x_BChw + y)


class ResNet(nn.Module):
    """A stem and three stages of one block each, then the mean over places and a linear layer."""

    def __init__(
        self, channels: int, stages: tuple[int, ...], stem_stride: int, num_classes: int = 10
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, stages[0], 3, stem_stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(stages[0])
        ins = (stages[0], *stages[:-1])
        blocks = (BasicBlock(a, b, 1 + (i > 0)) for i, (a, b) in enumerate(zip(ins, stages)))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(stages[-1], num_classes)

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Return logits (B, num_classes)."""
        x = self.blocks(F.relu(self.norm(self.stem(x_BChw))))
        return self.head(x.mean((2, 3)))


def resnet_counts(
    channels: int, stages: tuple[int, ...], stem_stride: int, size: int
) -> tuple[int, int]:
    """Return the operations (as `count_operations` counts) and the parameters of a `ResNet`."""
    size = math.ceil(size / stem_stride)
    operations = 9 * channels * stages[0] * size**2
    parameters = 9 * channels * stages[0] + 2 * stages[0]
    for i, (a, b) in enumerate(zip((stages[0], *stages[:-1]), stages)):
        size = math.ceil(size / (1 + (i > 0)))
        weights = 9 * a * b + 9 * b * b + (a * b if i or a != b else 0)
        operations += weights * size**2
        parameters += weights + 2 * b * (3 if i or a != b else 2)
    head = stages[-1] * 10
    return 2 * (operations + head), parameters + head + 10


@functools.cache
def equal_stages(
    operations: int, parameters: int, channels: int, stem_stride: int, size: int
) -> tuple[int, int, int]:
    """Return the widths of a ResNet that equals a net in operations and in parameters.

    Of all within `SLACK` the one whose widths grow most evenly from stage to stage.

    Raises:
        ValueError: there is none.
    """
    best, found = math.inf, None
    side = math.ceil(math.ceil(math.ceil(size / stem_stride) / 2) / 2)  # the last stage's
    for a, b in itertools.product(range(4, 65), range(4, 129)):
        rest = operations - resnet_counts(channels, (a, b, 0), stem_stride, size)[0]
        if b < a or rest <= 0:
            continue
        # The last width c costs 2·side²·(9c² + 10bc) + 20c: a root, and the whole numbers by it.
        linear = 20 * b * side**2 + 20
        c = (math.sqrt(linear**2 + 72 * side**2 * rest) - linear) / (36 * side**2)
        for width in {max(b, math.floor(c)), max(b, math.ceil(c))}:
            counts = resnet_counts(channels, (a, b, width), stem_stride, size)
            off = abs(counts[0] / operations - 1), abs(counts[1] / parameters - 1)
            uneven = abs(math.log(width / b / (b / a)))
            fits = off[0] <= SLACK["operations"] and off[1] <= SLACK["parameters"]
            if fits and uneven < best:
                best, found = uneven, (a, b, width)
    if found is None:
        raise ValueError(f"no ResNet has {operations:,} operations and {parameters:,} parameters")
    return found


def resnet_like(run: Run, width: int) -> tuple[ResNet, int]:
    """Return the ResNet that equals the Vision Transformer of a width, and its operations."""
    c = config(run, width)
    size = run.pick(test=8, default=8, full=28)
    kind = (1, run.pick(test=1, default=1, full=2), size)
    stages = equal_stages(count_operations(c), count_parameters(c), *kind)
    return ResNet(1, stages, kind[1]), resnet_counts(1, stages, kind[1], size)[0]


def hybrid_config(run: Run, width: int) -> ViTConfig:
    """Return a hybrid of as many operations as the Vision Transformer of a width, or fewer.

    A root and one block reduce pictures padded to 32 × 32 to maps of 8 × 8, whose patches of 2 × 2
    are 16 tokens as well; a layer of the Transformer pays for them.
    """
    c = config(run, width)
    return dataclasses.replace(
        c, image_size=32, patch_size=2, backbone=(1,), backbone_width=8,
        num_layers=max(1, c.num_layers - 1),
    )  # fmt: skip


class Padded(nn.Module):
    """A hybrid that takes pictures of 28 × 28 (or 8 × 8), in a frame of background."""

    def __init__(self, model: VisionTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, x_BChw: Tensor) -> Tensor:
        """Return logits."""
        total = 32 - x_BChw.shape[-1]
        frame = (total // 2, total - total // 2) * 2
        return self.model(F.pad(x_BChw, frame, value=-1.0))


def built(
    run: Run, net: str, width: int, generator: torch.Generator, positions: str, pool: str
) -> tuple[nn.Module, int]:
    """Return a new contender and the operations of its forward pass for one picture."""
    if net == "vit":
        c = config(run, width, positions, pool)
        return VisionTransformer(c, generator), count_operations(c)
    if net == "hybrid":
        from torch.utils.flop_counter import FlopCounterMode

        c = hybrid_config(run, width)
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            VisionTransformer(c)(torch.empty(1, 1, 32, 32))
        return Padded(VisionTransformer(c, generator)), counter.get_total_flops()
    torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))  # nn's own rules draw
    return resnet_like(run, width)
