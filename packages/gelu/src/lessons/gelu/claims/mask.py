"""C4: the mask alone, in place of a nonlinearity (§2)."""

import math

import torch
from torch import Tensor

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN
from .data import images
from .forms import COLORS, LAYERS, NAMES
from .replicates import Replicates, cross_entropy, summary, train


def spirals(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return n points of two spirals, (n, 2), and which of the two."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(n) % 2
    radius = torch.rand(n, generator=generator) * 0.9 + 0.1
    angle = 2 * math.pi * radius + math.pi * label
    points = 2 * radius[:, None] * torch.stack((angle.cos(), angle.sin()), 1)
    return points + 0.05 * torch.randn(n, 2, generator=generator), label


def without_nonlinearity(run, form, data, seeds):
    """Train a net with this map in place of a nonlinearity; return test accuracies by seed.

    ``sampled``: of the mean prediction of 32 nets with masks drawn as in training.
    """
    if data == "spirals":
        n = run.pick(test=200, default=1500)
        (x, y), (test_x, test_y) = spirals(n, 0), spirals(1000, 1)
        sizes, batch, epochs = [2, 64, 64, 64, 2], 100, run.pick(test=2, default=40)
    else:
        x, y, _, _, test_x, test_y = images(run)
        sizes = [x.shape[1], *[run.pick(test=16, default=128)] * 3, 10]
        batch, epochs = 100, run.pick(test=1, default=12, full=6)
    x, y, test_x, test_y = (part.to(run.device) for part in (x, y, test_x, test_y))
    keep = 0.5 if form == "linear" else 1.0
    net = Replicates(sizes, seeds, LAYERS[form](), keep).to(run.device)
    lr = 3e-3 if data == "spirals" else 1e-3
    train(
        net, len(x), lambda index: cross_entropy(net(x[index]), y[index]), lr, batch, epochs,
        seeds, lambda steps: run.track(steps, f"{data}, {form}"),
    )  # fmt: skip
    wide = test_x.expand(len(seeds), -1, -1)
    with torch.no_grad():
        sampled = torch.stack([net(wide).softmax(2) for _ in range(32)]).mean(0)
        expected = net.eval()(wide)
    return {
        name: (out.argmax(2) == test_y).double().mean(1).tolist()
        for name, out in (("expected", expected), ("sampled", sampled))
    }


def draw_masked(figure, numbers):
    """Draw test accuracies, a panel for each data set."""
    for axes, (data, results) in zip(figure.subplots(1, len(numbers)), numbers.items()):
        for place, (form, result) in enumerate(results.items()):
            for key, marker, shift in (("expected", "o", -0.12), ("sampled", "D", 0.12)):
                x, fill = [place + shift] * len(result[key]), "none" if shift > 0 else "full"
                axes.plot(x, result[key], marker, ms=4.5, color=COLORS[form], fillstyle=fill)
        axes.set_xticks(range(len(results)), ["mask", "linear,\ndropout", "GELU"])
        axes.set(xlim=(-0.5, len(results) - 0.5), ylabel="test accuracy", title=data)


@claim(
    "C4",
    "§2",
    "The stochastic zero-or-identity map alone, without any nonlinearity, trains competitive "
    "networks.",
    draw_masked,
    asks="Competitive networks can be trained with the stochastic zero-or-identity map alone, "
    "without any nonlinearity.",
)
def mask_alone(run):
    """Train with the mask, with ordinary dropout on a linear net, and with the GELU."""
    seeds = list(run.seeds(run.pick(test=2, default=3, full=5)))
    pictures = run.pick(test="digits", default="digits", full="MNIST")
    numbers: dict[str, dict] = {
        data: {
            form: run.trial(without_nonlinearity, form=form, data=data, seeds=seeds)
            for form in ("mask", "linear", "gelu")
        }
        for data in ("spirals", pictures)
    }
    mean = {
        data: {form: summary(r["expected"])[0] for form, r in results.items()}
        for data, results in numbers.items()
    }
    turned, drawn = mean["spirals"], mean[pictures]
    # Competitive: spirals solved that a linear net cannot; on images nearer to GELU than to linear.
    solved = turned["mask"] >= 0.95 and turned["linear"] <= 0.65
    nearer = drawn["mask"] > (drawn["linear"] + drawn["gelu"]) / 2
    listed = "; ".join(
        f"{data}: "
        + ", ".join(
            f"{NAMES[form]} {mean[data][form]:.3f} ({summary(r['sampled'])[0]:.3f})"
            for form, r in results.items()
        )
        for data, results in numbers.items()
    )
    return Finding(
        HOLDS if solved and nearer else NOT_SEEN,
        ran=f"2-64-64-64-2 nets on two spirals and nets of three layers of 128 on {pictures}; "
        f"Adam, {len(seeds)} seeds. Test accuracy with the mask's expectation xΦ(x), and in "
        "brackets with 32 drawn masks averaged, so that no Φ is there at all.",
        measured=f"{listed}.",
        numbers=numbers,
        between="Few epochs; the paper does not describe its networks.",
    )
