"""What a step of learning costs as nets grow: the n⁴ that the paper leaves to the reader."""

import math
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..bptt import gradient
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import slope
from ..rtrl import RTRL

WAYS = ("carried along", "through time")


def cost(run: Run, units: int, repeats: int) -> dict[str, dict[str, float]]:
    """Return multiplications a step, as torch counts those of products, and CPU seconds a step."""
    steps = 4 if units > 64 else 20
    net = RTRL(units, 4, seeds=1)
    x, d = torch.rand(steps, 1, 4), torch.rand(steps, 1, 1)
    bias, targets = torch.ones(steps, 1, 1), torch.full((steps, 1, units), torch.nan)
    targets[..., :1] = d

    def carried() -> None:
        net.run(x, d, [0])

    def through_time() -> None:
        gradient(net.weight, torch.cat([x, bias], 2), targets, net.y)

    found: dict[str, dict[str, float]] = {}
    for name, function in zip(WAYS, (carried, through_time)):
        with FlopCounterMode(display=False) as counter:
            function()
        times = []
        for _ in range(repeats):
            began = time.process_time()
            function()
            times.append(time.process_time() - began)
        products = counter.get_total_flops() / 2 / steps  # a sum for each product
        found[name] = {"products": products, "seconds": min(times) / steps}
    return found


def draw_costs(figure, numbers) -> None:
    """Draw multiplications a step against the number of units."""
    axes = figure.subplots()
    sizes = numbers["units"]
    for name, color in zip(WAYS, (BLUE, RED)):
        axes.plot(sizes, numbers[name], "o-", color=color, label=name)
    last = numbers[WAYS[0]][-1]
    axes.plot(sizes, [last * (n / sizes[-1]) ** 4 for n in sizes], color=MUTED, ls=":", label="n⁴")
    axes.set(xscale="log", yscale="log", xlabel="units", ylabel="multiplications a step")
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.set_xticks([], minor=True)
    axes.legend()


@demonstration(
    "D1",
    "A step of real-time recurrent learning costs n⁴ operations.",
    draw_costs,
    source="§2.4",
    asks="The paper counts n³ + mn² values and not the work, n products for each. Multiplications "
    "of a step of learning as torch counts them, and CPU time, against the number of units; beside "
    "it back-propagation through time, shared by the steps of a trajectory.",
)
def fourth_power(run: Run) -> Finding:
    """Measure steps of growing nets."""
    sizes = run.pick(test=[4, 8, 16], default=[16, 32, 64, 128], full=[16, 32, 64, 128, 256])
    repeats = run.pick(test=2, default=5, full=15)
    found = [run.trial(cost, units=units, repeats=repeats) for units in sizes]
    products = {way: [row[way]["products"] for row in found] for way in WAYS}
    seconds = {way: [row[way]["seconds"] for row in found] for way in WAYS}

    def exponent(values: list[float]) -> float:
        # Small nets pay for calls and not for arithmetic: the three largest tell.
        return slope(*[[math.log(v) for v in row[-3:]] for row in (sizes, values)]).mean

    work = {way: exponent(products[way]) for way in WAYS}
    took = {way: exponent(seconds[way]) for way in WAYS}
    ours, theirs = WAYS
    return Finding(
        None,
        ours=f"n to the {work[ours]:.2f}; through time {work[theirs]:.2f}",
        ran=f"One net, 4 inputs, n = {', '.join(map(str, sizes))}, float32, one thread.",
        measured=f"From {sizes[-3]} to {sizes[-1]} units the multiplications of a step grow as n "
        f"to the {work[ours]:.2f}, through time {work[theirs]:.2f}; the time grew as n to the "
        f"{took[ours]:.1f} and {took[theirs]:.1f}. {sizes[-1]} units ask for "
        f"{products[ours][-1]:,.0f} multiplications a step.",
        numbers={"units": sizes, **products, "exponents": work},
        timings={"CPU seconds a step": seconds, "exponents": took},
    )
