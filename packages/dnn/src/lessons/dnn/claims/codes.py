"""Codes that hidden units invent, and the other tasks that the chapter's nets learn."""

import itertools

from ..lab.claim import Finding, claim
from ..lab.figures import GREEN, RED
from ..lab.run import Run
from ..lab.statistics import HOLDS, NOT_SEEN, REFUTED
from .experiment import TASKS, best, counted, draw_rates, learn, listed, said, trained
from .settings import counts_over_settings, setting


def learn_codes(run: Run, net: str, task: str, lr: float, n: int, sweeps: int, seed: int) -> dict:
    """Train nets; return the sweeps, and the codes of all patterns in the first hidden layer."""
    nets, solved = trained(run, net, task, lr, sweeps, n, seed)
    x_PI = TASKS[task]()[0].to(run.device)
    acts = nets.activities(x_PI)[..., nets.graph.n_in :][..., : nets.levels[0].size]
    rounded = [[[round(v, 4) for v in p] for p in r] for r in acts.tolist()]
    return {"solved": solved, "codes": rounded}


def encoders(run: Run) -> dict:
    """Train the nets of Table 5."""
    n, sweeps = run.pick(test=(4, 30), default=(100, 2000), full=(500, 4000))
    settings = {"net": "encoder-8-3-8", "task": "encoder", "lr": 0.25, "n": n, "sweeps": sweeps}
    return run.trial(learn_codes, **settings, seed=run.seed)


def level_nets(run: Run) -> dict:
    """Train the nets of Fig. 8."""
    n, sweeps = run.pick(test=(4, 30), default=(60, 6000), full=(300, 12_000))
    settings = {"net": "levels-2-1-4-4", "task": "levels", "lr": 0.05, "n": n, "sweeps": sweeps}
    return run.trial(learn_codes, **settings, seed=run.seed)


@claim(
    "C5a",
    "pp. 335-337, Tables 4, 5",
    says="An 8-3-8 net invents a three-unit code, often with values between 0 and 1.",
    asks="An 8-3-8 net invents a code of three hidden units for eight patterns, often one with "
    "values between 0 and 1.",
)
def encoder_invents_codes(run):
    """Judge how many learn, and whether values between .25 and .75 occur among them."""
    trial = encoders(run)
    count = counted(trial["solved"])
    codes = [c for c, at in zip(trial["codes"], trial["solved"]) if at is not None]
    between = sum(any(0.25 < v < 0.75 for p in code for v in p) for code in codes)
    binary = sum(len({tuple(v > 0.5 for v in p) for p in code}) == 8 for code in codes)
    return Finding(
        HOLDS if count["solved"] >= 0.95 * count["n"] and between else NOT_SEEN,
        ran="8-3-8 nets, η = .25, α = .9, by sweep.",
        measured=f"Learned: {said(count)}. {between} of them use values between .25 and .75; in "
        f"{binary} the code rounds to the eight binary numbers.",
        numbers={"count": count, "between": between, "binary": binary, "example": codes[:1]},
        between="A few sweeps only.",
    )


@claim(
    "C5b",
    "pp. 337-339, Table 7, Fig. 8",
    says="One hidden unit learns to tell four patterns apart by four levels.",
    asks="Where it must, one hidden unit learns to tell four patterns apart by four levels of "
    "activity (2-1-4-4, 5,226 presentations at η = .05).",
)
def levels_of_one_unit(run):
    """Judge how many learn; their levels are distinct if .05 or more apart."""
    trial = level_nets(run)
    count = counted(trial["solved"])
    levels = [
        sorted(p[0] for p in code)
        for code, at in zip(trial["codes"], trial["solved"])
        if at is not None
    ]
    distinct = sum(all(b - a > 0.05 for a, b in itertools.pairwise(row)) for row in levels)
    middle = [sorted(row[k] for row in levels)[len(levels) // 2] for k in range(4 if levels else 0)]
    return Finding(
        HOLDS if min(count["solved"], distinct) >= 0.95 * count["n"] else NOT_SEEN,
        ran="2-1-4-4 nets, η = .05, α = .9, by sweep.",
        measured=f"Learned: {said(count)} sweeps. In {distinct} of them the four levels are .05 or "
        f"more apart; their medians are {', '.join(f'{v:.2f}' for v in middle)} (Table 7: 0, .2, "
        ".6, 1).",
        numbers={"count": count, "levels": levels[:20], "distinct": distinct},
        between="A few sweeps only.",
    )


def draw_other_tasks(figure, numbers):
    """Draw the rates of the tasks beside the adder."""
    figure.set_size_inches(6.4, 2.4)
    axes = figure.subplots()
    colors = [RED] * len(numbers["parity"]) + [GREEN] * 3
    draw_rates(axes, numbers["parity"] | numbers["others"], colors)
    axes.set(xlabel="nets that learned (%), with 95% intervals", xlim=(-2, 102))


@claim(
    "C5c",
    "pp. 332, 334-335, 352",
    says="No local minima were met but in exclusive-or and the adder.",
    asks="Apart from exclusive-or and the adder no local minima were met: four hidden units learn "
    "parity of four bits (2,825 presentations at η = .5), the encoder, the four levels and "
    "negation are learned.",
    draw=draw_other_tasks,
)
def no_other_minima(run):
    """Judge whether 95% learn each task in its best setting."""
    # Random weights within ±1, which parity likes better than ±.5.
    parity = counts_over_settings(run, "parity-4-4-1", "parity-4", scale=1.0)
    n, sweeps = run.pick(test=(4, 30), default=(100, 5000), full=(500, 5000))
    settings = {"net": "negation-4-3-3", "task": "negation", "lr": 0.25, "n": n, "sweeps": sweeps}
    others = {
        "negation": counted(run.trial(learn, **settings, seed=run.seed)),
        "encoder": counted(encoders(run)["solved"]),
        "four levels": counted(level_nets(run)["solved"]),
    }
    tops = {"parity": best(parity)} | others
    bad = [name for name, count in tops.items() if count["solved"] < 0.95 * count["n"]]
    return Finding(
        REFUTED if bad else HOLDS,
        ran=f"4-4-1 nets on parity, initial weights within ±1, {setting(run)}; the others at the "
        "chapter's η, by sweep.",
        measured=f"Learned: parity {listed(parity)}. Others: {listed(others)}.",
        numbers={"parity": parity, "others": others},
    )
