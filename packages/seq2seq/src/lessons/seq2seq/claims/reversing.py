"""Claims C2a and C2b: what reversing the source does (§3.3)."""

import math
from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from .contest import (
    BETWEEN,
    TOLD,
    bounds,
    gap,
    last,
    protocol,
    rate_of,
    runs_of,
    trend,
    would_decide,
)
from .translators import BINS, EXAMPLES, WATCHED, groups_of, texts

MARKED = math.log(5.8 / 4.7) / 2  # half of what the paper measured
BOTH = ("reversed", "forward")
TWO = (
    "two 95% intervals lie {}: over nets (Student's t{}), and over sentences ({}bootstrap, the "
    "mean of the nets on each draw)"
)
AGREE = "both lie {}; undecided where the two do not agree"


def draw_curves(figure, numbers) -> None:
    """Draw the losses of both orders while they learn: of training, and on dev pages."""
    axes = figure.subplots()
    for kind, color in zip(BOTH, (BLUE, RED)):
        for k, curve in enumerate(numbers["curve"][kind]):
            steps, train, dev = zip(*curve)
            name = {"label": f"{kind}, training"} if k == 0 else {}
            axes.plot(steps, train, "--", color=color, linewidth=0.8, alpha=0.7, **name)
            name = {"label": f"{kind}, dev pages"} if k == 0 else {}
            axes.plot(steps, dev, "-", color=color, linewidth=1.2, **name)
    axes.set(xlabel="steps", ylabel="nats a piece")
    axes.legend(fontsize=8)


@claim(
    "C2a",
    "Abstract, §3.3",
    "Reversing the source lowers perplexity markedly.",
    draw_curves,
    quotes="By doing so, the LSTM's test perplexity dropped from 5.8 to 4.7, and the test BLEU "
    "scores of its decoded translations increased from 25.9 to 30.6.",
    asks="The first half of the sentence: log perplexity of a piece on unseen pages, sources read "
    "forward less reversed, five seeds. The abstract says “markedly”: half of the paper's own "
    "log(5.8/4.7) = 0.210 counts as that.",
    holds_if=TWO.format("above 0.105", ", paired by seed", "paired "),
    fails_if=AGREE.format("below 0.105") + "; below 0, reversing does harm",
    paper="log(5.8/4.7) = 0.210",
    full_only=True,
)
def lower_perplexity(run: Run) -> Finding:
    """Compare the two orders."""
    found = gap(run, "forward", "reversed", "nats")
    pairs, groups = texts(run)["texts"]["test"], groups_of(run)
    numbers: dict[str, Any] = {"difference": found.ends()}
    for what in ("nats", "bleu"):
        numbers[what] = {kind: bounds(last(run, kind, what)) for kind in BOTH}
    numbers["brevity"] = {
        kind: bounds([curve[-1]["brevity"] for curve in runs_of(run, kind)]) for kind in BOTH
    }
    numbers["sentences"] = {name: int(groups[name].sum()) for name in ("all", *BINS)}
    numbers["at lengths of training"] = {
        kind: [bounds([c[i]["scores"]["nats"] for c in runs_of(run, kind)])
               for i in range(len(runs_of(run, kind)[0]))]
        for kind in BOTH
    }  # fmt: skip
    numbers["steps"] = [each["step"] for each in runs_of(run, "reversed")[0]]
    numbers["curve"] = {kind: [c[-1]["curve"] for c in runs_of(run, kind)] for kind in BOTH}
    ends = {
        kind: " and ".join(f"{bounds([c[-1][k] for c in curves])[0]:.2f}" for k in (1, 2))
        for kind, curves in numbers["curve"].items()
    }
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
        found.judge(above=MARKED),
        ours=f"{found.nets.text(3)} nats a piece",
        ran=protocol(run, *BOTH) + TOLD,
        measured=f"Perplexity of a piece: {told}. Log perplexity, forward less reversed: "
        f"{found.text(3)}; after a quarter, a half and the whole of the training "
        f"{trend(run, 'nats', 'forward', 'reversed')}. At the end the last batches have "
        f"{ends['reversed']} nats reversed in training and on {WATCHED} dev sentences, "
        f"{ends['forward']} forward.",
        numbers=numbers,
        timings={"CPU seconds of a training": {
            kind: bounds([c[-1]["seconds"] for c in runs_of(run, kind)]) for kind in BOTH}},
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
    holds_if="of reversed less forward, " + TWO.format("above 0", ", paired by seed", "paired "),
    fails_if=AGREE.format("below 0"),
    paper="30.6 − 25.9 = 4.7",
    full_only=True,
)
def better_translations(run: Run) -> Finding:
    """Compare what the two orders translate."""
    found = gap(run, "reversed", "forward", "bleu")
    means = {kind: bounds(last(run, kind, "bleu")) for kind in BOTH}
    return Finding(
        found.judge(above=0.0),
        ours=f"{found.nets.text(1)} BLEU",
        ran=protocol(run, *BOTH),
        measured=f"BLEU: reversed {means['reversed'][0]:.1f}, forward {means['forward'][0]:.1f}; "
        f"difference {found.text(1)}; after a quarter, a half and the whole of the training "
        f"{trend(run, 'bleu', 'reversed', 'forward')}.",
        numbers={"bleu": means, "difference": found.ends()},
        between=BETWEEN + ".",
        would_decide=would_decide(found, 0.0),
    )
