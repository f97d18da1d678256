"""Claims C8a and C8b: standard recurrent nets, which the paper tried in one order only (§5)."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from .contest import BETWEEN, bounds, gap, last, protocol, trend, would_decide
from .reversing import AGREE, TWO

KINDS = ("plain, forward", "plain, reversed", "reversed")
MEASURE = (
    "What a net makes of its source is measured by what the right one saves: nats a piece with the "
    "source of another sentence of like length, less those with its own. Half of what the reversed "
    "LSTM saves is the line, for both claims. Units are tanh, kinder than §2's logistic ones."
)


def _finding(run: Run, kind: str, above: float | None, below: float | None) -> Finding:
    found = gap(run, kind, "reversed", "worth", 0.5)
    values, nats, bleu = (
        {k: bounds(last(run, k, score)) for k in KINDS} for score in ("worth", "nats", "bleu")
    )
    told = "; ".join(
        f"{k}: saves {values[k][0]:.3f}, loss {nats[k][0]:.3f}, BLEU {bleu[k][0]:.1f}"
        for k in KINDS
    )
    share = values[kind][0] / values["reversed"][0]
    return Finding(
        found.judge(above=above, below=below),
        ours=f"{values[kind][0]:.3f} of the LSTM's {values['reversed'][0]:.3f} nats",
        ran=protocol(run, *KINDS),
        measured=f"{told}. The source saves {share:.2f} of what it saves the reversed LSTM; less "
        f"half of that: {found.text(3)} nats a piece. It saves, after a quarter, a half and the "
        f"whole of the training, {trend(run, 'worth', kind)}; the LSTM "
        f"{trend(run, 'worth', 'reversed')}.",
        numbers={"worth": values, "nats": nats, "bleu": bleu, "excess": found.ends()},
        between=BETWEEN + "; nets of 2 × 96 tanh units.",
        would_decide=would_decide(found, 0.0),
    )


@claim(
    "C8a",
    "§5",
    "A standard recurrent net cannot be trained on raw sources.",
    quotes="In particular, while we were unable to train a standard RNN on the non-reversed "
    "translation problem (shown in fig. 1)",
    asks="Standard nets of the LSTM's sizes that read forward, tuned, three seeds. " + MEASURE,
    holds_if="of plain forward less half the LSTM, "
    + TWO.format("below 0", ", paired by seed", "paired "),
    fails_if=AGREE.format("above 0"),
    full_only=True,
)
def not_forward(run: Run) -> Finding:
    """Ask whether a standard net learns anything from raw sources."""
    return _finding(run, "plain, forward", None, 0.0)


@claim(
    "C8b",
    "§5",
    "It should be easily trainable on reversed sources (not verified there).",
    quotes="we believe that a standard RNN should be easily trainable when the source sentences "
    "are reversed (although we did not verify it experimentally)",
    asks="Standard nets of the LSTM's sizes that read reversed, tuned, three seeds. " + MEASURE,
    holds_if="of plain reversed less half the LSTM, "
    + TWO.format("above 0", ", paired by seed", "paired "),
    fails_if=AGREE.format("below 0"),
    full_only=True,
)
def but_reversed(run: Run) -> Finding:
    """Ask the same of reversed sources."""
    return _finding(run, "plain, reversed", 0.0, None)
