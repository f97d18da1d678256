"""How both translators of C1 are tuned: the same search, on pages apart, on a seed apart.

At the middle length of training, first the rate of the net as it began, then rate and schedule
together, then those of a net of half the width, which gets as many operations by more steps, and
where that is the best, of a quarter.
"""

from typing import Any

from ..lab.run import Run
from .race import best_rate
from .translators import SCHEDULES, USUAL, speeds, tune

STEPS = (600, 1200, 2400, 4800)  # of the GRU; three sizes of training, and one for the curves
FIRST = {"Transformer": 1e-3, "GRU": 1.5e-3}  # where the first search for a rate begins
MODELS = ["Transformer", "GRU", "GRU, tied"]
SIZES = ("small", "smaller")


def costs(run: Run) -> dict[str, float]:
    """Return the operations of a step of each net."""
    forms = [MODELS, *([f"{model}, {size}" for model in MODELS] for size in SIZES)]
    counts: dict[str, float] = {}
    for models in forms:
        counts |= run.trial(speeds, models=models, seed=run.seed)["operations"]
    return counts


def lengths(run: Run, model: str) -> list[int]:
    """Return the steps of a net that have the operations of the GRU's."""
    sizes, work = run.pick(test=(3, 4, 5, 6), default=STEPS), costs(run)
    return sorted({max(round(step * work["GRU"] / work[model]), 1) for step in sizes})


def lengthen(settings: dict[str, Any], schedule: str) -> dict[str, Any]:
    """Return settings of a trial with a schedule, told where it is not the first one."""
    return settings if schedule == USUAL else settings | {"schedule": schedule}


def searched(run: Run, name: str) -> dict[str, Any]:
    """Return what is best for a net, "Transformer" or "GRU", and all that was tried.

    The rates of each schedule, and those of a net of half the width, are tried around twice the
    best one before: a longer rise and a smaller net bear more. (That a net of a quarter follows was
    added when the Transformer of half the width had been the best, so that no best size is at an
    edge; its rates lie around the best one before, since at twice that rate it lost by much.)
    """
    if run.scale == "test":
        return {"model": name, "rate": FIRST[name], "schedule": USUAL, "tried": []}
    tried: list[dict[str, Any]] = []

    def dev(model: str, rate: float, schedule: str, end: int) -> float:
        settings = {"model": model, "rate": rate, "end": end, "seed": run.seed + 100}
        nats = run.trial(tune, **lengthen(settings, schedule))
        tried.append({"model": model, "rate": rate, "schedule": schedule, "steps": end,
                      "nats": nats})  # fmt: skip
        return -nats

    def search(model: str, schedule: str, middle: float) -> dict[str, Any]:
        end = lengths(run, model)[2]
        rate, found = best_rate(lambda rate: dev(model, rate, schedule, end), middle)
        return {"model": model, "schedule": schedule, "rate": rate, "nats": -found[rate]}

    model = name
    if name == "GRU":  # one matrix for embeddings and output, or two: on the shortest length
        model = max(MODELS[1:], key=lambda form: dev(form, FIRST[name], USUAL, STEPS[0]))
    best = search(model, USUAL, FIRST[name])
    for schedule in list(SCHEDULES)[1:]:
        best = min(best, search(model, schedule, 2 * best["rate"]), key=lambda each: each["nats"])
    for size in SIZES:
        middle = best["rate"] * (2 if size == SIZES[0] else 1)
        small = search(f"{model}, {size}", best["schedule"], middle)
        if small["nats"] >= best["nats"]:
            break
        best = small
    return best | {"tried": tried}
