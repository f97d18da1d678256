"""Claim C5: masks drawn anew against ten that are kept (§4.1, Table 1)."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from .contest import contest, draw_rows
from .pretraining import BERTS

STATIC = BERTS.but(data="tiny")


@claim(
    "C5",
    "§4.1, Table 1",
    "Dynamic masks are as good as ten static ones, or slightly better.",
    draw_rows,
    quotes="dynamic masking is comparable or slightly better than static masking.",
    asks="BERT's recipe on so few texts that a unit reads them some forty times, each of ten "
    "static masks four times, as in §4.1. “Comparable” is drawn from Table 1, where the paper "
    "finds a loss of 0.3 points (MNLI) comparable.",
    holds_if="the 95% interval of dynamic − static, paired, lies above −0.3 points",
    fails_if="it lies below −0.3",
    paper="+0.4 on SQuAD 2.0, −0.3 on MNLI, +0.4 on SST-2",
)
def dynamic(run: Run) -> Finding:
    """Judge dynamic against static masks."""
    return contest(run, ("dynamic", STATIC.but(masks="dynamic")), ("static", STATIC), line=-0.3)
