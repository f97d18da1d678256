"""Claims about the chapter's other layered tasks: symmetry, addition, codes, parity, negation."""

import itertools

import torch

from .claims import HOLDS, NOT_SEEN, REFUTED, Finding, Run, claim
from .counting import wilson
from .experiment import MODES, TASKS, best, counted, draw_rates, learn, listed, said, trained
from .figures import AMBER, BLUE, GREEN, INK, MUTED, RED
from .tasks import addition


def learn_symmetry(run: Run, n: int, sweeps: int, seed: int) -> dict:
    """Train 6-2-1 nets on symmetry; return the sweeps, and the weights into the hidden units."""
    nets, solved = trained(
        run, "symmetry-6-2-1", "symmetry", 0.1, sweeps, n, seed, scale=0.3, targets=(0.0, 1.0),
        until_solved=False,
    )  # fmt: skip
    return {"solved": solved, "weights": nets.matrix()[:, 7:9, :7].tolist()}


def symmetry_nets(run: Run) -> tuple[list, torch.Tensor, str]:
    """Return the sweeps, the weights (nets, 2, 6) of the nets that learned, and what was run."""
    n, sweeps = run.pick(test=(4, 30), default=(100, 3000), full=(500, 6000))
    trial = run.trial(learn_symmetry, n=n, sweeps=sweeps, seed=run.seed)
    weights = torch.tensor(trial["weights"])[:, :, 1:]  # without the biases
    learned = weights[[s is not None for s in trial["solved"]]]
    ran = f"{n} nets 6-2-1, η = .1, α = .9, targets 0 and 1, initial weights within ±.3, by sweep "
    ran += f"as in the letter, {sweeps:,} sweeps."
    # At the smallest scale nothing is learned, and there is still a form to look at.
    return trial["solved"], learned if len(learned) else weights, ran


@claim(
    "C3a",
    "pp. 340-341, Fig. 9; Nature, Fig. 1",
    "Two hidden units learn to recognize symmetry, with weights that are antisymmetric about the "
    "middle and units that are negatives of each other.",
)
def symmetry_by_two_units(run):
    """Judge the form of the weights in the nets that learned."""
    solved, weights, ran = symmetry_nets(run)
    first, second = weights.unbind(1)
    size, count = first.norm(dim=1), counted(solved)
    antisymmetry = ((first + first.flip(1)).norm(dim=1) / size).tolist()
    negation = ((first + second).norm(dim=1) / size).tolist()
    # 5% is wide of what is measured, and narrow against weights of any other form.
    alike = sum(a < 0.05 and b < 0.05 for a, b in zip(antisymmetry, negation))
    return Finding(
        HOLDS if alike >= 0.9 * len(weights) and count["solved"] else NOT_SEEN,
        ran=ran,
        measured=f"{said(count)} sweeps (the chapter's example took 1,208). {alike} of the "
        f"{len(weights)} have this form; the largest deviations are {max(antisymmetry):.4f} and "
        f'{max(negation):.3f} of the weights. If "can always be solved" is about runs, and '
        "not about nets, it is not so.",
        numbers={"count": count, "antisymmetry": antisymmetry, "negation": negation},
        between="Too few nets had learned for their form to be judged.",
    )


def draw_symmetry(figure, numbers):
    """Draw the weights of a net of each kind, and the ratios in all nets."""
    figure.set_size_inches(6.4, 2.5)
    *nets, right = figure.subplots(1, 3)
    for axes, (name, weights), color in zip(nets, numbers["examples"].items(), (BLUE, RED)):
        axes.bar(range(1, 7), weights, width=0.7, color=color)
        axes.set(xlabel="input bit", title=f"a net with {name}")
        axes.axhline(0, color=MUTED, lw=0.8)
    nets[0].set_ylabel("weight to a hidden unit")
    points = [(r[1], r[2]) for r in numbers["ratios"]]
    right.plot(*zip(*points), "o", ms=4, color=INK, alpha=0.15)
    for name, count, color, (x, y) in (
        ("1:2:4", numbers["powers"], BLUE, (2, 4)),
        ("2:3:4", numbers["others"], RED, (1.5, 2)),
    ):
        right.text(x, y - 0.5, f"{name}, {count} nets", color=color, ha="center")
    right.set(xlim=(0.8, 2.7), ylim=(0.8, 4.6), xlabel="second weight by the smallest")
    right.set(ylabel="largest by the smallest", title="all that learned")


