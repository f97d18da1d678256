"""How many hidden units the parity of N bits needs."""

import torch

from ..graph import layered
from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, MUTED, RED
from ..lab.statistics import HOLDS, REFUTED
from ..net import DeltaNet
from ..tasks import parity
from .experiment import counted, learn, said


def sawtooth(n: int, steepness: float = 20.0, width: float = 0.05) -> DeltaNet:
    """Return a net that computes the parity of n bits with n // 2 + 1 hidden units.

    One unit, with small weights, rises evenly with the number of bits that are on; each other one
    takes two steps of that rise back, at 1½, 3½, … bits. What is left is a sawtooth.
    """
    hidden = n // 2 + 1
    matrix = torch.zeros(n + hidden + 2, n + hidden + 2, dtype=torch.float64)
    matrix[n + 1, 1 : n + 1], matrix[n + 1, 0] = width, -width * n / 2
    for k in range(1, hidden):
        matrix[n + 1 + k, 1 : n + 1] = 10 * steepness
        matrix[n + 1 + k, 0] = -10 * steepness * (2 * k - 0.5)
        matrix[-1, n + 1 + k] = -2 * steepness
    rise = steepness / (width / 4)  # the slope of the logistic at 0 is 1/4
    matrix[-1, n + 1] = rise
    matrix[-1, 0] = -rise / 2 + steepness * (n / 2 - 0.5)
    net = DeltaNet(layered(n, hidden, 1), dtype=torch.float64)
    net.set_matrix(matrix)
    return net


def draw_sawtooth(figure, numbers):
    """Draw the total input to the output unit, and its two parts, for eight bits."""
    axes = figure.subplots()
    s = range(len(numbers["net"]))
    axes.plot(s, numbers["rise"], "-", color=BLUE, label="one unit with small weights")
    axes.plot(s, numbers["steps"], "-", color=AMBER, label="four units with large weights")
    axes.plot(s, numbers["net"], "o-", color=RED, label="sum: the total input of the output")
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.set(xlabel="bits that are on", ylabel="total input, in steps")
    axes.legend(loc="lower left")


@claim(
    "C5d",
    "p. 334",
    says="Without direct connections, parity of N bits needs at least N hidden units.",
    asks="Without direct connections from inputs to the output, the parity of N bits needs at "
    "least N hidden units.",
    draw=draw_sawtooth,
)
def parity_units(run):
    """Give nets of logistic units that need fewer, and look whether such nets are also found."""
    sizes = range(3, run.pick(test=5, default=11))
    hidden, worst = {}, {}
    for n in sizes:
        x_PI, truth_PO = parity(n)
        net = sawtooth(n)
        hidden[n] = len(net.graph.connections) - n - 1
        worst[n] = (net(x_PI.double())[0] - truth_PO).abs().max().item()
    n, sweeps = run.pick(test=(2, 30), default=(100, 5000), full=(300, 10_000))
    found = {
        f"{net}-1": counted(
            run.trial(learn, net=f"{net}-1", task=f"parity-{net[0]}", lr=0.5, sweeps=sweeps, n=n,
                      scale=1.0, seed=run.seed)
        )
        for net in ("3-2", "4-3")
    }  # fmt: skip
    eight = sawtooth(8)
    ordered = torch.tril(torch.ones(9, 8, dtype=torch.float64), -1)
    acts = eight.activities(ordered)[0]
    out = eight.matrix()[0, -1].detach()
    parts = acts[:, 8:-1] * out[9:-1]
    middle = parts[0, 0] + out[0]  # show the rise from −½ on, as the sum has it
    fewer = [n for n in sizes if hidden[n] < n and worst[n] < 0.4]
    learned = "; ".join(f"{net} {said(count)} sweeps" for net, count in found.items())
    return Finding(
        REFUTED if fewer else HOLDS,
        ran="Nets of ⌊N/2⌋ + 1 logistic hidden units, their weights worked out by hand, on all "
        f"patterns of {sizes[0]} to {sizes[-1]} bits; and {n} nets each of 3-2-1 and 4-3-1, "
        f"trained (η = .5, α = .9, ±1, {sweeps:,} sweeps).",
        measured=f"{hidden[sizes[0]]} hidden units do for {sizes[0]} bits, {hidden[sizes[-1]]} for "
        f"{sizes[-1]}; no output is off by more than {max(worst.values()):.0e}. Trained: "
        f"{learned}. For threshold units, which have steps only, the argument stands.",
        numbers={
            "hidden": hidden, "worst": worst, "found": found,
            "rise": ((parts[:, 0] - middle + out[0]) / 20 - 0.5).tolist(),
            "steps": (parts[:, 1:].sum(1) / 20).tolist(),
            "net": ((parts.sum(1) + out[0]) / 20).tolist(),
        },
    )  # fmt: skip
