"""One way to train on the images, and the small net's variants."""

import dataclasses
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..augment import center_crop, fit_rgb_pca, pca_color_augment, random_crop_flip, ten_crop
from ..net import SMALL, AlexNet, change
from ..recipe import AlexSGD
from .data import CROP, Set, endless, images

# What is taken away from the small net, to see what it was good for (§3, §7).
HALVED = tuple(
    dataclasses.replace(conv, kernels=kernels, groups=1)
    for conv, kernels in zip(SMALL, (8, 16, 24, 24, 32))
)
VARIANTS: dict[str, dict[str, Any]] = {
    "as published": {},
    "half the kernels": {"convs": HALVED},
    "only the factor": {"lrn": (5, 2.0, 0.0, 0.75)},  # normalization that sees no neighbours
    "no normalization": {"convs": change(SMALL, norm=False)},
    "pooling 2/2": {"pool": (2, 2)},
    "without conv3": {"convs": (*SMALL[:2], *SMALL[3:])},
    "without conv4": {"convs": (*SMALL[:3], *SMALL[4:])},
    "without conv5": {"convs": change(SMALL[:4], 4, pool=True)},
}


class Fitted(NamedTuple):
    """A trained net, with its images as it wants them."""

    net: AlexNet
    images: Set  # with the mean subtracted, whole
    std: Tensor
    curve: list[float]  # the training error of the whole net, every 25 steps


def fit(
    run, data, seed, count, steps, batch=32, variant="as published", crops=True, colors="",
    dropout=0.5, decay=5e-4, lr=0.01,
) -> Fitted:  # fmt: skip
    """Train the small net with the paper's recipe.

    Args:
        run: its scale sets the number of test images.
        data: a key of WHAT.
        seed: of weights, batches, augmentation and dropout.
        count: training images.
        steps: the learning rate falls to a tenth at three quarters of them.
        batch: images a step.
        variant: a key of VARIANTS.
        crops: train on random crops, mirrored half of the time (but for digits); else on the
            centre.
        colors: "", or what `pca_color_augment` takes as the magnitude.
        dropout: in the two hidden layers.
        decay: weight decay.
        lr: the learning rate.
    """
    tests = run.pick(test=40, default=2000, full=10_000 if data == "clothes" else 5000)
    sets = images(run, data, count, tests)
    x, y, std = sets.x, sets.y, sets.x.std()
    pca = fit_rgb_pca(x) if colors else None
    changes: dict[str, Any] = {"in_channels": x.shape[1], "dropout": dropout} | VARIANTS[variant]
    net = AlexNet.from_preset("small", **changes).to(run.device)
    net = net.to(memory_format=torch.channels_last)
    optimizer = AlexSGD(net.parameters(), lr, weight_decay=decay)
    generator = torch.Generator(run.device).manual_seed(seed)
    batches, curve = endless(count, batch, seed), []
    centre = prepared(center_crop(x[:500], CROP), std)
    for step in run.track(range(steps), f"{data}, {variant}, seed {seed}"):
        if step == steps * 3 // 4:
            optimizer.param_groups[0]["lr"] /= 10
        if step % 25 == 0:
            curve.append(round(evaluate(net, centre, y[:500])[1], 4))
            net.train()
        chosen = next(batches).to(run.device)
        part = x[chosen]
        if pca:
            part = pca_color_augment(part, *pca, generator=generator, magnitude=colors)
        if crops:
            part = random_crop_flip(part, CROP, generator, flip=data != "digits")
        else:
            part = center_crop(part, CROP)
        optimizer.zero_grad()
        F.cross_entropy(net(prepared(part, std)), y[chosen]).backward()
        optimizer.step()
    return Fitted(net, sets, std, curve)


def learn(run, **settings):
    """Return a trained net's errors and losses; ``settings`` are those of `fit`."""
    net, (x, y, test_x, test_y), std, curve = fit(run, **settings)
    centre, test = (prepared(center_crop(part, CROP), std) for part in (x[:10_000], test_x))
    loss, wrong = evaluate(net, centre, y[:10_000])
    return {
        "train_loss": loss,
        "train_error": wrong,
        "test_error": evaluate(net, test, test_y)[1],
        "one_crop_error": evaluate(net, test[:2000], test_y[:2000])[1],
        "ten_crop_error": ten_crop_error(
            net, test_x[:2000] / std, test_y[:2000], mirrored=settings["data"] != "digits"
        ),
        "curve": curve,
    }


def prepared(x: Tensor, std: Tensor) -> Tensor:
    """Return pixels of variance 1, in the layout that convolutions want."""
    return (x / std).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def evaluate(net: AlexNet, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return the mean loss (nats) and the share of wrong answers."""
    net.eval()
    logits = torch.cat([net(part) for part in x.split(500)])
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) != y).float().mean().item()


@torch.no_grad()
def ten_crop_error(net: AlexNet, x: Tensor, y: Tensor, mirrored: bool) -> float:
    """Return the share of wrong answers with ten crops, or with the five that are not mirrored."""
    net.eval()
    crops = ten_crop(x, CROP)[: 10 if mirrored else 5]
    mean = torch.stack([net(crop).softmax(-1) for crop in crops]).mean(0)
    return (mean.argmax(1) != y).float().mean().item()
