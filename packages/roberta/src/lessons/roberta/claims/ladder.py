"""Demonstration D1: each change of the recipe by itself, and all together, at equal compute."""

from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from .contest import draw_rows, nats, points, protocol, table, told
from .pretraining import BERTS, DYNAMIC, LARGE

BY_ITSELF = {
    "dynamic masks": DYNAMIC,
    "full sentences, no NSP": BERTS.but(format="full"),
    "large batch, β₂ = .98": BERTS.but(batch=8, beta2=LARGE.beta2),
    "all three": LARGE,
}


@demonstration(
    "D1",
    "Each change of the recipe by itself, and all together, at equal compute.",
    draw_rows,
    asks="The paper changes one thing after the other and keeps it; the sum is tested with more "
    "compute (C3a). Here each change alone is put into BERT's recipe, for one unit on a tenth of "
    "the texts, and then all three.",
    source="§5",
    full_only=True,
)
def each_change(run: Run) -> Finding:
    """Tell what each change gives."""
    rows = table(run, {"BERT's recipe": BERTS, **BY_ITSELF})
    gains = {name: points(run, recipe, BERTS) for name, recipe in BY_ITSELF.items()}
    losses = {name: nats(run, recipe, BERTS) for name, recipe in BY_ITSELF.items()}
    each = "; ".join(f"{k} {gains[k].text(2)} points, {losses[k].text(3)} nats" for k in gains)
    alone = sum(found.mean for found in list(gains.values())[:-1])
    return Finding(
        None,
        ours=f"all three {gains['all three'].text(2)} points; alone they add up to {alone:.1f}",
        ran=protocol(run, BERTS, *BY_ITSELF.values()),
        measured=f"Medians: {told(rows)}. Less BERT's recipe: {each}.",
        numbers={"table": rows, "alone": alone},
    )
