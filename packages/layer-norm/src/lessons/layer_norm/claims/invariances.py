"""C1: what each normalization does not see (§5.1, Table 1)."""

import torch

from ..invariance import CHANGES, TABLE_1, normalized_linear, table_1
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.statistics import HOLDS, REFUTED
from .data import gaussian


def draw_table(figure, numbers):
    """Draw Table 1 with what each change moved the output by."""
    figure.set_size_inches(6.4, 2.6)
    axes = figure.subplots()
    kinds = [kind for kind in TABLE_1 if kind != "rms"] + ["rms"]
    for row, kind in enumerate(kinds):
        for column, name in enumerate(CHANGES):
            moved = numbers[kind][name]
            same = moved < 1e-12
            axes.plot(column, row - 0.12, "o" if same else "X", ms=8, color=BLUE if same else RED)
            text = "same" if same else f"{moved:.2g}"
            axes.text(column, row + 0.36, text, ha="center", size=8, color=MUTED)
    names = {"batch": "batch norm", "weight": "weight norm", "layer": "layer norm"}
    axes.set_yticks(range(4), [names.get(kind, "RMSNorm (later)") for kind in kinds])
    axes.set_xticks(range(6), [name.replace(" re-", "\nre-") for name in CHANGES], size=7.5)
    axes.set(ylim=(3.7, -0.5), xlim=(-0.6, 5.6))
    axes.grid(visible=False)
    axes.tick_params(bottom=False, left=False)
    axes.spines["bottom"].set_visible(False)


@claim(
    "C1a",
    "§5.1, Table 1, eqs 6–7",
    "Table 1: which changes of weights and data each normalization does not see.",
    draw_table,
    asks="Table 1: which of six changes of weights and data batch, weight and layer norm do not "
    "see.",
)
def invariances(run):
    """Compute all cells; a cell agrees if it moved by rounding, or by something visible."""
    x_BI, weight_OI, shift_I = gaussian(run.seed, 50, 7), gaussian(1, 11, 7), gaussian(2, 7)
    moved = table_1(x_BI, weight_OI, 2.7, shift_I)
    papers = [kind for kind in TABLE_1 if kind != "rms"]
    same = [m for k in papers for m, yes in zip(moved[k].values(), TABLE_1[k]) if yes]
    other = [m for k in papers for m, yes in zip(moved[k].values(), TABLE_1[k]) if not yes]
    holds = max(same) < 1e-12 and min(other) > 1e-2
    return Finding(
        HOLDS if holds else REFUTED,
        ran="50 cases, 7 inputs, 11 units, in double precision, ε = 0; scaling by 2.7, shifts from "
        "a normal distribution.",
        measured=f"All {len(same) + len(other)} cells: where the table says invariant the output "
        f"moves by at most {max(same):.1g}, where it says no by at least {min(other):.2g}. "
        "RMSNorm, which came later, is layer norm without the invariance to re-centred weights.",
        numbers=moved,
    )


@claim(
    "C1b",
    "§7",
    "Layer normalization is invariant to shifting the features of a single training case.",
)
def feature_shift(run):
    """Add the same number to all features of the inputs, and to all summed inputs."""
    x_BI, weight_OI = gaussian(run.seed, 50, 7), gaussian(1, 11, 7)
    before = normalized_linear(x_BI, weight_OI, "layer")
    features = (normalized_linear(x_BI + 2.7, weight_OI, "layer") - before).abs().max().item()
    eye = torch.eye(11, dtype=torch.float64)
    summed_BO = x_BI @ weight_OI.T
    summed = (normalized_linear(summed_BO + 2.7, eye, "layer") - before).abs().max().item()
    return Finding(
        REFUTED if features > 1e-2 else HOLDS,
        ran="The inputs of C1a, 2.7 added to every feature; then to every summed input.",
        measured=f"A shift of a case's features moves the output by {features:.2g}, as Table 1 has "
        f"it; a shift of its summed inputs by {summed:.1g}. The conclusion is true of the latter.",
        numbers={"features": features, "summed inputs": summed},
    )
