"""What the carried gradient needs: so many values, all weights and errors, and no interval."""

from typing import Any

import torch
from torch import Tensor

from ..bptt import gradient
from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import exact as exactly
from ..rtrl import RTRL, sensitivities_reference
from ..tasks import PipelinedXor
from .exact import SIZES, random_lesson, with_bias

CHUNK = 200  # entries of p that are left out side by side


def connections(n: int, m: int, kind: str, seed: int) -> Tensor:
    """Return which weights there are, (N, Z): all, about half of them, or a unit's own and inputs.

    Of the half each unit keeps the weight from the unit before it, so that all reach all.
    """
    generator = torch.Generator().manual_seed(seed)
    if kind == "all":
        return torch.ones(n, n + m, dtype=torch.bool)
    own = torch.eye(n, dtype=torch.bool)
    if kind == "diagonal":
        return torch.cat([own, torch.ones(n, m, dtype=torch.bool)], 1)
    ring = torch.cat([own.roll(1, 1), torch.zeros(n, m, dtype=torch.bool)], 1)
    return ring | (torch.rand(n, n + m, generator=generator) < 0.5)


def needed(n: int, m: int, there: Tensor, seed: int) -> tuple[int, int]:
    """Return how many values a learner keeps, and how many of them it cannot do without.

    One value of p is set to zero, in each of many equal nets another; then all go on for 2n steps
    with a target for one unit. Needed is a value without which the change of its weight is another.
    """
    x, d, _ = random_lesson(n, m, 4 * n + 4, seed)
    options: dict[str, Any] = {
        "connectivity": there, "online": False, "scale": 2.0, "dtype": torch.float64,
    }  # fmt: skip

    def fresh(seeds: int) -> RTRL:
        net = RTRL(n, m - 1, seeds=seeds, **options)
        generator = torch.Generator().manual_seed(seed)
        first = RTRL(n, m - 1, generator=generator, **options)
        net.weight.copy_(first.weight)
        net.run(x[: 2 * n + 4])
        return net

    def go_on(net: RTRL) -> Tensor:
        net.run(x[2 * n + 4 :], d[2 * n + 4 :, :, :1], [0])
        return net.change[:, there]

    whole = fresh(1)
    rows = whole.p.shape[2]
    want, found = go_on(whole)[0], 0
    for entries in torch.arange(n * rows).split(CHUNK):
        net, each = fresh(len(entries)), torch.arange(len(entries))
        units, row = entries // rows, entries % rows
        net.p[each, units, row] = 0
        got = go_on(net)[each, row]
        found += int(((got - want[row]).abs() > 1e-14 * want.abs().max()).sum())
    return n * rows, found


@claim(
    "C6c",
    "§2.4",
    "It must keep nr values for r weights, n³ + mn² in all.",
    quotes="Thus the minimal number of pᵏᵢⱼ values needed to store and update for a general "
    "network having n units and r adjustable weights is nr.",
    asks="Random nets of 1 to 15 units, fully connected (then nr is n³ + mn², as the paper says) "
    "and with about half of the weights, in which every unit reaches every other; one unit has a "
    "target. Each value of p is left out once, in its own copy of the net: does the change of its "
    "weight over the next 2n steps become another? General: a net whose units see only themselves "
    "is an exception (exercise 3), which is counted beside.",
    holds_if="the learner keeps nr values, and each of them is needed, in each of the nets",
    fails_if="it keeps another number, or one can be left out",
)
def count(run: Run) -> Finding:
    """Leave each value out once."""
    rows: dict[str, list[int]] = {}
    right, sizes = True, run.pick(test=SIZES[:3], default=SIZES[:4], full=SIZES)
    for n, m in sizes:
        for kind in ("all", "half"):
            there = connections(n, m, kind, run.seed)
            kept, found = needed(n, m, there, run.seed)
            right &= kept == found == n * int(there.sum())
            right &= kind != "all" or kept == n**3 + m * n**2
            rows[f"n = {n}, m = {m}, {kind}"] = [kept, found]
    n, m = sizes[-1]
    kept, alone = needed(n, m, connections(n, m, "diagonal", run.seed), run.seed)
    full = rows[f"n = {n}, m = {m}, all"]
    return Finding(
        exactly(right),
        ours=f"{n} units, {m} lines: {full[1]:,} of {full[0]:,} needed",
        ran="Random nets, the bias counted among the m lines, weights in ±2, float64.",
        measured="Kept and needed: "
        + "; ".join(f"{name}: {kept:,} and {found:,}" for name, (kept, found) in rows.items())
        + f". Where {n} units see only themselves, {alone:,} of {kept:,} are needed.",
        numbers=rows | {"diagonal": [kept, alone]},
    )


