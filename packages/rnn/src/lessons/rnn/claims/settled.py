"""Why nets without forcing do not learn to oscillate, and what only looks as if they did (§3.5)."""

from typing import Any

import torch
from torch import Tensor

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN, RED
from ..lab.run import Run
from ..lab.statistics import HOLDS, NOT_SEEN, REFUTED, UNDECIDED, every, judge, proportion, ratio
from ..rtrl import RTRL
from .learning import median_of, stream_of
from .oscillation import UNITS

RATES = [0.0625, 0.25, 0.5, 1.0, 2.0, 8.0]  # of changes at every step
SLOW = 0.0625  # of changes that are sums of `SUM` steps
SUM = 100
MOMENTS = (0, 1, 10, 50, 200)  # sums after which gradients are looked at
SAME = 0.01  # of gradients for a pattern and for its mean: the difference below which they are one
STILL, CLOSE = 0.01, 0.01  # a swing that is none; of the gradient with forcing, what is close to 0
WORTH = 0.9  # of the squared error with frozen weights


def rest_gradient(
    weights: Tensor, y: Tensor, task: str, forcing: bool, constant: bool = False
) -> tuple[Tensor, Tensor]:
    """Return −∂J/∂W, (S, N·Z), a step's mean over a period, and the swing of the outputs.

    The weights are fixed, and the net has run for long: what is measured is where it settles. With
    ``constant`` the target is the mean of the task's at each step: nothing oscillates.
    """
    seeds, n = y.shape
    net = RTRL(n, 0, 0.0, forcing, seeds, online=False, dtype=y.dtype)
    net.weight.copy_(weights)
    net.reset(y)
    net.lr = torch.ones_like(net.lr)
    stream, length = stream_of(task, 1, 0), len(task) if task != "sinusoid" else 25
    for steps in (1000, length):  # whole periods: one is measured
        net.change.zero_()
        x, d = (v.to(y.dtype) for v in stream.draw(steps))
        wave = d[:length].mean(0, keepdim=True).expand_as(d) if constant else d
        outputs = net.run(x, wave, [0])[..., 0]
    return net.change.flatten(1) / length, outputs.amax(0) - outputs.amin(0)


def period_gradient(weights: Tensor, y: Tensor, task: str, forcing: bool) -> tuple[Tensor, Tensor]:
    """Return the norm of that gradient, and the swing."""
    change, swing = rest_gradient(weights, y, task, forcing)
    return change.norm(dim=1), swing


def told_of_pattern(weights: Tensor, y: Tensor, task: str) -> list[list[float]]:
    """Return by how much the gradient for a pattern differs from that for its mean, relatively.

    Without forcing and with it, by net. A gradient that is itself gone, below a millionth of the
    one with forcing, counts as that much.
    """
    both = []
    for forcing in (False, True):
        some, mean = (rest_gradient(weights, y, task, forcing, constant)[0]
                      for constant in (False, True))  # fmt: skip
        both.append((some.norm(dim=1), (some - mean).norm(dim=1)))
    least = 1e-6 * both[1][0]
    return [(gap / torch.maximum(size, least)).tolist() for size, gap in both]


