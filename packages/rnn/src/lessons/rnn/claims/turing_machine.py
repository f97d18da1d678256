"""Learning to be the controller of a Turing machine (§3.4), by the number of units."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, GREEN, RED
from ..lab.run import Run
from ..lab.statistics import HOLDS, UNDECIDED, Judgement, exact, proportion
from .learning import able, block, learn, told

SIZES = (10, 11, 12, 15)
RATE = 1.0  # a pilot's


def taught(run: Run, units: int) -> dict[str, Any]:
    """Return how nets of so many units learn the controller."""
    return run.trial(
        learn, task="parentheses", units=units, rates=[RATE], method="rtrl", seed=run.seed,
        nets=run.pick(test=2, default=5, full=20), steps=run.pick(test=80, default=60_000,
                                                                  full=2_000_000),
    )  # fmt: skip


def learned_by(found: dict[str, Any], steps: list[int]) -> list[int]:
    """Return how many nets had learned after so many steps."""
    times = [found["learned"][i] for i in able(found)]
    return [sum(time <= limit for time in times if time) for limit in steps]


def draw_machine(figure, numbers) -> None:
    """Draw the share of nets that have learned against the steps, for each size."""
    axes = figure.subplots()
    for (units, found), color in zip(numbers["by units"].items(), (RED, AMBER, GREEN, BLUE)):
        times = sorted(found["times"])
        steps = [0.0, *times, numbers["steps"]]
        shares = [i / found["nets"] for i in [*range(len(times) + 1), len(times)]]
        axes.step(steps, shares, where="post", color=color, label=f"{units} units")
    axes.set(xlabel="steps", ylabel="share of nets that learned", ylim=(-0.05, 1.05))
    axes.legend()


def numbers_of(run: Run, sizes) -> dict[str, Any]:
    """Return times and counts by the number of units."""
    rows, total = {}, run.pick(test=80, default=60_000, full=2_000_000)
    quarters = [total // 4, total // 2, total]
    for units in sizes:
        found = taught(run, units)
        times = [found["learned"][i] for i in able(found)]
        rows[str(units)] = {
            "times": times, "nets": len(found["learned"]), "told": told(found),
            "after a quarter, a half, all": learned_by(found, quarters),
            "wrong in the last block": found["curve"][-1],
        }  # fmt: skip
    return {"by units": rows, "steps": total, "quarters": quarters, "block": block(run)}


MACHINE = (
    "The machine crosses out pairs of parentheses; its controller has three states, which the net "
    "does not see. Inputs: the symbol under the head, one line each of five. Targets: move, write, "
    "accept, reject, one step later. Tapes have three pairs in the mean, without a longest; half "
    "are balanced."
)


@claim(
    "C5a",
    "§3.4",
    "Nets of 15 units always learn the Turing machine's controller.",
    draw_machine,
    quotes="Networks with 15 units always learned the task.",
    asks=f"{MACHINE} 20 nets of 15 units, 2,000,000 steps, no forcing, rate 1. Learned: a block of "
    "1,000 steps without an error, and, frozen, 10,000 more. The paper's machine, rate and length "
    "are unpublished, so a net that has not learned yet refutes nothing. (Pilots, 5 nets, 60,000 "
    "steps, not frozen: 3 of an earlier simulator, 1 of this one.)",
    holds_if="all 20 nets learn",
    fails_if="never: with fewer the verdict is undecided, and the curve tells how many had learned "
    "when",
    full_only=True,
)
def always(run: Run) -> Finding:
    """Count nets of 15 units that learn."""
    sizes = run.pick(test=(10, 15), default=(15,), full=SIZES)
    numbers = numbers_of(run, sizes)
    row = numbers["by units"]["15"]
    count = proportion(len(row["times"]), row["nets"])
    verdict = HOLDS if len(row["times"]) == row["nets"] else UNDECIDED
    judged = Judgement(verdict, count)
    by = row["after a quarter, a half, all"]
    return Finding(
        judged,
        ours=f"{len(row['times'])} of {row['nets']} nets in {numbers['steps']:,} steps",
        ran=f"{row['nets']} nets of 15 units, at most {numbers['steps']:,} steps, rate {RATE}.",
        measured=f"{row['told']} have learned; {by[0]} after a quarter of the steps, {by[1]} after "
        f"half. Wrong steps at the end, over all: {100 * row['wrong in the last block']:.2f}%.",
        numbers=numbers,
        would_decide="More steps: the curve still rises, or stands."
        if verdict == UNDECIDED
        else "",
    )


@claim(
    "C5b",
    "§3.4",
    "The smallest net that learns it has 12 units.",
    quotes="The minimum-size network to learn the task had 12 units.",
    asks="20 nets each of 10, 11 and 12 units, as in C5a. The paper reports the smallest of its "
    "own; as a statement about the task, one smaller net that learns is a counterexample.",
    holds_if="a net of 12 units learns, and none of the 40 smaller ones",
    fails_if="a net of 10 or 11 units learns",
    full_only=True,
)
def smallest(run: Run) -> Finding:
    """Count nets of fewer units that learn."""
    sizes = run.pick(test=(10, 12), default=(12,), full=SIZES[:3])
    numbers = numbers_of(run, sizes)
    counts = {units: len(row["times"]) for units, row in numbers["by units"].items()}
    smaller = sum(count for units, count in counts.items() if int(units) < 12)
    verdict = exact(smaller == 0) if smaller or counts["12"] else Judgement(UNDECIDED)
    nets = numbers["by units"]["12"]["nets"]
    said = ", ".join(f"{count} of {units} units" for units, count in counts.items())
    return Finding(
        verdict,
        ours=f"of {nets} each: {said}",
        ran=f"{nets} nets of each size, at most {numbers['steps']:,} steps, rate {RATE}.",
        measured=f"Learned, of {nets} nets each: {said}.",
        numbers=numbers,
        would_decide="More steps: no net of 12 has learned yet."
        if verdict.verdict == UNDECIDED
        else "",
    )
