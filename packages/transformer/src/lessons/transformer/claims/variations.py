"""Claims C3 and C4: rows of Table 3, and attention without its scale."""

import dataclasses

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED
from ..lab.run import Run
from ..lab.statistics import interval, judge, ratio
from .race import would_decide
from .rows import DIGITS, OTHER, ROWS, compare, finding


def draw_rows(figure, numbers):
    """Draw each row's difference to the other, at one rate, in perplexity and in BLEU."""
    left, right = figure.subplots(1, 2, sharey=True)
    rows = list(numbers["to the other"])
    for axes, score, label in ((left, "nats", "log perplexity"), (right, "bleu", "BLEU")):
        for y, row in enumerate(rows):
            mean, low, high = numbers["to the other"][row][score]
            axes.errorbar([mean], [y], xerr=[[mean - low], [high - mean]], fmt="o", color=BLUE,
                          markersize=4, capsize=3)  # fmt: skip
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set(xlabel=f"difference, {label}")
    left.set_yticks(range(len(rows)), rows)
    left.invert_yaxis()


SENTENCE_A = (
    "While single-head attention is 0.9 BLEU worse than the best setting, quality also drops off "
    "with too many heads."
)
EACH = (
    "(All rows at one rate, as in Table 3; if the mean is less than two half widths of its "
    "interval from the line, both rows at their own best rates decide.)"
)
PERPLEXITY = (
    "Perplexity (its logarithm, per piece, on unseen pages), Table 3's first measure; BLEU beside. "
    + EACH
)
BOTH = (
    "Two translators with d_k = 64, the paper's width (one head), with the scale and without, the "
    "same first weights and batches, each at its own best rate."
)


@claim(
    "C3a",
    "§3.2.1",
    "Without the scale 1/√d_k a trained softmax has smaller gradients.",
    quotes="We suspect that for large values of dk, the dot products grow large in magnitude, "
    "pushing the softmax function into regions where it has extremely small gradients",
    asks=f"{BOTH} After training: the mean trace of the softmax's Jacobian over all layers and all "
    "queries of the dev pages. (Training could have made the weights smaller by as much.)",
    holds_if="the 95% interval of trace(without) / trace(with), paired by seed, lies below 1",
    fails_if="it lies above 1",
    full_only=True,
)
def small_gradients(run: Run) -> Finding:
    """Compare what is left of the softmax's gradient in both trained nets."""
    found = finding(run, "1 head, no scale", "nats", own=True, above=0.0)
    pair = compare(run, "1 head, no scale", own=True)
    without, scaled = ([t["trace"] for t in trials] for trials in (pair.ours, pair.theirs))
    kept = ratio(without, scaled)
    means = [interval(each).mean for each in (without, scaled)]
    return dataclasses.replace(
        found,
        judgement=judge(kept, below=1.0, paper_regime=False),
        ours=f"trace {means[0]:.3f} against {means[1]:.3f}; ratio {kept.text(2)}",
        measured=f"Trace {means[0]:.3f} without the scale and {means[1]:.3f} with it, ratio "
        f"{kept.text(3)}. {found.measured}",
        numbers=found.numbers | {"trace": [without, scaled], "ratio": dataclasses.astuple(kept)},
        would_decide=would_decide(kept, 1.0),
    )


@claim(
    "C3b",
    "§3.2.1",
    "Without the scale 1/√d_k wide dot products train worse.",
    quotes="To counteract this effect, we scale the dot products by 1/√dk.",
    asks=f"{BOTH} Perplexity (its logarithm, per piece, on unseen pages); BLEU beside.",
    holds_if="the 95% interval of loss(without) − loss(with), paired by seed, lies above 0",
    fails_if="it lies below 0",
    full_only=True,
)
def scale(run: Run) -> Finding:
    """Compare attention without the scale with attention that has it."""
    return finding(run, "1 head, no scale", "nats", own=True, above=0.0)


@claim(
    "C4a",
    "§6.2, Table 3 (A)",
    "A single head is worse than several.",
    draw_rows,
    quotes=SENTENCE_A,
    asks=f"One head of 64 dimensions against four of 16, the same number of weights. {PERPLEXITY}",
    holds_if="the 95% interval of loss(1 head) − loss(4), paired by seed, lies above 0",
    fails_if="it lies below 0",
    paper="perplexity 5.29 against 4.92",
    full_only=True,
)
def one_head(run: Run) -> Finding:
    """Compare one head with four; draw all rows that share the base."""
    found = finding(run, "1 head", "nats", above=0.0)
    found.numbers["to the other"] = {
        f"{row} − {OTHER.get(row, 'base')}": {
            s: [g.mean, g.low, g.high] for s in DIGITS for g in [compare(run, row).gap(s)]
        }
        for row in ROWS
        if row not in ("base", "few")
    }
    return found


@claim(
    "C4b",
    "§6.2, Table 3 (A)",
    "Too many heads are worse again.",
    quotes=SENTENCE_A,
    asks=f"16 heads of four dimensions each against four of 16. {PERPLEXITY}",
    holds_if="the 95% interval of loss(16 heads) − loss(4), paired by seed, lies above 0",
    fails_if="it lies below 0",
    paper="perplexity 5.01 against 4.92",
    full_only=True,
)
def too_many_heads(run: Run) -> Finding:
    """Compare 16 heads with four."""
    return finding(run, "16 heads", "nats", above=0.0)


@claim(
    "C4c",
    "§6.2, Table 3 (C)",
    "Bigger models are better.",
    quotes="We further observe in rows (C) and (D) that, as expected, bigger models are better, "
    "and dropout is very helpful in avoiding over-fitting.",
    asks=f"2 + 2 layers against 1 + 1, as 6 + 6 against 2 + 2 and 4 + 4. {PERPLEXITY}",
    holds_if="the 95% interval of loss(1 + 1 layers) − loss(2 + 2), paired by seed, lies above 0",
    fails_if="it lies below 0",
    paper="perplexity 6.11 and 5.19 against 4.92",
    full_only=True,
)
def bigger(run: Run) -> Finding:
    """Compare half of the layers with all of them."""
    return finding(run, "1 + 1 layers", "nats", above=0.0)
