"""Capacity at equal computation (§5.1, App. C): the headline, its baselines, and where it ends."""

import itertools
import math

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, GREEN, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import every, interval, judge, paired
from .language import world
from .learning import (
    at,
    between,
    percent,
    perplexity,
    products,
    runs_of,
    seeds,
    told,
    trend,
    what,
)
from .models import DENSE, SERIES, config

SEEDS, FEW = 5, 3
PAPER = {"moe-4": 45.0, "moe-32": 39.7, "moe-256-h": 36.0}  # Table 7
HALF = math.log(45.0 / 36.0) / 2  # .112
ALIKE = math.log(46.1 / 44.7)  # .031: how far Table 7's dense baselines are apart
COLOR = {"moe-4": RED, "moe-32": AMBER, "moe-256-h": GREEN}


def sizes(run: Run, kinds) -> str:
    """Return weights and products of models, in words."""
    text, told = world(run), []
    for kind in kinds:
        before, whole = products(kind, text.vocab_size, text.wide)
        weights = config(kind, text.vocab_size, text.wide).parameters
        told.append(f"{kind} {weights:,} weights, {before:,} ({whole:,})")
    return "Weights, and products a piece before (with) the softmax: " + "; ".join(told) + "."


def draw_capacity(figure, numbers) -> None:
    """Draw perplexity against the number of weights, ours and Figure 2's."""
    ours, paper = figure.subplots(1, 2)
    figure.set_size_inches(7.2, 3.4)
    path, label = [], "dense: wide, deep, four LSTMs"
    for name, x, values in numbers["points"]:
        found = interval(values)
        ends = [[found.mean - found.low], [found.high - found.mean]]
        if name in DENSE:
            ours.errorbar(x, found.mean, ends, fmt="s", color=MUTED, ms=5, label=label)
            label = None
        else:
            path.append((x, found.mean))
            ours.errorbar(x, found.mean, ends, fmt="o", color=BLUE, ms=5)
            # The last one's name stands on its left, where there is room.
            last = name == SERIES[-1]
            ours.annotate(name, (x, found.mean), (-6 if last else 6, 5), fontsize=8,
                          ha="right" if last else "left", textcoords="offset points")  # fmt: skip
    ours.plot(*zip(*path), color=BLUE, lw=1)
    ours.set(xscale="log", xlabel="weights without embedding and softmax",
             ylabel="test perplexity a piece")  # fmt: skip
    ours.legend(fontsize=8)
    x, y = zip((8.4, 45.0), (37.8, 39.7), (272.9, 35.7), (1079.0, 34.6), (4303.4, 34.1))
    paper.plot(x, y, "o-", color=BLUE)
    paper.plot([8.4] * 3, [46.1, 45.7, 46.0], "s", color=MUTED)
    paper.set(xscale="log", xlabel="million weights, Table 7 of the paper", ylabel="a word")


@claim(
    "C1",
    "§5.1",
    "Many experts at equal computation lower perplexity by a large part.",
    draw_capacity,
    quotes="the largest of the models (4096 experts) achieved an impressive 24% lower perplexity "
    "on the test set",
    asks="LSTM, mixture, LSTM as in App. C, with 4 experts that always work and with 256 of which "
    "4 do, one pass through the same text. All spend the same products: those of the gate, both "
    "its matrices, are taken from the experts' hidden layers. Rates are tuned alike. For these "
    "two models Table 7 has 45.0 and 36.0, 20% lower; large is at least half of that logarithm, "
    "11% lower. The paper searches for the best dropout; here nothing is read twice, and there is "
    "none. (Seen before the rule, one seed, after 0.8 million pieces: 105.7, 104.3 and 105.8 with "
    "4, 32 and 256 experts. Experts' first weights are larger since; with these, after 1.0 "
    "million: 61.1 and 59.5 with 4 and 32.)",
    holds_if="the interval of log(perplexity of 4 / of 256 experts) lies above .112",
    fails_if="it lies below .112",
    paper="24% (4,096 experts); 20% (256)",
    full_only=True,
)
def capacity(run: Run) -> Finding:
    """Judge the perplexity of 256 experts against that of four."""
    found = {kind: runs_of(run, kind, SEEDS) for kind in SERIES}
    judged = judge(
        paired(at(found["moe-4"]), at(found["moe-256-h"])), above=HALF, paper_regime=False
    )
    assert judged.interval is not None
    ways = trend(found["moe-256-h"], found["moe-4"])
    more = {kind: runs_of(run, kind, FEW) for kind in DENSE}
    points = [
        [kind, runs[0]["parameters"], [math.exp(x) for x in at(runs)]]
        for kind, runs in (found | more).items()
    ]
    return Finding(
        judged,
        ours=f"{percent(judged.interval)}% lower",
        ran=f"{what(run, *SERIES)} {SEEDS} seeds. {sizes(run, SERIES)}",
        measured="Perplexity a piece: "
        + ", ".join(f"{kind} {perplexity(runs)}" for kind, runs in found.items())
        + f". 256 experts: {percent(judged.interval)}% lower than 4."
        + told(ways),
        numbers={
            "points": points,
            "nats": {kind: at(runs) for kind, runs in found.items()},
            "ways": ways,
        },
        timings={kind: interval([r["seconds"] for r in runs]).mean for kind, runs in found.items()},
        between=between(run),
        would_decide=seeds(judged),
    )


