"""How nets learn a task of the paper: how many, after how many steps, and whether it lasts.

A net has learned when at the end of some block its last 1,000 steps were without an error (an
output on the wrong side of one half), and when its weights of then, frozen, make none in ten fresh
blocks. It has learned *at* the last error before. After 5,000 steps without an error a frozen copy
is examined over a hundred blocks: who makes no error there learns no more, who makes one learns on.
Many nets learn side by side, each on its own stream.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..bptt import TruncatedBPTT
from ..fully_recurrent import FullyRecurrent
from ..lab.run import Run
from ..lab.statistics import Interval, proportion
from ..rtrl import RTRL
from ..tasks import Nonmatch, Oscillation, PipelinedXor, SequenceRecognition, Sinusoid, Stream
from ..turing import Parentheses
from .rates import RATES, tune

METHODS: dict[str, Any] = {
    "rtrl": (RTRL, {}),
    "summed": (RTRL, {"online": False}),  # `EVERY` steps' changes at once
    "bptt(8)": (TruncatedBPTT, {"horizon": 8}),
    "elman": (TruncatedBPTT, {"horizon": 2}),  # the copy of the past is one more input
}
EVERY = 20
SETTLED = 5  # blocks without an error, after which a net is examined
EXAM, LAST = 100, 10  # blocks of an examination that ends learning, and of the last one
STOPS = (
    "A net stops learning when it made no error in 5,000 steps and, frozen, none in 100 blocks of "
    "1,000; what then judges it are other blocks, ten."
)
WARM = 50  # steps that no frozen net is judged by: its first outputs are arbitrary
UNTUNED = {"nonmatch": 1.0}  # the one rate of a default run; of all other tasks it is 2


def stream_of(task: str, nets: int, seed: int) -> Stream:
    """Return the stream of a task's name: "xor 3", "recognition", "nonmatch" and so on."""
    name, _, number = task.partition(" ")
    generator = torch.Generator().manual_seed(seed)
    if name == "xor":
        return PipelinedXor(int(number), nets, generator)
    if name == "recognition":
        return SequenceRecognition(4, nets, generator)
    if name == "nonmatch":
        return Nonmatch(nets, generator)
    if name == "parentheses":
        return Parentheses(nets, seed=seed)
    return Sinusoid(nets) if name == "sinusoid" else Oscillation(task, nets)


def block(run: Run) -> int:
    """Return how many steps a block has."""
    return run.pick(test=40, default=1000)


class Watch:
    """Which nets have learned, when, and with which weights.

    Args:
        size: steps of a block. weights: (S, N, Z), to begin with.
        errs: how many errors frozen nets with some weights make in an examination.

    Attributes:
        stretch: (S,), steps since the last error, be it in learning or in an examination.
        settled: (S,), who has passed an examination, and learns no more.
        learned: (S,), the step of the last error before a net was without one; −1: never.
        kept: (S, N, Z), the weights of then.
    """

    def __init__(self, size: int, weights: Tensor, errs: Callable[[Tensor], list[int]]) -> None:
        self.size, self.now, self.kept, self.errs = size, 0, weights.clone(), errs
        self.stretch = torch.zeros(len(weights), dtype=torch.long)
        self.learned = torch.full_like(self.stretch, -1)
        self.settled = torch.zeros(len(weights), dtype=torch.bool)

    def see(self, wrong_TS: Tensor, weights: Tensor) -> None:
        """Take note of a block's errors, and of the weights after it."""
        steps = torch.arange(1, len(wrong_TS) + 1)[:, None]
        last = torch.where(wrong_TS, steps, 0).amax(0)
        self.now += len(wrong_TS)
        self.stretch = torch.where(last > 0, len(wrong_TS) - last, self.stretch + len(wrong_TS))
        clean = (self.stretch >= self.size) & ~self.settled
        self.learned = torch.where(clean, self.now - self.stretch, self.learned)
        self.kept = torch.where(clean[:, None, None], weights, self.kept)
        due = ((self.stretch >= SETTLED * self.size) & ~self.settled).nonzero()[:, 0]
        if len(due):
            passed = torch.tensor(self.errs(weights[due])) == 0
            self.settled[due[passed]] = True
            self.stretch[due[~passed]] = 0


