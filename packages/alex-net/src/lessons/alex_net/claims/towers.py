"""The net as two towers, against grouped convolutions."""

import dataclasses

import torch

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED
from ..net import PRESETS, AlexNet, change
from ..towers import TwoTowers


@claim(
    "C2a",
    "§3.2, §3.5, Fig. 2",
    says="The net is two towers on two GPUs, which communicate in certain layers only.",
    asks="The net is two towers, one on each GPU, which communicate in certain layers only.",
)
def two_towers(run):
    """Compare the towers with grouped convolutions, exactly; count what they exchange."""
    config = dataclasses.replace(PRESETS["alexnet"], lrn_groups=2, num_classes=1000)
    if run.scale == "test":
        config = dataclasses.replace(PRESETS["small"], lrn_groups=2)
    net = AlexNet(config).eval()
    towers = TwoTowers(config).copy_from(net).eval()
    x = 50 * torch.randn(1, 3, config.in_size, config.in_size)
    with torch.no_grad():
        want, got = net(x), towers(x)
        across = AlexNet(dataclasses.replace(config, lrn_groups=1)).eval()
        across.load_state_dict(net.state_dict())
        reach = (across.features(x, "conv1") - net.features(x, "conv1")).abs()
    error = ((got - want).abs().max() / want.abs().max()).item()
    whole = dataclasses.replace(config, convs=change(config.convs, groups=1))
    with torch.device("meta"):
        counts = [sum(p.numel() for p in AlexNet(c).parameters()) for c in (config, whole)]
        sent = [TwoTowers(c, ("meta", "meta")).exchanged() for c in (config, whole)]
    touched = (reach.amax((0, 2, 3)) > 0).sum().item()
    differ = f"differ by {error:.0e} of the largest" if error else "are equal to the last bit"
    return Finding(
        HOLDS if error <= 1e-5 else REFUTED,
        ran="The published net as two towers and as one with grouped convolutions, the same "
        "weights, one image.",
        measured=f"Outputs {differ}. {counts[0]:,} parameters instead "
        f"of {counts[1]:,} ungrouped; each tower sends {sent[0]:,} numbers an image instead of "
        f"{sent[1]:,}. Normalizing across both GPUs, as the formula has it, would change "
        f"{touched} of {config.convs[0].kernels} maps of the first layer and be another exchange.",
        numbers={"error": error, "parameters": counts, "sent": sent, "maps": touched},
    )