def at_rest(
    run: Run, task: str, summed: bool, rates: list[float], seed: int, nets: int, steps: int
) -> dict[str, Any]:
    """Teach nets without forcing; return, by net, how they stand with their weights fixed.

    By sums also, at the first weights and at moments of the training, what the gradient tells of
    the pattern, without and with forcing (`told_of_pattern`). Then, at the end: norms of the
    gradient, without and with forcing; the swing of a net left alone; and the squared error of the
    next 200 steps, going on learning or with the weights frozen.
    """
    rate = torch.tensor(rates).repeat_interleave(nets)
    stream, units = stream_of(task, len(rate), seed), UNITS[task]
    generator = torch.Generator().manual_seed(seed)
    net = RTRL(
        units, 0, rate, seeds=len(rate), online=not summed, generator=generator,
        dtype=torch.float64,
    )  # fmt: skip
    then = [(net.weight.clone(), net.y)]
    for number in run.track(range(steps // SUM), f"{task}, not forced"):
        x, d = (v.double() for v in stream.draw(SUM))
        net.run(x, d, [0])
        if summed:
            net.update()
            if number + 1 in MOMENTS:
                then.append((net.weight.clone(), net.y))
    weights, y = net.weight.clone(), net.y.clone()
    both = told_of_pattern(*(torch.cat(each) for each in zip(*then)), task) if summed else []
    told = [[each[i : i + len(rate)] for each in both] for i in range(0, len(then) * len(rate),
                                                                      len(rate))]  # fmt: skip
    without, swing = period_gradient(weights, y, task, forcing=False)
    forced, _ = period_gradient(weights, y, task, forcing=True)
    x, d = (v.double() for v in stream.draw(200))
    still = RTRL(units, 0, 0.0, seeds=len(rate), dtype=torch.float64)
    still.weight.copy_(weights)
    still.reset(y)
    outputs = still.run(x)[..., :1], net.run(x, d, [0])[..., :1]
    frozen, learning = ((each - d).square().mean((0, 2)) for each in outputs)
    found = {"without": without, "forced": forced, "swing": swing,
             "frozen": frozen, "learning": learning}  # fmt: skip
    return {name: values.tolist() for name, values in found.items()} | {"told": told}


def resting(run: Run, task: str, summed: bool) -> dict[str, Any]:
    """Return what `at_rest` finds: by sums at one low rate, or online at each of the rates."""
    return run.trial(
        at_rest, task=task, summed=summed, rates=[SLOW] if summed else RATES, seed=run.seed,
        nets=run.pick(test=3, default=10, full=30),
        steps=run.pick(test=200, default=5000, full=20_000),
    )  # fmt: skip


@claim(
    "C3c",
    "§3.5",
    "Without forcing a net settles, and its gradient there tells nothing of the oscillation.",
    quotes="The reason for this appears to be that … the gradient itself cannot yield the "
    "necessary information because it is zero or very close to zero.",
    asks="Nets of C3b's sizes without forcing, at their first weights and while they are taught by "
    "the gradient itself, its sum over 100 steps, rate 1/16: after 1, 10, 50 and 200 sums. Each "
    "time, weights fixed and the net at rest: does the gradient for the oscillation differ from "
    "the one for a constant target, its mean, by less than 1% of its norm, and, the same weights "
    "with forcing, by more? What the two share cannot tell of the oscillation. Nearly all nets "
    "should; the lines, 1% and four in five, are ours. Seen before: seed 777, 6 nets, 1,000 steps: "
    "at most 6·10⁻¹¹ without forcing, at least .75, .04 and .37 with it (01, 0011, sinusoid); it "
    "had to be a tenth before that. Beside it, not judged, as a "
    "gradient that was followed until it ends is small in any task: at the end, do nets settle (a "
    "swing below .01) with a gradient below a hundredth of the one with forcing? Seen before: a "
    "pilot, 10 nets, 5,000 steps: yes, by medians 10⁻¹⁶ against .006 to .06. With changes at every "
    "step it is less clear: the pilot's medians were .0003 to .003 at rate 1/16 and .001 to .04 at "
    "1/2, the referee's at 1/2 .09, .0009 and .008.",
    holds_if="in each task the exact interval of the share of such nets lies above four fifths",
    fails_if="in one of them it lies below",
)
def reason(run: Run) -> Finding:
    """Judge the share of nets whose gradient at rest is that of a constant target."""
    rows: dict[str, Any] = {}
    judged = []
    for task in UNITS:
        found = resting(run, task, summed=True)
        each = zip(found["without"], found["forced"], found["swing"])
        gone = sum(a < CLOSE * b and swing < STILL for a, b, swing in each)
        nets = len(found["swing"])
        good = sum(all(free[i] < SAME and with_it[i] > SAME for free, with_it in found["told"])
                   for i in range(nets))  # fmt: skip
        judged.append(judge(proportion(good, nets), above=0.8, paper_regime=True))
        online = resting(run, task, summed=False)
        parts = [slice(i * nets, (i + 1) * nets) for i in range(len(RATES))]
        rows[task] = {
            "good": good, "nets": nets, "gone": gone,
            "most without": max(max(free) for free, _ in found["told"]),
            "least with": min(min(with_it) for _, with_it in found["told"]),
            "without": median_of(found["without"]), "forced": median_of(found["forced"]),
            "online": {str(rate): [median_of(online[name][part]) for name in ("without", "forced")]
                       for rate, part in zip(RATES, parts)},
        }  # fmt: skip
    counts = ", ".join(str(row["good"]) for row in rows.values())
    nets = rows["01"]["nets"]
    said = "; ".join(
        f"{task}: at most {row['most without']:.1g} without forcing, at least "
        f"{row['least with']:.2g} with it; at the end the norm is gone in {row['gone']}, medians "
        f"{row['without']:.1g} without forcing and {row['forced']:.2g} with it; online "
        + ", ".join(f"{a:.2g} at {rate}" for rate, (a, _) in row["online"].items())
        for task, row in rows.items()
    )
    verdict = every(judged)
    return Finding(
        verdict,
        ours=f"{counts} of {nets} nets",
        ran=f"{nets} nets a task, {run.pick(test=200, default=5000, full=20_000):,} steps, double "
        "precision.",
        measured="Nets whose gradient at rest is that of a constant target, 01, 0011 and sinusoid: "
        f"{counts} of {nets}. The relative difference. {said}.",
        numbers=rows,
        would_decide="A full run's 30 nets." if verdict.verdict == UNDECIDED else "",
    )


def draw_errors(figure, numbers) -> None:
    """Draw the error with learning over that with frozen weights, against the rate."""
    axes = figure.subplots()
    for (task, rows), color in zip(numbers.items(), (BLUE, RED, GREEN)):
        axes.plot(RATES, [row[0] for row in rows], "o-", color=color, label=task)
    axes.axhline(1.0, color="#5f6670", lw=1, ls=":")
    axes.set(xscale="log", xlabel="rate of learning", ylabel="error while learning / frozen")
    axes.legend()


@claim(
    "C7c",
    "§2.2",
    "What a learning net does may itself depend on its weights' changes.",
    draw_errors,
    quotes="the observed trajectory may itself depend on the variation in the weights caused by "
    "the learning algorithm, which can be viewed as providing another source of negative feedback",
    asks="The nets of C3b, which do not learn to oscillate: their squared error over 200 steps, "
    "going on learning at each step, over that with the weights frozen, by rate. Feedback: the "
    "error is smaller while they learn, by a tenth or more (our line). May: in one of three tasks, "
    "at the highest rate, 8. Seen before: a pilot, 10 nets: medians of .98, .97 and .70 at rate 8, "
    "of 1.00 in all tasks at 1/16.",
    holds_if="in one of the tasks the interval of the ratio at rate 8 lies below .9",
    fails_if="in each of them it lies above: not seen, as the paper tells of no experiment",
)
def feedback(run: Run) -> Finding:
    """Compare errors with learning and without."""
    rows, judgements = {}, []
    for task in UNITS:
        found = resting(run, task, summed=False)
        nets = len(found["swing"]) // len(RATES)
        times = [ratio(*(found[name][i * nets : (i + 1) * nets] for name in ("learning", "frozen")))
                 for i in range(len(RATES))]  # fmt: skip
        rows[task] = [[each.mean, each.low, each.high] for each in times]
        judgements.append(judge(times[-1], below=WORTH, paper_regime=False))
    order = (HOLDS, UNDECIDED, NOT_SEEN, REFUTED)
    judged = min(judgements, key=lambda j: order.index(j.verdict))
    high, low = ([f"{row[i][0]:.2f}" for row in rows.values()] for i in (-1, 0))
    return Finding(
        judged,
        ours=f"{', '.join(high)} of the error at rate 8; {', '.join(low)} at 1/16",
        ran=f"{nets} nets a task and rate, {run.pick(test=200, default=5000, full=20_000):,} steps "
        "before, no forcing, double precision.",
        measured="Error while learning over error with frozen weights, at rate 8: "
        + "; ".join("{}: {:.2f} [{:.2f}, {:.2f}]".format(task, *row[-1])
                    for task, row in rows.items())
        + f". At rate 1/16: {', '.join(low)}.",
        numbers=rows,
        between="The paper tells of no experiment.",
        would_decide="A full run's 30 nets." if judged.verdict == UNDECIDED else "",
    )  # fmt: skip
