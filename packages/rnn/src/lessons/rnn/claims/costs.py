"""What a step of learning costs as nets grow: "computationally expensive", of which no count is."""

import math
import time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..bptt import gradient
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, interval, judge, paired
from ..rtrl import RTRL

WAYS = ("carried along", "through time")
LARGE = 64  # units from which on time is arithmetic


def cost(run: Run, units: int, repeats: int) -> dict[str, dict[str, Any]]:
    """Return multiplications a step, as torch counts those of products, and CPU seconds a step.

    Seconds are those of each repeat, after one that is not timed.
    """
    steps = 4 if units > 64 else 20
    net = RTRL(units, 4, seeds=1)
    x, d = torch.rand(steps, 1, 4), torch.rand(steps, 1, 1)
    bias, targets = torch.ones(steps, 1, 1), torch.full((steps, 1, units), torch.nan)
    targets[..., :1] = d

    def carried() -> None:
        net.run(x, d, [0])

    def through_time() -> None:
        gradient(net.weight, torch.cat([x, bias], 2), targets, net.y)

    found: dict[str, dict[str, Any]] = {}
    for name, function in zip(WAYS, (carried, through_time)):
        with FlopCounterMode(display=False) as counter:
            function()
        times = []
        for _ in range(repeats):
            began = time.process_time()
            function()
            times.append((time.process_time() - began) / steps)
        products = counter.get_total_flops() / 2 / steps  # a sum for each product
        found[name] = {"products": products, "seconds": times}
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
    "It is computationally expensive: a step's time outgrows that of back-propagation.",
    draw_costs,
    quotes="the disadvantage that they require nonlocal communication in the network being "
    "trained and are computationally expensive",
    asks="The paper counts n³ + mn² values and not the work, nor says what it is expensive beside. "
    "CPU time of a step of learning against the number of units, 64 and more (smaller nets pay for "
    "calls and not for arithmetic): the slope of their logarithms, in each of several repeats, "
    "less that of back-propagation through time. Expensive: by more than one power of n; our line. "
    "Told beside, and not judged, as the loop makes them: multiplications, n products for each "
    "value, hence n⁴, and n² for the net itself and through time. Seen before: these, and "
    "a pilot, 64 and 128 units, 5 repeats: slopes of 3.17 ± .22 and .90 ± .81. The first was "
    "held against 3, the power of the values, before that.",
    holds_if="the interval of the difference over the repeats lies above 1",
    fails_if="it lies below: not seen, as time is this machine's",
)
def fourth_power(run: Run) -> Finding:
    """Time steps of growing nets."""
    sizes = run.pick(test=[4, 8, 16], default=[16, 32, 64, 128], full=[16, 32, 64, 128, 256])
    repeats = run.pick(test=2, default=5, full=10)
    found = [run.trial(cost, units=units, repeats=repeats) for units in sizes]
    products = {way: [row[way]["products"] for row in found] for way in WAYS}
    seconds = {way: [row[way]["seconds"] for row in found] for way in WAYS}
    large = [i for i, units in enumerate(sizes) if units >= LARGE or run.scale == "test"]

    def exponent(values: list[float], of: list[int]) -> float:
        """Return the slope through two points or more."""
        x, y = ([math.log(row[i]) for i in of] for row in (sizes, values))
        middle = sum(x) / len(x)
        return sum((a - middle) * b for a, b in zip(x, y)) / sum((a - middle) ** 2 for a in x)

    work = {way: exponent(products[way], list(range(len(sizes)))) for way in WAYS}
    slopes = {way: [exponent(list(each), large) for each in zip(*seconds[way])] for way in WAYS}
    took = {way: interval(each) for way, each in slopes.items()}
    ours, theirs = WAYS
    judged = judge(paired(slopes[ours], slopes[theirs]), above=1.0, paper_regime=False)
    return Finding(
        judged,
        ours=f"time as n to the {took[ours].text(2)}; through time {took[theirs].mean:.2f}",
        ran=f"One net, 4 inputs, n = {', '.join(map(str, sizes))}, float32, one thread.",
        measured=f"From {sizes[large[0]]} to {sizes[-1]} units the time of a step grew as n to the "
        f"{took[ours].text(2)}, through time {took[theirs].text(2)}, {repeats} repeats. From "
        f"{sizes[0]} units on the multiplications grow as n to the {work[ours]:.2f} and "
        f"{work[theirs]:.2f}; {sizes[-1]} units ask for {products[ours][-1]:,.0f} a step.",
        numbers={"units": sizes, **products, "exponents": work},
        timings={"CPU seconds a step": seconds, "exponents": {w: t.mean for w, t in took.items()}},
        between="The paper times nothing; small nets pay for calls and not for arithmetic.",
        would_decide="Larger nets." if judged.verdict == UNDECIDED else "",
    )
