"""Capacity without a learned gate, and what tuning saw."""

from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..lab.statistics import paired
from .contest import FEW, SEEDS, sizes
from .learning import at, percent, perplexity, rate_of, runs_of, what
from .models import DENSE, SERIES


@demonstration(
    "D2",
    "Capacity without a learned gate: experts by hash, and a table of pairs.",
    asks="The same layers and text. Hash: 256 experts, of which each piece has four, drawn once. "
    "Bigrams: no experts, but as many weights in a table that pairs of pieces look up, for no "
    "product at all. Both could win: what a gate learns must be worth more than either.",
    full_only=True,
)
def rivals(run: Run) -> Finding:
    """Train the rivals."""
    kinds = ("hash", "bigrams")
    found = {kind: runs_of(run, kind, FEW) for kind in kinds}
    n = run.pick(test=2, default=FEW)
    best = at(runs_of(run, "moe-256-h", SEEDS))[:n]
    told = {kind: percent(paired(at(runs), best)) for kind, runs in found.items()}
    return Finding(
        None,
        ours=f"gate {told['hash']}% below hash, {told['bigrams']}% below bigrams",
        ran=f"{what(run, *kinds)} {FEW} seeds. {sizes(run, kinds)}",
        measured="Perplexity: "
        + ", ".join(f"{kind} {perplexity(runs)}" for kind, runs in found.items())
        + f". The learned gate with 256 experts is {told['hash']}% lower than the hash and "
        f"{told['bigrams']}% lower than the table.",
        numbers={kind: at(runs) for kind, runs in found.items()} | {"moe-256-h": best},
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
    kinds = (*SERIES, "moe-1024-h", *DENSE, "2xlstm-large", "hash", "bigrams")
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
