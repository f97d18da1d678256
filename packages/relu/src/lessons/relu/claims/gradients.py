"""C4: the gradient that arrives through many layers at the start (§3.1)."""

import math

import torch
from torch import nn

from ..init import glorot_uniform_, he_init_
from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, GREEN, MUTED, RED
from ..lab.statistics import HOLDS, REFUTED
from ..rectifier import ReLU
from ..relatives import RescaledSoftplus

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
    "Gradients do not vanish through rectifiers as they do through sigmoid or tanh units.",
    draw_gradients,
    asks="Gradients flow well through rectifiers: they do not vanish because of the nonlinearity, "
    "as they do with sigmoid or tanh units.",
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
