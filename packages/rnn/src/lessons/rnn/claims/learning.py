"""How nets learn a task of the paper: how many, after how many steps, and whether it lasts.

A net has learned when a whole block of steps passes without an error (an output on the wrong side
of one half), and when its weights, frozen, then make none in ten fresh blocks. After five blocks
without an error in a row it learns no more. Many nets learn side by side, each on its own stream.
"""

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

METHODS: dict[str, Any] = {
    "rtrl": (RTRL, {}),
    "summed": (RTRL, {"online": False}),  # `EVERY` steps' changes at once
    "bptt(8)": (TruncatedBPTT, {"horizon": 8}),
    "elman": (TruncatedBPTT, {"horizon": 2}),  # the copy of the past is one more input
}
EVERY = 20
SETTLED = 5  # blocks without an error
WARM = 50  # steps that no frozen net is judged by: its first outputs are arbitrary


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


def learn(
    run: Run, task: str, units: int, rates: list[float], method: str, seed: int, nets: int,
    steps: int, forcing: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Let ``nets`` nets learn at each of the rates.

    Returns:
        By net, rates outermost: the step at which each had learned (None: never), how many errors
        it then made when frozen, its weights; the share of wrong steps by block, over all nets;
        and the longest time that anything had to be remembered (of streams that tell).
    """
    size, every = block(run), len(rates) * nets
    kind, options = METHODS[method]
    stream = stream_of(task, every, 2 * seed)
    rate = torch.tensor(rates).repeat_interleave(nets)
    generator = torch.Generator().manual_seed(2 * seed + 1)
    net = kind(units, stream.n_inputs, rate, forcing, every, generator=generator, **options)
    trained = list(range(stream.n_outputs))
    learned: list[int | None] = [None] * every
    kept, clean, curve = net.weight.clone(), torch.zeros(every), []
    for number in run.track(range(steps // size), f"{task}, {units} units, {method}"):
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
        curve.append(wrong.mean().item())
        right = wrong == 0
        open_ = clean < SETTLED
        kept = torch.where((right & open_)[:, None, None], net.weight, kept)
        clean = torch.where(open_, torch.where(right, clean + 1, 0), clean)
        net.lr = torch.where((clean < SETTLED)[:, None, None], rate[:, None, None], 0.0)
        for i in (right & open_).nonzero().flatten().tolist():
            learned[i] = learned[i] or (number + 1) * size
        if (clean >= SETTLED).all():
            break
    frozen = after(run, task, kept, 2 * seed + 10**6)
    return {
        "learned": learned,
        "frozen": frozen,
        # To six digits, and only of nets that a claim takes apart.
        "weights": rounded(kept) if units < 10 and len(rates) == 1 else [],
        "curve": curve,
        "longest": getattr(stream, "longest", None),
    }


def rounded(weights: Tensor) -> list[list[list[float]]]:
    """Return weights to six digits behind the point."""
    return weights.double().mul(1e6).round().div(1e6).tolist()


def errors(y_TSN: Tensor, d_TSK: Tensor) -> Tensor:
    """Return the share of steps with an output on the wrong side of one half, (S,)."""
    wrong = (y_TSN[..., : d_TSK.shape[-1]] > 0.5) != (d_TSK > 0.5)
    return wrong.any(2).float().mean(0)


def frozen_net(weights: Tensor, bias: bool = True) -> FullyRecurrent:
    """Return nets that do not learn, with weights (S, N, Z)."""
    seeds, n, width = weights.shape
    net = FullyRecurrent(n, width - n - bias, seeds=seeds, bias=bias)
    net.weight.copy_(weights)
    return net


def after(run: Run, task: str, weights: Tensor, seed: int) -> list[int]:
    """Return how many steps of ten fresh blocks frozen nets get wrong."""
    stream, net = stream_of(task, len(weights), seed), frozen_net(weights)
    steps = WARM + 10 * block(run)
    x, d = stream.draw(steps)
    share = errors(net.run(x)[WARM:], d[WARM:])
    return (share * (steps - WARM)).round().int().tolist()


def best_rate(
    run: Run, task: str, units: int, method: str, steps: int, forcing: bool = False
) -> float:
    """Return the rate at which most of eight nets learn, and soonest; on seeds apart.

    The rates differ by a factor of two; where the best is at the grid's edge, it goes on there.
    """
    rates = run.pick(test=[2.0], default=[2.0], full=[0.5, 1.0, 2.0, 4.0, 8.0])
    if len(rates) == 1:
        return rates[0]
    scores: dict[float, tuple[int, float]] = {}
    while True:
        new = [rate for rate in rates if rate not in scores]
        found = run.trial(
            learn, task=task, units=units, rates=new, method=method, seed=run.seed + 10_000,
            nets=8, steps=steps, forcing=forcing,
        )  # fmt: skip
        for i, rate in enumerate(new):
            times = [t for t, f in list(outcome(found))[8 * i : 8 * i + 8] if t and not f]
            scores[rate] = len(times), -sum(times) / max(len(times), 1)
        best = max(scores, key=lambda rate: scores[rate])
        if not scores[best][0] or min(scores) < best < max(scores) or len(scores) > 8:
            return best
        rates = [best / 2] if best == min(scores) else [best * 2]


def outcome(found: dict[str, Any]) -> list[tuple[int | None, int]]:
    """Return for each net the step at which it had learned, and its errors when frozen."""
    return list(zip(found["learned"], found["frozen"]))


def able(found: dict[str, Any]) -> list[int]:
    """Return which nets have learned: without an error, also when frozen."""
    return [i for i, (time, wrong) in enumerate(outcome(found)) if time and not wrong]


def lesson(
    run: Run, task: str, units: int, method: str = "rtrl", forcing: bool = False,
    steps: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return how nets learn a task at their best rate: the trial that most claims judge."""
    if steps is None:
        steps = run.pick(test=80, default=60_000, full=200_000)
        if task == "nonmatch":
            steps = run.pick(test=80, default=100_000, full=400_000)
    rate = best_rate(run, task, units, method, steps, forcing)
    nets = run.pick(test=3, default=10, full=30)
    found = run.trial(
        learn, task=task, units=units, rates=[rate], method=method, seed=run.seed, nets=nets,
        steps=steps, forcing=forcing,
    )  # fmt: skip
    return found | {"rate": rate, "steps": steps}


def share(found: dict[str, Any]) -> Interval:
    """Return the share of nets that have learned, with its exact interval."""
    return proportion(len(able(found)), len(found["learned"]))


def median(values: list[float]) -> float | None:
    """Return the middle value; None of none."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else None


def told(found: dict[str, Any]) -> str:
    """Return "28 of 30 (median 4,000 steps)"."""
    times = [found["learned"][i] for i in able(found)]
    middle = median(times)
    behind = f" (median {middle:,} steps)" if middle else ""
    return f"{len(times)} of {len(found['learned'])}{behind}"


def short(found: dict[str, Any]) -> dict[str, Any]:
    """Return what a finding keeps: all but the weights."""
    return {k: v for k, v in found.items() if k != "weights"}
