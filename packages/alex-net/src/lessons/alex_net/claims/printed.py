"""What is printed, and a computer decides exactly."""

import dataclasses

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..augment import fit_rgb_pca, preprocess
from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED
from ..net import PAPER, PRESETS, AlexNet, change, map_sizes


@claim(
    "C6a",
    "§1",
    says="Each of the convolutional layers contains no more than 1% of the parameters.",
    asks="Each of the convolutional layers contains no more than 1% of the model's parameters.",
)
def one_percent(run):
    """Count, exactly."""
    with torch.device("meta"):
        net = AlexNet.from_preset("alexnet")
    counts = {
        name: sum(p.numel() for p in module.parameters()) for name, module in net.named_children()
    }
    total = sum(counts.values())
    shares = {name: counts[name] / total for name in net.conv_names}
    return Finding(
        HOLDS if max(shares.values()) <= 0.01 else REFUTED,
        ran="The published net, counted on the meta device.",
        measured=", ".join(f"{n} {100 * s:.2f}%" for n, s in shares.items())
        + f" of {total:,}; fc6 {100 * counts['fc6'] / total:.1f}%.",
        numbers=shares,
    )


@claim(
    "C8a",
    "Abstract, §1, Fig. 2",
    says="The net has 60 million parameters and 650,000 neurons.",
    asks="The net has 60 million parameters and 650,000 neurons.",
)
def printed_sizes(run):
    """Count, exactly; both are right if they are so to the digits that are printed."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        net = AlexNet.from_preset("alexnet").eval()
        net(torch.empty(1, 3, 227, 227))
    parameters = sum(p.numel() for p in net.parameters())
    sides = (55, 27, 13, 13, 13)
    neurons = [conv.kernels * side**2 for conv, side in zip(PAPER, sides)] + [4096, 4096, 1000]
    total, macs = sum(neurons), counter.get_total_flops() // 2
    right = 59e6 < parameters < 61e6 and 645_000 < total < 665_000
    return Finding(
        HOLDS if right else REFUTED,
        ran="The published net, counted on the meta device.",
        measured=f"{parameters:,} parameters, {total:,} neurons, {macs:,} multiply-adds an image. "
        f"Figure 2 prints 253,440 neurons for the first layer, which has {neurons[0]:,}; the "
        f"printed ones sum to {253_440 + sum(neurons[1:]):,}.",
        numbers={"parameters": parameters, "neurons": neurons, "multiply-adds": macs},
    )


@claim(
    "C8b",
    "§3.5, Fig. 2",
    says="Kernels of 11×11 at a stride of 4 have 55×55 places in 224×224 pixels.",
    asks="The first layer filters the 224×224 image with kernels of 11×11 at a stride of 4, and "
    "has 55×55 places.",
)
def printed_input(run):
    """Compute the places for 224 pixels, without and with padding, and for 227."""
    places = {}
    for size, padding in ((224, 0), (224, 2), (227, 0)):
        first = change(PAPER[:1], 1, padding=padding, pool=False)
        config = dataclasses.replace(PRESETS["alexnet_owt"], convs=first)
        places[f"{size} pixels, padding {padding}"] = map_sizes(config, size, size)[0][0]
    exact = (224 - 11) / 4 + 1
    listed = ", ".join(f"{name}: {n}" for name, n in places.items())
    return Finding(
        HOLDS if exact == 55 else REFUTED,
        ran="The sizes of maps that torch computes, and (224 − 11)/4 + 1.",
        measured=f"(224 − 11)/4 + 1 = {exact}. {listed}.",
        numbers=places,
    )


@claim(
    "C8c",
    "§4.1",
    says="Random crops and reflections increase the training set by a factor of 2048.",
    asks="Random crops of 224 out of 256 pixels and their reflections increase the training set "
    "by a factor of 2048.",
)
def printed_crops(run):
    """Count the places."""
    places = 256 - 224 + 1
    return Finding(
        HOLDS if 2 * places**2 == 2048 else REFUTED,
        ran="The places that a square of 224 pixels has in one of 256, counted.",
        measured=f"{places} on each side, so 2 · {places}² = {2 * places**2:,} crops; 2,048 is "
        "2 · 32².",
        numbers={"places": places, "crops": 2 * places**2},
    )


@claim(
    "C8d",
    "§2, §4.1",
    says="Colour shifts along principal components leave an object what it is.",
    asks="On raw pixels, colours are shifted by principal components times eigenvalues of the RGB "
    "covariance times N(0, 0.1), which leaves an object what it is.",
)
def printed_colors(run):
    """Measure the shift along the first component; more than all levels there are leaves nothing.

    A variance has the square of a pixel's unit, so what is added depends on the unit.
    """
    from sklearn.datasets import load_sample_images

    photographs = [torch.from_numpy(image.copy()) for image in load_sample_images().images]
    x = torch.stack([preprocess(image.permute(2, 0, 1)) for image in photographs])
    raw, unit = fit_rgb_pca(x).eigvals[0].item(), fit_rgb_pca(x / 255).eigvals[0].item()
    shifts = {"raw": 0.1 * raw, "unit": 255 * 0.1 * unit, "root": 0.1 * raw**0.5}
    return Finding(
        HOLDS if shifts["raw"] < 255 else REFUTED,
        ran="The two photographs that scikit-learn ships, 256 pixels, their first component; "
        "standard deviation of the shift.",
        measured=f"λ₁ = {raw:,.0f} on pixels of 0 to 255: a shift of {shifts['raw']:,.0f} levels "
        f"of 256. On pixels of 0 to 1 the same formula gives {shifts['unit']:.0f} levels; with √λ, "
        f"as in the code released later, it is {shifts['root']:.0f} on every scale.",
        numbers=shifts,
    )
