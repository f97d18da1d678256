"""The same tasks by truncated gradients: no claim of the paper's, but what a reader asks next."""

from typing import Any

from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from .fixed import xor
from .learning import able, by_rate, learn, length, lesson

METHODS = {"bptt(8)": "errors go back 8 steps", "elman": "2 steps"}
MOST = 100_000  # steps


def ours(run: Run, task: str) -> dict[str, Any]:
    """Return how nets learn a task by the carried gradient."""
    if task == "xor 4":
        return xor(run, 4)
    return lesson(run, task, UNITS[task], nets=100 if task == "nonmatch" else 30)


UNITS = {"xor 4": 5, "recognition": 2, "nonmatch": 6}


@demonstration(
    "D4",
    "The same tasks by truncated gradients.",
    asks="Nets of C1a, C2a and C2b (delay 4, recognition, nonmatch), taught by errors that go back "
    "over the last 8 steps, or over 2, as Elman's do: the share that learns within 100,000 steps. "
    "Each at the carried gradient's best rate, half and twice of it; the best of the three is "
    "told, 30 nets each, chosen and told by the same nets: flattered. Whether such nets last over "
    "gaps is not asked.",
    full_only=True,
)
def rivals(run: Run) -> Finding:
    """Teach nets by truncated gradients."""
    numbers: dict[str, Any] = {}
    for task, units in UNITS.items():
        found = ours(run, task)
        steps, nets = min(length(run, task), MOST), run.pick(test=2, default=30)
        within = [found["learned"][i] <= steps for i in able(found)]
        row = {"carried": [sum(within), len(found["learned"])], "steps": steps}
        rates = run.pick(test=[2.0], default=[found["rate"] * f for f in (0.5, 1.0, 2.0)])
        for method in METHODS:
            other = run.trial(
                learn, task=task, units=units, rates=rates, method=method, seed=run.seed,
                nets=nets, steps=steps,
            )  # fmt: skip
            row[method] = [max(by_rate(other, rates)), nets]
        numbers[task] = row
    said = "; ".join(
        f"{task}: carried {row['carried'][0]} of {row['carried'][1]}, "
        + ", ".join(f"{name} {row[method][0]} of {row[method][1]}"
                    for method, name in METHODS.items())
        for task, row in numbers.items()
    )  # fmt: skip
    counts = {m: ", ".join(str(row[m][0]) for row in numbers.values()) for m in METHODS}
    nets = numbers["xor 4"]["elman"][1]
    return Finding(
        None,
        ours=f"of {nets}: 8 steps {counts['bptt(8)']}; 2 steps {counts['elman']}",
        ran="Nets of 5, 2 and 6 units, at most 100,000 steps (recognition: 60,000), three rates.",
        measured=f"Nets that learn within these steps. {said}.",
        numbers=numbers,
    )
