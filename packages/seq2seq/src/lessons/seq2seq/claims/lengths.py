"""Claims C3a to C3d and D1: long sentences, rare words, and where the gain is (§3.3, §3.7)."""

import math

from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import AMBER, BLUE, RED
from ..lab.run import Run
from ..lab.statistics import paired
from .baseline import on_rare_words
from .contest import (
    BETWEEN,
    FIGURE_3,
    FIGURE_3_RIGHT,
    bounds,
    by_length,
    draw_lengths,
    ends_of,
    gap,
    last,
    protocol,
    runs_of,
    single,
    trend,
    would_decide,
)
from .reversing import AGREE, BOTH, MARKED, TWO
from .translators import BINS, THIRDS, groups_of

AS_GOOD = math.log(0.98)  # Fig. 3's neighbours from 12 words on move by up to 1.7% downwards
MINOR = math.log(1 - 2 * (1 - 34.3 / 36.4))  # up to twice the fall at its end


# Fig. 3, right: log BLEU of the last two points less that of the two that end the first third.
_LSTM = dict(zip(FIGURE_3_RIGHT["sentences"], FIGURE_3_RIGHT["LSTM"]))
RARER = math.log((_LSTM[2500] + _LSTM[3003]) / (_LSTM[500] + _LSTM[1000]))


def _finding(run: Run, longer: str, shorter: str, line: float, paper: str) -> Finding:
    score = f"{longer} on {shorter}"
    found, other = single(run, "reversed", score), single(run, "forward", score)
    values, groups = by_length(run, BOTH), groups_of(run)
    told = ", ".join(f"{v[0]:.1f} at {b}" for b, v in values["reversed"].items())
    n = [int(groups[name].sum()) for name in (longer, shorter)]
    factors = [math.exp(x) for x in ends_of(found.nets)]
    return Finding(
        found.judge(above=line),
        ours="BLEU × {:.2f} [{:.2f}, {:.2f}]".format(*factors),
        ran=protocol(run, *BOTH),
        measured=f"Reversed, BLEU by words of the source: {told}. log BLEU({longer}) − log "
        f"BLEU({shorter}): {found.text(2)} ({n[0]} and {n[1]} of them), read forward "
        f"{other.nets.text(2)} over nets; after a quarter, a half and the whole of the training "
        f"{trend(run, score, 'reversed')}. {paper}",
        numbers={"log ratio": found.ends(), "forward": other.ends(), "by length": values,
                 "sentences": n, "paper": FIGURE_3},
        between=BETWEEN + "; a long text is here a paragraph of several sentences, and few are.",
        would_decide=would_decide(found, line),
    )  # fmt: skip


@claim(
    "C3a",
    "§3.7, Fig. 3",
    "No degradation on sentences of less than 35 words.",
    draw_lengths,
    quotes="There is no degradation on sentences with less than 35 words, there is only a minor "
    "degradation on the longest sentences.",
    asks="The first half: log BLEU of 18 to 34 words less that of 8 to 17, the reversed nets of "
    "C2a. Figure 3 rises between these, and where it falls between neighbours from 12 words on, by "
    "1.7%: a fall of 2% counts as none.",
    holds_if=TWO.format("above log 0.98", "", ""),
    fails_if=AGREE.format("below log 0.98"),
    paper="Fig. 3: 33.8 at 12, 36.4 at 35 words",
    full_only=True,
)
def no_degradation(run: Run) -> Finding:
    """Compare sentences of middle length with shorter ones."""
    return _finding(run, "18–34", "8–17", AS_GOOD, "Figure 3: 33.8 at 12 words, 36.4 at 35.")


@claim(
    "C3b",
    "§3.7, Fig. 3",
    "Only a minor degradation on the longest sentences.",
    quotes="There is no degradation on sentences with less than 35 words, there is only a minor "
    "degradation on the longest sentences.",
    asks="The second half: log BLEU of 35 to 60 words less that of 18 to 34. Figure 3 falls from "
    "36.4 to 34.3, by 5.8%; up to twice that counts as minor. All texts of 35 to 60 words on the "
    "test pages are counted, as few of the sentences drawn are so long.",
    holds_if=TWO.format("above log 0.885", "", ""),
    fails_if=AGREE.format("below log 0.885"),
    paper="Fig. 3: 36.4 at 35, 34.3 at 79 words",
    full_only=True,
)
def minor_degradation(run: Run) -> Finding:
    """Compare the longest sentences with those of middle length."""
    return _finding(run, "35–60", "18–34", MINOR, "Figure 3: 36.4 at 35 words, 34.3 at 79.")


@claim(
    "C3c",
    "§3.3",
    "Reversed nets do much better on long sentences than raw ones.",
    quotes="However, LSTMs trained on reversed source sentences did much better on long sentences "
    "than LSTMs trained on the raw source sentences",
    asks="The nets of C2a: log perplexity of sentences of 18 to 60 words, forward less reversed. "
    "(Figure 3, to which the paper points, has no raw nets.) Much: as in C2a.",
    holds_if=TWO.format("above 0.105", ", paired by seed", "paired "),
    fails_if=AGREE.format("below 0.105"),
    full_only=True,
)
def long_ones(run: Run) -> Finding:
    """Compare the two orders on long sentences."""
    found = gap(run, "forward", "reversed", "nats of long")
    each = {b: gap(run, "forward", "reversed", f"nats {b}") for b in BINS}
    told = ", ".join(f"{g.nets.text(3)} at {b}" for b, g in each.items())
    return Finding(
        found.judge(above=MARKED),
        ours=f"{found.nets.text(3)} nats a piece",
        ran=protocol(run, *BOTH),
        measured=f"Forward less reversed, nats a piece: {found.text(3)} from 18 words on; by "
        f"length, over nets, {told}; long ones after a quarter, a half and the whole of the "
        f"training {trend(run, 'nats of long', 'forward', 'reversed')}.",
        numbers={"long": found.ends(), "by length": {b: g.ends() for b, g in each.items()}},
        between=BETWEEN + ".",
        would_decide=would_decide(found, MARKED),
    )


