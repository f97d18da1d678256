"""What the papers say exactly: counts, constants, and that replication is free."""

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from .claims import HOLDS, NOT_SEEN, REFUTED, Finding, claim
from .count import count
from .data import for_lenet, named
from .lenet import LeNet5, sdnn
from .zip_net import ZipNet

# Units, connections, trainable parameters; of the input layer 1989 counts the units.
PUBLISHED: dict[str, tuple[int | None, int, int]] = {
    "1989 h1": (768, 19_968, 1_068),
    "1989 h2": (192, 38_592, 2_592),
    "1989 h3": (30, 5_790, 5_790),
    "1989 out": (10, 310, 310),
    "1989 total": (1_256, 64_660, 9_760),
    "1998 c1": (6 * 28 * 28, 122_304, 156),
    "1998 s2": (6 * 14 * 14, 5_880, 12),
    "1998 c3": (16 * 10 * 10, 151_600, 1_516),
    "1998 s4": (16 * 5 * 5, 2_000, 32),
    "1998 c5": (120, 48_120, 48_120),
    "1998 f6": (84, 10_164, 10_164),
    "1998 total": (None, 340_908, 60_000),
}


def counted() -> dict[str, list[int]]:
    """Return what the built networks have, by year and layer."""
    found = {}
    for year, net, size in (("1989", ZipNet(), 16), ("1998", LeNet5(), 32)):
        layers = count(net, size)
        rows = {n: [c.units, c.connections, c.parameters] for n, c in layers.items()}
        total = [sum(column) for column in zip(*rows.values())]
        total[0] += size * size
        found |= {f"{year} {name}": row for name, row in (rows | {"total": total}).items()}
    return found


@claim(
    "C1a",
    "1989, Fig. 3; 1998, §II-B",
    "The networks have the published numbers of units, connections and free parameters: 64,660 "
    "connections from 9,760 parameters in 1989, 340,908 from 60,000 in LeNet-5.",
)
def published_counts(run):
    """Count units, connections and parameters of the built networks, layer by layer."""
    found = counted()
    wrong = [
        name
        for name, row in PUBLISHED.items()
        if any(want not in (None, got) for want, got in zip(row, found[name]))
    ]
    return Finding(
        REFUTED if wrong else HOLDS,
        ran="Both networks built; a connection is counted where changing one input alone changes "
        "a unit's sum.",
        measured=f"{len(PUBLISHED) - len(wrong)} of {len(PUBLISHED)} published rows are exact"
        + (f"; not {', '.join(wrong)}." if wrong else ". ")
        + f"1989: {found['1989 total'][1]:,} connections, {found['1989 total'][2]:,} parameters. "
        f"1998: {found['1998 total'][1]:,} and {found['1998 total'][2]:,}; the connections hold "
        f"the {found['1998 rbf'][1]} of the RBF units, which are fixed.",
        numbers=found,
    )


@claim(
    "C1b",
    "1998, §III-D, Fig. 11",
    "LeNet-5 takes 401 thousand multiply-accumulates to recognize a character.",
)
def multiply_adds(run):
    """Count the multiply-adds of the built network."""
    found = {name: c.multiply_adds for name, c in count(LeNet5(), 32).items()}
    total = sum(found.values())
    exact = round(total / 1000) == 401
    return Finding(
        HOLDS if exact else REFUTED,
        ran="LeNet-5 as §II-B describes it; a sub-sampling unit adds four numbers and multiplies "
        "once.",
        measured=f"{total:,}: C1 {found['c1']:,}, C3 {found['c3']:,}, C5 {found['c5']:,}, the rest "
        f"{total - found['c1'] - found['c3'] - found['c5']:,}. That is fewer than 401,000, which "
        "even counting every connection does not reach.",
        numbers=found,
    )


@claim(
    "C1c",
    "1998, §II-B",
    "With background −0.1 and ink 1.175 the mean input is roughly 0 and the variance roughly 1.",
)
def input_statistics(run):
    """Measure mean and variance over all pixels, and over the box that holds the digits."""
    x = for_lenet(run)["train"][0]
    box = x[:, :, 6:26, 6:26]
    numbers = {
        "mean": x.mean().item(),
        "variance": x.var().item(),
        "box mean": box.mean().item(),
        "box variance": box.var().item(),
    }
    # "Roughly" is taken as within a factor of two.
    holds = abs(numbers["mean"]) < 0.5 and 0.5 < numbers["variance"] < 2
    other = REFUTED if run.scale == "full" else NOT_SEEN
    return Finding(
        HOLDS if holds else other,
        ran=f"{len(x):,} images of {named(run)}, 32 by 32.",
        measured=f"Mean {numbers['mean']:.3f}, variance {numbers['variance']:.3f}. In the 20 by 20 "
        f"pixels in the middle alone: mean {numbers['box mean']:.3f}, variance "
        f"{numbers['box variance']:.3f}.",
        numbers=numbers,
        between="These are not the paper's digits.",
    )


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
    "A convolutional network reads a larger image at every place for little more than once the "
    "work: the replicas share their maps, and give what a sliding network gives.",
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


EXACT = [published_counts, multiply_adds, input_statistics, replication]
