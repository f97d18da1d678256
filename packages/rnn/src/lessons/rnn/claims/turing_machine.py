"""Learning to be the controller of a Turing machine (§3.4), by the number of units."""

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, GREEN, RED
from ..lab.run import Run
from ..lab.statistics import (
    HOLDS,
    NOT_SEEN,
    UNDECIDED,
    Interval,
    Judgement,
    judge,
    proportion,
)
from ..turing import Parentheses, matched, moves, turned
from .inside import among
from .learning import STOPS, able, by_rate, frozen_net, learn, median_of, told
from .rates import tune

SIZES = (10, 11, 12, 15)
LARGEST = SIZES[-1]
GRID = [0.5, 1.0, 2.0]
ALWAYS, LEFT = 0.8, 5  # the share that "always" is held against; nets from which a curve is flat
PIECE = 10_000  # steps
LONGER = 10  # times the longest tape of training
BETWEEN = (
    "The paper's machine, its tapes, the delay of its actions, rate and length of training are not "
    "printed."
)


def length(run: Run) -> int:
    """Return for how many steps the controller is taught."""
    return run.pick(test=80, default=60_000, full=1_000_000)


def mimic(
    run: Run, units: int, rates: list[float], seed: int, nets: int, steps: int, long: bool
) -> dict[str, Any]:
    """Teach nets the controller; with ``long`` count errors on tapes longer than any of theirs."""
    found = learn(run, "parentheses", units, rates, "rtrl", seed, nets, steps, keep=long)
    weights = torch.tensor(found.pop("weights"))
    if long:
        letters = run.pick(test=1, default=LONGER) * found["longest"] // 2 * 2
        found |= {"letters": letters, "wrong": on_long_tapes(weights, letters, seed)}
    return found


