"""The auto-encoders of §7.1 and §7.2: what hidden units learn with dropout and without.

Shapes: B cases, F pixels, H hidden units.
"""

import base64
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..dropout import Dropout
from ..lab.run import Run
from .data import sets

# Of first weights: where a pixel never varies they are all that is ever seen of a feature.
DEVIATION = 0.01
WINDOW = 7  # a quarter of the image's side
FEATURES = 49  # drawn of each net


class Coder(nn.Module):
    """An auto-encoder of one layer of rectifiers, some dropped, its output linear."""

    def __init__(
        self, pixels: int, hidden: int, p: float, deviation: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        masks = torch.Generator(generator.device).manual_seed(generator.initial_seed() + 1)
        self.reader, self.writer = nn.Linear(pixels, hidden), nn.Linear(hidden, pixels)
        self.drop = Dropout(p, generator=masks)
        self.to(generator.device)
        with torch.no_grad():
            for layer in (self.reader, self.writer):
                layer.weight.normal_(0, deviation, generator=generator)
                layer.bias.zero_()

    def hidden(self, x_BF: Tensor) -> Tensor:
        """Return what the hidden units do, (B, H), nothing dropped."""
        return self.reader(x_BF).relu()

    def forward(self, x_BF: Tensor) -> Tensor:
        """Map images (B, F) to reconstructions."""
        return self.writer(self.drop(self.hidden(x_BF)))


def train(run: Run, net: Coder, seed: int, decay: float = 0.0, watch=None) -> None:
    """Train by Adam on the squared error and decay/2 · ‖weights‖², the rate falling to zero."""
    x = sets(run)["train"][0]
    passes, batch = run.pick(test=2, default=60, full=20), run.pick(test=50, default=50, full=128)
    steps = passes * math.ceil(len(x) / batch)
    biases = [layer.bias for layer in (net.reader, net.writer)]
    weights = {"params": [net.reader.weight, net.writer.weight], "weight_decay": decay}
    optimizer = torch.optim.Adam([weights, {"params": biases}], lr=1e-3, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    order = torch.Generator(x.device).manual_seed(2 * seed)
    rows = torch.empty(0, dtype=torch.long, device=x.device)
    what = f"auto-encoder, decay {decay:.2g}" if decay else f"auto-encoder, drops {net.drop.p:g}"
    for step in run.track(range(1, steps + 1), what):
        if not len(rows):
            rows = torch.randperm(len(x), generator=order, device=x.device)
        some, rows = rows[:batch], rows[batch:]
        optimizer.zero_grad()
        F.mse_loss(net(x[some]), x[some]).backward()
        optimizer.step()
        schedule.step()
        if watch:
            watch(step, steps)


@torch.no_grad()
def measured(run: Run, net: Coder) -> dict[str, float]:
    """Return what the hidden units do on test images, nothing dropped.

    error: squared error a pixel. mean: activation. active: share above 0. cancelled: how much of
    the units' contributions to the image others take back, Σⱼ‖hⱼwⱼ‖² / ‖Σⱼhⱼwⱼ‖². alone: the share
    of the images' variance that the best linear reconstruction from one unit explains. local:
    the share of a feature's squared weights in its best window of 7 × 7 pixels.
    """
    x_BF = sets(run)["test"][0][:2000]
    h_BH = net.hidden(x_BF)
    out_BF, weight_FH = F.linear(h_BH, net.writer.weight), net.writer.weight
    own = (h_BH.square() @ weight_FH.square().sum(0)).mean()
    centred_BF, h0_BH = x_BF - x_BF.mean(0), h_BH - h_BH.mean(0)
    moving = h0_BH.square().sum(0) > 0
    explained_H = (centred_BF.T @ h0_BH[:, moving]).square().sum(0)
    explained_H = explained_H / h0_BH[:, moving].square().sum(0) / centred_BF.square().sum()
    return {
        "error": F.mse_loss(out_BF + net.writer.bias, x_BF).item(),
        "mean": h_BH.mean().item(),
        "active": (h_BH > 0).float().mean().item(),
        "cancelled": (own / out_BF.square().sum(1).mean()).item(),
        "alone": explained_H.mean().item(),
        "local": locality(net.reader.weight).item(),
    }


def locality(weight_HF: Tensor) -> Tensor:
    """Return the share of a feature's squared weights, from their median on, in its best window.

    The mean over all units but those whose weights have decayed to nothing.
    """
    side = math.isqrt(weight_HF.shape[1])
    window = max(2, WINDOW * side // 28)
    inner = slice(2, -2) if side == 28 else slice(None)  # pixels at the border never vary
    images = weight_HF.unflatten(1, (side, side))[:, inner, inner].flatten(1)
    squares = (images - images.median(1, keepdim=True).values).square()
    side = math.isqrt(squares.shape[1])
    sums = F.avg_pool2d(squares.view(-1, 1, side, side), window, 1) * window**2
    total = squares.sum(1)
    there = total > 1e-6 * total.max()
    return (sums.flatten(1).amax(1)[there] / total[there]).mean()


@torch.no_grad()
def pictures(net: Coder) -> str:
    """Return the features whose units write most, as bytes: each scaled about 128 by its peak."""
    strength = net.writer.weight.norm(dim=0) * net.reader.weight.norm(dim=1)
    features = net.reader.weight[strength.argsort(descending=True)[:FEATURES]]
    scaled = features / features.abs().amax(1, keepdim=True) * 127 + 128
    return base64.b64encode(scaled.round().byte().cpu().numpy().tobytes()).decode()


def coder(run: Run, p: float, seed: int, deviation: float) -> Coder:
    """Return an untrained auto-encoder."""
    pixels, hidden = sets(run)["train"][0].shape[1], run.pick(test=16, default=64, full=256)
    return Coder(pixels, hidden, p, deviation, torch.Generator(run.device).manual_seed(2 * seed))


def decayed(run: Run, decay: float, seed: int, deviation: float) -> dict[str, Any]:
    """Train an auto-encoder with weight decay in place of dropout; return what its units do."""
    net = coder(run, 0.0, seed, deviation)
    train(run, net, seed, decay)
    found: dict[str, Any] = {"end": measured(run, net)}
    return found | ({"pictures": pictures(net)} if seed == run.seed else {})


def matched(run: Run, error: float, seed: int, deviation: float) -> tuple[float, dict[str, float]]:
    """Return the decay, of steps of a factor of 2, with the error nearest to one; what was tried.

    The error grows with the decay, so the search goes towards the error until it has passed it.
    """
    tried: dict[float, float] = {}
    decay, last = run.pick(test=(1e-3, 1), default=(1e-3, 8), full=(4e-4, 8))
    for _ in range(last):
        found = run.trial(decayed, decay=decay, seed=seed, deviation=deviation)
        tried[decay] = found["end"]["error"]
        if min(tried.values()) < error < max(tried.values()):
            break
        decay *= 0.5 if tried[decay] > error else 2.0
    best = min(tried, key=lambda decay: abs(math.log(tried[decay] / error)))
    return best, {f"{decay:.3g}": tried[decay] for decay in sorted(tried)}


def histories(run: Run, seed: int, deviation: float) -> dict[str, Any]:
    """Train an auto-encoder with dropout and one without, of the same first weights.

    Returns for each "end" and "history"; and "equal", the net without dropout when its test error
    was for the first time no higher than that of the other at its end.
    """
    found: dict[str, Any] = {}
    for name, p in (("with", 0.5), ("without", 0.0)):
        net = coder(run, p, seed, deviation)
        history: list[dict[str, float]] = []
        due = 1.0

        def watch(step: int, steps: int, net=net, history=history, name=name) -> None:
            nonlocal due
            if name == "without" and "equal" not in found and step % 10 == 0:
                now = measured(run, net)
                if now["error"] <= found["with"]["end"]["error"]:
                    found["equal"] = now | {"step": step}
                    if seed == run.seed:
                        found["equal pictures"] = pictures(net)
            if step >= due or step == steps:
                history.append(measured(run, net) | {"step": step})
                due *= 1.5

        train(run, net, seed, watch=watch)
        found[name] = {"end": measured(run, net), "history": history}
        if seed == run.seed:
            found[name]["pictures"] = pictures(net)
            found[name]["activations"] = histogram(run, net)
    found.setdefault("equal", found["without"]["end"])  # never as good as with dropout
    return found


@torch.no_grad()
def histogram(run: Run, net: Coder) -> dict[str, Any]:
    """Return histograms of all activations and of the units' means, in units of their mean."""
    h_BH = net.hidden(sets(run)["test"][0][:2000])
    h_BH = h_BH / h_BH.mean().clamp_min(1e-12)
    return {
        "all": torch.histc(h_BH, 40, 0, 10).div(h_BH.numel()).tolist(),
        "units": torch.histc(h_BH.mean(0), 40, 0, 10).div(h_BH.shape[1]).tolist(),
    }
