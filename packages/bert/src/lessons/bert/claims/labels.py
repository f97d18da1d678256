"""Demonstration D1: what pre-training is worth, by the number of labels."""

from typing import Any

import torch

from ..lab.claim import Finding, demonstration
from ..lab.figures import AMBER, BLUE, MUTED, RED
from ..lab.run import Run
from .contest import apart, points, scene
from .finetuning import chance, finetune, tuning_of
from .pretraining import ends_of, grid
from .reading import PAD, Examples
from .world import world

NETS = {"MLM": BLUE, "from scratch": RED, "BiLSTM": AMBER}
COUNTS = {"sentiment": "naive Bayes", "tags": "each word's most frequent tag"}


def amounts(run: Run) -> list[int]:
    """Return how many labelled examples are learned from."""
    return list(run.pick(test=(4, 8), default=(16, 64), full=(16, 64, 256, 1_024)))


def naive_bayes(train: Examples, test: Examples) -> float:
    """Return the accuracy of naive Bayes on the pieces of texts, each counted once a text.

    Add-one smoothing, as textbooks have it.
    """
    size = int(max(train.ids.max(), test.ids.max())) + 1

    def bags(ids: torch.Tensor) -> torch.Tensor:
        bag = torch.zeros(len(ids), size)
        bag.scatter_(1, ids.long(), 1.0)
        bag[:, PAD] = 0
        return bag

    labels = int(max(train.labels.max(), test.labels.max())) + 1
    counts = torch.ones(labels, size).index_add(0, train.labels, bags(train.ids))
    prior = torch.bincount(train.labels, minlength=labels).add(1).log()
    scores = bags(test.ids) @ (counts / counts.sum(1, keepdim=True)).log().T + prior
    return float((scores.argmax(1) == test.labels).float().mean())


def most_frequent(train: Examples, test: Examples) -> float:
    """Return how often a piece's most frequent label is right; unseen pieces have the commonest."""
    known = train.labels != -100
    labels = int(max(train.labels.max(), test.labels.max())) + 1
    size = int(max(train.ids.max(), test.ids.max())) + 1
    counts = torch.zeros(size, labels)
    counts.index_put_((train.ids[known].long(), train.labels[known]), torch.ones(()), True)
    total = counts.sum(0)
    best = (counts + total * 1e-9).argmax(1)
    asked = test.labels != -100
    return float((best[test.ids[asked].long()] == test.labels[asked]).float().mean())


def by_counting(run: Run, task: str, n: int, seed: int) -> float:
    """Return what counting gives from n examples."""
    parts = world(run).task(task, seed)
    train = Examples(parts.train.ids[:n], parts.train.labels[:n])
    return (naive_bayes if task == "sentiment" else most_frequent)(train, parts.test)


def draw_labels(figure, numbers: dict[str, Any]) -> None:
    """Draw accuracy against the number of labels, a panel for each task."""
    figure.set_size_inches(6.4, 2.9)
    for axes, task in zip(figure.subplots(1, len(COUNTS)), COUNTS):
        for name, color in (NETS | {COUNTS[task]: MUTED}).items():
            mean, low, high = zip(*numbers["rows"][task][name])
            axes.plot(numbers["amounts"], mean, "o-", color=color, markersize=4, label=name)
            axes.fill_between(numbers["amounts"], low, high, color=color, alpha=0.2, linewidth=0)
        axes.axhline(numbers["chance"][task], color=MUTED, linewidth=1, linestyle=":")
        axes.set_xscale("log")
        axes.set_xticks(numbers["amounts"], [f"{n:,}" for n in numbers["amounts"]])
        axes.minorticks_off()
        axes.set(xlabel="labelled examples", ylabel="right (%)", title=task)
        axes.legend(fontsize=8)


@demonstration(
    "D1",
    "What pre-training is worth, by the number of labels.",
    draw_labels,
    source="Abstract, Table 1",
    asks="The paper trains no BERT from scratch. Here the same net, pre-trained on hidden words or "
    "not, a BiLSTM of the same width, and counting: naive Bayes for sentiment, each word's most "
    "frequent tag for tags. Equal steps, a rate for each net, tuned at the most labels.",
    full_only=True,
)
def few_labels(run: Run) -> Finding:
    """Tell accuracies by the number of labels."""
    seeds, most = run.seeds(run.pick(test=2, default=3)), amounts(run)[-1]
    rows: dict[str, dict[str, Any]] = {}
    rates = []
    for task, counting in COUNTS.items():
        rows[task] = {}
        for name in NETS:
            rate, tried = tuning_of(run, name, task, most)
            rates.append(f"{name} on {task} {grid(rate, tried)}")
            found = [
                points([
                    run.trial(finetune, contender=name, task=task, rate=rate, seed=seed,
                              end=ends_of(run)[-1], labels=n)["accuracy"]
                    for seed in seeds
                ])
                for n in amounts(run)
            ]  # fmt: skip
            rows[task][name] = [[x.mean, x.low, x.high] for x in found]
        counted = [
            points([by_counting(run, task, n, seed) for seed in seeds]) for n in amounts(run)
        ]
        rows[task][counting] = [[x.mean, x.low, x.high] for x in counted]
    told = [
        f"{task}: " + "; ".join(
            f"{name} {', '.join(f'{row[0]:.1f}' for row in values)}"
            for name, values in rows[task].items()
        )
        for task in COUNTS
    ]  # fmt: skip
    gains = [
        a[0] - b[0] for a, b in zip(rows["tags"]["MLM"], rows["tags"]["from scratch"])
    ]  # fmt: skip
    listed = ", ".join(f"{n:,}" for n in amounts(run))
    return Finding(
        None,
        ours=f"tags from {amounts(run)[0]} sentences: {gains[0]:+.1f} points".replace("-", "−"),
        ran=f"{scene(run)}. {len(seeds)} seeds, each with examples of its own; "
        f"{run.pick(test=2, default=120)} steps. Rates: {'; '.join(rates)}. Between this and the "
        f"paper: {apart(run)}.",
        measured=f"From {listed} examples, in per cent right, {'. '.join(told)}.",
        numbers={"rows": rows, "amounts": amounts(run),
                 "chance": {task: 100 * chance(run, task) for task in COUNTS}},
    )  # fmt: skip
