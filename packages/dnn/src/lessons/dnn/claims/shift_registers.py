"""Nets with cycles that are asked to shift a pattern."""

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import HOLDS, REFUTED
from ..recurrent import RecurrentNet
from ..rule import DeltaRule, train
from ..tasks import shift_register
from .experiment import MODES, counted, draw_rates, said


def learn_shift(
    run: Run, units: int, negative: bool, online: bool, n: int, sweeps: int, seed: int
) -> dict:
    """Train fully connected nets to shift a pattern by two places in two steps (a trial).

    With ``negative`` every bias is kept at −1 or less: alone, a unit is off.
    """
    x_PI, truth_PO = shift_register(units)
    everyone = torch.ones(units, units, dtype=torch.bool)
    nets = RecurrentNet(0, 0, units, 2, everyone, n, generator=torch.Generator().manual_seed(seed))
    biases = nets.weights.data[:, units * units :]

    def keep_negative() -> None:
        if negative:
            biases.clamp_(max=-1)

    keep_negative()
    given, wanted = nets.given(torch.zeros(len(x_PI), 2, 0), x_PI), nets.wanted(truth_PO[:, None])
    rule = DeltaRule(nets.parameters(), 0.25)
    at = train(nets, given, wanted, rule, sweeps, online, constrain=keep_negative)
    halfway = nets.states(given)[:, :, 0] > 0.5
    shifts = (halfway == (x_PI.roll(-1, 1) > 0.5)).flatten(1).all(1)
    # Another way, for three units: 001 becomes 101, and then 100.
    detour = x_PI - x_PI.roll(-1, 1) + x_PI.roll(-2, 1) > 0.5
    solved = [s if s >= 0 else None for s in at.tolist()]
    detours = (halfway == detour).flatten(1).all(1)
    return {"solved": solved, "shifts": shifts.tolist(), "detours": detours.tolist()}


def draw_shifts(figure, numbers):
    """Draw which part of the nets that learned shift by one place at the first step."""
    figure.set_size_inches(6.4, 2.2)
    axes = figure.subplots()
    draw_rates(axes, numbers["shifters"], [BLUE, BLUE, RED, RED, MUTED, MUTED])
    label = "of the nets that learned: a one-step shift register (%), with 95% intervals"
    axes.set(xlabel=label, xlim=(-2, 102))


@claim(
    "C7a",
    "p. 357",
    says="Nets with negative biases always learn to shift by one at each step.",
    asks="Asked to shift a pattern by two places in two steps, nets of three or five units with "
    "negative biases always learn to shift by one at each step, in fewer than 200 sweeps.",
    draw=draw_shifts,
)
def shift_registers(run):
    """Judge whether all that learn shift by one place at each step, changed either way."""
    counts, shifters, detours = {}, {}, 0
    for negative, online in ((True, False), (True, True), (False, False)):
        n, sweeps = run.pick(test=(4, 20), default=(100, 2000), full=(500, 4000))
        sweeps = sweeps // 10 if online else sweeps
        for units in (3, 5):
            settings = {"units": units, "negative": negative, "online": online, "n": n}
            trial = run.trial(learn_shift, **settings, sweeps=sweeps, seed=run.seed)
            name = f"{units} units, {'negative' if negative else 'free'} biases, {MODES[online]}"
            counts[name] = counted(trial["solved"])
            learned = [s for s, at in zip(trial["shifts"], trial["solved"]) if at is not None]
            shifters[name] = counted(learned or [False])
            if units == 3 and negative:
                detours += sum(trial["detours"])
    always = all(s["solved"] == s["n"] for name, s in shifters.items() if "negative" in name)
    return Finding(
        HOLDS if always else REFUTED,
        ran=f"{n} nets of each kind on all patterns, η = .25, α = .9, initial weights within ±.5, "
        "biases of −1 or less, or free.",
        measured="; ".join(
            f"{name}: {said(counts[name])} learned, and of these "
            f"{said(shifters[name], sweeps=False)} shift by one at the first step"
            for name in counts
        )
        + f". With three units and negative biases {detours} make 101 of 001 at the first step, "
        "and 100 of that.",
        numbers={"counts": counts, "shifters": shifters, "detours": detours},
    )
