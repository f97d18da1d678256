"""D3: higher resolution by interpolating the position embeddings (§3.2)."""

from typing import Any

import torch
import torch.nn.functional as F

from ..config import ViTConfig
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, COLORS
from ..lab.run import Run
from ..lab.statistics import interval
from ..model import VisionTransformer, resized
from ..training import fine_tuning_optimizer, rate
from .data import name, sets, subset
from .train import accuracy, batches, fit

WAYS = ("corners", "bilinear", "bicubic", "repeated in raster order", "drawn anew")


def larger(model: VisionTransformer, way: str, seed: int) -> VisionTransformer:
    """Return the model for pictures of twice the side, its positions moved in one of five ways."""
    side = 2 * model.config.grid[0] * int(model.patch_embedding.kernel_size[0])
    if way in ("corners", "bilinear", "bicubic"):
        return resized(model, side, interpolation=way)
    new = resized(model, side)
    with torch.no_grad():
        cells = new.get_parameter("positions.table")[:, 1:]
        if way == "drawn anew":
            cells.normal_(std=0.02, generator=torch.Generator().manual_seed(seed))
        else:  # what an implementation does that takes the sequence for a line
            old = model.get_parameter("positions.table")[:, 1:]
            cells.copy_(old.repeat(1, cells.shape[1] // old.shape[1], 1))
    return new


def enlarged(run: Run, seed: int) -> dict[str, Any]:
    """Train small, then test at twice the side: accuracy before and after some fine-tuning."""
    data = {split: sets(run)[split] for split in ("dev", "test")}
    small = run.pick(test=4, default=4, full=14)  # the pictures' own side is the higher resolution
    c = ViTConfig(
        image_size=small, patch_size=run.pick(test=1, default=1, full=2), in_channels=1,
        num_classes=10, hidden_size=32, mlp_dim=128, num_layers=2, num_heads=2,
    )  # fmt: skip
    model = VisionTransformer(c, torch.Generator().manual_seed(seed)).to(run.device)
    x, y = subset(run, run.pick(test=40, default=800, full=6_000), seed)
    count = run.pick(test=64, default=12_000, full=60_000)
    generator = torch.Generator(run.device).manual_seed(seed)
    low = F.interpolate(x, (small, small), mode="area")
    dev = (F.interpolate(data["dev"][0], (small, small), mode="area"), data["dev"][1])
    feed = batches(low, y, count, 64, 1, generator)
    fit(run, model, feed, -(-count // 64), 2e-3, dev, "small pictures")
    test_low = F.interpolate(data["test"][0], (small, small), mode="area")
    found: dict[str, Any] = {"small": accuracy(model, test_low, data["test"][1])}
    for way in WAYS:
        new = larger(model, way, seed)
        before = accuracy(new, *data["test"])
        optimizer, steps = fine_tuning_optimizer(new, 0.01), run.pick(test=2, default=50)
        feed = batches(x, y, 32 * steps, 32, 1, torch.Generator(run.device).manual_seed(seed))
        for step, (images, labels) in enumerate(feed):
            new.train()
            optimizer.param_groups[0]["lr"] = 0.01 * rate(step, steps, 0, "cosine")
            optimizer.zero_grad()
            F.cross_entropy(new(images), labels).backward()
            torch.nn.utils.clip_grad_norm_(new.parameters(), 1.0)
            optimizer.step()
        found[way] = [before, accuracy(new, *data["test"])]
    return found


def draw(figure, numbers) -> None:
    """Draw accuracy before and after fine-tuning."""
    axes = figure.subplots()
    for i, way in enumerate(WAYS):
        before, after = (
            interval([net[way][j] for net in numbers["nets"]]) for j in (0, 1)
        )  # fmt: skip
        axes.plot([before.mean, after.mean], [i, i], "-", color=COLORS[0], lw=1)
        axes.plot(before.mean, i, "o", mfc="none", color=BLUE)
        axes.plot(after.mean, i, "o", color=BLUE)
    axes.set_yticks(range(len(WAYS)), WAYS)
    axes.grid(visible=True, axis="x")
    axes.set(xlabel="test accuracy (%); open: before fine-tuning", ylim=(len(WAYS) - 0.5, -0.5))


@demonstration(
    "D3",
    "At twice the side: positions interpolated in three ways, or otherwise come by.",
    draw,
    source="§3.2",
    asks="A net trained on pictures of half the side meets them in full, with four times the "
    "patches, before and after 50 steps of fine-tuning (SGD, momentum .9, cosine).",
)
def higher(run: Run) -> Finding:
    """Compare five ways."""
    nets = [run.trial(enlarged, seed=s) for s in run.seeds(run.pick(test=2, default=3))]
    means = {
        way: [sum(n[way][j] for n in nets) / len(nets) for j in (0, 1)] for way in WAYS
    }  # fmt: skip
    told = "; ".join(f"{way}: {a:.1f}, {b:.1f}" for way, (a, b) in means.items())
    best = max(means[w][0] for w in WAYS[:3])
    return Finding(
        None, ours=f"at once {best:.0f}%; drawn anew {means['drawn anew'][0]:.0f}%",
        ran=f"{name(run)}, 2 layers of width 32, {len(nets)} seeds.",
        measured=f"Test accuracy (%) before and after: {told}.",
        numbers={"nets": nets, "means": means},
    )  # fmt: skip
