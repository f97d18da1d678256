"""C7: exact properties: the scale of the weights, and linear pieces (§3.1, §4.2)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..diagnostics import activation_pattern, linear_map, rescale_
from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED
from ..net import DeepRectifierNet, DeepRectifierNetConfig


def random_net(seed: int, biases: bool = True) -> tuple[DeepRectifierNet, Tensor]:
    """Return a 10-20-20-5 net in float64 and 200 inputs."""
    generator = torch.Generator().manual_seed(seed)
    net = DeepRectifierNet(DeepRectifierNetConfig((10, 20, 20, 5)), generator).double()
    for parameter in net.parameters():
        if parameter.dim() == 1 and biases:
            parameter.data.normal_(0, 0.3, generator=generator)
    return net, torch.randn(200, 10, generator=generator, dtype=torch.float64)


def change(before: Tensor, after: Tensor) -> float:
    """Return the largest difference, relative to the largest value."""
    return ((after - before).abs().max() / before.abs().max()).item()


@claim(
    "C7a",
    "§3.1",
    "Dividing layers' weights by factors divides the output by the factors' product.",
    asks="Divide W_i by α_i and b_i by α_1 ⋯ α_i: the output is divided by the product of all α, "
    "and stays the same if that is 1.",
)
def rescaling(run):
    """Judge with positive α, to rounding."""
    net, x = random_net(run.seed)
    with torch.no_grad():
        before = net(x)
        same = change(before, rescale_(net, (4.0, 0.5, 0.5))(x))
        halved = change(before / 2, rescale_(net, (2.0, 1.0, 1.0), allow_scale=True)(x))
    return Finding(
        HOLDS if max(same, halved) < 1e-12 else REFUTED,
        ran="A 10-20-20-5 net with biases, 200 inputs, float64; α = (4, ½, ½), then (2, 1, 1).",
        measured=f"The outputs change by {same:.1g}, and are halved to within {halved:.1g}.",
        numbers={"same": same, "halved": halved},
    )


@claim(
    "C7b",
    "§3.1",
    "That needs nothing of the factors but their product.",
    asks="That needs nothing of the α but their product (none other is asked for).",
)
def any_factor(run):
    """Judge α = (−1, −1, 1), whose product is 1."""
    net, x = random_net(run.seed)
    linears = [module for module in net if isinstance(module, nn.Linear)]
    with torch.no_grad():
        before, product = net(x), 1.0
        for linear, alpha in zip(linears, (-1.0, -1.0, 1.0)):
            product *= alpha
            linear.weight.div_(alpha)
            linear.bias.div_(product)
        moved = change(before, net(x))
    return Finding(
        REFUTED if moved > 1e-6 else HOLDS,
        ran="The same net, α = (−1, −1, 1).",
        measured=f"The outputs change by {moved:.2f} of the largest: max(0, −x) is not −max(0, x), "
        "so α must be positive.",
        numbers={"moved": moved},
    )


@claim(
    "C7c",
    "§3.1, §4.2",
    "The network is linear by parts; without biases it scales with its input.",
    asks="The network is linear by parts: linear on the units that an input selects. Without "
    "biases it scales with its input.",
)
def linear_by_parts(run):
    """Judge along segments between inputs, piece by piece; and inputs times 10⁻³ and 10³."""
    net, x = random_net(run.seed)
    worst, pieces = 0.0, []
    t = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        for a, b in pairwise(x[: run.pick(test=3, default=21)]):
            line = a + t * (b - a)
            patterns, index = activation_pattern(net, line).unique_consecutive(
                dim=0, return_inverse=True
            )
            pieces.append(len(patterns))
            for piece in range(len(patterns)):
                points = line[index == piece]
                matrix, offset = linear_map(net, points[len(points) // 2])
                worst = max(worst, (net(points) - points @ matrix.T - offset).abs().max().item())
        bare, x = random_net(run.seed, biases=False)
        scaled = max(change(c * bare(x), bare(c * x)) for c in (1e-3, 1e3))
    return Finding(
        HOLDS if max(worst, scaled) < 1e-12 else REFUTED,
        ran=f"The same net on {len(pieces)} segments between inputs, 2,001 points each; on each "
        "piece, the linear map of its middle. Without biases: inputs times 10⁻³ and 10³.",
        measured=f"{sum(pieces) / len(pieces):.0f} pieces a segment; on each the net is its linear "
        f"map to within {worst:.1g}. f(cx) = c f(x) to within {scaled:.1g}.",
        numbers={"pieces": pieces, "worst": worst, "scaled": scaled},
    )
