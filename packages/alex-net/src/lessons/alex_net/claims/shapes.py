"""Small colour pictures of ten classes, drawn at random: five outlines, each filled or hollow.

Place, size, turn and both colours are random and say nothing of the class; bars of other colours
and noise are in the way. Shapes: N images, P, Q pixels of the finer grid they are drawn on.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

OUTLINES = ("circle", "triangle", "square", "star", "cross")
CLASSES = tuple(f"{how} {name}" for how in ("filled", "hollow") for name in OUTLINES)
SIZE = 28  # pixels on a side
FINER = 2  # the grid on which they are drawn, before they are averaged
BARS = 2  # of random colours, in the way
TURN = 0.25  # at most, in radians
NOISE = 0.1  # standard deviation of what is added to each pixel


def polygon(angle: Tensor, corners: int, inner: float) -> Tensor:
    """Return the distance from the centre to the edge: 1 at a corner, ``inner`` between two."""
    half = math.pi / corners
    from_corner = half - (angle % (2 * half) - half).abs()
    x, y = inner * math.cos(half), inner * math.sin(half)
    return y / ((1 - x) * from_corner.sin() + y * from_corner.cos())


def reach(outline: Tensor, angle_NPQ: Tensor) -> Tensor:
    """Return each image's distance from the centre to the edge, in every direction."""
    cosine, sine = angle_NPQ.cos().abs(), angle_NPQ.sin().abs()
    bars = [torch.minimum(1 / a, 0.35 / b) for a, b in ((cosine, sine), (sine, cosine))]
    edges = torch.stack([
        torch.ones_like(angle_NPQ),
        1.2 * polygon(angle_NPQ, 3, 0.5),
        1.1 * polygon(angle_NPQ, 4, math.sqrt(0.5)),
        1.2 * polygon(angle_NPQ, 5, 0.42),
        1.1 * torch.maximum(*bars),
    ])  # fmt: skip
    return edges[outline, torch.arange(len(outline))]


def draw(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return an image for each label, float32 (N, 3, SIZE, SIZE), about in [0, 1]."""
    count, grid = len(labels), (torch.arange(SIZE * FINER) + 0.5) / FINER

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    def offsets(margin: float) -> tuple[Tensor, Tensor]:
        y, x = (between(margin, SIZE - margin, 1, 1) for _ in range(2))
        return grid[:, None] - y, grid[None, :] - x

    back, front = between(0, 1, 3, 1, 1), between(0, 1, 3, 1, 1)
    near = (front - back).norm(dim=1, keepdim=True) < 0.6
    front = torch.where(near, (back + 0.5) % 1, front)  # else it could not be seen
    canvas = back.expand(-1, -1, len(grid), len(grid))
    for _ in range(BARS):
        (y, x), slope = offsets(0), between(0, math.pi, 1, 1)
        along, across = x * slope.cos() + y * slope.sin(), y * slope.cos() - x * slope.sin()
        bar = (along.abs() < between(2, 7, 1, 1)) & (across.abs() < between(0.5, 1.5, 1, 1))
        canvas = torch.where(bar[:, None], between(0, 1, 3, 1, 1), canvas)
    y, x = offsets(7.5)
    angle_NPQ = torch.atan2(*torch.broadcast_tensors(y, x)) + between(-TURN, TURN, 1, 1)
    edge = between(6, 9.5, 1, 1) * reach(labels % 5, angle_NPQ)
    depth = (x.square() + y.square()).sqrt() / edge
    hollow = (labels >= 5)[:, None, None]
    inside = (depth < 1) & (~hollow | (depth > 0.62))
    canvas = torch.where(inside[:, None], front, canvas)
    images = F.avg_pool2d(canvas, FINER)
    return images + NOISE * torch.randn(images.shape, generator=generator)


def make_shapes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return images, float32 (N, 3, SIZE, SIZE), and labels, int64 (N,), places in CLASSES.

    Args:
        count: N; each class has a tenth.
        seed: sets of different seeds have no image in common.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) % 10)[torch.randperm(count, generator=generator)]
    return torch.cat([draw(part, generator) for part in labels.split(500)]), labels
