"""A net that reads larger images, against the same net slid over them."""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED
from ..lenet import LeNet5, sdnn


def replicate(run, k, seed):
    """Compare a replicated net with one that slides; return the error and both multiply-adds."""
    net = LeNet5().to(run.device).eval()
    generator = torch.Generator().manual_seed(seed)
    strip = torch.rand(1, 1, 32, 32 + 4 * k, generator=generator).to(run.device)
    with torch.no_grad():
        dense = sdnn(net)(strip)[:, :, 0]
        slid = torch.stack([net(strip[..., c : c + 32]) for c in range(0, 4 * k + 1, 4)], -1)
        operations = []
        for image, model in ((strip, sdnn(net)), (strip[..., :32], net)):
            with FlopCounterMode(display=False) as counter:
                model(image)
            operations.append(counter.get_total_flops() // 2)
    error = ((dense - slid).abs().max() / slid.abs().max()).item()
    return {"error": error, "dense": operations[0], "slid": operations[1] * (k + 1)}


@claim(
    "C5",
    "1998, §VII",
    says="A larger image is read at every place for little more than once the work.",
    asks="A convolutional network reads a larger image at every place for little more than once "
    "the work: the replicas share their maps, and give what a sliding network gives.",
)
def replication(run):
    """Judge equality by rounding, and print the ratio of multiply-adds."""
    numbers: dict[str, Any] = {
        str(k): run.trial(replicate, k=k, seed=run.seed)
        for k in run.pick(test=[1], default=[1, 4, 16])
    }
    worst = max(row["error"] for row in numbers.values())
    ratios = {k: row["dense"] / row["slid"] for k, row in numbers.items()}
    holds = worst <= 1e-5 and all(ratio < 1 for ratio in ratios.values())
    listed = ", ".join(
        f"{100 * ratio:.0f}% of the multiply-adds for {int(k) + 1} places"
        for k, ratio in ratios.items()
    )
    return Finding(
        HOLDS if holds else REFUTED,
        ran="LeNet-5 with random weights on strips of 32 by 32 + 4k pixels, against the same net "
        "slid by 4 pixels k times; multiply-adds of convolutions and products.",
        measured=f"Largest relative difference {worst:.1e}; {listed}.",
        numbers=numbers,
    )
