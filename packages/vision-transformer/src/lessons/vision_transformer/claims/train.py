"""The training that the claims share: Adam as in the paper, stopped where the dev pictures say."""

import copy
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..inspection import attention_distance, position_similarity
from ..lab.run import Run
from ..model import VisionTransformer
from ..training import pretraining_optimizer, rate
from .data import COPIES, altered, moved, seen, sets, sizes, subset
from .nets import built, config, widths

POINTS, WARMUP, WEIGHT_DECAY, CLIP = 12, 0.05, 0.1, 1.0
SHIFTS = (1, 2, 3)  # pixels, in each of four directions


def batches(x: Tensor, y: Tensor, count: int, batch: int, copies: int, generator) -> Iterator:
    """Yield ``count`` pictures in passes over all copies; only the last batch may be smaller.

    A batch that a pass does not fill goes on into the next one.
    """
    order = torch.empty(0, dtype=torch.long, device=x.device)
    for start in range(0, count, batch):
        wanted = min(batch, count - start)
        while len(order) < wanted:
            more = torch.randperm(copies * len(x), generator=generator, device=x.device)
            order = torch.cat([order, more])
        rows, order = order[:wanted], order[wanted:]
        own, which = rows % len(x), rows // len(x)
        images = x[own]
        if copies > 1:  # the first is the picture itself
            images = torch.where(
                (which > 0)[:, None, None, None], altered(images, generator), images
            )
        yield images, y[own]


