"""Claims C2a to C2c: what the vector holds of meaning, of syntax, and of order."""

from collections.abc import Sequence

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, MUTED, TEAL
from ..lab.run import Run
from ..lab.statistics import every, interval, judge
from . import toy
from .contest import runs_of
from .telling import BETWEEN, bounds, mean, mean_of, protocol, trend, would_decide

ABSTRACT = (
    "Qualitatively, we show that the proposed model learns a semantically and syntactically "
    "meaningful representation of linguistic phrases."
)


def average(values: Sequence[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def draw_map(figure, numbers) -> None:
    """Draw phrases as points, and three of them with their nearest neighbours, as Figure 5."""
    figure.set_size_inches(6.4, 3.2)
    axes, words = figure.subplots(1, 2, width_ratios=(3, 2))
    axes.plot(*zip(*numbers["map"]["points"]), ".", color=MUTED, markersize=3, alpha=0.5)
    words.axis("off")
    groups = zip(numbers["map"]["groups"], numbers["map"]["named"], (BLUE, AMBER, TEAL))
    for row, (places, names, color) in enumerate(groups):
        axes.plot(*zip(*(numbers["map"]["points"][k] for k in places)), "o", color=color)
        for line, name in enumerate(names):
            y = 0.97 - 0.34 * row - 0.062 * line
            words.text(0, y, name, color=color, fontsize=8, va="top", transform=words.transAxes)
    axes.set(xticks=[], yticks=[])


@claim(
    "C2a",
    "abstract, §4.4, Fig. 5",
    "Phrases that mean the same have vectors nearer to each other.",
    draw_map,
    quotes=ABSTRACT,
    asks="Pairs of English phrases of two words or more on dev and test pages that mean the same: "
    "one French phrase is the table’s likeliest for both, three times or more and with p(f | e) of "
    "0.3 or more. How often is one of the two nearer to the other, by cosine, than to a phrase of "
    "another meaning that is as long as the other and has the same words in common with it? By "
    "chance half; and less the same share of the nets before their training, as places of common "
    "words tell something, too. (Of the sentence “semantically”; the paper shows a picture.)",
    holds_if="three 95% intervals lie on its side: of the share above one half over nets and over "
    "pairs of phrases, of the share less that before training above 0 over nets",
    fails_if="one of them lies on the other side",
    full_only=True,
)
def semantic(run: Run) -> Finding:
    """Compare cosines of phrases of one meaning."""
    own = [f["meaning"] for f in runs_of(run, "gru")]
    share = interval([average(x["nearer"]) for x in own])
    pairs = interval([average(row) for row in zip(*(x["nearer"] for x in own))])
    learned = interval([average(x["nearer"]) - average(x["before"]) for x in own])
    lines = ((share, 0.5), (pairs, 0.5), (learned, 0.0))
    return Finding(
        every([judge(found, above=line, paper_regime=False) for found, line in lines]),
        ours=f"nearer in {share.text(2)}; {learned.text(2)} more than untrained",
        ran=protocol(run),
        measured=f"Of {len(own[0]['nearer']):,} pairs the phrase of one meaning is the nearer one "
        f"in {share.text(2)} over nets, {pairs.text(2)} over pairs; before training in "
        f"{mean_of(average(x['before']) for x in own)[0]:.2f}: {learned.text(2)} more."
        + trend(run, lambda x: mean(x, lambda f: average(f["meaning"]["nearer"]))),
        numbers={"share": bounds(share), "over pairs": bounds(pairs), "learned": bounds(learned),
                 "some": own[0]["some"], "map": runs_of(run, "gru")[0]["map"]},
        between=BETWEEN + ".",
        would_decide=f"Of the share: {would_decide(share, 0.5, pairs)} Of what was learned: "
        f"{would_decide(learned, 0.0)}",
    )  # fmt: skip


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
    own = toy.gated(run)
    found = interval([x["patterns"]["nearer by"] for x in own])
    return Finding(
        judge(found, above=0.0, paper_regime=False),
        ours=f"cosine higher by {found.text(2)}",
        ran=toy.told(run, len(own)),
        measured=f"{own[0]['patterns']['pairs']:,} pairs of one pattern: the cosine is higher by "
        f"{found.text(2)}." + toy.by_phrases(run, lambda x: x["patterns"]["nearer by"]),
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
    "alone: one half. Distinguishes: nine times in ten (a line of ours; the paper gives none).",
    holds_if="the 95% interval over nets of the share lies above 0.9",
    fails_if="it lies below",
)
def order(run: Run) -> Finding:
    """Exchange words, and compare scores."""
    own = toy.gated(run)
    share = interval([x["order"]["right"] for x in own])
    return Finding(
        judge(share, above=0.9, paper_regime=False),
        ours=f"{share.text(3)} right",
        ran=toy.told(run, len(own)),
        measured=f"Of {own[0]['order']['pairs']:,} pairs {share.text(3)} are told apart."
        + toy.by_phrases(run, lambda x: x["order"]["right"]),
        numbers={"right": bounds(share), "nets": mean_of(x["order"]["right"] for x in own)},
        between=SMALL,
        would_decide=would_decide(share, 0.9),
    )
