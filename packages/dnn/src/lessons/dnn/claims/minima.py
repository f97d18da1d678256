"""Exclusive-or from bad beginnings: a printed local minimum, and equal weights."""

import itertools

import torch

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import HOLDS, REFUTED
from ..net import DeltaNet
from ..published import PUBLISHED
from ..rule import DeltaRule, train
from ..tasks import xor
from .experiment import MODES, counted, said


@claim(
    "C1c",
    "p. 332, Fig. 5, footnote 2",
    says="The local minimum of Fig. 5 is escaped at larger learning rates only.",
    asks="From the local minimum of Fig. 5 further training leads nowhere at η = .25, but with η "
    "= .5 or above the system escapes.",
)
def figure_5(run):
    """Train on from the printed weights, moved within the error of their rounding."""
    n, sweeps = run.pick(test=(2, 30), default=(50, 6000), full=(100, 20_000))
    escaped = {}
    for online, lr in itertools.product((False, True), (0.25, 0.5, 1.0)):
        settings = {"lr": lr, "online": online, "n": n, "sweeps": sweeps // (4 if online else 1)}
        escaped[f"{lr:g} {MODES[online]}"] = run.trial(escape, **settings, seed=run.seed)
    slow = max(count for name, count in escaped.items() if name.startswith("0.25"))
    fast = max(count for name, count in escaped.items() if not name.startswith("0.25"))
    return Finding(
        HOLDS if slow == 0 and fast > 0 else REFUTED,
        ran=f"{n} copies of Fig. 5, each weight moved by up to .05, as far as rounding may have; "
        f"double precision, α = .9, {sweeps:,} sweeps by sweep, {sweeps // 4:,} by pattern.",
        measured="Escaped: "
        + ", ".join(f"η = {name} {count} of {n}" for name, count in escaped.items())
        + ".",
        numbers=escaped,
    )


def escape(run: Run, lr: float, online: bool, n: int, sweeps: int, seed: int) -> int:
    """Return how many of n copies of Fig. 5 solve exclusive-or after all (a trial)."""
    generator = torch.Generator().manual_seed(seed)
    net = DeltaNet.from_preset(
        "xor-2-2-1", generator, replicates=n, scale=0.05, dtype=torch.float64
    )
    rounding = net.weights.detach().clone()
    net.set_matrix(PUBLISHED["Fig. 5"].matrix())
    net.weights.data += rounding
    x_PI, truth_PO = (tensor.double() for tensor in xor())
    at = train(net, x_PI, truth_PO, DeltaRule(net.parameters(), lr), sweeps, online)
    return int((at >= 0).sum())


@claim(
    "C1d",
    "p. 330",
    says="From equal weights the system can never learn; random ones cure that.",
    asks="If all weights start out with equal values the system can never learn; random ones cure "
    "that.",
)
def symmetry_breaking(run):
    """Start 2-2-1 nets with weights that are equal, all but equal, or random."""
    n, sweeps = run.pick(test=(2, 30), default=(100, 4000), full=(200, 8000))
    kinds = {
        "all equal": (1.0, 0.0), "equal, but for ±.001": (1.0, 0.001),
        "random, ±.001": (0.0, 0.001), "random, ±.1": (0.0, 0.1), "random, ±.5": (0.0, 0.5),
    }  # fmt: skip
    trials = {
        kind: run.trial(alike, common=a, apart=b, n=n, sweeps=sweeps, seed=run.seed)
        for kind, (a, b) in kinds.items()
    }
    counts = {kind: counted(trial["solved"]) for kind, trial in trials.items()}
    # The cure works if more than half of the usual nets learn; C1b says how many.
    holds = counts["all equal"]["solved"] == 0 and 2 * counts["random, ±.5"]["solved"] > n
    return Finding(
        HOLDS if holds else REFUTED,
        ran=f"2-2-1 nets on exclusive-or, η = .25, α = .9, {sweeps:,} sweeps, {n} of each kind; "
        "equal weights are one number from ±1 for each net.",
        measured="Learned: "
        + "; ".join(f"{kind} {said(c, sweeps=False)}" for kind, c in counts.items())
        + f". From equal weights the hidden units stay {trials['all equal']['apart']:g} apart.",
        numbers=counts,
    )


def alike(run: Run, common: float, apart: float, n: int, sweeps: int, seed: int) -> dict:
    """Train nets with weights of one number from ±common, each moved within ±apart (a trial)."""
    generator = torch.Generator().manual_seed(seed)
    net = DeltaNet.from_preset("xor-2-2-1", generator, replicates=n, scale=apart)
    net.weights.data += common * (2 * torch.rand(n, 1, generator=generator) - 1)

    at = train(net, *xor(), DeltaRule(net.parameters(), 0.25), sweeps)
    matrix = net.matrix().detach()
    solved = [sweep if sweep >= 0 else None for sweep in at.tolist()]
    return {"solved": solved, "apart": (matrix[:, 3] - matrix[:, 4]).abs().max().item()}
