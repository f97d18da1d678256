"""Counting how many of many nets learn a task: what the claims have in common."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import tasks
from ..counting import wilson
from ..graph import PRESETS, Graph, chained, layered
from ..lab.run import Run
from ..net import DeltaNet
from ..rule import DeltaRule, train, within

TASKS: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "xor": tasks.xor,
    "parity-3": lambda: tasks.parity(3),
    "parity-4": lambda: tasks.parity(4),
    "encoder": tasks.encoder,
    "levels": tasks.levels,
    "symmetry": tasks.symmetry,
    "addition": tasks.addition,
    "negation": tasks.negation,
    "t-c": tasks.t_c,
}
MODES = {False: "by sweep", True: "by pattern"}  # when weights are changed: DeltaNet's `online`


def graph_of(net: str) -> Graph:
    """Return a preset, the layers that "2-8-1" names, or the adder that "chain 4-5-3" names."""
    if net in PRESETS:
        return PRESETS[net]
    sizes = tuple(map(int, net.removeprefix("chain ").split("-")))
    return chained(*sizes) if net.startswith("chain ") else layered(*sizes)


def trained(
    run: Run, net: str, task: str, lr: float, sweeps: int, n: int, seed: int, online=False,
    scale=0.5, targets=(0.1, 0.9), mean_error=0.0, until_solved=True,
) -> tuple[DeltaNet, list[int | None]]:  # fmt: skip
    """Train n nets; return them, and after how many sweeps each first solved its task, or None.

    With ``mean_error`` a task is solved when ½(t − o)² is less than that in the mean over patterns.
    """
    x_PI, truth_PO = (tensor.to(run.device) for tensor in TASKS[task]())
    generator = torch.Generator(run.device).manual_seed(seed)
    nets = DeltaNet(graph_of(net), n, targets, scale=scale, generator=generator, device=run.device)
    rule = DeltaRule(nets.parameters(), lr)

    def small(outputs_RPO: Tensor, truth_PO: Tensor) -> Tensor:
        error_RPO = nets.error(outputs_RPO, nets.aim(truth_PO))
        return 0.5 * error_RPO.square().mean((1, 2)) < mean_error

    solved = small if mean_error else within(0.4)
    at = train(nets, x_PI, truth_PO, rule, sweeps, online, solved=solved, until_solved=until_solved)
    return nets, [sweep if sweep >= 0 else None for sweep in at.tolist()]


def learn(run: Run, **settings: Any) -> list[int | None]:
    """Return what `trained` does, but for the nets (a trial)."""
    return trained(run, **settings)[1]


def counted(solved: Sequence[Any]) -> dict[str, Any]:
    """Return how many solved, Wilson's interval for the rate, and the median of the sweeps."""
    sweeps = [sweep for sweep in solved if sweep is not None and sweep is not False]
    low, high = wilson(len(sweeps), len(solved))
    median = statistics.median(sweeps) if sweeps else None
    return {"solved": len(sweeps), "n": len(solved), "low": low, "high": high, "median": median}


def said(count: dict[str, Any], sweeps: bool = True) -> str:
    """Return a count in words: 97 of 100 (92–99%), median 345."""
    text = f"{count['solved']} of {count['n']} ({interval(count)})"
    if sweeps and count["median"] is not None:
        text += f", median {count['median']:,.0f}"
    return text


def interval(count: dict[str, Any]) -> str:
    """Return the interval in per cent."""
    low, high = 100 * count["low"], 100 * count["high"]
    # One decimal near the ends, where a whole per cent would round to 0 or 100.
    if high < 1.5 or low > 98.5:
        return f"{low:.1f}–{high:.1f}%"
    return f"{low:.0f}–{high:.0f}%"


def draw_rates(axes, counts: dict[str, dict], colors: Sequence[str]) -> None:
    """Draw rates with their intervals, a row each, the first on top."""
    for row, (count, color) in enumerate(zip(counts.values(), colors)):
        rate = 100 * count["solved"] / count["n"]
        axes.plot([100 * count["low"], 100 * count["high"]], [row, row], color=color, lw=2)
        axes.plot(rate, row, "o", ms=5, color=color)
    axes.set_yticks(range(len(counts)), list(counts))
    axes.set(ylim=(len(counts) - 0.5, -0.5))
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)


def both_modes(run: Run, n: int, sweeps: int, **settings) -> dict[str, dict]:
    """Count the nets that learn, with weights changed by sweep and by pattern."""
    return {
        mode: counted(
            run.trial(learn, **settings, n=n, sweeps=sweeps, online=online, seed=run.seed)
        )
        for online, mode in MODES.items()
    }


def best(counts: dict[str, dict]) -> dict:
    """Return the count with the highest rate."""
    return max(counts.values(), key=lambda count: count["solved"] / count["n"])


def listed(counts: dict[str, dict], sweeps: bool = True) -> str:
    """Return counts in words, each with its name."""
    return "; ".join(f"{name} {said(count, sweeps)}" for name, count in counts.items())


def square(corner: tuple[float, float], side: float, color: str):
    """Return a filled square."""
    from matplotlib.patches import Rectangle

    return Rectangle(corner, side, side, color=color, lw=0)
