"""Objectives, subsampling and the noise distribution of skip-gram (2013b, §2, §3, Table 1)."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, GREEN, INK, MUTED
from ..lab.run import Run
from ..lab.statistics import Judgement, every, interval, judge, paired, ratio
from .learn import decide, parts, scores, sizes, text_words, threshold, trained, tuned
from .world import QUARTER, build

LOSSES = {"neg": "NEG-5", "hs": "HS", "nce": "NCE-5"}
POWERS = {0.0: "uniform", 0.75: "U to the 3/4", 1.0: "unigram"}
COLORS = {"neg": BLUE, "hs": GREEN, "nce": AMBER}
BETWEEN = "The paper has a billion words of news, 300 times as many, and vectors of 300."
TABLE = (
    "The table shows that Negative Sampling outperforms the Hierarchical Softmax on the analogical "
    "reasoning task, and has even slightly better performance than the Noise Contrastive "
    "Estimation."
)
RARE = (
    "It accelerates learning and even significantly improves the accuracy of the learned vectors "
    "of the rare words, as will be shown in the following sections."
)
NOISE = (
    "the unigram distribution U(w) raised to the 3/4rd power (i.e., U(w)3/4/Z) outperformed "
    "significantly the unigram and the uniform distributions, for both NCE and NEG on every task "
    "we tried"
)


def settings(run: Run, loss: str, subsampled: bool, power: float = 0.75) -> dict[str, Any]:
    """Return what a run of Table 1 has."""
    t = threshold(run)[0] if subsampled else 0.0
    return {"quarters": QUARTER, "loss": loss, "sample": t, "power": power}


def accuracy(
    run: Run, loss: str, subsampled: bool, part: str = "total", power: float = 0.75
) -> list[float]:
    """Return skip-gram's accuracies (%) over seeds."""
    return scores(run, "skip-gram", part, **settings(run, loss, subsampled, power))


def seconds(run: Run, loss: str, subsampled: bool) -> list[float]:
    """Return the CPU seconds of the same runs."""
    how = settings(run, loss, subsampled)
    seeds = run.seeds(sizes(run)["seeds"])
    return [trained(run, "skip-gram", seed, **how)["seconds"] for seed in seeds]


def table(run: Run) -> dict[str, dict[str, list[float]]]:
    """Return Table 1: accuracies by objective, without and with subsampling, by kind."""
    return {
        f"{LOSSES[loss]}{', subsampled' if subsampled else ''}": {
            part: accuracy(run, loss, subsampled, part)
            for part in ("syntactic", "semantic", "total", "rare")
        }
        for subsampled in (False, True)
        for loss in LOSSES
    }


def how_ran(run: Run) -> str:
    """Return the setting in words."""
    lr, tried = tuned(run, "skip-gram")
    t, thresholds = threshold(run)
    return (
        f"{text_words(run, QUARTER)}; vectors of {sizes(run)['dim']}, windows of 5, "
        f"{sizes(run)['epochs']} passes, {sizes(run)['seeds']} seeds; rate {lr:g} (of "
        f"{len(tried)}) and t = {t:g} (of {len(thresholds)}) chosen with negative sampling on "
        "other questions."
    )


def finding(run: Run, judged: Judgement, ours: str) -> Finding:
    """Return the finding of a claim of Table 1."""
    found = table(run)
    said = "; ".join(
        f"{name} {interval(parts_['total']).text(1)}" for name, parts_ in found.items()
    )
    rare = ", ".join(f"{name} {interval(p['rare']).text(1)}" for name, p in found.items())
    return Finding(
        judged,
        ours=ours,
        ran=how_ran(run),
        measured=f"Right answers (%): {said}. Where the answer is of the rarest third: {rare}.",
        numbers={
            "accuracy": found,
            "asked": {name: sum(p) for name, p in parts(build(run, QUARTER)).items()},
            "thresholds": threshold(run)[1],
        },
        between=BETWEEN,
        would_decide=decide(judged),
    )


def draw(figure, numbers) -> None:
    """Draw accuracies of each objective without and with subsampling, total and rare."""
    for axes, part in zip(figure.subplots(1, 2, sharey=True), ("total", "rare")):
        for k, (loss, name) in enumerate(LOSSES.items()):
            for i, suffix in enumerate(("", ", subsampled")):
                found = interval(numbers["accuracy"][name + suffix][part])
                at = i + 0.25 * (k - 1)
                axes.bar(at, found.mean, 0.22, color=COLORS[loss], label=name if i == 0 else None)
                axes.plot([at, at], [found.low, found.high], color=INK, lw=1)
        axes.set_xticks([0, 1], ["all words", "subsampled"])
        axes.set_title("all questions" if part == "total" else "rare answers", color=MUTED)
        axes.set(ylim=(0, None))
        if part == "total":
            axes.set(ylabel="right answers (%)")
            axes.legend()


def points(judged: Judgement) -> str:
    """Return a difference as text."""
    return judged.interval.text(1, "points") if judged.interval else ""


