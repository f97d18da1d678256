"""What a step of learning costs as nets grow: "computationally expensive", which is not counted."""

import math
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..bptt import gradient
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, judge, slope
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


@claim(
    "C6e",
    "abstract, §2.4",
    "It is computationally expensive: n⁴ operations a step.",
    draw_costs,
    quotes="the disadvantage that they require nonlocal communication in the network being "
    "trained and are computationally expensive",
    asks="The paper counts n³ + mn² values and not the work, n products for each, nor says what it "
    "is expensive beside. Multiplications of a step of learning as torch counts them, against the "
    "number of units: the slope of their logarithms. The net itself, and back-propagation through "
    "time, need n². Expensive: faster than the cube; our line. CPU time is told beside.",
    holds_if="the interval of the slope, from 16 units on, lies above 3",
    fails_if="it lies below",
)
def fourth_power(run: Run) -> Finding:
    """Measure steps of growing nets."""
    sizes = run.pick(test=[4, 8, 16], default=[16, 32, 64, 128], full=[16, 32, 64, 128, 256])
    repeats = run.pick(test=2, default=3, full=5)
    found = [run.trial(cost, units=units, repeats=repeats) for units in sizes]
    products = {way: [row[way]["products"] for row in found] for way in WAYS}
    seconds = {way: [row[way]["seconds"] for row in found] for way in WAYS}

    def exponent(values: list[float], last: int = 0):
        return slope(*[[math.log(v) for v in row[-last:]] for row in (sizes, values)])

    work = {way: exponent(products[way]) for way in WAYS}
    # Small nets pay for calls and not for arithmetic: of the time the three largest tell.
    took = {way: exponent(seconds[way], 3).mean for way in WAYS}
    ours, theirs = WAYS
    judged = judge(work[ours], above=3.0, paper_regime=True)
    return Finding(
        judged,
        ours=f"n to the {work[ours].mean:.2f}; through time {work[theirs].mean:.2f}",
        ran=f"One net, 4 inputs, n = {', '.join(map(str, sizes))}, float32, one thread.",
        measured=f"From {sizes[0]} to {sizes[-1]} units the multiplications of a step grow as n "
        f"to the {work[ours].text(2)}, through time {work[theirs].text(2)}; from {sizes[-3]} on "
        f"the time grew as n to the {took[ours]:.1f} and {took[theirs]:.1f}. {sizes[-1]} units "
        f"ask for {products[ours][-1]:,.0f} multiplications a step.",
        numbers={"units": sizes, **products, "exponents": {w: s.mean for w, s in work.items()}},
        timings={"CPU seconds a step": seconds, "exponents": took},
        would_decide="Larger nets." if judged.verdict == UNDECIDED else "",
    )
