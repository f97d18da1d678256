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
from .flip_flop import separated
from .indefinite import NONMATCH
from .learning import able, errors, frozen_net, lesson

QUIET = 5  # steps without a cue, after which the bit counts as stored
STATIC, DYNAMIC = 0.8, 0.5  # share of a projection's variance that the bit explains
RIGHT = 0.999  # of the outputs, while there is no static pattern
KINDS = ("one unit", "a static pattern of several", "in between", "no static pattern")


@torch.no_grad()
def states(run: Run, weights: Tensor) -> tuple[Tensor, Tensor, Tensor, list[float]]:
    """Return outputs (T, S, N) of frozen nets, the bit that is stored (T, S), and when to look.

    And how often each net answers right, over all steps.

    Looked at are the steps before which there was no cue for `QUIET` steps: where the stored bit
    has just changed, or might have, a net that holds it in one unit is on its way.
    """
    steps = run.pick(test=300, default=20_000)
    stream = Nonmatch(len(weights), torch.Generator().manual_seed(run.seed + 6))
    x, d = stream.draw(steps + 50)
    y = frozen_net(weights).run(x)  # row t is y(t + 1): it has felt the inputs up to row t
    cued = x[..., 1] > 0
    t = torch.arange(len(x))[:, None]
    since = t - torch.where(cued, t, -1).cummax(0)[0]
    bits, right = Nonmatch.stored(x, torch.zeros(len(weights))), ~errors(y[50:], d[50:])
    return y[50:], bits[50:], (since >= QUIET)[50:], right.double().mean(0).tolist()


def plane(y_TN: np.ndarray, bit_T: np.ndarray) -> tuple[str, float]:
    """Return whether a plane tells the bit at every step, and how often the best one found errs.

    A linear program finds a plane ("yes"), proves that there is none ("no"), or gives up
    ("unknown"). Of two planes, that of least squares and that of the least sum of slacks, the
    better is taken: an upper bound of what the best of all gets wrong.
    """
    from scipy.optimize import linprog

    sign = np.where(bit_T > 0, 1.0, -1.0)
    if len(np.unique(sign)) < 2:
        return "yes", 0.0
    points = np.c_[y_TN, np.ones(len(y_TN))]
    signed, width = sign[:, None] * points, points.shape[1]
    found = linprog(np.zeros(width), -signed, -np.ones(len(signed)), bounds=(-1e5, 1e5))
    if found.status == 0:
        return "yes", 0.0
    exists = "no" if found.status == 2 else "unknown"
    some = signed[:1000]  # for slacks: one more variable each
    slack = linprog(
        np.r_[np.zeros(width), np.ones(len(some))], np.c_[-some, -np.eye(len(some))],
        -np.ones(len(some)), bounds=[(-1e5, 1e5)] * width + [(0, None)] * len(some),
    )  # fmt: skip
    planes = [np.linalg.lstsq(points, sign, rcond=None)[0]]
    planes += [slack.x[:width]] if slack.status == 0 else []
    return exists, min(float(((signed @ weights) <= 0).mean()) for weights in planes)


def explained(y_TN: np.ndarray, bit_T: np.ndarray) -> float:
    """Return how much of a projection's variance the bit explains, of the best one for that.

    It is that of least squares on the bit, and the share is that of the bit's own variance which it
    explains: if the outputs stay put while a bit is stored, 1.
    """
    bit = bit_T.astype(float) - bit_T.mean()
    if not bit.any():
        return 1.0
    centred = y_TN - y_TN.mean(0)
    fit = centred @ np.linalg.lstsq(centred, bit, rcond=None)[0]
    return float(fit @ bit / (bit @ bit))


def kind_of(y_TN: Tensor, bit_T: Tensor, right: float = 1.0) -> dict[str, Any]:
    """Return in which way a net stores a bit; what the bit explains; and whether a plane reads it.

    Its outputs and the bit are given by step, and how often the net answers right.
    """
    points, bits = y_TN.double().numpy(), bit_T.numpy()
    share, (exists, errs) = explained(points, bits), plane(points, bits)
    if separated(y_TN, bit_T[:, None].expand_as(y_TN)).any():
        kind = KINDS[0]
    elif share > STATIC:
        kind = KINDS[1]
    else:
        kind = KINDS[3] if share < DYNAMIC and right >= RIGHT else KINDS[2]
    return {"kind": kind, "explained": share, "plane": exists, "errs": errs}


