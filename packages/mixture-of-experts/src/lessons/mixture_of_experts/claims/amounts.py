"""More text, and too many experts for it (§5.2, App. D)."""

import itertools
import math

from ..lab.claim import Finding, claim
from ..lab.figures import TEAL
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired
from .contest import COLOR, FEW, SEEDS, sizes
from .language import world
from .learning import BETWEEN, at, lengths, less, percent, perplexity, runs_of, seeds, what
from .models import SERIES


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
    gap = [less(at(found["moe-256-h"], part=i), at(found["moe-4"], part=i)) for i in (-3, -2, -1)]
    judged = judge(paired(gap[-1], gap[0]), above=0.0, paper_regime=False)
    told = [percent(interval(values)) for values in gap]
    row = world(run).train.shape[1] - 1
    size = world(run).train.shape[0] * row / 1e6 / lengths(run)[-1]

    def mean(runs, key, i):
        return math.exp(sum(at(runs, key, i)) / len(runs))

    ends = range(len(lengths(run)))
    return Finding(
        judged,
        ours=f"{told[0]}% lower after a quarter, {told[-1]}% at the end",
        ran=f"The runs of C1, {SEEDS} seeds, at a quarter, a half and the end of the text.",
        measured=f"256 experts are {told[0]}%, {told[1]}% and {told[2]}% lower than 4 after a "
        "quarter, a half and all of the text.",
        numbers={
            "gap": gap,
            "pieces": [size * step for step in lengths(run)],
            "curves": {k: [mean(r, "nats", i) for i in ends] for k, r in found.items()},
            "train": {k: [mean(r, "train nats", i) for i in ends] for k, r in found.items()},
        },
        between=BETWEEN,
        would_decide=seeds(judged),
    )


@claim(
    "C6",
    "§5.2",
    "With too many experts for the text, perplexity gets worse again.",
    quotes="improves significantly up to 65536 experts (68 billion parameters), "
    "dropping 39% lower than the computationally matched baseline, but degrades at 131072 experts, "
    "possibly a result of too much sparsity",
    asks="1,024 experts in 32 groups against 256 in 16, at its own best rate, on the same text: "
    "each expert then reads 8 tokens a weight, where each of the paper's 65,536 reads 6, and of "
    "131,072 each reads 3. Which number is too many cannot be known before.",
    holds_if="the interval of log(perplexity of 1,024 / of 256 experts) lies above 0",
    fails_if="it lies below 0: then 1,024 are not yet too many",
    paper="28.9, then 29.2",
    full_only=True,
)
def too_many(run: Run) -> Finding:
    """Judge 1,024 experts against 256."""
    most, n = runs_of(run, "moe-1024-h", FEW), run.pick(test=2, default=FEW)
    fewer = runs_of(run, "moe-256-h", SEEDS)[:n]
    judged = judge(paired(at(most), at(fewer)), above=0.0, paper_regime=False)
    assert judged.interval is not None
    ways = [less(at(fewer, part=i), at(most, part=i)) for i in (-3, -2, -1)]
    told = ", ".join(interval(values).text(3) for values in ways)
    return Finding(
        judged,
        ours=f"log ratio {judged.interval.text(3)}",
        ran=f"{what(run, 'moe-1024-h')} {FEW} seeds. {sizes(run, ('moe-1024-h',))}",
        measured=f"Perplexity {perplexity(most)} with 1,024 experts, {perplexity(fewer)} with 256. "
        f"Logarithm of the ratio after a quarter, a half and all of the text: {told}.",
        numbers={"ways": ways, "1024": at(most), "256": at(fewer)},
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
    found = [at(runs_of(run, kind, SEEDS)) for kind in SERIES]
    first, second = (less(b, a) for a, b in itertools.pairwise(found))
    judged = judge(paired(second, first), below=0.0, paper_regime=False)
    assert judged.interval is not None
    return Finding(
        judged,
        ours=f"{interval(first).text(3)}, then {interval(second).text(3)}",
        ran=f"The runs of C1, {SEEDS} seeds.",
        measured=f"Logarithms of the ratios of perplexities: {interval(first).text(3)} from 4 to "
        f"32, {interval(second).text(3)} from 32 to 256.",
        numbers={"first": first, "second": second},
        between=f"{BETWEEN}; the number is one of billions of weights",
        would_decide=seeds(judged),
    )
