"""Claim C7: full length throughout, against a short one for the first nine tenths (§3.1, §7)."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from .contest import contest, draw_rows
from .pretraining import FULL


@claim(
    "C7",
    "§7; §3.1",
    "Longer sequences throughout are better than short ones first.",
    draw_rows,
    quotes="performance can be substantially improved by training the model longer, with bigger "
    "batches over more data; removing the next sentence prediction objective; training on longer "
    "sequences",
    asks="The paper lists it and measures it nowhere. Full sentences, dynamic masks, small batch, "
    "one unit of tokens: inputs of the full length throughout, against a quarter of it for the "
    "first nine tenths, as BERT did.",
    holds_if="the 95% interval of full length − short first, paired, lies above 0 points",
    fails_if="it lies below 0",
    full_only=True,
)
def long_sequences(run: Run) -> Finding:
    """Judge full length against short first."""
    return contest(run, ("full length", FULL), ("short first", FULL.but(short=True)))
