"""Claims C8a and C8b: standard recurrent nets, which the paper tried in one order only (§5)."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import judge, paired
from .contest import BETWEEN, bounds, ends_of, last, protocol, runs_of, trend, would_decide

KINDS = ("plain, forward", "plain, reversed", "reversed")
MEASURE = (
    "What a net makes of its source is measured by what the right one saves: nats a piece with the "
    "source of another sentence of like length, less those with its own. Half of what the reversed "
    "LSTM saves is the line, for both claims. Units are tanh, kinder than §2's logistic ones."
)


def worth(score: dict) -> float:
    """Return what the right source saves, in nats a piece."""
    return score["worth"]


def _excess(run: Run, kind: str):
    ours, lstm = last(runs_of(run, kind), worth), last(runs_of(run, "reversed"), worth)
    n = min(len(ours), len(lstm))
    return paired(ours[:n], [value / 2 for value in lstm[:n]])


def _finding(run: Run, kind: str, above: float | None, below: float | None) -> Finding:
    found = _excess(run, kind)
    values = {k: bounds(last(runs_of(run, k), worth)) for k in KINDS}
    nats = {k: bounds(last(runs_of(run, k), lambda s: s["nats"])) for k in KINDS}
    bleu = {k: bounds(last(runs_of(run, k), lambda s: s["bleu"])) for k in KINDS}
    told = "; ".join(
        f"{k}: saves {values[k][0]:.3f}, loss {nats[k][0]:.3f}, BLEU {bleu[k][0]:.1f}"
        for k in KINDS
    )
    share = values[kind][0] / values["reversed"][0]
    return Finding(
        judge(found, above=above, below=below, paper_regime=False),
        ours=f"{values[kind][0]:.3f} of the LSTM's {values['reversed'][0]:.3f} nats",
        ran=protocol(run, *KINDS),
        measured=f"{told}. The source saves {share:.2f} of what it saves the reversed LSTM; less "
        f"half of that: {found.text(3)} nats a piece. It saves, after a quarter, a half and the "
        f"whole of the training, {trend(run, worth, kind)}; the LSTM "
        f"{trend(run, worth, 'reversed')}.",
        numbers={"worth": values, "nats": nats, "bleu": bleu, "excess": ends_of(found)},
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
    holds_if="the 95% interval of (plain forward less half the LSTM), paired, lies below 0",
    fails_if="it lies above 0",
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
    holds_if="the 95% interval of (plain reversed less half the LSTM), paired, lies above 0",
    fails_if="it lies below 0",
    full_only=True,
)
def but_reversed(run: Run) -> Finding:
    """Ask the same of reversed sources."""
    return _finding(run, "plain, reversed", 0.0, None)
