"""D1: glyphs at random places, a task that convolution is made for."""

from typing import Any

import torch
from torch import Tensor

from ..config import ViTConfig, count_operations, count_parameters
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import interval
from ..model import VisionTransformer
from .nets import ResNet, equal_stages
from .train import accuracy, batches, fit

SIDE, GLYPH, CLASSES = 16, 5, 8
LR = {"vit": 2e-3, "resnet": 4e-3}


def glyphs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return pictures (N, 1, 16, 16) and classes: one of eight 5 × 5 patterns of ±1 anywhere.

    Contrast .8 to 1.6, normal noise of deviation .5.
    """
    fixed = torch.Generator().manual_seed(0)
    patterns = torch.randint(0, 2, (CLASSES, GLYPH, GLYPH), generator=fixed) * 2.0 - 1
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (count,), generator=g)
    places = torch.randint(0, SIDE - GLYPH + 1, (count, 2), generator=g)
    contrast = 0.8 + 0.8 * torch.rand(count, 1, 1, generator=g)
    images = 0.5 * torch.randn(count, SIDE, SIDE, generator=g)
    step = torch.arange(GLYPH)
    rows, columns = (places[:, i, None] + step for i in (0, 1))
    at = (torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :])
    images[at] += contrast * patterns[labels]
    return images[:, None], labels


def found_glyphs(run: Run, net: str, size: int, seed: int) -> float:
    """Return the test accuracy of one net, in per cent."""
    c = ViTConfig(image_size=SIDE, patch_size=4, in_channels=1, num_classes=CLASSES,
                  hidden_size=32, mlp_dim=64, num_layers=2, num_heads=4)  # fmt: skip
    weights = torch.Generator().manual_seed(seed)
    if net == "vit":
        model = VisionTransformer(c, weights)
    else:
        torch.manual_seed(seed)
        stages = equal_stages(count_operations(c), count_parameters(c), 1, 2, SIDE)
        model = ResNet(1, stages, 2, CLASSES)
    x, y = glyphs(size, 1000 + seed)
    dev, test = glyphs(500, 1), glyphs(run.pick(test=200, default=2000), 2)
    count = run.pick(test=96, default=16_000, full=60_000)
    feed = batches(x, y, count, 64, 1, torch.Generator().manual_seed(seed))
    fit(run, model, feed, -(-count // 64), LR[net], dev, f"{net}, {size:,} glyphs")
    return accuracy(model, *test)


def draw(figure, numbers) -> None:
    """Draw accuracies against the number of pictures."""
    axes = figure.subplots()
    for net, title, color in (("vit", "Vision Transformer", BLUE), ("resnet", "ResNet", RED)):
        means = [interval(row) for row in numbers[net]]
        ends = [[m.mean - m.low for m in means], [m.high - m.mean for m in means]]
        axes.errorbar(numbers["sizes"], [m.mean for m in means], ends, fmt="o-", ms=3, color=color,
                      label=title)  # fmt: skip
    axes.axhline(100 / CLASSES, color="#5f6670", lw=0.6)
    axes.set(xscale="log", xlabel="training pictures", ylabel="test accuracy (%)")
    axes.legend()


@demonstration(
    "D1",
    "Glyphs at random places: a task that convolution is made for.",
    draw,
    asks="Pictures of 16 × 16 with one of eight patterns of 5 × 5 at a random place, in noise; a "
    "Vision Transformer and a ResNet, equal in operations and parameters, on more and more "
    "pictures. A filter that finds a pattern in one place finds it in all; the Transformer has to "
    "learn each place.",
)
def places(run: Run) -> Finding:
    """Train both at three sizes."""
    sizes = run.pick(test=[50, 100], default=[300, 2_000, 20_000])
    seeds = run.seeds(run.pick(test=2, default=2, full=3))
    numbers: dict[str, Any] = {"sizes": sizes}
    for net in LR:
        numbers[net] = [
            [run.trial(found_glyphs, net=net, size=n, seed=s) for s in seeds] for n in sizes
        ]
    told = "; ".join(
        f"{n:,}: {interval(v).mean:.0f} against {interval(r).mean:.0f}"
        for n, v, r in zip(sizes, numbers["vit"], numbers["resnet"])
    )
    ends = [interval(numbers[net][-1]).mean for net in LR]
    return Finding(
        None, ours=f"at {sizes[-1]:,}: {ends[0]:.0f}% against the ResNet's {ends[1]:.0f}%",
        ran=f"Generated pictures, {len(seeds)} seeds, rates 2·10⁻³ and 4·10⁻³, width 32, 2 layers.",
        measured=f"Test accuracy (%), Vision Transformer against ResNet, by size: {told}.",
        numbers=numbers,
    )  # fmt: skip
