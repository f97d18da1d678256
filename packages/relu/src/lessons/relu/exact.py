"""The claims that need no training: gradients at the start (C4), and exact properties (C7)."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from .claims import HOLDS, REFUTED, Finding, claim
from .diagnostics import activation_pattern, linear_map, rescale_
from .figures import AMBER, BLUE, GREEN, MUTED, RED
from .init import glorot_uniform_, he_init_
from .net import DeepRectifierNet, DeepRectifierNetConfig
from .rectifier import ReLU
from .relatives import RescaledSoftplus

DEPTHS = (3, 10, 20, 30, 40, 50)
STACKS = {
    "sigmoid": (nn.Sigmoid, glorot_uniform_, AMBER, ":"),
    "softplus": (RescaledSoftplus, glorot_uniform_, GREEN, "-."),
    "rectifier": (ReLU, glorot_uniform_, RED, "-"),
    "tanh": (nn.Tanh, glorot_uniform_, BLUE, "--"),
    "rectifier, 2/n": (ReLU, he_init_, RED, (0, (1, 1))),
}


def gradient_that_arrives(name: str, depth: int, seed: int, width: int = 100) -> float:
    """Return ‖∂/∂input‖ / ‖∂/∂output‖ of a deep stack at its start, for normal inputs."""
    unit, init, _, _ = STACKS[name]
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width, bias=False).double()
        init(linear.weight, generator=generator)
        layers += [linear, unit()]
    x = torch.randn(256, width, generator=generator, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(256, width, generator=generator, dtype=torch.float64)
    (arrives,) = torch.autograd.grad(nn.Sequential(*layers)(x), x, grad)
    return (arrives.norm() / grad.norm()).item()


def draw_gradients(figure, numbers):
    """Draw what arrives against the depth, a line for each kind of unit."""
    axes = figure.subplots()
    for name, (_, _, color, style) in STACKS.items():
        means = [math.exp(sum(map(math.log, v)) / len(v)) for v in numbers[name].values()]
        depths = list(map(int, numbers[name]))
        axes.plot(depths, means, ls=style, color=color, label=name)
    figure.legend(loc="outside right upper")
    axes.set(yscale="log", ylim=(1e-16, 5), xlabel="layers")
    axes.set(ylabel="gradient at the input / at the output")
    axes.axhline(1, color=MUTED, lw=0.6)


@claim(
    "C4",
    "§3.1",
    "Gradients flow well through rectifiers: they do not vanish because of the nonlinearity, as "
    "they do with sigmoid or tanh units.",
    draw_gradients,
)
def gradients_flow(run):
    """Judge what arrives through 50 layers, with the initial weights of the time."""
    seeds = run.pick(test=2, default=5)
    depths = run.pick(test=(3, 50), default=DEPTHS)
    numbers = {
        name: {
            str(d): [gradient_that_arrives(name, d, s) for s in run.seeds(seeds)] for d in depths
        }
        for name in STACKS
    }

    def mean(name, depth):
        return sum(numbers[name][str(depth)]) / seeds

    # An exact statement, and a counterexample would do: every seed must show it.
    pairs = zip(numbers["rectifier"]["50"], numbers["tanh"]["50"])
    worse = all(r < t for r, t in pairs)
    said = "; ".join(f"{name} {mean(name, 3):.2g} and {mean(name, 50):.2g}" for name in STACKS)
    return Finding(
        REFUTED if worse else HOLDS,
        ran=f"Stacks of 100 units a layer, Glorot's initial weights (var 1/n), normal inputs and "
        f"output gradients, {seeds} seeds, float64; and rectifiers with var 2/n, of 2015.",
        measured=f"The share of the gradient's norm that arrives through 3 and through 50 layers: "
        f"{said}. Half of the paths are off, which halves the gradient's square at each layer: "
        f"2^(−3/2) = {2**-1.5:.2f}, 2^(−25) = {2**-25:.1g}.",
        numbers=numbers,
    )


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
    "Divide W_i by α_i and b_i by α_1 ⋯ α_i: the output is divided by the product of all α, and "
    "stays the same if that is 1.",
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
    "That needs nothing of the α but their product (none other is asked for).",
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
    "The network is linear by parts: linear on the units that an input selects. Without biases it "
    "scales with its input.",
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


EXACT = [gradients_flow, rescaling, any_factor, linear_by_parts]