def stores(run: Run) -> list[dict[str, Any]]:
    """Return how all nets that learned nonmatch (C2b) store the bit."""
    found = lesson(run, "nonmatch", 6, nets=100)
    good = able(found)
    if not good:
        return []
    y, bits, quiet, right = states(run, torch.tensor([found["weights"][i] for i in good]))
    looks = [(y[quiet[:, s], s], bits[quiet[:, s], s]) for s in range(len(good))]
    return [kind_of(*look, share) for look, share in zip(looks, right)]


def draw_kinds(figure, numbers) -> None:
    """Draw how many nets store the bit in which way."""
    figure.set_size_inches(6.4, 2.1)
    axes = figure.subplots()
    counts = numbers["kinds"]
    axes.barh(list(counts), list(counts.values()), color=(BLUE, GREEN, MUTED, MUTED))
    axes.invert_yaxis()
    axes.grid(axis="x")
    axes.set(xlabel="nets that learned")


def existence(run: Run, kind: str, what: str) -> Finding:
    """Judge whether there are nets of a kind, and not by a single exception."""
    found = stores(run)
    counted = {name: sum(net["kind"] == name for net in found) for name in KINDS}
    some, nets = counted[kind], max(len(found), 1)
    share = proportion(some, nets)
    # Two lines: above the one it is there, below the other it is not, or hardly.
    judged = judge(share, above=0.01, paper_regime=False)
    if judged.verdict == UNDECIDED and share.high < 0.1:
        judged = judge(share, above=0.1, paper_regime=False)
    said = "; ".join(f"{name}: {count}" for name, count in counted.items())
    planes = sum(net["plane"] == "yes" for net in found)
    least = min((net["explained"] for net in found), default=0.0)
    return Finding(
        judged,
        ours=f"{some} of {len(found)} nets",
        ran=f"The {len(found)} nets of C2b that learned, frozen, over 20,000 steps, where no cue "
        f"was for {QUIET} steps.",
        measured=f"How the {len(found)} nets store the bit: {said}. {what} The least "
        f"that the bit explains in any net is {least:.2f}. In {planes} of them a fixed plane reads "
        "the bit at each step.",
        numbers={"kinds": counted, "nets": len(found), "each": found},
        between=NONMATCH,
        would_decide="More nets that learn the task." if judged.verdict == UNDECIDED else "",
    )


RULE: dict[str, Any] = {
    "holds_if": "the exact interval of the share of such nets lies above one in a hundred (three "
    "of forty do)",
    "fails_if": "it does not, and lies below one in ten: not seen, as size and details of the task "
    "are not printed",
}


@claim(
    "C4a",
    "§3.3",
    "Sometimes a single unit stores the cued bit.",
    draw_kinds,
    quotes="Sometimes a single unit is recruited to act as an appropriate flip-flop, with the "
    "other units performing the required logic",
    asks="The nets that learned delayed nonmatch (C2b): does one unit tell the stored bit by one "
    "threshold, at each of 20,000 steps that follow on five steps without a cue? Sometimes: there "
    "are such nets, and not by a single exception.",
    **RULE,
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
    asks="A static pattern stays put as long as the bit does. The same nets and steps: of the "
    "variance of a projection of the outputs, the one best for that, how much does the stored bit "
    "explain? Above .8 the pattern is static, below .5 it is dynamic, if the net answers right in "
    "999 of 1,000 steps; our lines. Whether a fixed plane reads the bit is told beside and not "
    "judged: the units from which the answer comes have one in their weights, so nearly any net "
    "that is right has some. Seen before: seed 777, six nets that learned in 45,000 steps: .92 to "
    "1.00 in all, one unit in three of them. A referee's pilot of planes, "
    "five nets that learned, one step after the input: in three none was right throughout, but "
    "only within three steps of a cue; such steps do not count.",
    **RULE,
)
def no_static_pattern(run: Run) -> Finding:
    """Look for nets whose outputs do not stay put while the bit does."""
    what = f"No static pattern: the bit explains less than {DYNAMIC:g} of any projection."
    return existence(run, "no static pattern", what)