def draw_rare(figure, numbers) -> None:
    """Draw BLEU by the rarity of words: ours by thirds, and the paper's Figure 3, right."""
    figure.set_size_inches(6.4, 3.0)
    ours, paper = figure.subplots(1, 2)
    mean, low, high = zip(*numbers["by third"].values())
    error = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
    ours.errorbar(range(3), mean, error, fmt="o-", label="LSTM", color=BLUE, capsize=2)
    ours.plot(range(3), numbers["phrases by third"], "o-", color=AMBER, label="phrases")
    ours.set_xticks(range(3), ["common", "middle", "rare"])
    ours.set(xlabel="words of the source, here", ylabel="BLEU", ylim=(0, None), xlim=(-0.3, 2.3))
    ours.legend(fontsize=8)
    for what, color in (("LSTM", BLUE), ("baseline", AMBER)):
        paper.plot(numbers["paper"]["sentences"], numbers["paper"][what], "o-", color=color,
                   markersize=3, label=what)  # fmt: skip
    paper.set(xlabel="sentences by rank of words, Figure 3", ylim=(0, None))
    paper.legend(fontsize=8)


@claim(
    "C3d",
    "§3.7, Fig. 3, right",
    "Translations get worse as words get rarer, as Figure 3 draws it.",
    draw_rare,
    quotes="The right plot shows the LSTM's performance on sentences with progressively more rare "
    "words",
    asks="What the curve shows: BLEU falls from point to point from 100 sentences on, from 37.75 "
    "(mean of the points at 500 and 1,000 sentences) to 30.65 (2,500 and 3,003), its logarithm by "
    "0.21. Here the test sentences are sorted in the same way, by the mean rank of their words "
    "by frequency: log BLEU of the third with the rarest words less that of the third with the "
    "commonest, the reversed nets of C2a, greedily. A fall of at least half of the figure's is "
    "as it draws it. (Its words outside the vocabulary are UNK, ours are spelled in pieces.)",
    holds_if=TWO.format("below −0.104", "", ""),
    fails_if=AGREE.format("above −0.104"),
    paper="log(30.65/37.75) = −0.21",
    full_only=True,
)
def rare_words(run: Run) -> Finding:
    """Compare sentences of rare words with those of common ones."""
    found = single(run, "reversed", "rare on common")
    values = {name: bounds(last(run, "reversed", f"bleu {name}")) for name in THIRDS}
    theirs = on_rare_words(run)
    told = ", ".join(f"{v[0]:.1f} ({name})" for name, v in values.items())
    return Finding(
        found.judge(below=RARER / 2),
        ours=f"log BLEU {found.nets.text(2)}",
        ran=protocol(run, "reversed"),
        measured=f"BLEU by thirds: {told}; of phrases, on fewer sentences, "
        + ", ".join(f"{value:.1f}" for value in theirs)
        + f". Log BLEU of the rarest third less the commonest: {found.text(2)}; after a quarter, a "
        f"half and the whole of the training {trend(run, 'rare on common', 'reversed')}.",
        numbers={"log ratio": found.ends(), "by third": values, "phrases by third": theirs,
                 "paper": FIGURE_3_RIGHT},
        between=BETWEEN + "; pieces of words in the place of UNK.",
        would_decide=would_decide(found, RARER / 2),
    )  # fmt: skip


def draw_places(figure, numbers) -> None:
    """Draw what reversing gains in each third of the translation."""
    axes = figure.subplots()
    for x, (mean, low, high) in enumerate(numbers["gain"]):
        axes.errorbar([x], [mean], [[mean - low], [high - mean]], fmt="o", capsize=3, color=BLUE)
    axes.axhline(0, color=RED, linewidth=1)
    axes.set_xticks(range(3), ["first third", "second", "last third"])
    axes.set(xlim=(-0.5, 2.5), ylabel="nats a piece, forward less reversed")


@demonstration(
    "D1",
    "Where in the translation reversing helps: early words, and late ones.",
    draw_places,
    source="§3.3",
    asks="“Initially, we believed” that reversing would make later parts less confident. The "
    "nets of C2a: nats a piece in each third of the translation, forward less reversed.",
    full_only=True,
)
def places(run: Run) -> Finding:
    """Compare the two orders, third by third."""
    forward, back = runs_of(run, "forward"), runs_of(run, "reversed")
    gains = [
        paired(*([c[-1]["nats by place"][k] for c in runs] for runs in (forward, back)))
        for k in range(3)
    ]
    told = ", ".join(g.text(3) for g in gains)
    return Finding(
        None,
        ours=f"first third {gains[0].text(3)}, last {gains[2].text(3)} nats",
        ran=protocol(run, *BOTH),
        measured=f"Forward less reversed, nats a piece in the three thirds: {told}.",
        numbers={"gain": [ends_of(g) for g in gains]},
    )