def learn(
    run: Run, task: str, units: int, rates: list[float], method: str, seed: int, nets: int,
    steps: int, forcing: bool = False, keep: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Let ``nets`` nets learn at each of the rates.

    Returns:
        By net, rates outermost: the step at which each had learned (None: never), how many errors
        it then made when frozen, with ``keep`` its weights; the share of wrong steps by block, over
        all nets; and the longest time that anything had to be remembered (of streams that tell).
    """
    size, every = block(run), len(rates) * nets
    kind, options = METHODS[method]
    stream = stream_of(task, every, 2 * seed)
    rate = torch.tensor(rates).repeat_interleave(nets)
    generator = torch.Generator().manual_seed(2 * seed + 1)
    net = kind(units, stream.n_inputs, rate, forcing, every, generator=generator, **options)
    exams = iter(range(2 * seed + 2 * 10**6, 2 * seed + 3 * 10**6))  # each on its own streams

    def errs(weights: Tensor) -> list[int]:
        return after(run, task, weights, next(exams), EXAM)

    trained, watch, curve = list(range(stream.n_outputs)), Watch(size, net.weight, errs), []
    for _ in run.track(range(steps // size), f"{task}, {units} units, {method}"):
        x, d = stream.draw(size)
        if method == "summed":
            pieces = []
            for start in range(0, size, EVERY):
                part = slice(start, start + EVERY)
                pieces.append(net.run(x[part], d[part], trained))
                net.update()
            y = torch.cat(pieces)
        else:
            y = net.run(x, d, trained)
        wrong = errors(y, d)
        curve.append(wrong.float().mean().item())
        watch.see(wrong, net.weight)
        net.lr = torch.where(watch.settled, 0.0, rate)[:, None, None]
        if watch.settled.all():
            break
    return {
        "learned": [time if time >= 0 else None for time in watch.learned.tolist()],
        "frozen": after(run, task, watch.kept, 2 * seed + 10**6),
        "weights": rounded(watch.kept) if keep else [],
        "curve": curve,
        "longest": getattr(stream, "longest", None),
    }


def rounded(weights: Tensor) -> list[list[list[float]]]:
    """Return weights to six digits behind the point."""
    return weights.double().mul(1e6).round().div(1e6).tolist()


def errors(y_TSN: Tensor, d_TSK: Tensor) -> Tensor:
    """Return at which steps an output is on the wrong side of one half, (T, S)."""
    return ((y_TSN[..., : d_TSK.shape[-1]] > 0.5) != (d_TSK > 0.5)).any(2)


def frozen_net(weights: Tensor, bias: bool = True) -> FullyRecurrent:
    """Return nets that do not learn, with weights (S, N, Z)."""
    seeds, n, width = weights.shape
    net = FullyRecurrent(n, width - n - bias, seeds=seeds, bias=bias)
    net.weight.copy_(weights)
    return net


def after(run: Run, task: str, weights: Tensor, seed: int, blocks: int = LAST) -> list[int]:
    """Return how many steps of fresh blocks, taken side by side, frozen nets get wrong."""
    net = frozen_net(weights.repeat_interleave(blocks, 0))
    x, d = stream_of(task, len(net.y), seed).draw(WARM + block(run))
    wrong = errors(net.run(x)[WARM:], d[WARM:]).sum(0)
    return wrong.view(len(weights), blocks).sum(1).tolist()


def able(found: dict[str, Any]) -> list[int]:
    """Return which nets have learned: without an error, also when frozen."""
    outcomes = zip(found["learned"], found["frozen"])
    return [i for i, (time, wrong) in enumerate(outcomes) if time is not None and not wrong]


def by_rate(found: dict[str, Any], rates: list[float]) -> list[int]:
    """Return how many nets have learned at each rate."""
    nets = len(found["learned"]) // len(rates)
    return [sum(i // nets == k for i in able(found)) for k in range(len(rates))]


def length(run: Run, task: str) -> int:
    """Return how many steps a task is taught for."""
    if task == "nonmatch":
        return run.pick(test=80, default=80_000, full=400_000)
    return run.pick(test=80, default=40_000, full=60_000 if task == "recognition" else 100_000)


def tuned(
    run: Run, task: str, units: int, method: str = "rtrl"
) -> tuple[float, dict[float, list[int | None]]]:
    """Return a contender's rate, and when each of eight nets apart had learned, by rate.

    They are taught for as long as those that are judged. None: never, or not when frozen.
    """
    steps, times = length(run, task), {}

    def count(rates: list[float]) -> list[int]:
        found = run.trial(
            learn, task=task, units=units, rates=rates, method=method, seed=run.seed + 10_000,
            nets=8, steps=steps,
        )  # fmt: skip
        good = set(able(found))
        for k, rate in enumerate(rates):
            times[rate] = [found["learned"][i] if i in good else None
                           for i in range(8 * k, 8 * k + 8)]  # fmt: skip
        return by_rate(found, rates)

    return tune(count, RATES)[0], times


def lesson(
    run: Run, task: str, units: int, method: str = "rtrl", nets: int = 30,
    rate: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return how nets learn a task at a rate, by default their best: what most claims judge.

    ``nets`` are a full run's.
    """
    steps, times = length(run, task), {}
    if rate is None and run.scale in ("full", "paper"):
        rate, times = tuned(run, task, units, method)
    rate = UNTUNED.get(task, 2.0) if rate is None else rate
    found = run.trial(
        learn, task=task, units=units, rates=[rate], method=method, seed=run.seed,
        nets=run.pick(test=3, default=10, full=nets), steps=steps, keep=True,
    )  # fmt: skip
    counts = {str(r): sum(time is not None for time in each) for r, each in times.items()}
    return found | {"rate": rate, "steps": steps, "tuning": counts}


def at_every_rate(run: Run, task: str, units: int) -> dict[str, Any]:
    """Return how nets learn that are not expected to: 30 at each rate, so that none is chosen."""
    rates, steps = run.pick(test=[2.0], default=[2.0], full=RATES), length(run, task)
    found = run.trial(
        learn, task=task, units=units, rates=rates, method="rtrl", seed=run.seed,
        nets=run.pick(test=3, default=10, full=30), steps=steps,
    )  # fmt: skip
    return found | {"rates": rates, "by rate": by_rate(found, rates), "steps": steps}


def share(found: dict[str, Any]) -> Interval:
    """Return the share of nets that have learned, with its exact interval."""
    return proportion(len(able(found)), len(found["learned"]))


def median_of(values: list[float]) -> float:
    """Return the middle value."""
    return sorted(values)[len(values) // 2]


def told(found: dict[str, Any]) -> str:
    """Return "28 of 30 (median 4,000 steps)"."""
    times = [found["learned"][i] for i in able(found)]
    behind = f" (median {median_of(times):,} steps)" if times else ""
    return f"{len(times)} of {len(found['learned'])}{behind}"


def short(found: dict[str, Any]) -> dict[str, Any]:
    """Return what a finding keeps: all but the weights."""
    return {k: v for k, v in found.items() if k != "weights"}
