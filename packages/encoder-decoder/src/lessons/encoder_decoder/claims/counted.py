"""Claim C4d: what a net ranks by that saw each pair once, or as often as it was counted."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import judge, paired
from .contest import runs_of, with_frequencies
from .telling import BETWEEN, bounds, mean, mean_of, protocol, trend, would_decide


@claim(
    "C4d",
    "§3.1",
    "Trained on unique pairs, the RNN ranks targets less by their counts.",
    quotes="to ensure that the RNN Encoder–Decoder does not simply learn to rank the phrase pairs "
    "according to their numbers of occurrences.",
    asks="The paper's second reason for ignoring frequencies. Beside the nets of C1a, trained on "
    "unique pairs, stand three that draw pairs as often as they were counted: the same seeds, "
    "first weights and rate, as many updates. Of source phrases on the test pages with three "
    "options or more: the rank correlation of score and count, mean over phrases. If the measure "
    "does what it is taken for, it is lower for unique pairs. (What either adds in BLEU is told "
    "beside it; the first reason, the expense of drawing by counts, is not tested.)",
    holds_if="the 95% interval over nets of the correlation with unique pairs less that with "
    "frequencies, paired by seed, lies below 0",
    fails_if="it lies above",
    full_only=True,
)
def unlike_counts(run: Run) -> Finding:
    """Compare how nets rank that saw each pair once, and as often as it occurs."""
    often = with_frequencies(run)
    once = runs_of(run, "gru")[: len(often)]
    found = paired(*([f["ranks"]["correlation"] for f in rows] for rows in (once, often)))
    each = {
        name: mean_of(f["ranks"]["correlation"] for f in rows)
        for name, rows in (("unique", once), ("frequencies", often))
    }
    added = {
        name: mean_of(f["rnn"]["test"] - b["base"]["test"] for f, b in zip(rows, once))
        for name, rows in (("unique", once), ("frequencies", often))
    }
    nats = [mean(rows, lambda f: f["test"]) for rows in (once, often)]
    return Finding(
        judge(found, below=0.0, paper_regime=False),
        ours=f"rank correlation {found.text(2)} by unique pairs",
        ran=protocol(run) + "With frequencies: as many pairs, drawn by their counts.",
        measured=f"Rank correlation of score and count, mean over "
        f"{often[0]['ranks']['sources']:,} source phrases: {each['unique'][0]:.2f} trained on "
        f"unique pairs, {each['frequencies'][0]:.2f} with frequencies: {found.text(2)}. They add "
        f"{added['unique'][0]:.2f} and {added['frequencies'][0]:.2f} BLEU on test; on new pairs "
        f"they have {nats[0]:.3f} and {nats[1]:.3f} nats per word."
        + trend(run, lambda x: mean(x, lambda f: f["ranks"]["correlation"]), 2,
                "the correlation of two nets each, unique pairs"),
        numbers={"difference": bounds(found), "correlation": each, "BLEU added": added},
        between=BETWEEN + "; most pairs of so small a table were counted once.",
        would_decide=would_decide(found, 0.0),
    )  # fmt: skip
