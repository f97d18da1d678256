"""T and C: the printed receptive fields, and those that are learned."""

import itertools
import math

import torch
from torch import Tensor

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, INK, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import HOLDS, NOT_SEEN, REFUTED
from ..published import DETECTORS
from ..tasks import t_c
from .experiment import counted, said, square, trained


@claim(
    "C8a",
    "pp. 348-351, Figs. 13, 15",
    says="The printed receptive fields tell T and C apart.",
    asks="T and C do not differ in the distances between their squares, but the receptive fields "
    "of Fig. 15 tell them apart: D is covered in 21 places by any T and in 20 by any C.",
)
def detectors(run):
    """Slide the printed fields over all eight letters."""
    letters = t_c(side=9)[0].view(2, 4, 9, 9)
    distances = []
    for letter in letters[:, 0]:
        squares = letter.nonzero()
        pairs = itertools.combinations(squares.tolist(), 2)
        distances.append(sorted((a - c) ** 2 + (b - d) ** 2 for (a, b), (c, d) in pairs))
    seen = {name: overlap(letters, field) for name, field in DETECTORS.items()}
    tops = {name: seen[name].amax((2, 3)) for name in "AB"}
    on = (seen["C"] > 0).sum((2, 3))
    off = (seen["D"] < 0).sum((2, 3))
    holds = (
        distances[0] == distances[1]
        and all((tops["A"] == torch.tensor([[1], [0]])).flatten())
        and all((tops["B"] == torch.tensor([[2], [1]])).flatten())
        and all((on == torch.tensor([[5], [3]])).flatten())
        and all((off == torch.tensor([[21], [20]])).flatten())
    )
    t, c = 0, 1
    return Finding(
        HOLDS if holds else REFUTED,
        ran="Four T and four C, all places, the four printed fields; every pair of squares.",
        measured=f"Ten distances each, the same. Largest sum under A: T {tops['A'][t, 0]:.0f}, C "
        f"{tops['A'][c, 0]:.0f}; under B: T {tops['B'][t, 0]:.0f}, C {tops['B'][c, 0]:.0f}; C is "
        f"turned on in {on[t, 0]} places by a T and {on[c, 0]} by a C; D turned off in "
        f"{off[t, 0]} and {off[c, 0]}. Alike in all four orientations.",
        numbers={"distances": distances, "on": on.tolist(), "off": off.tolist()},
    )


def overlap(letters: Tensor, field: list[list[int]]) -> Tensor:
    """Return the sums under a field wherever it lies, for (2, 4, side, side) letters."""
    windows = letters.unfold(2, 3, 1).unfold(3, 3, 1)
    return (windows * torch.tensor(field, dtype=letters.dtype)).sum((-2, -1))


def learn_t_c(run: Run, n: int, sweeps: int, seed: int) -> dict:
    """Train detectors for T and C; return the sweeps and the receptive fields (a trial)."""
    nets, solved = trained(run, "t-c", "t-c", 0.05, sweeps, n, seed, until_solved=False)
    return {"solved": solved, "fields": nets.weights.tolist()}


def kind_of(field: list[float]) -> str:
    """Return which of the printed fields a field is most like, turned or not, up to its sign."""
    weights = torch.tensor(field)

    def likeness(letter: str) -> float:
        printed = torch.tensor(DETECTORS[letter], dtype=torch.float32)
        turned = torch.stack([printed.rot90(k).flatten() for k in range(4)])
        return torch.cosine_similarity(turned, weights[None]).abs().max().item()

    return max(DETECTORS, key=likeness)


def draw_fields(figure, numbers):
    """Draw the receptive fields of some nets that learned, two of each kind."""
    figure.set_size_inches(6.4, 1.2)
    panels = figure.subplots(1, 8)
    for axes, field in zip(panels, numbers["examples"]):
        largest = max(map(abs, field))
        for k, weight in enumerate(field):
            row, column = divmod(k, 3)
            side = 0.9 * math.sqrt(abs(weight) / largest)
            corner = (column - side / 2, row - side / 2)
            axes.add_patch(square(corner, side, BLUE if weight > 0 else RED))
        axes.set(xlim=(-0.6, 2.6), ylim=(2.6, -0.6), aspect="equal", xticks=[], yticks=[])
        axes.set_title(f"like {kind_of(field)}", fontsize=8)
        axes.grid(visible=False)
        axes.patch.set(edgecolor=MUTED, lw=0.6, facecolor="none")
    figure.text(0.01, 0.01, "blue: positive, red: negative weights", fontsize=8, color=INK)


@claim(
    "C8b",
    "pp. 349-352, Fig. 15",
    says="With shared weights detectors are learned; the most common is inhibited all over.",
    asks="With shared weights the detectors are learned, in 5,000 to 10,000 presentations; the "
    "most common one is inhibited all over.",
    draw=draw_fields,
)
def t_and_c(run):
    """Judge whether half of the nets learn, and which kind of field most of these have."""
    n, sweeps = run.pick(test=(3, 20), default=(40, 6000), full=(200, 12_000))
    trial = run.trial(learn_t_c, n=n, sweeps=sweeps, seed=run.seed)
    count = counted(trial["solved"])
    fields = [f[:9] for f, at in zip(trial["fields"], trial["solved"]) if at is not None]
    kinds = {letter: [f for f in fields if kind_of(f) == letter] for letter in DETECTORS}
    numbers = {letter: len(like) for letter, like in kinds.items()}
    inhibited = sum(max(f) < 0 for f in fields)
    # Half: "in each case the solution was reached" should be true of that many at least.
    often = count["solved"] >= n / 2
    holds = often and numbers["D"] == max(numbers.values()) and inhibited > numbers["D"] / 2
    examples = [f for like in kinds.values() for f in like[:2]]
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"{n} nets of 12 weights, 25 places in a 7 × 7 field, by sweep, changes of shared "
        f"weights added, η = .05 (the chapter gives none), α = .9, {sweeps:,} sweeps. A field is "
        "of the kind of Fig. 15 with which its cosine is largest.",
        measured=f"Learned: {said(count)} sweeps. Their fields are most like "
        + ", ".join(f"{letter} {number}" for letter, number in numbers.items())
        + f"; {inhibited} are inhibited all over.",
        numbers={"count": count, "kinds": numbers, "inhibited": inhibited}
        | {"examples": examples or [f[:9] for f in trial["fields"]][:8]},
        between="η and the initial weights of the chapter are not known, and many of our nets stay "
        "on a plateau.",
    )