@claim(
    "C3b",
    "p. 341, Fig. 9; Nature, Fig. 1",
    "On either side of the middle the weights are in the ratio 1:2:4, so that each pattern there "
    "gives its own sum.",
    draw_symmetry,
)
def symmetry_in_powers_of_two(run):
    """Judge the ratios of the weights in the nets that learned."""
    _, weights, ran = symmetry_nets(run)
    halves = weights[:, 0, :3].abs().sort(dim=1).values
    ratios = (halves / halves[:, :1]).tolist()

    def near(second: float, third: float) -> list[int]:
        # 10% keeps 1:2:4 and 2:3:4 well apart.
        return [
            k
            for k, r in enumerate(ratios)
            if abs(r[1] / second - 1) < 0.1 and abs(r[2] / third - 1) < 0.1
        ]

    powers, others = near(2, 4), near(1.5, 2)
    low, high = wilson(len(powers), len(ratios))
    median = [sorted(ratios[k][i] for k in others)[len(others) // 2] for i in (1, 2) if others]
    seen = " : ".join(f"{value:.2f}" for value in [1, *median])
    examples = {
        name: weights[k[0], 0].tolist() for name, k in (("1:2:4", powers), ("2:3:4", others)) if k
    }
    return Finding(
        HOLDS if len(powers) >= 0.9 * len(ratios) else REFUTED,
        ran=ran + " The letter's own setting.",
        measured=f"{len(powers)} of {len(ratios)} that learned have 1:2:4 "
        f"({100 * low:.0f}–{100 * high:.0f}%), {len(others)} have {seen}, about 2:3:4, which "
        "tells all patterns apart as well.",
        numbers={"ratios": ratios, "examples": examples, "powers": len(powers)}
        | {"others": len(others)},
    )


RATES = (0.1, 0.25, 0.5)


def counts_over_settings(run: Run, net: str, task: str, scale: float = 0.5) -> dict[str, dict]:
    """Count nets that learn at three learning rates, changed by sweep and by pattern."""
    counts = {}
    for online, mode in MODES.items():
        sizes = run.pick(test=(2, 10), default=(100, 4000), full=(500, 10_000))
        if online:  # sixteen times the work
            sizes = run.pick(test=(2, 10), default=(50, 600), full=(200, 4000))
        for lr in RATES:
            settings = {"net": net, "task": task, "lr": lr, "online": online, "scale": scale}
            settings |= dict(zip(("n", "sweeps"), sizes))
            solved = run.trial(learn, **settings, seed=run.seed)
            counts[f"η = {lr:g} {mode}"] = counted(solved)
    return counts


def setting(run: Run) -> str:
    """Return in words what `counts_over_settings` does."""
    sweeps = run.pick(
        test="10",
        default="4,000 by sweep, 600 by pattern",
        full="10,000 by sweep, 4,000 by pattern",
    )
    return f"three learning rates, α = .9, sweeps: {sweeps}"


def draw_adders(figure, numbers):
    """Draw the rates for two and for three hidden units."""
    figure.set_size_inches(6.4, 2.6)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, hidden, color in zip(panels, ("2", "3"), (AMBER, BLUE)):
        draw_rates(axes, numbers[hidden], [color] * 6)
        axes.set(title=f"{hidden} hidden units", xlim=(-3, 103), xlabel="nets that learned (%)")


@claim(
    "C4a",
    "pp. 343-344",
    "With two hidden units, of which one sees the other, about half of the nets fail to learn to "
    "add two-bit numbers.",
)
def half_of_the_adders_fail(run):
    """Judge the setting with the rate that is closest to one half."""
    counts = counts_over_settings(run, "addition-4-2-3", "addition")
    closest = min(counts.values(), key=lambda c: abs(c["solved"] / c["n"] - 0.5))
    # "About half" is taken as 30 to 60% that learn.
    return Finding(
        HOLDS if 0.3 <= closest["solved"] / closest["n"] <= 0.6 else REFUTED,
        ran=f"Nets of Fig. 10 with all the connections allowed, {setting(run)}.",
        measured=f"Learned: {listed(counts)}.",
        numbers=counts,
    )


def failures(run: Run, n: int, sweeps: int, seed: int) -> list[list[int]]:
    """Return which of the 16 sums each adder of two hidden units has wrong at the end (a trial)."""
    settings = {"lr": 0.1, "sweeps": sweeps, "n": n, "seed": seed, "until_solved": False}
    nets, _ = trained(run, "addition-4-2-3", "addition", **settings)
    x_PI, truth_PO = (tensor.to(run.device) for tensor in addition())
    wrong = ((nets(x_PI) - truth_PO).abs() >= 0.4).any(-1)
    return [row.nonzero().squeeze(1).tolist() for row in wrong]


@claim(
    "C4b",
    "p. 344",
    "The nets that fail have every sum right but 3 + 3, where they miss the carry into the middle "
    "bit.",
)
def only_three_plus_three(run):
    """Judge whether most failures are of this one kind."""
    n, sweeps = run.pick(test=(4, 30), default=(100, 4000), full=(500, 10_000))
    wrong = [rows for rows in run.trial(failures, n=n, sweeps=sweeps, seed=run.seed) if rows]
    three, zero = (sum(rows == [row] for rows in wrong) for row in (15, 0))
    low, high = wilson(three, len(wrong))
    one = sum(len(rows) == 1 for rows in wrong)
    return Finding(
        HOLDS if three > len(wrong) / 2 else REFUTED,
        ran=f"The {len(wrong)} of {n} adders with two hidden units that do not add after "
        f"{sweeps:,} sweeps (η = .1, by sweep).",
        measured=f"{one} have one sum wrong: {three} of them 3 + 3 "
        f"({100 * low:.0f}–{100 * high:.0f}% of all failures), {zero} its mirror image 0 + 0, "
        f"{one - three - zero} another. {len(wrong) - one} have more wrong.",
        numbers={"three": three, "zero": zero, "one": one, "failed": len(wrong)},
    )


@claim("C4c", "p. 344", "With one extra hidden unit the adder is always learned.", draw_adders)
def one_extra_unit(run):
    """Judge the best setting."""
    counts = {h: counts_over_settings(run, f"addition-4-{h}-3", "addition") for h in ("2", "3")}
    n, sweeps = run.pick(test=(2, 10), default=(100, 4000), full=(500, 10_000))
    common = {"task": "addition", "lr": 0.1, "n": n, "sweeps": sweeps, "seed": run.seed}
    more = {
        f"{h} hidden units": counted(run.trial(learn, net=f"chain 4-{h}-3", **common))
        for h in (4, 5)
    }
    # Failing once in fifty is taken as "always" still: runs by the dozen would not show it.
    top = best(counts["3"])
    return Finding(
        HOLDS if top["solved"] >= 0.98 * top["n"] else REFUTED,
        ran=f"Three hidden units in a chain, {setting(run)}; four and five at η = .1, by sweep.",
        measured=f"Learned: {listed(counts['3'])}. {listed(more)}.",
        numbers=counts | {"more": more},
    )


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
    "An 8-3-8 net invents a code of three hidden units for eight patterns, often one with values "
    "between 0 and 1.",
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
    "Where it must, one hidden unit learns to tell four patterns apart by four levels of activity "
    "(2-1-4-4, 5,226 presentations at η = .05).",
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
    "Apart from exclusive-or and the adder no local minima were met: four hidden units learn "
    "parity of four bits (2,825 presentations at η = .5), the encoder, the four levels and "
    "negation are learned.",
    draw_other_tasks,
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


LAYERED = [
    symmetry_by_two_units,
    symmetry_in_powers_of_two,
    half_of_the_adders_fail,
    only_three_plus_three,
    one_extra_unit,
    encoder_invents_codes,
    levels_of_one_unit,
    no_other_minima,
]