@torch.inference_mode()
def outputs(model: nn.Module, x: Tensor, batch: int = 500) -> Tensor:
    """Return what a model says of pictures, in evaluation mode."""
    model.eval()
    return torch.cat([model(part) for part in x.split(batch)])


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the share of right answers, in per cent."""
    return 100 * (outputs(model, x).argmax(1) == y).double().mean().item()


def fit(
    run: Run,
    model: nn.Module,
    data: Iterator[tuple[Tensor, Tensor]],
    steps: int,
    lr: float,
    dev: tuple[Tensor, Tensor],
    what: str,
    weight_decay: float = WEIGHT_DECAY,
    loss_of: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[list[list[float]], float]:
    """Train; return the dev accuracy at `POINTS` times, as (share of the training, per cent).

    The model is left as it was where that was highest (§4.3: "early-stopping"). The rate rises for
    a twentieth of the steps and falls linearly (§4.1).
    """
    optimizer = pretraining_optimizer(model, lr, weight_decay)
    curve, best, kept = [], -1.0, None
    # Closer together at the start, where accuracy rises fast: C1b reads compute off this curve.
    marks = {max(1, round(steps * ((i + 1) / POINTS) ** 2)) for i in range(POINTS)}
    warmup = min(steps - 1, max(1, round(WARMUP * steps)))
    total = 0.0
    for step, (images, labels) in zip(run.track(range(steps), what), data):
        model.train()
        for group in optimizer.param_groups:
            group["lr"] = lr * rate(step + 1, steps + 1, warmup)
        if loss_of is None:
            loss = F.cross_entropy(model(images), labels)
        else:
            loss = loss_of(images, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        total = 0.9 * total + 0.1 * loss.item() if step else loss.item()
        if step + 1 in marks and loss_of is None:
            right = accuracy(model, *dev)
            curve.append([(step + 1) / steps, right])
            if right > best:
                best, kept = right, copy.deepcopy(model.state_dict())
    if kept is not None:
        model.load_state_dict(kept)
    model.eval()
    return curve, total


def learned(
    run: Run,
    net: str,
    size: int,
    lr: float,
    seed: int,
    width: int,
    positions: str = "1d",
    pool: str = "cls",
) -> dict[str, Any]:
    """Train one net on a subset of its seed's own; return how well it does, and its curve."""
    generator = torch.Generator(run.device).manual_seed(seed)
    weights = torch.Generator().manual_seed(seed)
    model, operations = built(run, net, width, weights, positions, pool)
    model, data = model.to(run.device), sets(run)
    x, y = subset(run, size, seed)
    copies = COPIES if size == sizes(run)[-1] else 1
    batch, count = run.pick(test=32, default=64, full=128), seen(run, size)
    feed = batches(x, y, count, batch, copies, generator)
    what = f"{net} {width}, {size:,} pictures, rate {lr:g}"
    steps = -(-count // batch)
    curve, loss = fit(run, model, feed, steps, lr, data["dev"], what)
    few = (data["test"][0][:2000], data["test"][1][:2000])
    found: dict[str, Any] = {
        "test": accuracy(model, *data["test"]), "dev": max(point[1] for point in curve),
        "curve": curve, "loss": loss, "operations": operations, "seen": count,
        "train": accuracy(model, x[:2000], y[:2000]),
    }  # fmt: skip
    if size == sizes(run)[2]:  # where all real pictures are used: what the net has become
        found["shifted"] = shifted(model, *few)
        if net == "vit" and positions == "1d" and pool == "cls":
            c = config(run, width)
            maps: list[Tensor] = []
            with torch.inference_mode():
                cast(VisionTransformer, model).forward_features(few[0][:256], maps)
            found["distance"] = attention_distance(maps, c.grid, c.patch_size).tolist()
            table = model.state_dict()["positions.table"]
            found["similarity"] = position_similarity(table, c.grid).tolist()
    return found


def shifted(model: nn.Module, x: Tensor, y: Tensor) -> list[float]:
    """Return the accuracy on pictures in place, and shifted (the mean of four directions)."""
    found = [accuracy(model, x, y)]
    for n in SHIFTS:
        ways = ((n, 0), (-n, 0), (0, n), (0, -n))
        found.append(sum(accuracy(model, moved(x, *way), y) for way in ways) / len(ways))
    return found


def tuned(run: Run, net: str, width: int, **how: Any) -> tuple[float, list[list[float]]]:
    """Return the rate that does best on dev pictures at the second size, and all that were tried.

    Whole trainings, of a seed apart; the grid has steps of a factor of 2 and goes on until its best
    is not at its edge. The same rate then serves at every size (§4.3: "the same hyper-parameters").
    """
    tried: dict[float, float] = {}

    def attempt(lr: float) -> None:
        settings = {"net": net, "size": sizes(run)[1], "lr": lr, "width": width, **how}
        tried[lr] = run.trial(learned, seed=run.seed + 100, **settings)["dev"]

    for lr in run.pick(test=(1e-3,), default=(1e-3, 2e-3, 4e-3), full=(1e-3, 2e-3, 4e-3)):
        attempt(lr)
    for _ in range(run.pick(test=0, default=0, full=3)):
        best = max(tried, key=lambda lr: (tried[lr], -lr))
        if min(tried) < best < max(tried):
            break
        attempt(best / 2 if best == min(tried) else 2 * best)
    best = max(tried, key=lambda lr: (tried[lr], -lr))
    return best, [[lr, tried[lr]] for lr in sorted(tried)]


def cohort(
    run: Run, net: str, size: int, seeds: int, width: int | None = None, **how: Any
) -> list[dict[str, Any]]:
    """Return what ``seeds`` nets of a kind have learned at a size, at the kind's own rate."""
    width = widths(run)[1] if width is None else width
    lr, _ = tuned(run, net, width, **how)
    settings = {"net": net, "size": size, "lr": lr, "width": width, **how}
    return [run.trial(learned, seed=seed, **settings) for seed in run.seeds(seeds)]


def seeds_at(run: Run, size: int) -> int:
    """Return how many nets of a kind are trained at a size."""
    return run.pick(test=2, default=3, full=3 if size == sizes(run)[-1] else 5)


def rates_told(run: Run, kinds: list[tuple[str, int]]) -> str:
    """Return in words which rates were chosen, of how many."""
    told = []
    for net, width in kinds:
        lr, tried = tuned(run, net, width)
        told.append(f"{net} {width}: {lr:g} of {len(tried)}")
    return "; ".join(told)