def reach(n: int, m: int, steps: int, seed: int) -> tuple[int, int]:
    """Return how many pairs of a weight and a recurrent weight or an error are independent.

    And how many pairs there are. A net's trajectory is kept; the learning rule gets a copy of the
    recurrent weights, and the change of each weight is differentiated by each of the copy and each
    error.
    """
    x, d, _ = random_lesson(n, m, steps, seed)
    generator = torch.Generator().manual_seed(seed)
    net = RTRL(n, m - 1, scale=2.0, generator=generator, dtype=torch.float64)
    seen = []
    for t in range(steps):
        z = net.concatenate(with_bias(x)[t, :, :-1])
        y = net.run(x[t : t + 1])[0]
        seen.append((z, y * (1 - y)))
    inputs, error = net.weight[:, :, n:], (d[-1] - y)[0]

    def change(recurrent: Tensor, error: Tensor) -> Tensor:
        p = torch.zeros(1, n, n, n + m, dtype=torch.float64)
        for z, slope in seen:
            p = sensitivities_reference(torch.cat([recurrent[None], inputs], 2), p, slope, z)
        return torch.einsum("k,kij->ij", error, p[0])

    found = torch.func.jacrev(change, (0, 1))(net.weight[0, :, :n].clone(), error)
    return sum(int((each == 0).sum()) for each in found), sum(each.numel() for each in found)


@claim(
    "C6d",
    "abstract, §4",
    "It is nonlocal: each weight needs all recurrent weights and errors.",
    quotes="for learning, each weight must have access to both the complete recurrent weight "
    "matrix W and the whole error vector e.",
    asks="The change of each weight after ten steps (equations 12 and 15), differentiated by each "
    "recurrent weight as the learning rule sees it, the trajectory being kept, and by each unit's "
    "error; random nets of 1 to 15 units, all of them with targets.",
    holds_if="no derivative is zero in any of the nets",
    fails_if="one is",
)
def nonlocal_rule(run: Run) -> Finding:
    """Count derivatives that are zero."""
    rows = {}
    for n, m in run.pick(test=SIZES[:3], default=SIZES[:4], full=SIZES):
        rows[f"n = {n}, m = {m}"] = list(reach(n, m, 10, run.seed))
    zero, pairs = (sum(row[i] for row in rows.values()) for i in (0, 1))
    return Finding(
        exactly(zero == 0),
        ours=f"{zero} of {pairs:,} derivatives are zero",
        ran="Random nets, weights in ±2, ten steps, float64.",
        measured=f"Of {pairs:,} derivatives, of each weight's change by each recurrent weight and "
        f"each error, {zero} are zero.",
        numbers=rows,
    )


def in_pieces(x: Tensor, d: Tensor, length: int, epochs: bool, seed: int) -> Tensor:
    """Return weights after a stream that came in pieces: online, or an exact gradient a piece."""
    seeds = x.shape[1]
    generator = torch.Generator().manual_seed(seed)
    net = RTRL(3, 2, 2.0, seeds=seeds, generator=generator, dtype=torch.float64)
    targets = torch.full((len(x), seeds, 3), torch.nan, dtype=torch.float64)
    targets[..., :1] = d
    for start in range(0, len(x), length):
        part = slice(start, start + length)
        if not epochs:
            net.run(x[part], d[part], [0])
            continue
        y0 = torch.full_like(net.y, 0.5)
        change, _, _ = gradient(net.weight, with_bias(x[part]), targets[part], y0)
        net.weight += 2.0 / length * change
    return net.weight


@claim(
    "C6f",
    "abstract, §2.2",
    "It needs no training interval: it learns while the net runs.",
    quotes="the advantage that they do not require a precisely defined training interval, "
    "operating while the network runs",
    asks="One stream (the XOR of C1a, delay 2, three units), given in pieces of 1, 7, 100 and "
    "1,000 steps, with nothing told at their ends: are the weights the same? Beside it exact "
    "back-propagation with an epoch for each piece, the net starting anew, which has to say where "
    "an interval begins and ends. The first is exact, and a property of the loop: the same steps "
    "in the same order. That nets learn so is C1a's.",
    holds_if="online weights are the same to the last bit for all pieces, those of epochs are not",
    fails_if="online weights depend on the pieces",
)
def no_interval(run: Run) -> Finding:
    """Compare weights after the same stream in other pieces."""
    nets, steps = run.pick(test=2, default=10), run.pick(test=200, default=2000)
    x, d = (v.double() for v in
            PipelinedXor(2, nets, torch.Generator().manual_seed(run.seed)).draw(steps))  # fmt: skip
    lengths = run.pick(test=[1, 7, 100], default=[1, 7, 100, 1000])
    spread = {}
    for name, epochs in (("online", False), ("epochs", True)):
        all_ = [in_pieces(x, d, length, epochs, run.seed) for length in lengths]
        spread[name] = max((w - all_[0]).abs().max().item() for w in all_)
    same, other = spread["online"], spread["epochs"]
    return Finding(
        exactly(same == 0 and other > 0),
        ours=f"weights differ by {same:g} online, by {other:.2f} with epochs",
        ran=f"{nets} nets of three units, {steps:,} steps in pieces of "
        f"{', '.join(map(str, lengths))}, rate 2, float64.",
        measured=f"The largest difference of a weight between any two ways to cut the stream is "
        f"{same:g} online, and {other:.3f} with an epoch for each piece.",
        numbers=spread,
    )
