"""More text, and too many experts for it (§5.2, App. D)."""

import itertools
import math

from ..lab.claim import Finding, claim
from ..lab.figures import TEAL
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired
from .contest import COLOR, SEEDS
from .language import world
from .learning import (
    QUARTERS,
    at,
    between,
    lengths,
    less,
    percent,
    runs_of,
    seeds,
    told,
    trend,
)
from .models import SERIES, config


def draw_data(figure, numbers) -> None:
    """Draw perplexity against how much was read."""
    axes = figure.subplots()
    for kind, values in numbers["curves"].items():
        axes.plot(numbers["pieces"], values, "o-", color=COLOR.get(kind, TEAL), ms=4, label=kind)
    for kind, values in numbers["train"].items():
        axes.plot(numbers["pieces"], values, ":", color=COLOR.get(kind, TEAL))
    axes.set(xscale="log", xlabel="million pieces read", ylabel="perplexity a piece")
    axes.set_xticks(numbers["pieces"], [f"{x:.2g}" for x in numbers["pieces"]])
    axes.minorticks_off()
    axes.legend(title="test; dotted: training")


@claim(
    "C5",
    "§5.2, Fig. 3",
    "Capacity helps more on larger training sets.",
    draw_data,
    quotes="The widening gap between the two lines demonstrates (unsurprisingly) that increased "
    "model capacity helps more on larger training sets.",
    asks="Figure 3's lines are one run, looked at after a tenth of the text and at its end (Table "
    "8: log 54.5/38.2 = .36, log 47.0/28.9 = .49). So are ours: log(perplexity of 4 / of 256 "
    "experts) after the whole text less that after a quarter.",
    holds_if="the interval of the difference lies above 0",
    fails_if="it lies below 0",
    paper="30% lower after 10, 39% after 100 billion words",
    full_only=True,
)
def more_data(run: Run) -> Finding:
    """Judge how the gap grows with what was read."""
    found = {kind: runs_of(run, kind, SEEDS) for kind in SERIES}
    gap = trend(found["moe-256-h"], found["moe-4"])
    judged = judge(paired(gap[-1], gap[0]), above=0.0, paper_regime=False)
    lower = [percent(interval(values)) for values in gap]
    row = world(run).train.shape[1] - 1
    size = world(run).train.shape[0] * row / 1e6 / lengths(run)[-1]

    def mean(runs, key, i):
        return math.exp(sum(at(runs, key, i)) / len(runs))

    ends = range(len(lengths(run)))
    return Finding(
        judged,
        ours=f"{lower[0]}% lower after a quarter, {lower[-1]}% at the end",
        ran=f"The runs of C1, {SEEDS} seeds, at a quarter, a half and the end of the text.",
        measured=f"256 experts are {lower[0]}%, {lower[1]}% and {lower[2]}% lower than 4 after a "
        "quarter, a half and all of the text.",
        numbers={
            "gap": gap,
            "pieces": [size * step for step in lengths(run)],
            "curves": {k: [mean(r, "nats", i) for i in ends] for k, r in found.items()},
            "train": {k: [mean(r, "train nats", i) for i in ends] for k, r in found.items()},
        },
        between=between(run),
        would_decide=seeds(judged),
    )


EARLY = -4  # an eighth of the text


@claim(
    "C6",
    "§5.2",
    "With too many experts for the text, perplexity gets worse again.",
    quotes="improves significantly up to 65536 experts (68 billion parameters), "
    "dropping 39% lower than the computationally matched baseline, but degrades at 131072 experts, "
    "possibly a result of too much sparsity",
    asks="The runs of C1, 256 experts against 32, after an eighth of the text: each of the 256 has "
    "then read about 4 pieces a weight, where each of the paper's 65,536 reads 6 words and each of "
    "131,072 reads 3; each of the 32 has read 20. (Seen before the rule, one seed, after 0.8 "
    "million pieces and with smaller first weights: 104.3 with 32, 105.8 with 256. At first 1,024 "
    "experts were to be trained, for a sixth of the whole run's time; they never were.)",
    holds_if="the interval of log(perplexity of 256 / of 32 experts) lies above 0",
    fails_if="it lies below 0: then 256 are not yet too many",
    paper="28.9, then 29.2",
    full_only=True,
)
def too_many(run: Run) -> Finding:
    """Judge 256 experts against 32, early."""
    most, fewer = (runs_of(run, kind, SEEDS) for kind in ("moe-256-h", "moe-32"))
    ways = {i: less(at(fewer, part=i), at(most, part=i)) for i in (EARLY, *QUARTERS)}
    judged = judge(interval(ways[EARLY]), above=0.0, paper_regime=False)
    assert judged.interval is not None
    text = world(run)
    read = lengths(run)[EARLY] * text.train.shape[0] / lengths(run)[-1] * (text.train.shape[1] - 1)
    share = {
        kind: read * c.active_experts / c.num_experts / c.expert_weights
        for kind in ("moe-32", "moe-256-h")
        for c in [config(kind, text.vocab_size, text.wide)]
    }
    return Finding(
        judged,
        ours=f"log ratio {judged.interval.text(3)}",
        ran=f"The runs of C1, {SEEDS} seeds, after {read:,.0f} pieces: "
        + ", ".join(f"{kind} {value:.1f} a weight of an expert" for kind, value in share.items())
        + ".",
        measured=f"log(perplexity of 256 / of 32 experts) {judged.interval.text(3)} after an "
        "eighth." + told([ways[i] for i in QUARTERS]),
        numbers={"ways": [ways[i] for i in (EARLY, *QUARTERS)], "share": share},
        between="The paper's line lies between 65,536 and 131,072 experts, after 100 billion words",
        would_decide=seeds(judged),
    )


@claim(
    "C7",
    "§5.2",
    "On one corpus additional capacity brings diminishing returns.",
    quotes="On the 1-billion-word corpus, adding additional capacity seems to produce diminishing "
    "returns as the number of parameters in the MoE layer exceeds 1 billion",
    asks="The runs of C1: eight times as many experts from 4 to 32, and again from 32 to 256; the "
    "second step's logarithm less the first's.",
    holds_if="the interval of the difference lies below 0",
    fails_if="it lies above 0",
    paper="per factor of 8: .125, .106; then .026 for 4 (Table 7)",
    full_only=True,
)
def diminishing(run: Run) -> Finding:
    """Judge the second step against the first."""
    runs = [runs_of(run, kind, SEEDS) for kind in SERIES]
    ways = [trend(b, a) for a, b in itertools.pairwise(runs)]
    first, second = ways[0][-1], ways[1][-1]
    judged = judge(paired(second, first), below=0.0, paper_regime=False)
    assert judged.interval is not None
    return Finding(
        judged,
        ours=f"{interval(first).text(3)}, then {interval(second).text(3)}",
        ran=f"The runs of C1, {SEEDS} seeds.",
        measured=f"Logarithms of the ratios of perplexities: {interval(first).text(3)} from 4 to "
        f"32, {interval(second).text(3)} from 32 to 256. 4 to 32:{told(ways[0])} 32 to 256:"
        f"{told(ways[1])}",
        numbers={"first": first, "second": second, "ways": ways},
        between=f"{between(run)}; the number is one of billions of weights",
        would_decide=seeds(judged),
    )
