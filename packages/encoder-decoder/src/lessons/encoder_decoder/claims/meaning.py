"""Claims C2a to C2c: what the vector holds of meaning, of syntax, and of order."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import interval, judge
from . import gates
from .contest import BETWEEN, bounds, mean_of, protocol, runs_of, would_decide

ABSTRACT = (
    "Qualitatively, we show that the proposed model learns a semantically and syntactically "
    "meaningful representation of linguistic phrases."
)


@claim(
    "C2a",
    "abstract, §4.4, Fig. 5",
    "Phrases that mean the same have vectors nearer to each other.",
    quotes=ABSTRACT,
    asks="Pairs of English phrases of two words or more on dev and test pages that mean the same: "
    "one French phrase is the table’s likeliest for both. Their cosine, less that of one of the "
    "two with a phrase of another meaning that has as many words and shares as many with it. "
    "(Of the sentence “semantically”; the paper shows a picture.)",
    holds_if="the 95% interval over nets of the mean difference lies above 0",
    fails_if="it lies below",
    full_only=True,
)
def semantic(run: Run) -> Finding:
    """Compare cosines of phrases of one meaning."""
    own = [f["meaning"] for f in runs_of(run, "gru")]
    found = interval([x["nearer by"] for x in own])
    return Finding(
        judge(found, above=0.0, paper_regime=False),
        ours=f"cosine higher by {found.text(2)}",
        ran=protocol(run),
        measured=f"{own[0]['pairs']:,} pairs: the cosine is higher by {found.text(2)} for phrases "
        "of one meaning.",
        numbers={"nearer by": bounds(found), "nets": own},
        between=BETWEEN + ".",
        would_decide=would_decide(found, 0.0),
    )


MADE_UP = (
    "Nets with both gates on the made-up phrases of D4, and phrases that were not in the training"
)
SMALL = "Made-up phrases of thirty words; the paper looked at pictures and counted nothing."


@claim(
    "C2b",
    "abstract, §4.4, Fig. 5",
    "Phrases of one syntactic pattern have vectors nearer to each other.",
    quotes=ABSTRACT,
    asks=f"{MADE_UP}: pairs of four words each that share none. The cosine of pairs of one pattern "
    "of adjectives and nouns, less that of pairs of two. (Of the sentence “syntactically”.)",
    holds_if="the 95% interval over nets of the mean difference lies above 0",
    fails_if="it lies below",
)
def syntactic(run: Run) -> Finding:
    """Compare cosines of phrases of one pattern."""
    own = gates.gated(run)
    found = interval([x["patterns"]["nearer by"] for x in own])
    return Finding(
        judge(found, above=0.0, paper_regime=False),
        ours=f"cosine higher by {found.text(2)}",
        ran=gates.told(run, len(own)),
        measured=f"{own[0]['patterns']['pairs']:,} pairs of one pattern: the cosine is higher by "
        f"{found.text(2)}.",
        numbers={"nearer by": bounds(found), "nets": [x["patterns"] for x in own]},
        between=SMALL,
        would_decide=would_decide(found, 0.0),
    )


@claim(
    "C2c",
    "§3.2",
    "It tells phrases apart that have the same words in another order.",
    quotes="The RNN Encoder–Decoder naturally distinguishes between sequences that have the same "
    "words but in a different order",
    asks=f"{MADE_UP}. Two nouns side by side are exchanged, which asks for another target: how "
    "often is the right target likelier for its own source than for the other? By the words "
    "alone: one half. Distinguishes: nine times in ten.",
    holds_if="the 95% interval over nets of the share lies above 0.9",
    fails_if="it lies below",
)
def order(run: Run) -> Finding:
    """Exchange words, and compare scores."""
    own = gates.gated(run)
    share = interval([x["order"]["right"] for x in own])
    return Finding(
        judge(share, above=0.9, paper_regime=False),
        ours=f"{share.text(3)} right",
        ran=gates.told(run, len(own)),
        measured=f"Of {own[0]['order']['pairs']:,} pairs {share.text(3)} are told apart.",
        numbers={"right": bounds(share), "nets": mean_of(x["order"]["right"] for x in own)},
        between=SMALL,
        would_decide=would_decide(share, 0.9),
    )
