"""Counts at the chapter's learning rates, weights changed by sweep and by pattern."""

from ..lab.run import Run
from .experiment import MODES, counted, learn

RATES = (0.1, 0.25, 0.5)


def counts_over_settings(run: Run, net: str, task: str, scale: float = 0.5) -> dict[str, dict]:
    """Count nets that learn at three learning rates, changed by sweep and by pattern."""
    counts = {}
    for online, mode in MODES.items():
        sizes = run.pick(test=(2, 10), default=(100, 4000), full=(500, 10_000))
        if online:  # sixteen times the work
            sizes = run.pick(test=(2, 10), default=(50, 600), full=(200, 4000))
        for lr in RATES:
            settings = {"net": net, "task": task, "lr": lr, "online": online, "scale": scale}
            settings |= dict(zip(("n", "sweeps"), sizes))
            solved = run.trial(learn, **settings, seed=run.seed)
            counts[f"η = {lr:g} {mode}"] = counted(solved)
    return counts


def setting(run: Run) -> str:
    """Return in words what `counts_over_settings` does."""
    sweeps = run.pick(
        test="10",
        default="4,000 by sweep, 600 by pattern",
        full="10,000 by sweep, 4,000 by pattern",
    )
    return f"three learning rates, α = .9, sweeps: {sweeps}"
