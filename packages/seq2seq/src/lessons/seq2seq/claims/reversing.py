"""Claims C2a and C2b: what reversing the source does (§3.3)."""

import math
from typing import Any

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import judge
from .contest import (
    BETWEEN,
    FIGURE_3,
    TOLD,
    bounds,
    draw_lengths,
    ends_of,
    gap,
    last,
    protocol,
    rate_of,
    runs_of,
    trend,
    would_decide,
)
from .translators import BINS, EXAMPLES, texts

MARKED = math.log(5.8 / 4.7) / 2  # half of what the paper measured
BOTH = ("reversed", "forward")


def nats(score: dict) -> float:
    """Return the loss per piece: the logarithm of the perplexity."""
    return score["nats"]


@claim(
    "C2a",
    "Abstract, §3.3",
    "Reversing the source lowers perplexity markedly.",
    draw_lengths,
    quotes="By doing so, the LSTM's test perplexity dropped from 5.8 to 4.7, and the test BLEU "
    "scores of its decoded translations increased from 25.9 to 30.6.",
    asks="The first half of the sentence: log perplexity of a piece on unseen pages, sources read "
    "forward less reversed, five seeds. The abstract says “markedly”: half of the paper's own "
    "log(5.8/4.7) = 0.210 counts as that.",
    holds_if="the 95% interval of the difference, paired by seed, lies above 0.105",
    fails_if="it lies below; below 0, reversing does harm",
    paper="log(5.8/4.7) = 0.210",
    full_only=True,
)
def lower_perplexity(run: Run) -> Finding:
    """Compare the two orders."""
    found = gap(runs_of(run, "forward"), runs_of(run, "reversed"), nats)
    pairs = texts(run)["texts"]["test"]
    numbers: dict[str, Any] = {"difference": ends_of(found), "paper": FIGURE_3}
    for what, score in (("nats", nats), ("bleu", lambda s: s["bleu"]),
                        ("brevity", lambda s: s["brevity"])):  # fmt: skip
        numbers[what] = {kind: bounds(last(runs_of(run, kind), score)) for kind in BOTH}
    numbers["by length"] = {
        kind: {b: bounds(last(runs_of(run, kind), lambda s, b=b: s["by length"][b])) for b in BINS}
        for kind in BOTH
    }
    numbers["sentences"] = {
        b: sum(low <= len(en.split()) <= high for en, _ in pairs) for b, (low, high) in BINS.items()
    }
    numbers["curve"] = {
        kind: [bounds([c[i]["nats"] for c in runs_of(run, kind)])
               for i in range(len(runs_of(run, kind)[0]))]
        for kind in BOTH
    }  # fmt: skip
    numbers["steps"] = [each["step"] for each in runs_of(run, "reversed")[0]]
    numbers["rates"] = {
        kind: [rate_of(run, kind)[0], {f"{r:g}": v for r, v in rate_of(run, kind)[1].items()}]
        for kind in BOTH
    }
    numbers["examples"] = [
        {"English": pairs[i][0], "French": pairs[i][1],
         **{kind: runs_of(run, kind)[0][-1]["examples"][k] for kind in BOTH}}
        for k, i in enumerate(EXAMPLES) if i < len(pairs)
    ]  # fmt: skip
    told = ", ".join(f"{kind} {math.exp(numbers['nats'][kind][0]):.1f}" for kind in BOTH)
    return Finding(
        judge(found, above=MARKED, paper_regime=False),
        ours=f"{found.text(3)} nats a piece",
        ran=protocol(run, *BOTH) + TOLD,
        measured=f"Perplexity of a piece: {told}. Log perplexity, forward less reversed: "
        f"{found.text(3)}; after a quarter, a half and the whole of the training "
        f"{trend(run, nats, 'forward', 'reversed')}.",
        numbers=numbers,
        timings={"CPU seconds of a training": {
            kind: bounds(last(runs_of(run, kind), lambda s: s["seconds"])) for kind in BOTH}},
        between=BETWEEN + ".",
        would_decide=would_decide(found, MARKED),
    )  # fmt: skip


@claim(
    "C2b",
    "§3.3, Table 1",
    "Reversing the source raises BLEU.",
    quotes="By doing so, the LSTM's test perplexity dropped from 5.8 to 4.7, and the test BLEU "
    "scores of its decoded translations increased from 25.9 to 30.6.",
    asks="The second half of the sentence: the nets of C2a, BLEU of greedy translations.",
    holds_if="the 95% interval of reversed less forward, paired by seed, lies above 0",
    fails_if="it lies below 0",
    paper="30.6 − 25.9 = 4.7",
    full_only=True,
)
def better_translations(run: Run) -> Finding:
    """Compare what the two orders translate."""
    score = lambda s: s["bleu"]  # noqa: E731
    found = gap(runs_of(run, "reversed"), runs_of(run, "forward"), score)
    means = {kind: bounds(last(runs_of(run, kind), score)) for kind in BOTH}
    return Finding(
        judge(found, above=0.0, paper_regime=False),
        ours=f"{found.text(1)} BLEU",
        ran=protocol(run, *BOTH),
        measured=f"BLEU: reversed {means['reversed'][0]:.1f}, forward {means['forward'][0]:.1f}; "
        f"difference {found.text(1)}, after a quarter, a half and the whole of the training "
        f"{trend(run, score, 'reversed', 'forward')}.",
        numbers={"bleu": means, "difference": ends_of(found)},
        between=BETWEEN + ".",
        would_decide=would_decide(found, 0.0),
    )
