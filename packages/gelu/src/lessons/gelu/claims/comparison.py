"""What the experiments share: the choice of a rate, paired leads, curves."""

import math
from collections.abc import Callable
from typing import Any

import torch

from ..lab.run import Run
from .forms import COLORS, NAMES
from .replicates import log_ratio, summary


def tuned(run: Run, form: str, trial: Callable[[str, float], dict]) -> dict[str, Any]:
    """Return the trial of lowest mean "valid" and its rate, once the rates tried enclose it."""
    trials: dict[float, dict] = {}

    def mean(lr):
        value = summary(trials[lr]["valid"])[0]
        return value if math.isfinite(value) else math.inf

    for lr in run.pick(test=(1e-3,), default=(1e-3, 3e-3)):
        trials[lr] = trial(form, lr)
    best = min(trials, key=mean)
    for _ in range(run.pick(test=0, default=1, full=3)):
        if min(trials) < best < max(trials):
            break
        lr = float(f"{best / 3 if best == min(trials) else best * 3:.0e}")
        trials[lr] = trial(form, lr)
        best = min(trials, key=mean)
    return {"lr": best, **trials[best]}


def leads(results: dict[str, dict], of: str, over, what) -> dict[str, tuple[float, float]]:
    """Return for each rival the mean log of its value over ``of``'s, and the standard error."""
    return {rival: log_ratio(what(results[rival]), what(results[of])) for rival in over}


def lead_in_words(found: dict[str, tuple[float, float]]) -> str:
    """Return what `leads` found as text."""
    listed = (f"{NAMES[f]} {math.exp(mean):.2f} (log error {se:.2f})" for f, (mean, se) in
              found.items())  # fmt: skip
    return ", ".join(listed)


def curves_only(results: dict[str, dict]) -> dict[str, dict]:
    """Return the rates and training curves of results."""
    return {form: {"lr": r["lr"], "loss": r["loss"]} for form, r in results.items()}


def plot(axes, results: dict[str, dict]) -> None:
    """Draw median training losses by epoch on a logarithmic axis, with the range over the seeds."""
    for form, result in results.items():
        curves = torch.tensor(result["loss"])
        color, epochs = COLORS[form], range(1, curves.shape[1] + 1)
        axes.fill_between(epochs, curves.amin(0), curves.amax(0), color=color, alpha=0.15, lw=0)
        axes.plot(epochs, curves.median(0).values, "o-", ms=3, color=color, label=NAMES[form])
        axes.set_xticks(epochs if len(epochs) < 8 else epochs[1::2])
    axes.set(yscale="log", xlabel="epoch")
    low, high = axes.get_ylim()
    ticks = [
        m * 10.0**k for k in range(-4, 2) for m in (1, 1.5, 2, 3, 5) if low < m * 10.0**k < high
    ]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