@claim(
    "C2",
    "App. E",
    "More experts go on improving perplexity.",
    quotes="as we increased the number of experts to approach 2048, the test perplexity of our "
    "model continued to improve",
    asks="The runs of C1, and 32 experts between: both steps, from 4 to 32 and from 32 to 256. The "
    "sentence is about translation; Table 7 has the same for language models (45.0, 39.7, 36.0).",
    holds_if="the intervals of both logarithms of ratios lie above 0",
    fails_if="one of them lies below 0",
    paper="log ratios .125 and .098 in Table 7",
    full_only=True,
)
def continued(run: Run) -> Finding:
    """Judge both steps."""
    runs = [runs_of(run, kind, SEEDS) for kind in SERIES]
    ways = [trend(b, a) for a, b in itertools.pairwise(runs)]
    steps = [judge(interval(way[-1]), above=0.0, paper_regime=False) for way in ways]
    judged = every(steps)
    lower = [percent(step.interval) for step in steps if step.interval]
    return Finding(
        judged,
        ours=f"{lower[0]}%, then {lower[1]}% lower",
        ran=f"The runs of C1, {SEEDS} seeds.",
        measured=f"From 4 to 32 experts {lower[0]}% lower.{told(ways[0])} From 32 to 256 "
        f"{lower[1]}% lower.{told(ways[1])}",
        numbers={"steps": [way[-1] for way in ways], "ways": ways},
        between=between(run),
        would_decide=seeds(judged),
    )


@claim(
    "C3",
    "§5.1",
    "Four experts that always work are like dense layers of equal cost.",
    quotes="The model with 4 always-active experts performed (unsurprisingly) similarly to the "
    "computationally-matched baseline models",
    asks="Four experts against one that is four times as wide, one with four hidden layers, and "
    "two LSTM layers in their place. Similar: within .031, the logarithm of the largest ratio "
    "between Table 7's own baselines (46.1 and 44.7).",
    holds_if="all three intervals of log(perplexity of the baseline / of 4 experts) lie within "
    "±.031",
    fails_if="one lies outside",
    paper="45.0 against 44.7 to 46.1",
    full_only=True,
)
def always_active(run: Run) -> Finding:
    """Judge four experts against each dense middle."""
    ours = at(runs_of(run, "moe-4", SEEDS))
    n = run.pick(test=2, default=FEW)
    found = {kind: at(runs_of(run, kind, FEW)) for kind in DENSE}
    judgements = {
        kind: judge(paired(values, ours[:n]), within=(-ALIKE, ALIKE), paper_regime=False)
        for kind, values in found.items()
    }
    judged = every(list(judgements.values()))
    ratios = ", ".join(f"{k} {j.interval.text(3)}" for k, j in judgements.items() if j.interval)
    return Finding(
        judged,
        ours=f"log ratios {ratios}",
        ran=f"{what(run, *DENSE)} {FEW} seeds. {sizes(run, DENSE)}",
        measured=f"log(perplexity of the baseline / of four experts): {ratios}.",
        numbers={"moe-4": ours, **found},
        between=between(run),
        would_decide=seeds(judged),
    )


@claim(
    "C4",
    "§5.1, Table 1",
    "A sparse model beats a dense one that computes several times as much.",
    quotes="Even the fastest of these models beats the best published result (when controlling for "
    "the number of training epochs), despite requiring only 6% of the computation.",
    asks="256 experts against two LSTM layers of 256 units with projections, which spend 4.5 times "
    "the products before the softmax, on the same text, each at its best rate. The paper's rival "
    "spends 17 times as many; here three hours of one core set the limit.",
    holds_if="the interval of log(perplexity of the large LSTM / of 256 experts) lies above 0",
    fails_if="it lies below 0",
    paper="34.1 against 34.7, at 6%",
    full_only=True,
)
def cheaper(run: Run) -> Finding:
    """Judge 256 experts against a large dense model."""
    large, n = runs_of(run, "2xlstm-large", FEW), run.pick(test=2, default=FEW)
    small = runs_of(run, "moe-256-h", SEEDS)[:n]
    ways = trend(small, large)
    judged = judge(interval(ways[-1]), above=0.0, paper_regime=False)
    assert judged.interval is not None
    text = world(run)
    ours, theirs = (
        products(kind, text.vocab_size, text.wide) for kind in ("moe-256-h", "2xlstm-large")
    )
    share = [a / b for a, b in zip(ours, theirs)]
    return Finding(
        judged,
        ours=f"{percent(judged.interval)}% lower at {100 * share[0]:.0f}% of the products",
        ran=f"{what(run, 'moe-256-h', '2xlstm-large')} {FEW} seeds. "
        + sizes(run, ("moe-256-h", "2xlstm-large")),
        measured=f"Perplexity {perplexity(small)} with 256 experts, {perplexity(large)} dense: "
        f"{percent(judged.interval)}% lower, at {100 * share[0]:.0f}% of the products before the "
        f"softmax and {100 * share[1]:.0f}% of all." + told(ways),
        numbers={"large": at(large), "moe-256-h": at(small), "share": share, "ways": ways},
        between=f"{between(run)}; and a rival of 17 times the products.",
        would_decide=seeds(judged),
    )
