"""Nets with cycles that complete sequences."""

import math
import statistics

import torch

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import HOLDS, NOT_SEEN
from ..recurrent import RecurrentNet
from ..rule import DeltaRule, train, within
from ..tasks import NOVEL, sequence_completion
from .experiment import counted, said


def learn_sequences(run: Run, lr: float, n: int, sweeps: int, seed: int, variations=False) -> dict:
    """Train recurrent nets to complete sequences (a trial).

    Returns after how many sweeps each has all its sequences right, and how many of those that it
    was not taught it has right then or at the end.
    """
    x_PTI, truth_PTO, names = sequence_completion(variations)
    generator = torch.Generator().manual_seed(seed)
    hidden, steps = (60, 7) if variations else (30, 5)
    wired = torch.zeros(hidden + 3, 5 + hidden + 3, dtype=torch.bool)
    wired[:hidden, : 5 + hidden] = True
    wired[hidden:, 5:] = True
    if variations:  # p. 359: half of the connections between hidden units are left out at random
        wired[:hidden, 5 : 5 + hidden] &= torch.rand(hidden, hidden, generator=generator) < 0.5
    nets = RecurrentNet(
        5, hidden, 3, steps, wired, n, targets=(0.2, 0.8), no_error_zone=True, scale=0.3,
        generator=generator,
    )  # fmt: skip
    novel = torch.tensor([name in NOVEL for name in names])
    if variations:
        novel[torch.randperm(len(names), generator=generator)[:14]] = True
    given, wanted = nets.given(x_PTI), nets.wanted(truth_PTO)
    at = train(
        nets, given[~novel], wanted[~novel], DeltaRule(nets.parameters(), lr), sweeps,
        solved=within(0.5),
    )  # fmt: skip
    right = ~((nets(given) - wanted).abs() >= 0.5).any(-1)
    return {
        "solved": [sweep if sweep >= 0 else None for sweep in at.tolist()],
        "known": right[:, ~novel].float().mean(1).tolist(),
        "novel": right[:, novel].sum(1).tolist(),
    }


@claim(
    "C7b",
    "pp. 358-360, Tables 10, 11",
    says="A recurrent net learns 20 sequences and completes four or all of five others.",
    asks="A recurrent net learns 20 sequences in 260 sweeps, and completes four or all of five "
    "that it was not taught.",
)
def sequences(run):
    """Judge the mean of the right ones among the five."""
    n, sweeps = run.pick(test=(2, 10), default=(20, 1000), full=(100, 1500))
    trial = run.trial(learn_sequences, lr=0.02, n=n, sweeps=sweeps, seed=run.seed)
    count, novel = counted(trial["solved"]), trial["novel"]
    average, se = statistics.mean(novel), statistics.stdev(novel) / math.sqrt(n)
    how = ", ".join(f"{novel.count(k)} nets {k}" for k in range(6) if novel.count(k))
    # By chance all twelve outputs of a sequence are right once in 4,096; half of five is far off.
    return Finding(
        HOLDS if average >= 2.5 else NOT_SEEN,
        ran=f"{n} nets of 5-30-3 units, 1,182 weights, unrolled for five steps; ε = .02, α = .9, "
        "initial weights within ±.3, states of .2 at the start, no error beyond .2 and .8.",
        measured=f"All 20 learned: {said(count)} sweeps. Of the five others {average:.2f} ± "
        f"{se:.2f} are right: {how}.",
        numbers=trial,
        between="The nets had not learned their 20 sequences yet.",
    )


@claim(
    "C7c",
    "pp. 359-360, Table 12",
    says="With letters at variable times, it completes most of 14 sequences not taught.",
    asks="With letters at variable times, 150 sequences, a net with 60 hidden units learns 136 in "
    "thousands of sweeps and completes most of the 14 others.",
)
def sequences_with_pauses(run):
    """Judge, at the better of two rates, whether more than half of the 14 are right."""
    n, sweeps = run.pick(test=(2, 5), default=(2, 2500), full=(16, 4000))
    trials = {
        lr: run.trial(learn_sequences, lr=lr, n=n, sweeps=sweeps, seed=run.seed, variations=True)
        for lr in (0.005, 0.002)
    }
    average = {lr: statistics.mean(trial["novel"]) for lr, trial in trials.items()}
    return Finding(
        HOLDS if max(average.values()) > 7 else NOT_SEEN,
        ran=f"{n} nets, half of the connections between hidden units left out, ε of .005 and .002 "
        f"(the chapter gives none), else as C7b; {sweeps:,} sweeps at most.",
        measured="; ".join(
            f"ε = {lr:g}: all 136 learned by {said(counted(trial['solved']))} sweeps, of 14 others "
            f"{average[lr]:.1f} right"
            for lr, trial in trials.items()
        )
        + ".",
        numbers={f"{lr:g}": trial for lr, trial in trials.items()},
        between="The nets had not learned their sequences yet.",
    )
