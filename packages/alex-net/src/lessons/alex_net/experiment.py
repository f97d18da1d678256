"""What the claims are tested with: two sets of images, and one way to train on them.

Images have 28 pixels a side and the nets see 23 of them, where pooling 3/2 and pooling 2/2 give
maps of the same sizes, as in the paper.
"""

import base64
import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from . import mnist
from .augment import (
    center_crop,
    fit_rgb_pca,
    pca_color_augment,
    random_crop_flip,
    ten_crop,
)
from .net import SMALL, AlexNet, change
from .recipe import AlexSGD
from .retrieval import retrieve
from .shapes import make_shapes

CROP = 23


WHAT = {
    "digits": "scikit-learn's digits, enlarged",
    "shapes": "generated colour images of ten shapes",
    "clothes": "Fashion-MNIST",
}


class Set(NamedTuple):
    """Images and labels, to train on and to test on."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


def images(run, data: str, count: int, tests: int) -> Set:
    """Return a set, its pixels in [0, 1], the mean training image subtracted."""
    if data == "clothes":
        made = clothes(run.data, run.track)
    else:
        made = digits() if data == "digits" else shapes(max(count, tests))
    x, y, test_x, test_y = made
    x, test_x = x[:count], test_x[:tests]
    mean = x.mean(0)
    return Set(*(t.to(run.device) for t in (x - mean, y[:count], test_x - mean, test_y[:tests])))


@functools.lru_cache(1)
def clothes(folder, track) -> Set:
    """Return Fashion-MNIST."""
    parts = []
    for split in ("train", "test"):
        pixels, labels = mnist.load("fashion-mnist", split, folder, track)
        parts += [pixels[:, None].float() / 255, labels]
    return Set(*parts)


@functools.lru_cache(1)
def digits() -> Set:
    """Return scikit-learn's digits, 8 pixels a side, enlarged to 24 within a frame."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) / 16
    x = F.pad(F.interpolate(x, size=24, mode="bilinear"), (2, 2, 2, 2))
    y = torch.from_numpy(labels).long()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[:1297], order[1297:]
    return Set(x[train], y[train], x[test], y[test])


@functools.lru_cache(2)
def shapes(count: int) -> Set:
    """Return generated shapes."""
    return Set(*make_shapes(count, seed=0), *make_shapes(count, seed=1))


def endless(count: int, batch: int, seed: int):
    """Yield batches of indices, in a new order each epoch."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        for part in torch.randperm(count, generator=generator).split(batch):
            if len(part) == batch:
                yield part


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
    changes = {"in_chans": x.shape[1], "dropout": dropout} | VARIANTS[variant]
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


def alike(run, **settings):
    """Return how many of an image's six neighbours are of its class, and some of them (§6.1).

    500 test images are compared with 4,000 training images, in the last hidden layer and in pixels.
    """
    net, (x, y, test_x, test_y), std, _ = fit(run, **settings)
    net.eval()
    x, y, test_x, test_y = x[:4000], y[:4000], test_x[:500], test_y[:500]
    pixels = [prepared(center_crop(part, CROP), std) for part in (test_x, x)]
    with torch.no_grad():
        layer = [net.features(part, net.fc_names[-2]) for part in pixels]
    result, picture = {}, []
    for name, (query, gallery) in {
        "layer": layer,
        "pixels": [p.flatten(1) for p in pixels],
    }.items():
        found = retrieve(query, gallery).indices
        result[f"precision_{name}"] = (y[found] == test_y[:, None]).float().mean().item()
        rows = [torch.cat([test_x[i : i + 1], x[found[i]]]) for i in range(4)]
        picture.append(torch.stack(rows))  # 4 queries, each with its 6 neighbours
    pixels = torch.stack(picture)
    low, high = pixels.aminmax()
    levels = ((pixels - low) / (high - low) * 255).round().byte()
    result["picture"] = base64.b64encode(levels.cpu().numpy().tobytes()).decode()
    result["shape"] = list(levels.shape)
    return result


def mean(values: Sequence[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean."""
    spread = sum((value - mean(values)) ** 2 for value in values) / max(len(values) - 1, 1)
    return math.sqrt(spread / len(values))


def the_data(run) -> str:
    """Return what the small net is trained on."""
    return run.pick(test="digits", default="digits", full="clothes")


def percent(values: list[float]) -> str:
    """Return mean and standard error, in percent."""
    return f"{100 * mean(values):.1f} ± {100 * standard_error(values):.1f}%"


def lower(a: list[float], b: list[float]) -> bool:
    """Say whether a is below b by two standard errors of their differences.

    The runs are pairs with the same seed, that is with the same batches. Chance exceeds two
    standard errors about once in twenty; with few seeds the rule is rough, and every seed is in the
    figure.
    """
    differences = [y - x for x, y in zip(a, b)]
    return mean(differences) > 2 * standard_error(differences)
