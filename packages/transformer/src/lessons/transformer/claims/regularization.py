"""Claims C5b and C6: learned positions, label smoothing and dropout (Table 3 D and E)."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from .rows import finding
from .variations import EACH, PERPLEXITY

SMOOTHING = (
    "This hurts perplexity, as the model learns to be more unsure, but improves accuracy and BLEU "
    "score."
)
KNOWN = (
    " (Known from an earlier run, of 1,000 pairs of a made-up language with 5% of the words "
    "replaced: smoothing of 0.1 gave perplexity +0.047 ± 0.008, accuracy +0.009 ± 0.002 and BLEU "
    "+2.4 ± 0.1, dropout of 0.1 perplexity −0.450 ± 0.019.)"
)
FEW = (
    "2,000 pairs in place of 4.5 million, and a net of a hundredth of the weights; the paper's see "
    "each pair about as often, if a pair has some 25 pieces."
)


@claim(
    "C5b",
    "§3.5, Table 3 (E)",
    "Learned positions give nearly identical results.",
    quotes="We also experimented with using learned positional embeddings [9] instead, and found "
    "that the two versions produced nearly identical results",
    asks=f"A table of positions, at first as large as sinusoids are, against sinusoids. "
    f"{PERPLEXITY} (On a made-up language an earlier "
    "run had differed by 0.001 in the share of sentences right.)",
    holds_if="the 95% interval of loss(table) − loss(sinusoids), paired by seed, lies within 0.036 "
    "(half of what the paper calls worse of a single head, log 5.29 − log 4.92 = 0.073)",
    fails_if="it lies outside",
    paper="perplexity 4.92 and 4.92",
    full_only=True,
)
def learned_positions(run: Run) -> Finding:
    """Compare a learned table with sinusoids."""
    return finding(run, "learned positions", "nats", within=(-0.036, 0.036))


def _smoothing(id: str, says: str, unit: str, paper: str):
    return claim(
        id,
        "§5.4, Table 3 (D)",
        says,
        quotes=SMOOTHING,
        asks="Two translators that differ in label smoothing alone, none against 0.1, on unseen "
        f"pages: {unit} is compared. {EACH}{KNOWN}",
        holds_if=f"the 95% interval of {unit}(none) − {unit}(0.1), paired by seed, lies below 0",
        fails_if="it lies above 0",
        paper=paper,
        full_only=True,
    )


@_smoothing("C6a", "Label smoothing hurts perplexity.", "loss", "4.92 against 4.67")
def smoothing_hurts_perplexity(run: Run) -> Finding:
    """Compare no smoothing with 0.1, by perplexity."""
    return finding(run, "no smoothing", "nats", below=0.0)


@_smoothing("C6b", "Label smoothing improves accuracy.", "accuracy", "")
def smoothing_improves_accuracy(run: Run) -> Finding:
    """Compare no smoothing with 0.1, by accuracy."""
    return finding(run, "no smoothing", "accuracy", below=0.0)


@_smoothing("C6c", "Label smoothing improves BLEU.", "BLEU", "25.8 against 25.3")
def smoothing_improves_bleu(run: Run) -> Finding:
    """Compare no smoothing with 0.1, by BLEU."""
    return finding(run, "no smoothing", "bleu", below=0.0)


@claim(
    "C6d",
    "§6.2, Table 3 (D)",
    "Dropout is very helpful against over-fitting.",
    quotes="We further observe in rows (C) and (D) that, as expected, bigger models are better, "
    "and dropout is very helpful in avoiding over-fitting.",
    asks="Two translators trained on 2,000 pairs alone, again and again, that differ in dropout "
    f"alone, none against 0.1. {PERPLEXITY}{KNOWN}",
    holds_if="the 95% interval of loss(none) − loss(0.1), paired by seed, lies above 0",
    fails_if="it lies below 0",
    paper="perplexity 5.77 against 4.92",
    full_only=True,
)
def dropout(run: Run) -> Finding:
    """Compare no dropout with 0.1."""
    return finding(run, "few, no dropout", "nats", FEW, above=0.0)
