"""§6.1, Fig. 1 right: logistic regression on bags of words."""

from typing import Any

import torch
import torch.nn.functional as F

from ..lab.claim import Finding, claim
from ..lab.statistics import every, judge, ratio
from .data import PAD, bags
from .training import (
    OPTIMIZERS,
    TUNED,
    UNDECAYED,
    cost,
    descend,
    draw_curves,
    if_open,
    last,
    mean_cost,
    plain_ticks,
    race,
    ranking,
)

NAMES = ("Adam", "SGD, Nesterov", "AdaGrad", "RMSProp")


def passes(run, dropout: float) -> int:
    """Return how many passes over the data a run has.

    Without dropout the documents can be told apart by their words without error, and the cost comes
    to 0; there the area under the curve tells who was faster.
    """
    return (
        run.pick(test=2, default=20, full=100, paper=175)
        if dropout
        else run.pick(test=2, default=10, full=20)
    )


def train_bags(run, optimizer, lr, dropout, decay, seed):
    """Return the training cost (nats) of logistic regression on bags of words."""
    x, y, words = bags(run)
    weight = torch.zeros(words + 1, device=run.device, requires_grad=True)
    bias = torch.zeros(1, device=run.device, requires_grad=True)
    opt = OPTIMIZERS[optimizer]([weight, bias], lr=lr)

    def loss(i):
        # §6.1: the dropout noise is on the features; a bag is 1 where a word is, 0 elsewhere.
        kept = F.dropout((x[i] != PAD).float(), dropout)
        return F.binary_cross_entropy_with_logits((weight.take(x[i]) * kept).sum(1) + bias, y[i])

    count = passes(run, dropout)
    track = run.track(range(count), f"{optimizer}, α = {lr:g}")
    curve = descend(run, opt, loss, len(x), track, decay=decay)
    return {"final": last(curve, count, of=run.pick(test=1, default=5)), "curve": curve}


def measure(run):
    """Race four optimizers with and without dropout; AdaGrad once more without α/√t."""
    seeds = run.pick(test=2, default=3, full=5)
    desk = ((0.25, 8.0, 4.0, 0.0625, 0.5), (0.5, 32.0, 16.0, 0.125, 4.0))
    full = ((0.25, 8.0, 4.0, 0.0625, 0.25), (16.0, 128.0, 64.0, 0.25, 16.0))
    results = []
    for (*starts, constant), dropout in zip(run.pick(test=desk, default=desk, full=full), (0.5, 0)):
        settings: dict[str, Any] = {"dropout": float(dropout)}
        settings["measure"] = cost if dropout else mean_cost
        result = race(run, train_bags, dict(zip(NAMES, starts)), seeds, decay=True, **settings)
        alone = race(run, train_bags, {"AdaGrad": constant}, seeds, decay=False, **settings)
        results.append(result | {UNDECAYED: alone["AdaGrad"]})
    return *results, seeds


def adagrad(result) -> str:
    """Return under which of the two readings AdaGrad's cost on the tuning seed is lower."""
    return min(("AdaGrad", UNDECAYED), key=lambda name: min(result[name]["grid"].values()))


def described(run, noisy, plain, seeds) -> dict[str, Any]:
    """Return what was run, and what was measured."""
    data = run.pick(
        test="made-up documents",
        default="2,000 made-up documents of 40 words",
        full="12,808 sentences of film reviews, 17 words each",
        paper="IMDB's 25,000 film reviews",
    )
    ran = (
        f"Logistic regression on {data}, the 10,000 most frequent words as 0 or 1, batch 128, "
        f"{passes(run, 0.5)} passes (without dropout {passes(run, 0.0)}), α/√t for all, as §6.1 has"
        " it, and AdaGrad also with a constant α, since by §5 it has that decay already; judged is "
        f"the one of the two that is better on the tuning seed; {TUNED}; {seeds} seeds. The cost is"
        " the mean over the batches of the last five passes, with the noise that the objective "
        f"has. The paper has IMDB and 175 passes. {EARLIER}"
    )
    measured = (
        f"With dropout: {ranking(noisy)}. Without: {ranking(plain)}. Judged: {adagrad(noisy)}, "
        f"and without dropout {adagrad(plain)}."
    )
    return {"ran": ran, "measured": measured}


def draw_sparse(figure, numbers):
    """Draw the training cost against passes, with dropout and without."""
    figure.set_size_inches(6.4, 3.0)
    left, right = figure.subplots(1, 2)
    for axes, key, title in (
        (left, "dropout", "half of the words dropped"),
        (right, "plain", "all words"),
    ):
        draw_curves(axes, numbers[key])
        axes.set_title(title)
    right.set(ylabel="")
    plain_ticks(right.yaxis, range(-2, 1))
    low = min(min(line.get_ydata()) for line in left.lines)
    left.set(yscale="linear", ylim=(0.95 * low, 1.6 * low))  # as in Fig. 1
    right.legend()


