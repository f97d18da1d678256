"""Demonstration D11: what the heads of a translator's encoder look at."""

from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from .contest import contest
from .read import squares


def draw_looks(figure, numbers):
    """Draw every head's weights on one sentence as squares whose area is the weight."""
    heads = {
        f"layer {i}, head {j}": weights
        for i, layer in enumerate(numbers["maps"], 1)
        for j, weights in enumerate(layer, 1)
    }
    names = [piece.strip() for piece in numbers["pieces"]] + ["end"]
    figure.set_size_inches(5.6, 0.9 + 1.15 * len(heads))
    grid = figure.subplots(len(heads) // 2, 2, sharex=True, sharey=True)
    for (name, rows), axes in zip(heads.items(), grid.flat):
        squares(axes, rows, len(names))
        axes.set_title(name, fontsize=9)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8.5)
        axes.set_yticks(range(len(names)), names, fontsize=8.5)
    figure.supxlabel("looked at")
    figure.supylabel("looks")


@demonstration(
    "D11",
    "What each head of a translator's encoder looks at.",
    draw_looks,
    source="§4, Figs. 3 to 5",
    asks="“Not only do individual attention heads clearly learn to perform different tasks”: the "
    "paper shows pictures, and gives no number. C1a's Transformer at its end: its encoder's "
    "weights on a sentence of the test pages that was chosen before (the last of C1a's "
    "examples), and how much each head gives, on average over the dev pages, to the piece "
    "before, to the piece itself, to the one behind, and to the end mark. A head that looks "
    "at all alike would give each of the four one part in the sentence's length.",
    full_only=True,
)
def heads(run: Run) -> Finding:
    """Look at the encoder of C1a's Transformer, as its first seed ended."""
    all_of = contest(run)
    found = all_of["curves"]["Transformer"][0][-1]["looks"]
    told, largest = [], []
    for i, layer in enumerate(found["maps"]):
        for j in range(len(layer)):
            at = {place: share[i][j] for place, share in found["shares"].items()}
            most = max(at, key=at.__getitem__)
            largest.append(at[most])
            told.append(f"{i + 1}.{j + 1} {most} {at[most]:.2f}")
    return Finding(
        judgement=None,
        ours=f"most at one place: {min(largest):.2f} to {max(largest):.2f} of a head's weight",
        ran=f"C1a's “{all_of['found']['Transformer']['model']}” of the first seed, after "
        f"{all_of['ends']['Transformer'][-1]:,} steps. All pieces of the dev pages.",
        measured="Where each head of each layer (layer.head) looks most of the four places, and "
        f"the share of its weight there: {'; '.join(told)}.",
        numbers=found,
    )
