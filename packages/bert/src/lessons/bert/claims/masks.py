"""Claims C4a to C4c: what stands in the place of a hidden word (Table 8)."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import Interval, every, paired
from ..masking import TABLE8
from ..tasks import BertForTokenClassification
from .contest import finding, held, points, scene
from .finetuning import FIRST, accuracy, fit, steps_of
from .layers import RATE as FEATURE_RATE
from .layers import read
from .pretraining import BERTS, HALF, batch_size, config_of, encoder, ends_of, rate_of, steps, tuned
from .world import world

SIZE = "small"
MASK_ONLY, RANDOM_ONLY = "100-0-0", "0-0-100"
# Table 8: mask, same, random: tags fine-tuned, tags from features.
PAPER = {
    "80-10-10": (95.4, 94.9), "100-0-0": (94.9, 94.0), "80-0-20": (95.2, 94.6),
    "80-20-0": (95.2, 94.7), "0-20-80": (94.8, 94.6), "0-0-100": (94.9, 94.6),
}  # fmt: skip
ASKS = (
    "All six rows of Table 8, of the smaller net and half as many steps, each pre-trained alike "
    "but "
    "for what stands in the place of hidden words; tags of words, NER's kind. (Tables 7 and 8 give "
    "BERT 96.4 and 95.4 fine-tuned and 96.1 and 94.9 from features; the paper does not say what "
    "differs.) "
)


def fine(
    run: Run, strategy: str, rate: float, seed: int, part: str = "test"
) -> float:  # fmt: skip
    """Fine-tune a net that was pre-trained with a strategy on tags; return its accuracy."""
    task, end = world(run).task("tags", seed), ends_of(run, HALF)[-1]
    net = BertForTokenClassification.on(
        encoder(run, "MLM", seed, end, SIZE, strategy, HALF), num_labels=task.num_labels
    )
    fit(run, net, task.train, rate, steps_of(run, len(task.train.ids)), seed, strategy)
    return accuracy(run, net, task.dev if part == "dev" else task.test)


def rates(run: Run) -> tuple[float, float]:
    """Return the rates of fine-tuning and of reading features: BERT's best, for all strategies.

    The paper does not say whether each strategy had rates of its own.
    """
    if run.scale in ("test", "default"):
        return FIRST["pre-trained"], FEATURE_RATE
    first = tuned(FIRST["pre-trained"], lambda rate: 1 - run.trial(
        fine, strategy=BERTS, rate=rate, seed=run.seed, part="dev"))[0]  # fmt: skip
    second = tuned(FEATURE_RATE, lambda rate: 1 - run.trial(
        read, kind="concat_last_four", rate=rate, seed=run.seed, arms=["MLM"], size=SIZE,
        share=HALF, part="dev")["accuracy"])[0]  # fmt: skip
    return first, second


def measured(run: Run) -> dict[str, dict[str, list[float]]]:
    """Return each strategy's accuracy in per cent, by way of using it and seed."""
    one, two = rates(run)
    seeds, found = run.seeds(run.pick(test=2, default=3)), {}
    for strategy in TABLE8:
        other = {"strategy": strategy} if strategy != BERTS else {}
        found[strategy] = {
            "fine-tuned": [
                100 * run.trial(fine, strategy=strategy, rate=one, seed=s) for s in seeds
            ],
            "features": [
                100 * run.trial(read, kind="concat_last_four", rate=two, seed=s, arms=["MLM"],
                                size=SIZE, share=HALF, **other)["accuracy"]
                for s in seeds
            ],
        }  # fmt: skip
    return found


def lost(found: dict[str, Any], strategy: str, way: str) -> Interval:
    """Return how many points a strategy loses against BERT's."""
    return paired(found[BERTS][way], found[strategy][way])


def ran(run: Run) -> str:
    """Tell what was trained."""
    config = config_of(run, size=SIZE)
    n = len(world(run).task("tags", run.seed).train.ids)
    one, two = rates(run)
    return (
        f"Read: {scene(run)}. {config.num_hidden_layers} layers of {config.hidden_size}; "
        f"{steps(run, HALF):,} steps of {batch_size(run)} at {rate_of(run, 'MLM', SIZE)[0]:g}. "
        f"{n:,} tagged sentences, {steps_of(run, n)} steps at {one:g} (fine-tuned) and {two:g} "
        "(a BiLSTM of two layers on all states), rates tuned with BERT's masks and taken for all."
    )


def rows(found: dict[str, Any]) -> dict[str, Any]:
    """Return means with intervals, in per cent."""
    told = {}
    for strategy, ways in found.items():
        each = {way: points([x / 100 for x in values]) for way, values in ways.items()}
        told[strategy] = {way: [one.mean, one.low, one.high] for way, one in each.items()}
    return told


