"""What the experiments on images share: data, nets, training, the choice of a rate."""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..diagnostics import RECTIFIERS, sparsity
from ..lab.figures import AMBER, BLUE, GREEN, RED
from ..lab.mnist import load
from ..net import DeepRectifierNet, DeepRectifierNetConfig
from ..rectifier import ReLU
from ..relatives import RescaledSoftplus
from .averages import finite, mean
from .replicates import Replicates, batches

COLOR = {"rectifier": RED, "signed, L1": AMBER, "tanh": BLUE, "softplus": GREEN}
BETWEEN = (
    "The paper's nets are five times as wide, learn from 50,000 images and, most likely, to the "
    "end; its differences on MNIST are of 0.1 to 0.3 points."
)


@functools.cache
def mnist_rows(split, folder) -> tuple[Tensor, Tensor]:
    """Return the flat images of MNIST in [0, 1], and their labels."""
    x, y = load("mnist", split, folder)
    return x.flatten(1).float() / 255, y


def images(run) -> dict[str, tuple[Tensor, Tensor]]:
    """Return flat images in [0, 1] and their labels, to learn from, to choose by and to judge."""
    if run.scale in ("full", "paper"):
        (x, y), test = mnist_rows("train", run.data), mnist_rows("test", run.data)
        x, y = torch.cat([x[:12_000], test[0]]), torch.cat([y[:12_000], test[1]])
        sizes = (10_000, 2_000, 10_000)
    else:
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
        x, y = torch.from_numpy(pixels).float()[order] / 16, torch.from_numpy(labels).long()[order]
        sizes = run.pick(test=(60, 30, 30), default=(1000, 347, 450))
    n, names = sum(sizes), ("train", "choose", "test")
    return {
        name: (part.to(run.device), labels.to(run.device))
        for name, part, labels in zip(names, x[:n].split(sizes), y[:n].split(sizes))
    }


def setting(run, seeds: int) -> str:
    """Return in words what the nets of C1 to C3 are and learn from."""
    data = run.pick(
        test="64-10-10-10-10 nets on 60 digits, 3 steps",
        default="64-100-100-100-10 nets on 1,000 of scikit-learn's digits, 2,000 steps",
        full="784-200-200-200-10 nets on 10,000 images of MNIST, 5,000 steps",
    )
    return f"{data} of SGD with batches of 10; {seeds} seeds"


def build(run, unit: str, seed: int, widths=None, alpha: float = 1.0) -> DeepRectifierNet:
    """Return a fresh net with hidden units of a kind."""
    hidden = run.pick(test=10, default=100, full=200)
    widths = widths or (run.pick(test=64, default=64, full=784), *[hidden] * 3, 10)
    make = {"tanh": nn.Tanh, "softplus": lambda: RescaledSoftplus(alpha)}.get(unit, ReLU)
    config = DeepRectifierNetConfig(widths, make, signed=unit == "signed, L1")
    return DeepRectifierNet(config, torch.Generator().manual_seed(seed)).to(run.device)


def fit(run, nets, x, y, rows: list[dict], steps, size=10, what="", within=None) -> Replicates:
    """Train nets together; ``rows`` say the rate, penalty and seed of each.

    ``within`` (R, n) restricts each net to n of the images.
    """
    replicates = Replicates(nets)
    seeds = sorted({row["seed"] for row in rows})
    n = len(x) if within is None else within.shape[1]
    order_SSB = batches(n, min(size, n), steps, seeds)
    which = torch.tensor([seeds.index(row["seed"]) for row in rows])
    lr_R, l1_R = (torch.tensor([row[k] for row in rows]).to(x.device) for k in ("lr", "l1"))
    for step in run.track(range(steps), what):
        batch_RB = order_SSB[step][which]
        batch_RB = batch_RB if within is None else within.gather(1, batch_RB)
        batch_RB = batch_RB.to(x.device)
        replicates.step(x[batch_RB], y[batch_RB], lr_R, l1_R if any(l1_R) else None)
    return replicates


@torch.no_grad()
def judge(replicates, rows, sets) -> list[dict]:
    """Return the rows with losses, errors and, for rectifiers, the share of zeros."""
    for r, row in enumerate(rows):
        net = replicates.net(r)
        for name, (x, y) in sets.items():
            x, y = (x[:3000], y[:3000]) if name == "train" else (x, y)
            logits = net(x)
            row[name] = (logits.argmax(1) != y).double().mean().item()
            if name == "train":
                loss = F.cross_entropy(logits, y).item()
                row["loss"] = loss if math.isfinite(loss) else None
        if "train" in sets and any(isinstance(module, RECTIFIERS) for module in net):
            row["zeros"] = list(sparsity(net, [sets["test"][0][:3000]]).values())
    return rows


def train_nets(run, unit, alpha, rates, l1s, seed, seeds):
    """Train nets of a kind with every rate, penalty and seed; return a row for each."""
    sets = images(run)
    rows = [
        {"lr": lr, "l1": l1, "seed": s}
        for lr in rates for l1 in l1s for s in range(seed, seed + seeds)
    ]  # fmt: skip
    nets = [build(run, unit, row["seed"], alpha=alpha) for row in rows]
    steps = run.pick(test=3, default=2000, full=5000)
    return judge(fit(run, nets, *sets["train"], rows, steps, what=unit), rows, sets)


def rates_of(run) -> list[float]:
    """Return the learning rates that each kind of net chooses from."""
    return run.pick(test=[0.1, 0.3], default=[0.01, 0.03, 0.1, 0.3])


def count(run) -> int:
    """Return the number of seeds."""
    return run.pick(test=2, default=3, full=4)


def chosen(rows, by="choose") -> list[dict]:
    """Return the rows of the rate that is best on what rates are chosen by, in order of seeds."""
    rates = sorted({row["lr"] for row in rows})
    best = min(rates, key=lambda lr: mean([finite(row[by]) for row in rows if row["lr"] == lr]))
    return sorted((row for row in rows if row["lr"] == best), key=lambda row: row["seed"])


def raced(run, unit, alpha=1.0, l1=0.0, further=True) -> list[dict]:
    """Return the nets of a kind at the rate they chose.

    Where that is the largest of the grid, a larger one is tried too (``further``).
    """
    settings = {"unit": unit, "alpha": alpha, "l1s": [l1], "seed": run.seed, "seeds": count(run)}
    rows = run.trial(train_nets, rates=rates_of(run), **settings)
    if further and chosen(rows)[0]["lr"] == rates_of(run)[-1]:
        rows += run.trial(train_nets, rates=[1.0], **settings)
    return chosen(rows)
