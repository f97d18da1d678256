"""Capacity without a learned gate, and what tuning saw."""

from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..lab.statistics import interval
from .contest import FEW, SEEDS, sizes
from .learning import at, percent, perplexity, rate_of, runs_of, told, trend, what
from .models import DENSE, SERIES


@demonstration(
    "D2",
    "Capacity without a learned gate: experts by hash.",
    asks="The same layers and text, 256 experts, of which each piece has four, drawn once: no gate "
    "to learn, and none to pay for. It could win: what a gate learns must be worth more. (A table "
    "of pairs of pieces was to be a second rival; it was cut for time, before any run.)",
    full_only=True,
)
def rivals(run: Run) -> Finding:
    """Train the rival."""
    found, n = runs_of(run, "hash", FEW), run.pick(test=2, default=FEW)
    best = runs_of(run, "moe-256-h", SEEDS)[:n]
    ways = trend(best, found)
    lower = percent(interval(ways[-1]))
    return Finding(
        None,
        ours=f"gate {lower}% below hash",
        ran=f"{what(run, 'hash')} {FEW} seeds. {sizes(run, ('hash',))}",
        measured=f"Perplexity {perplexity(found)} by hash, {perplexity(best)} with a learned gate: "
        f"{lower}% lower." + told(ways),
        numbers={"hash": at(found), "moe-256-h": at(best), "ways": ways},
    )


@demonstration(
    "D3",
    "The rates that were tried.",
    asks="Every model's rate was chosen alike: factors of 2, the whole pass, on text apart, until "
    "the best was not at the edge. The first seed's run at the best rate is one of those that "
    "count.",
    full_only=True,
)
def rates(run: Run) -> Finding:
    """List what tuning saw."""
    kinds = (*SERIES, *DENSE, "2xlstm-large", "hash")
    found = {kind: rate_of(run, kind) for kind in kinds}
    return Finding(
        None,
        ours=f"{sum(len(tried) for _, tried in found.values())} runs for {len(kinds)} models",
        ran="Nats a piece on text apart.",
        measured="; ".join(
            f"{kind} {best:g} (" + ", ".join(f"{r}: {v:.3f}" for r, v in tried.items()) + ")"
            for kind, (best, tried) in found.items()
        )
        + ".",
        numbers={kind: {"best": best, "tried": tried} for kind, (best, tried) in found.items()},
    )