def tell(found: dict[str, Any], way: str) -> str:
    """Tell what every strategy gives, and loses."""
    told = [f"{s} {rows(found)[s][way][0]:.2f}" for s in found]
    losses = [f"{s} {lost(found, s, way).text(2)}" for s in found if s != BERTS]
    return (
        f"Words right, in per cent, {way} (mask-same-random): {', '.join(told)}. Less than "
        f"80-10-10 by, in points: {', '.join(losses)}."
    )


def draw_masks(figure, numbers: dict[str, Any]) -> None:
    """Draw what each strategy loses against BERT's, ours and the paper's."""
    figure.set_size_inches(6.4, 2.9)
    ours, paper = figure.subplots(1, 2, sharey=True)
    names = [name for name in TABLE8 if name != BERTS]
    for k, (way, color) in enumerate((("fine-tuned", BLUE), ("features", RED))):
        for i, name in enumerate(names):
            mean, low, high = numbers["lost"][way][name]
            ours.errorbar([-mean], [i + 0.16 * (2 * k - 1)], xerr=[[high - mean], [mean - low]],
                          fmt="o", color=color, capsize=2, markersize=4,
                          label=way if not i else None)  # fmt: skip
            less = PAPER[name][k] - PAPER[BERTS][k]
            paper.plot([less], [i + 0.16 * (2 * k - 1)], "o", color=color, markersize=4)
    ours.set_yticks(range(len(names)), names)
    ours.set_ylim(len(names) - 0.5, -0.5)
    ours.set(xlabel="points against 80-10-10", title="ours, tags")
    paper.set(xlabel="points against 80-10-10", title="Table 8, names")
    for axes in (ours, paper):
        axes.axvline(0, color=MUTED, linewidth=1)
    ours.legend(fontsize=8)


def report(run: Run, interval: Interval, judgement, way: str, line: float) -> Finding:
    """Return the finding of one of the three."""
    found = measured(run)
    losses = {
        w: {s: [x.mean, x.low, x.high] for s in found if s != BERTS for x in [lost(found, s, w)]}
        for w in ("fine-tuned", "features")
    }
    return finding(
        run, interval, judgement, tell(found, way), {"rows": rows(found), "lost": losses}, ran(run),
        line, between=f"; {steps(run, HALF):,} steps",
    )  # fmt: skip


@claim(
    "C4a",
    "C.2, Table 8",
    "Fine-tuning hardly minds what stands in the place of hidden words.",
    draw_masks,
    quotes="fine-tuning is surprisingly robust to different masking strategies",
    asks=ASKS + "“Robust” is drawn from Table 8: on names no strategy loses more than 0.6 points.",
    holds_if="for each of the five others the 95% interval of 80-10-10 − strategy, fine-tuned and "
    "paired over seeds, lies below 0.6 points",
    fails_if="one of them lies above 0.6",
    paper="at most 0.6 points of F1",
    full_only=True,
)
def robust(run: Run) -> Finding:
    """Judge the worst of five."""
    found = measured(run)
    judged = {s: held(run, lost(found, s, "fine-tuned"), below=0.6) for s in found if s != BERTS}
    worst = every([*judged.values()])
    assert worst.interval is not None
    return report(run, worst.interval, worst, "fine-tuned", 0.6)


@claim(
    "C4b",
    "C.2, Table 8",
    "Features suffer where hidden words are always MASK.",
    quotes="using only the MASK strategy was problematic when applying the feature-based approach "
    "to NER",
    asks=ASKS + "The net is fixed, and a BiLSTM reads all its states.",
    holds_if="the 95% interval of 80-10-10 − 100-0-0 from features, paired over seeds, lies above "
    "0 points",
    fails_if="it lies below 0",
    paper="0.9 points of F1",
    full_only=True,
)
def mask_only(run: Run) -> Finding:
    """Judge masks alone."""
    one = lost(measured(run), MASK_ONLY, "features")
    return report(run, one, held(run, one, above=0.0), "features", 0.0)


@claim(
    "C4c",
    "C.2, Table 8",
    "Random words alone do much worse, too.",
    quotes="using only the RND strategy performs much worse than our strategy as well",
    asks=ASKS + "“Much” is drawn from Table 8: 0.3 points from features. As for C4b.",
    holds_if="the 95% interval of 80-10-10 − 0-0-100 from features, paired over seeds, lies above "
    "0.3 points",
    fails_if="it lies below 0.3",
    paper="0.3 points of F1",
    full_only=True,
)
def random_only(run: Run) -> Finding:
    """Judge random words alone."""
    one = lost(measured(run), RANDOM_ONLY, "features")
    return report(run, one, held(run, one, above=0.3), "features", 0.3)
