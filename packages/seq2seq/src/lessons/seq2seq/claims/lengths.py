"""Claims C3a to C3c and D1: long sentences, and where in a sentence the gain is (§3.3, §3.7)."""

import math

from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import interval, judge
from .contest import BETWEEN, FIGURE_3, bounds, ends_of, gap, last, protocol, runs_of, trend
from .contest import would_decide as seeds
from .reversing import BOTH, MARKED
from .translators import BINS

AS_GOOD = math.log(0.98)  # Fig. 3's neighbours from 12 words on move by up to 1.7% downwards
MINOR = math.log(1 - 2 * (1 - 34.3 / 36.4))  # up to twice the fall at its end


def step(longer: str, shorter: str):
    """Return the log ratio of BLEU between two bins of lengths, as a score."""

    def score(found: dict) -> float:
        ours, theirs = (max(found["by length"][k], 0.01) for k in (longer, shorter))
        return math.log(ours / theirs)

    return score


def _finding(run: Run, longer: str, shorter: str, line: float, paper: str) -> Finding:
    score = step(longer, shorter)
    found = interval(last(runs_of(run, "reversed"), score))
    other = interval(last(runs_of(run, "forward"), score))
    values = {
        kind: {b: bounds(last(runs_of(run, kind), lambda s, b=b: s["by length"][b])) for b in BINS}
        for kind in BOTH
    }
    told = ", ".join(f"{v[0]:.1f} at {b}" for b, v in values["reversed"].items())
    return Finding(
        judge(found, above=line, paper_regime=False),
        ours=f"BLEU × {math.exp(found.mean):.2f} [{math.exp(found.low):.2f}, "
        f"{math.exp(found.high):.2f}]",
        ran=protocol(run, *BOTH),
        measured=f"Reversed, BLEU by words of the source: {told}. log BLEU({longer}) − log "
        f"BLEU({shorter}): {found.text(2)}, read forward {other.text(2)}; after a quarter, a half "
        f"and the whole of the training {trend(run, score, 'reversed')}. {paper}",
        numbers={"log ratio": ends_of(found), "forward": ends_of(other), "by length": values,
                 "paper": FIGURE_3},
        between=BETWEEN + "; a long text is here a paragraph of several sentences, and few are.",
        would_decide=seeds(found, line),
    )  # fmt: skip


@claim(
    "C3a",
    "§3.7, Fig. 3",
    "No degradation on sentences of less than 35 words.",
    quotes="There is no degradation on sentences with less than 35 words, there is only a minor "
    "degradation on the longest sentences.",
    asks="The first half: log BLEU of 18 to 34 words less that of 8 to 17, the reversed nets of "
    "C2a. Figure 3 rises between these, and where it falls between neighbours from 12 words on, by "
    "1.7%: a fall of 2% counts as none.",
    holds_if="the 95% interval over seeds lies above log 0.98",
    fails_if="it lies below",
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
    "36.4 to 34.3, by 5.8%; up to twice that counts as minor.",
    holds_if="the 95% interval over seeds lies above log 0.885",
    fails_if="it lies below",
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
    holds_if="the 95% interval of the difference, paired by seed, lies above 0.105",
    fails_if="it lies below",
    full_only=True,
)
def long_ones(run: Run) -> Finding:
    """Compare the two orders on long sentences."""
    found = gap(runs_of(run, "forward"), runs_of(run, "reversed"), lambda s: s["nats of long"])
    each = {
        b: gap(runs_of(run, "forward"), runs_of(run, "reversed"),
               lambda s, b=b: s["nats by length"][b]) for b in BINS
    }  # fmt: skip
    told = ", ".join(f"{g.text(3)} at {b}" for b, g in each.items())
    long_trend = trend(run, lambda s: s["nats of long"], "forward", "reversed")
    return Finding(
        judge(found, above=MARKED, paper_regime=False),
        ours=f"{found.text(3)} nats a piece",
        ran=protocol(run, *BOTH),
        measured=f"Forward less reversed, nats a piece: {found.text(3)} from 18 words on; by "
        f"length {told}; long ones after a quarter, a half and the whole of the training "
        f"{long_trend}.",
        numbers={"long": ends_of(found), "by length": {b: ends_of(g) for b, g in each.items()}},
        between=BETWEEN + ".",
        would_decide=seeds(found, MARKED),
    )


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
    gains = [
        gap(runs_of(run, "forward"), runs_of(run, "reversed"), lambda s, k=k: s["nats by place"][k])
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
