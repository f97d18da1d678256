"""How large activations are before training."""

import torch
import torch.nn.functional as F
from torch import nn

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, INK, RED
from ..lab.statistics import HOLDS, REFUTED
from ..unet import UNet

INITIAL = {
    "√(2/N)": None,
    "0.01": 0.01,
    "0.3": 0.3,
}


def draw_variance(figure, numbers):
    """Draw the mean square of what each layer puts out before its ReLU."""
    figure.set_size_inches(6.4, 2.8)
    axes = figure.subplots()
    for (name, layers), color in zip(numbers.items(), (BLUE, RED, AMBER)):
        squares = [square for square, _ in layers]
        axes.plot(range(1, len(squares) + 1), squares, "o-", ms=3, color=color, label=f"std {name}")
    axes.axhline(1, color=INK, lw=0.8)
    axes.set(yscale="log", xlabel="layer, in order", ylabel="mean square before the ReLU")
    axes.legend()


def initial(run, std):
    """Return two numbers for each layer of the paper's net, untrained, on normal noise.

    The mean square before its ReLU, and the variance over a map behind it, mean over the maps.
    """
    generator = torch.Generator().manual_seed(run.seed)
    changes = run.pick(test={"channels": (4, 8, 16, 32, 64)}, default={})
    model, found = UNet.from_preset("unet_paper", generator, **changes).eval(), []

    def note(module, inputs, output):
        double = output.double()
        behind = double if isinstance(module, nn.ConvTranspose2d) else double.relu()
        variance = behind.var((0, 2, 3), correction=0).mean().item()
        found.append([double.square().mean().item(), variance])

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            if std:
                nn.init.normal_(module.weight, 0, std, generator=generator)
            module.register_forward_hook(note)
    with torch.no_grad():
        model(torch.randn(1, 1, 252, 252, generator=generator))
    return found


@claim(
    "C6a",
    "§3",
    says="Weights drawn with std √(2/N) keep layers from excessive or vanishing activations.",
    asks="Weights drawn with std √(2/N) keep layers from excessive or vanishing activations.",
    draw=draw_variance,
)
def initialization(run):
    """Judge the mean squares of all layers of the paper's net, fresh, on normal noise."""
    layers = {name: run.trial(initial, std=std) for name, std in INITIAL.items()}
    squares = {name: [square for square, _ in found] for name, found in layers.items()}
    ours = squares["√(2/N)"]
    listed = ", ".join(
        f"{name} {min(s):.0e} to {max(s):.0e}" for name, s in squares.items() if name != "√(2/N)"
    )
    return Finding(
        # Two orders of magnitude around 1; a fixed std that misses by 3 moves 23 layers by 10^22.
        HOLDS if min(ours) > 0.1 and max(ours) < 100 else REFUTED,
        ran="The net of Fig. 1 at 252 by 252 pixels of N(0, 1) noise, all 23 layers, one draw.",
        measured=f"Mean square before the ReLU {min(ours):.1f} to {max(ours):.1f}; with other "
        f"standard deviations {listed}.",
        numbers=layers,
    )


@claim(
    "C6b",
    "§3",
    says="With this architecture that gives each feature map approximately unit variance.",
    asks="With this architecture it gives each feature map approximately unit variance.",
)
def unit_variance(run):
    """Judge by the reading that suits the claim better, within a factor of 3; and say why not."""
    layers = run.trial(initial, std=None)
    generator = torch.Generator().manual_seed(run.seed)
    noise = torch.randn(1, 64, 128, 128, generator=generator).relu()
    pooled = (F.max_pool2d(noise, 2).square().mean() / noise.square().mean()).item()
    outside = [sum(not 1 / 3 <= v <= 3 for v in reading) for reading in zip(*layers)]
    return Finding(
        HOLDS if min(outside) == 0 else REFUTED,
        ran="As C6a; and max pooling alone on rectified noise.",
        measured=f"Off by more than a factor of 3: {outside[0]} of {len(layers)} layers in the "
        f"mean square before the ReLU, {outside[1]} in the variance over a map behind it, which "
        f"is {layers[0][1]:.2f} in the first layer, {layers[9][1]:.1f} in the lowest and "
        f"{layers[-2][1]:.1f} in the last but one. The rule is derived for convolution and ReLU; "
        "max pooling keeps the largest of four and multiplies the mean square of rectified noise "
        f"by {pooled:.2f}.",
        numbers={"layers": layers, "pooled": pooled},
    )