@claim(
    "C3a",
    "2013b, §2.3, Table 1",
    "Subsampling frequent words makes training faster.",
    quotes=RARE,
    asks="CPU seconds of the same number of passes, with and without subsampling, for negative "
    "sampling and for the tree.",
    holds_if="both intervals of (with ÷ without) lie below 1",
    fails_if="one of them lies above 1",
    paper="14 ÷ 38 = .37 and 21 ÷ 41 = .51 (Table 1)",
    full_only=True,
)
def faster(run: Run) -> Finding:
    """Judge the ratio of times with and without subsampling."""
    spent = {
        loss: [seconds(run, loss, subsampled) for subsampled in (True, False)]
        for loss in ("neg", "hs")
    }
    ratios = {loss: ratio(*pair) for loss, pair in spent.items()}
    judged = every(
        [judge(r, below=1.0, paper_regime=run.scale == "paper") for r in ratios.values()]
    )
    kept = [
        trained(run, "skip-gram", run.seed, **settings(run, "neg", s))["words"]
        for s in (True, False)
    ]
    share = kept[0] / kept[1]
    return Finding(
        judged,
        ours=f"NEG {ratios['neg'].text(2)}, HS {ratios['hs'].text(2)} of the time",
        ran=how_ran(run),
        measured=f"With subsampling {100 * share:.0f}% of the words are trained on. Time with ÷ "
        f"without: NEG-5 {ratios['neg'].text(2)}, HS {ratios['hs'].text(2)}.",
        numbers={"share": share},
        timings={"CPU seconds, with and without": spent},
        between=BETWEEN,
        would_decide=decide(judged, "runs"),
    )  # fmt: skip


@claim(
    "C3b",
    "2013b, §2.3",
    "Subsampling frequent words improves the vectors of rare ones.",
    draw,
    quotes=RARE,
    asks="Right answers among the questions whose answer is of the rarest third of answers, "
    "negative sampling with and without subsampling. t is chosen on other questions among three: "
    "the paper's 10⁻⁵ is for a billion words.",
    holds_if="the interval of (with − without), in points, lies above 0",
    fails_if="it lies below 0",
    paper="in the total 59 → 60%; none for rare words",
    full_only=True,
)
def rare_words(run: Run) -> Finding:
    """Judge the gain of subsampling on rare answers."""
    pair = [accuracy(run, "neg", subsampled, "rare") for subsampled in (True, False)]
    judged = judge(paired(*pair), above=0.0, paper_regime=run.scale == "paper")
    return finding(run, judged, points(judged))


@claim(
    "C4a",
    "2013b, §3, Table 1",
    "Negative sampling answers more analogies than the hierarchical softmax.",
    quotes=TABLE,
    asks="All questions, 5 noise words against the Huffman tree, without subsampling and with.",
    holds_if="both intervals of (NEG − HS), in points, lie above 0",
    fails_if="one of them lies below 0",
    paper="59 against 47; subsampled 60 against 55%",
    full_only=True,
)
def beats_the_tree(run: Run) -> Finding:
    """Judge negative sampling's lead over the tree."""
    both = [
        judge(
            paired(accuracy(run, "neg", subsampled), accuracy(run, "hs", subsampled)),
            above=0.0,
            paper_regime=run.scale == "paper",
        )
        for subsampled in (False, True)
    ]
    return finding(run, every(both), f"{points(both[0])}; subsampled {points(both[1])}")


@claim(
    "C4b",
    "2013b, §3, Table 1",
    "Negative sampling is slightly better than noise contrastive estimation.",
    quotes=TABLE,
    asks="All questions, 5 noise words each, without subsampling, as in the table.",
    holds_if="the interval of (NEG − NCE), in points, lies above 0",
    fails_if="it lies below 0",
    paper="59 against 53%",
    full_only=True,
)
def beats_estimation(run: Run) -> Finding:
    """Judge negative sampling's lead over noise contrastive estimation."""
    pair = accuracy(run, "neg", False), accuracy(run, "nce", False)
    judged = judge(paired(*pair), above=0.0, paper_regime=run.scale == "paper")
    return finding(run, judged, points(judged))


def noise_finding(run: Run, loss: str, other: float) -> Finding:
    """Judge the lead of the power 3/4 over another, for an objective."""
    found = {
        name: accuracy(run, loss, False, power=power) for power, name in POWERS.items()
    }  # fmt: skip
    judged = judge(
        paired(found[POWERS[0.75]], found[POWERS[other]]),
        above=0.0,
        paper_regime=run.scale == "paper",
    )
    said = ", ".join(f"{name} {interval(values).text(1)}" for name, values in found.items())
    return Finding(
        judged,
        ours=points(judged),
        ran=how_ran(run),
        measured=f"Right answers (%) of {LOSSES[loss]}: {said}.",
        numbers={"accuracy": found},
        between=BETWEEN,
        would_decide=decide(judged),
    )


def noise_claim(id: str, loss: str, other: float, says: str):
    """Return one of the four claims that the sentence makes."""
    return claim(
        id,
        "2013b, §2.2",
        says,
        quotes=NOISE,
        asks=f"All questions, {LOSSES[loss]} without subsampling, noise words drawn from "
        f"U(w) to the 3/4 and from the {POWERS[other]} distribution. The paper gives no numbers.",
        holds_if="the interval of (3/4 − other), in points, lies above 0",
        fails_if="it lies below 0",
        full_only=True,
    )(lambda run: noise_finding(run, loss, other))


neg_unigram = noise_claim("C7a", "neg", 1.0, "For NEG, U to the 3/4 beats the unigram noise.")
neg_uniform = noise_claim("C7b", "neg", 0.0, "For NEG, U to the 3/4 beats uniform noise.")
nce_unigram = noise_claim("C7c", "nce", 1.0, "For NCE, U to the 3/4 beats the unigram noise.")
nce_uniform = noise_claim("C7d", "nce", 0.0, "For NCE, U to the 3/4 beats uniform noise.")