EARLIER = (
    "Earlier experiments, replaced: 10,000 made-up documents, 10 passes, α in factors of 3, 3 "
    "seeds; with dropout AdaGrad 0.100, Adam 0.104, SGD 0.165 nats. Then these data, AdaGrad with "
    "constant α only, α tuned on a judged seed: C4 not seen, C5a held. No single reading of "
    "AdaGrad gives both panels of Fig. 1 here: with α/√t it is behind Adam and SGD on dense "
    "features, as the paper has it (C3a), but behind SGD on sparse ones too; with its own "
    "decay alone it leads SGD on sparse ones, but on dense ones it is not found slower than Adam "
    "or SGD (C3b)."
)
BETWEEN = (
    "Why is not known. With dropout the lead of AdaGrad falls with the passes, so that it is no "
    "matter of too few of them; only α was searched, where §6 searched momentum too; and the texts "
    "are others, sentences of 17 words where IMDB has reviews of 230."
)


@claim(
    "C4",
    "§6.1, Fig. 1 right",
    quotes="Adagrad outperforms SGD with Nesterov momentum by a large margin both with and without "
    "dropout noise",
    says="On sparse features AdaGrad leaves Nesterov momentum far behind.",
    asks="Logistic regression on bags of words, with half of them dropped and without: the training"
    " cost of SGD over AdaGrad's, seeds paired. It is the cost at the end; without dropout, where "
    "that comes to 0, the mean over all passes.",
    holds_if="the 95% intervals of the ratio, with dropout and without, lie above 1.2: half of the "
    "margin in Fig. 1 on a logarithmic scale, where it is 1.4",
    fails_if="one of them lies below",
    paper="about .35 against .247 nats (read off)",
    draw=draw_sparse,
)
def adagrad_beats_sgd(run):
    """Compare SGD with AdaGrad."""
    noisy, plain, seeds = measure(run)
    ratios = [ratio(r["SGD, Nesterov"]["finals"], r[adagrad(r)]["finals"]) for r in (noisy, plain)]
    judged = every([judge(r, above=1.2, paper_regime=run.scale == "paper") for r in ratios])
    texts = described(run, noisy, plain, seeds)
    texts["measured"] += f" SGD over AdaGrad with dropout: {trend(noisy)} passes."
    return Finding(
        judged,
        ours=f"SGD/AdaGrad: {ratios[0].text()} with dropout, {ratios[1].text()} without",
        numbers={"dropout": noisy, "plain": plain},
        **texts,
        **if_open(judged, BETWEEN),
    )


def trend(result) -> str:
    """Return the ratio of SGD to AdaGrad after a quarter, a half and all of the passes."""
    names = ("SGD, Nesterov", adagrad(result))
    curves = [[r["curve"] for r in result[name]["runs"]] for name in names]
    count, told = len(curves[0][0]), []
    for at in sorted({max(1, count // 4), max(1, count // 2), count}):
        sums = ([sum(c[max(0, at - 5) : at]) for c in of] for of in curves)
        told.append(f"{ratio(*sums).text()} after {at}")
    return ", ".join(told)


@claim(
    "C5a",
    "§6.1, Fig. 1 right",
    quotes="Adam converges as fast as Adagrad.",
    says="On sparse features with dropout Adam ends as low as AdaGrad.",
    asks="The same runs with dropout, which Fig. 1 shows: the training cost of Adam over AdaGrad's,"
    " seeds paired.",
    holds_if="the 95% interval of the ratio lies below 1.05, where RMSProp is in Fig. 1, of which "
    "the paper does not say it",
    fails_if="it lies above 1.05",
    paper="about .243 against .247 nats (read off)",
)
def adam_keeps_up(run):
    """Compare Adam with AdaGrad."""
    noisy, plain, seeds = measure(run)
    with_, without = (ratio(r["Adam"]["finals"], r[adagrad(r)]["finals"]) for r in (noisy, plain))
    judged = judge(with_, below=1.05, paper_regime=run.scale == "paper")
    texts = described(run, noisy, plain, seeds)
    texts["measured"] += f" Adam over AdaGrad without dropout: {without.text()}."
    return Finding(
        judged,
        ours=f"Adam/AdaGrad: {with_.text()}",
        numbers={"dropout": noisy, "plain": plain},
        **texts,
        **if_open(judged, BETWEEN),
    )


@claim(
    "C5b",
    "§6.1, Fig. 1 right",
    quotes="Adam can take advantage of sparse features and obtain faster convergence rate than "
    "normal SGD with momentum.",
    says="On sparse features Adam ends lower than Nesterov momentum.",
    asks="The same runs with dropout: the training cost of SGD over Adam's, seeds paired. The "
    "sentence has no 'large margin'.",
    holds_if="the 95% interval of the ratio lies above 1",
    fails_if="it lies below 1",
    paper="about .35 against .243 nats (read off)",
)
def adam_beats_sgd(run):
    """Compare SGD with Adam."""
    noisy, plain, seeds = measure(run)
    pair = ("SGD, Nesterov", "Adam")
    found = ratio(*(noisy[name]["finals"] for name in pair))
    judged = judge(found, above=1, paper_regime=run.scale == "paper")
    means = [[sum(r["curve"]) / len(r["curve"]) for r in noisy[name]["runs"]] for name in pair]
    texts = described(run, noisy, plain, seeds)
    texts["measured"] += f" SGD over Adam in the mean of all passes: {ratio(*means).text()}."
    return Finding(
        judged,
        ours=f"SGD/Adam: {found.text()}",
        numbers={"dropout": noisy, "plain": plain},
        **texts,
        **if_open(judged, BETWEEN),
    )