@torch.no_grad()
def on_long_tapes(weights: Tensor, letters: int, seed: int) -> list[int]:
    """Return how many steps frozen nets get wrong on three tapes of so many parentheses.

    One is balanced, one is that with a parenthesis turned round, and one begins with all that open.
    Each follows on an ordinary tape.
    """
    dice, pairs = random.Random(f"long, {seed}"), letters // 2
    text = matched(pairs, dice)
    tapes = [text, turned(text, dice.randrange(letters // 2, letters)), "(" * pairs + ")" * pairs]
    wrong, delay = torch.zeros(len(weights), dtype=torch.long), Parentheses(1).delay
    for tape in tapes:
        symbols, actions = ([*a, *b] for a, b in zip(moves("()(())"), moves(tape)))
        # What is due at the end is waited for, while the next tape begins.
        x = F.one_hot(torch.tensor([*symbols, *[0] * (delay - 1)]), 5).float()[:, None]
        net, due = frozen_net(weights), torch.tensor(actions)[:, None] > 0
        first = len(actions) - len(moves(tape)[0])  # where the ordinary tape ends
        for start in range(0, len(x), PIECE):  # all at once are hundreds of megabytes
            y = net.run(x[start : start + PIECE])[..., :4] > 0.5
            rows = torch.arange(start, start + len(y)) - (delay - 1)
            there = rows >= first
            wrong += (y[there] != due[rows[there]]).any(2).sum(0)
    return wrong.tolist()


def taught(run: Run, units: int) -> dict[str, Any]:
    """Return how nets of so many units learn the controller, at the rate best for four apart."""
    steps = length(run)

    def count(rates: list[float]) -> list[int]:
        found = run.trial(
            mimic, units=units, rates=rates, seed=run.seed + 10_000, nets=4, steps=steps, long=False
        )
        return by_rate(found, rates)

    rate, counts = tune(count, GRID) if run.scale in ("full", "paper") else (1.0, {})
    found = run.trial(
        mimic, units=units, rates=[rate], seed=run.seed, steps=steps, long=units == LARGEST,
        nets=run.pick(test=2, default=5, full=40 if units == LARGEST else 20),
    )  # fmt: skip
    return found | {"rate": rate, "tuning": {str(r): n for r, n in counts.items()}}


def learned_by(found: dict[str, Any], steps: list[int]) -> list[int]:
    """Return how many nets had learned after so many steps."""
    times = [found["learned"][i] for i in able(found)]
    return [sum(time <= limit for time in times) for limit in steps]


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
    rows, total = {}, length(run)
    quarters = [total // 4, total // 2, total]
    for units in sizes:
        found = taught(run, units)
        good = able(found)
        rows[str(units)] = {
            "times": [found["learned"][i] for i in good], "nets": len(found["learned"]),
            "told": told(found), "rate": found["rate"], "tuning": found["tuning"],
            "after a quarter, a half, all": learned_by(found, quarters),
            "wrong in the last block": found["curve"][-1],
        }  # fmt: skip
        if "letters" in found:
            long = {"letters": found["letters"], "wrong": [found["wrong"][i] for i in good]}
            rows[str(units)] |= long
    return {"by units": rows, "steps": total, "quarters": quarters}


def always(count: Interval, by: list[int]) -> Judgement:
    """Judge "always" by its line; below it only where the curve has been flat for half the steps.

    Flat: nets had learned by half, none did later, and enough were left that might have.
    """
    judged = judge(count, above=ALWAYS, paper_regime=False)
    left = count.n - by[1]
    flat = 0 < by[1] == by[2] and left >= LEFT
    return (
        judged if judged.verdict == HOLDS or flat else Judgement(UNDECIDED, count, "above", ALWAYS)
    )


def least(twelve: tuple[int, int], fewer: tuple[int, int]) -> Judgement:
    """Judge whether twelve units learn and fewer do not, by how many did of how many nets."""
    ours, theirs = proportion(*twelve), proportion(*fewer)
    lead = Interval(ours.mean - theirs.mean, ours.low - theirs.high, ours.high - theirs.low, ours.n)
    if not fewer[0] and lead.low > 0:
        return Judgement(HOLDS, lead, "above", 0.0)
    if theirs.low > 0.05:
        return Judgement(NOT_SEEN, theirs, "below", 0.05)
    return Judgement(UNDECIDED, lead, "above", 0.0)


MACHINE = (
    "The machine crosses out pairs of parentheses; its controller has three states, which the net "
    "does not see. Inputs: the symbol under the head, one line each of five. Targets: move, write, "
    "accept, reject, two steps later. Balanced tapes have three pairs in the mean, without a "
    "longest; half are balanced."
)
SEEN = (
    "Seen before: pilots of 15 units, 5 nets, 60,000 steps, with the actions due after one step, "
    "which no net can do (to reject is an exclusive or of state and symbol): 3 had a clean block "
    "in an earlier simulator, 1 in this, by luck; with forcing none of 5. The referee's, same "
    "rate and length, due after two steps as here, 65% of the tapes balanced: 4 of 5 had a clean "
    "block; frozen at the end, 2 made no error in 10,000 steps."
)


@claim(
    "C5a",
    "§3.4",
    "Nets of 15 units always learn the Turing machine's controller.",
    draw_machine,
    quotes="Networks with 15 units always learned the task.",
    asks=f"{MACHINE} 40 nets of 15 units, no forcing, 1,000,000 steps. Learned: 1,000 steps in a "
    f"row without an error, and, frozen, none in 10,000 more. {STOPS} How many nets the paper's "
    "“always” is of it does not say, and no number of ours proves it: the line, four in five, is "
    f"ours. {SEEN} The referee's, seed 777, 8 nets, rate 1, 55,000 steps: five had a clean block, "
    "but frozen one of these made no error.",
    holds_if="the exact interval of the share that learns lies above four fifths (38 of 40)",
    fails_if="it lies below, nets learned in the first half of the steps and none in the last, and "
    "five or more were left to: not seen. As long as the curve rises, or where none learned at "
    "all, the verdict is undecided",
    full_only=True,
)
def fifteen(run: Run) -> Finding:
    """Count nets of 15 units that learn."""
    numbers = numbers_of(run, run.pick(test=(10, 15), default=(15,), full=SIZES))
    row = numbers["by units"]["15"]
    count, by = len(row["times"]), row["after a quarter, a half, all"]
    judged = always(proportion(count, row["nets"]), by)
    return Finding(
        judged,
        ours=f"{count} of {row['nets']} nets in {numbers['steps']:,} steps",
        ran=f"{row['nets']} nets of 15 units, at most {numbers['steps']:,} steps, rate "
        f"{row['rate']:g}, by four nets apart.",
        measured=f"{row['told']} have learned; {by[0]} after a quarter of the steps, {by[1]} after "
        f"half. Wrong steps in the last block, over all: "
        f"{100 * row['wrong in the last block']:.2f}%.",
        numbers=numbers,
        between=BETWEEN,
        would_decide="More steps, or more nets." if judged.verdict == UNDECIDED else "",
    )


@claim(
    "C5b",
    "§3.4",
    "The smallest net that learns it has 12 units.",
    quotes="The minimum-size network to learn the task had 12 units.",
    asks="20 nets each of 10, 11 and 12 units, taught as in C5a, each size at its own rate. The "
    "paper reports the smallest of its nets, on a machine that it does not print: so one smaller "
    "net that learns does not refute it. Seen before: nothing of these sizes.",
    holds_if="none of the 40 smaller nets learns, and the exact interval of the share at 12 lies "
    "above that of theirs (six of 20 are enough)",
    fails_if="the exact interval of the share of the smaller nets that learn lies above one in "
    "twenty (six of 40): not seen",
    full_only=True,
)
def smallest(run: Run) -> Finding:
    """Count nets of fewer units that learn."""
    numbers = numbers_of(run, run.pick(test=(10, 12), default=SIZES[:3]))
    counts = {int(n): (len(r["times"]), r["nets"]) for n, r in numbers["by units"].items()}
    fewer = [counts[n] for n in counts if n < 12]
    judged = least(counts[12], (sum(c for c, _ in fewer), sum(n for _, n in fewer)))
    said = ", ".join(f"{count} of {units} units" for units, (count, _) in counts.items())
    rates = ", ".join(f"{row['rate']:g}" for row in numbers["by units"].values())
    return Finding(
        judged,
        ours=f"of {counts[12][1]} each: {said}",
        ran=f"{counts[12][1]} nets of each size, {numbers['steps']:,} steps, rates {rates}.",
        measured=f"Learned, of {counts[12][1]} nets each: {said}.",
        numbers=numbers,
        between=BETWEEN,
        would_decide="More nets, or more steps." if judged.verdict == UNDECIDED else "",
    )


@claim(
    "C5c",
    "§3.4",
    "They decide tapes of any length.",
    quotes="deciding whether a tape marked with an arbitrary length string of left and right "
    "parentheses consists entirely of sets of balanced parentheses.",
    asks="The nets of 15 units that learned (C5a), frozen, on three tapes ten times as long as the "
    "longest of their training: balanced at random, the same with one parenthesis turned round, "
    "and all that open before all that close. Are all actions right? Seen before: in the referee's "
    "pilot all five nets were right to a depth of 20.",
    holds_if="the interval of the share of these nets that make no error lies above one half",
    fails_if="it lies below: not seen",
    full_only=True,
)
def any_length(run: Run) -> Finding:
    """Count nets that are right on long tapes."""
    numbers = numbers_of(run, (15,))
    row = numbers["by units"]["15"]
    right, nets = sum(wrong == 0 for wrong in row["wrong"]), len(row["wrong"])
    judged = among(right, nets, 0.5, printed=False)
    others = [wrong for wrong in row["wrong"] if wrong]
    worst = f" The others get {median_of(others):,} steps wrong (median)." if others else ""
    return Finding(
        judged,
        ours=f"{right} of {nets} nets, tapes of {row['letters']} parentheses",
        ran=f"The {nets} nets of C5a that learned, three tapes of {row['letters']} parentheses.",
        measured=f"{right} of {nets} nets make no error.{worst}",
        numbers=numbers,
        between=BETWEEN,
        would_decide="More nets that learn the task." if judged.verdict == UNDECIDED else "",
    )
