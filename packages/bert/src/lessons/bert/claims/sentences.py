"""Claim C3: what predicting the next sentence is worth."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN
from ..lab.run import Run
from .contest import UNLEARNED, finding, gap, held, learned, points, protocol, table, tell, trend
from .finetuning import scores
from .pretraining import ends_of, nats_at
from .reading import TASKS

BOTH, ONE = "MLM + NSP", "MLM"


def draw_pairs(figure, numbers) -> None:
    """Draw accuracy on pairs along pre-training, with and without NSP."""
    axes = figure.subplots()
    for name, color in ((BOTH, GREEN), (ONE, BLUE)):
        mean, low, high = zip(*numbers["along"][name])
        axes.plot(numbers["steps"], mean, "o-", color=color, markersize=4, label=name)
        axes.fill_between(numbers["steps"], low, high, color=color, alpha=0.2, linewidth=0)
    axes.axhline(numbers["table"]["pairs"]["chance"], linestyle=":", linewidth=1)
    axes.set(xlabel="steps of pre-training", ylabel="right on pairs (%)")
    axes.legend()


@claim(
    "C3",
    "§5.1, Table 5",
    "Without next sentence prediction, pairs of texts are told apart worse.",
    draw_pairs,
    quotes="removing NSP hurts performance significantly on QNLI, MNLI, and SQuAD 1.1",
    asks="The three are tasks on pairs of texts. Ours of that kind: does a paragraph of a manual "
    "belong to a heading? (At the default scale: are two sentences of one class?) Pages that no "
    "net has read. A wrong "
    "paragraph is of the same page, as QNLI's are of the same text. (Changed before any result was "
    "known; before, it was of another page, which are NSP's own labels.) A heading still precedes "
    "its paragraph, which is nearer to NSP than QNLI is. Both nets "
    "read the same pairs; one has the second loss. Tags and sentiment "
    "stand beside, where the paper sees little (92.7 against 92.6 on SST-2).",
    holds_if="the 95% interval of (MLM + NSP) − MLM on pairs, paired over seeds, lies above 0 "
    "points",
    fails_if=f"it lies below 0{UNLEARNED}",
    paper="3.5 points on QNLI",
)
def next_sentence(run: Run) -> Finding:
    """Judge on pairs, at three lengths of pre-training."""
    found = gap(run, BOTH, ONE, "pairs")
    rows = table(run, [BOTH, ONE], TASKS)
    seeds = range(run.seed, run.seed + len(scores(run, BOTH, "pairs")))
    right = points([nats_at(run, BOTH, seed, "next")[-1] for seed in seeds])
    along = {
        name: [[x.mean, x.low, x.high] for end in ends_of(run)
               for x in [points(scores(run, name, "pairs", end))]]
        for name in (BOTH, ONE)
    }  # fmt: skip
    others = "; ".join(f"{t} {gap(run, BOTH, ONE, t).text(2)}" for t in TASKS[:2])
    return finding(
        run, found, learned(run, held(run, found, above=0.0), "pairs", BOTH, ONE),
        f"{tell(rows)} NSP brings {found.text(2)} points on pairs ({others}); "
        f"{trend(run, lambda end: gap(run, BOTH, ONE, 'pairs', end))}. On texts apart it is right "
        f"of {right.text(1)}% of pairs (the paper's: 97 to 98%, footnote 5).",
        {"table": rows, "along": along, "steps": ends_of(run),
         "next": [right.mean, right.low, right.high]},
        protocol(run, BOTH, ONE),
    )  # fmt: skip
