"""How nets store the cued bit: in one unit, or in no fixed pattern at all (§3.3, §4)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN, MUTED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, judge, proportion
from ..tasks import Nonmatch
from .fixed import UNPUBLISHED
from .indefinite import separated
from .learning import able, frozen_net, lesson

WHERE = (0, 1)  # steps after the pattern line could first be felt: the answer is due a step later


@torch.no_grad()
def states(run: Run, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return outputs (T, S, N) of frozen nets, and the bit that is stored at each step (T, S)."""
    steps = run.pick(test=150, default=10_000)
    stream = Nonmatch(len(weights), torch.Generator().manual_seed(run.seed + 6))
    x, _ = stream.draw(steps + 51)
    y = frozen_net(weights).run(x)
    return y[51:], Nonmatch.stored(x, torch.zeros(len(weights)))[50:]


def linear(y_TN: np.ndarray, bit_T: np.ndarray) -> bool:
    """Return whether one plane tells the bit at every step: a linear program finds it or none."""
    from scipy.optimize import linprog

    sign = np.where(bit_T > 0, 1.0, -1.0)
    if len(np.unique(sign)) < 2:
        return True
    points = -sign[:, None] * np.c_[y_TN, np.ones(len(y_TN))]
    found = linprog(np.zeros(points.shape[1]), points, -np.ones(len(points)), bounds=(-1e5, 1e5))
    return found.status == 0


def storage(run: Run, units: int) -> list[dict[str, Any]]:
    """Return for each net that learned: flip-flops among its units, a fixed plane, or neither."""
    found = lesson(run, "nonmatch", units)
    good = able(found)
    if not good:
        return []
    y, bits = states(run, torch.tensor([found["weights"][i] for i in good]))
    kinds = []
    for s in range(len(good)):
        single = plane = False
        for lag in WHERE:
            bit = bits[1 - lag : len(bits) - lag, s]
            each = separated(y[:, s], bit[:, None].expand(-1, units))
            single |= bool(each.any())
            plane |= bool(each.any()) or linear(y[:, s].double().numpy(), bit.numpy())
        kinds.append({"units": units, "flip-flop": single, "static": plane})
    return kinds


def stores(run: Run) -> list[dict[str, Any]]:
    """Return how all nets of five and six units store the bit."""
    sizes = run.pick(test=[6], default=[6], full=[5, 6])
    return [kind for units in sizes for kind in storage(run, units)]


def tally(kinds: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many nets there are of each kind."""
    single = sum(kind["flip-flop"] for kind in kinds)
    static = sum(kind["static"] for kind in kinds)
    return {"one unit": single, "a fixed pattern of several": static - single,
            "no static pattern": len(kinds) - static}  # fmt: skip


def draw_kinds(figure, numbers) -> None:
    """Draw how many nets store the bit in which way."""
    figure.set_size_inches(6.4, 1.9)
    axes = figure.subplots()
    names = list(numbers["kinds"])
    axes.barh(names, [numbers["kinds"][name] for name in names], color=(BLUE, GREEN, MUTED))
    axes.invert_yaxis()
    axes.grid(axis="x")
    axes.set(xlabel="nets that learned")


def existence(run: Run, kind: str, what: str) -> Finding:
    """Judge whether there are nets of a kind."""
    kinds = stores(run)
    counted, nets = tally(kinds), max(len(kinds), 1)
    some = counted[kind]
    judged = judge(proportion(some, nets), above=0.0, paper_regime=False)
    said = "; ".join(f"{name}: {count}" for name, count in counted.items())
    sizes = " and ".join(sorted({str(kind["units"]) for kind in kinds})) or "six"
    return Finding(
        judged,
        ours=f"{some} of {len(kinds)} nets",
        ran=f"The {len(kinds)} nets of {sizes} units that learned delayed nonmatch, frozen, over "
        "10,000 steps.",
        measured=f"How the {len(kinds)} nets store the bit: {said}. {what}",
        numbers={"kinds": counted, "nets": len(kinds)},
        between=UNPUBLISHED,
        would_decide="More nets that learn the task." if judged.verdict == UNDECIDED else "",
    )


@claim(
    "C4a",
    "§3.3",
    "Sometimes a single unit stores the cued bit.",
    draw_kinds,
    quotes="Sometimes a single unit is recruited to act as an appropriate flip-flop, with the "
    "other units performing the required logic",
    asks="Nets of five and six units that learned delayed nonmatch (C2a): does one unit tell the "
    "stored bit by one threshold at each of 10,000 steps, one or two steps after it may have "
    "changed? Sometimes: there is such a net.",
    holds_if="the exact interval of the share of such nets lies above 0: there is one",
    fails_if="it does not; without any, the interval contains 0 and the claim is undecided",
)
def single_unit(run: Run) -> Finding:
    """Look for units that are flip-flops."""
    return existence(run, "one unit", "One unit: a threshold on it is right at every step.")


@claim(
    "C4b",
    "§3.3, §4",
    "At other times no static pattern of the units indicates the bit.",
    quotes="at other times a dynamic distributed representation is developed in which no static "
    "pattern indicates the stored bit",
    asks="The same nets: is there none, one or two steps after the bit may have changed, whose "
    "units tell it by one fixed plane at each of 10,000 steps (decided by linear programming)? At "
    "other times: there is such a net. A static pattern is thus any linear read-out.",
    holds_if="the exact interval of the share of nets without a plane lies above 0: there is one",
    fails_if="it does not; without any, the interval contains 0 and the claim is undecided",
)
def no_static_pattern(run: Run) -> Finding:
    """Look for nets that no plane reads."""
    return existence(run, "no static pattern", "No static pattern: no plane is right throughout.")
