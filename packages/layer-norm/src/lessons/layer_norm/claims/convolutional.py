"""C6: convolutional nets (§6.7)."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, MUTED, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from ..later import GroupNorm
from ..norm import LayerNorm
from .averages import log_ratio, summary, tuned
from .data import batches, images

CONVOLUTIONAL = {
    "none": ("no norm", MUTED),
    "layer": ("layer norm, a gain per unit", RED),
    "group": ("layer norm, a gain per channel", AMBER),
    "batch": ("batch norm", BLUE),
}


def train_convolutional(run, kind, lr, seed):
    """Return the training loss by epoch and the test error of a small convolutional net."""
    n, epochs = run.pick(test=(100, 1), default=(1347, 5), full=(5000, 4))
    x, y, test_x, test_y = images(run, n)
    x, test_x, side = x[:, None], test_x[:2000, None], x.shape[-1]
    layers: list[nn.Module] = []
    for fan_in, fan_out, stride in ((1, 16, 1), (16, 16, 2), (16, 32, 2)):
        side //= stride
        norms = {
            "none": nn.Identity,
            "layer": lambda c=fan_out, s=side: LayerNorm((c, s, s)),
            "group": lambda c=fan_out: GroupNorm(1, c),
            "batch": lambda c=fan_out: nn.BatchNorm2d(c),
        }
        layers += [nn.Conv2d(fan_in, fan_out, 3, stride, 1), norms[kind](), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * side * side, 10))
    net.to(run.device)
    opt, curve = torch.optim.SGD(net.parameters(), lr, momentum=0.9), []
    steps = n // 64 or 1
    order = list(batches(len(x), min(64, n), epochs, [seed]))
    for step, (index,) in enumerate(run.track(order, f"convolutions, {kind}, {lr:g}"), 1):
        opt.zero_grad()
        F.cross_entropy(net(x[index]), y[index]).backward()
        opt.step()
        if step % steps == 0:
            net.eval()
            with torch.no_grad():
                parts = [F.cross_entropy(net(a), b, reduction="sum").item()
                         for a, b in zip(x.split(500), y.split(500))]  # fmt: skip
                curve.append(sum(parts) / len(x))
            net.train()
    net.eval()
    with torch.no_grad():
        wrong = torch.cat([net(a).argmax(1) for a in test_x.split(500)]) != test_y[:2000]
    return {"loss": curve, "error": wrong.float().mean().item()}


def draw_convolutional(figure, numbers):
    """Draw training loss against epochs."""
    axes = figure.subplots()
    for kind, result in numbers.items():
        label, color = CONVOLUTIONAL[kind]
        curves = torch.tensor(result["loss"])
        epochs = range(1, curves.shape[1] + 1)
        axes.fill_between(epochs, curves.amin(0), curves.amax(0), color=color, alpha=0.2, lw=0)
        axes.plot(epochs, curves.mean(0), "o-", ms=3.5, color=color, label=label)
    axes.set(yscale="log", xlabel="epoch", ylabel="training loss (nats)")
    axes.set_xticks(epochs)
    low, high = axes.get_ylim()
    ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2) if low <= t <= high]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.legend(title="band: all seeds", alignment="left")


@claim(
    "C6",
    "§6.7",
    "In convolutional nets layer norm beats no norm, and batch norm beats both.",
    draw_convolutional,
    asks="In convolutional nets layer norm is faster than no norm, and batch norm is better than "
    "both.",
)
def convolutional(run):
    """Judge the training loss at the best learning rate of each, over seeds."""
    numbers: dict[str, dict[str, Any]] = {}
    for kind in CONVOLUTIONAL:

        def final(lr, kind=kind):
            return [run.trial(train_convolutional, kind=kind, lr=lr, seed=run.seed)["loss"][-1]]

        lr = tuned(run, run.pick(test=[0.1], default=[0.03, 0.1, 0.3]), final)
        done = [
            run.trial(train_convolutional, kind=kind, lr=lr, seed=seed)
            for seed in run.seeds(run.pick(test=2, default=3))
        ]
        numbers[kind] = {"lr": lr, "loss": [d["loss"] for d in done]}
        numbers[kind]["error"] = [d["error"] for d in done]
    finals = {kind: [curve[-1] for curve in r["loss"]] for kind, r in numbers.items()}
    # The better of the two forms of layer norm; "better" is .6 of its loss, "faster" less than
    # no norm's by two standard errors.
    better = min(("layer", "group"), key=lambda kind: sum(finals[kind]))
    ahead, error = log_ratio(finals["none"], finals[better])
    behind, spread = log_ratio(finals[better], finals["batch"])
    holds = ahead > 2 * error and behind > max(-math.log(0.6), 2 * spread)
    listed = "; ".join(
        f"{CONVOLUTIONAL[kind][0]} {summary(finals[kind])[0]:.3g} ± {summary(finals[kind])[1]:.1g} "
        f"(test error {summary(r['error'])[0]:.1%}, α = {r['lr']:g})"
        for kind, r in numbers.items()
    )
    data = run.pick(test="100 digits", default="the digits, 5 epochs",
                    full="5,000 images of MNIST, 4 epochs")  # fmt: skip
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran="Three 3×3 convolutions of 16, 16 and 32 channels, the last two with stride 2, and a "
        f"linear layer on {data}; SGD with momentum .9, batch 64, α tuned for each, "
        f"{len(finals['none'])} seeds. The paper gives no details.",
        measured=f"Training loss: {listed}.",
        numbers=numbers,
        between="The paper's nets are not described, and these are small.",
    )
