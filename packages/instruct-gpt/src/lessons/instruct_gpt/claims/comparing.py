"""Claims C4, demonstration D2: learning from comparisons."""

import copy
import itertools
from typing import Any

import torch

from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired
from ..reward import RewardModel, draw_ranks, preference_loss, ranking_loss
from .headline import BETWEEN
from .outcomes import seeds_of, told
from .steps import (
    adam,
    comparisons,
    descend,
    rewards_of,
    scored_by,
    seeded,
    supervised,
    temperature_for,
)
from .worlds import world


@torch.no_grad()
def validated(model: RewardModel, held) -> tuple[float, float]:
    """Return log loss and accuracy over the pairs of prompts that were held out."""
    prompt, ids, ranks, there = held
    rewards = rewards_of(model, prompt, ids)
    better = (ranks[:, :, None] < ranks[:, None, :]) & there[:, :, None] & there[:, None, :]
    gap = (rewards[:, :, None] - rewards[:, None, :])[better]
    return preference_loss(gap, torch.zeros_like(gap)).item(), (gap > 0).float().mean().item()


def learn_comparisons(run: Run, how: str, epochs: int, seed: int) -> dict[str, Any]:
    """Train a reward model; return its validation losses along the way.

    Args:
        run: the run.
        how: "grouped": all pairs of a prompt are one element of a batch; "shuffled": pairs are
            elements, and a batch has as many pairs as a grouped batch has on average.
        epochs: passes over the data.
        seed: of data and weights.
    """
    (n, held_out), batch = run.pick(test=(16, 8), default=(150, 60), full=(300, 200)), 4
    data = comparisons(run, seed, n + held_out, None)
    prompt, ids, ranks, there = (part[:n] for part in data)
    held = tuple(part[n:] for part in data)
    generator = seeded(seed, 9)
    model = RewardModel(copy.deepcopy(supervised(run, scored_by(run), seed)), generator)
    better = (ranks[:, :, None] < ranks[:, None, :]) & there[:, :, None] & there[:, None, :]
    pairs = better.nonzero()  # (pairs, 3): prompt, better, worse
    steps = n // batch
    optimizer, schedule = adam(model, 1e-3, epochs * steps)
    curve = [validated(model, held)]
    for _ in run.track(range(epochs), f"{how} comparisons, seed {seed}"):
        if how == "grouped":
            batches = torch.randperm(n, generator=generator).split(batch)
        else:
            order = torch.randperm(len(pairs), generator=generator)
            batches = order.tensor_split(steps)
        for step, rows in enumerate(itertools.islice(batches, steps)):
            if how == "grouped":
                loss = ranking_loss(
                    rewards_of(model, prompt[rows], ids[rows]), ranks[rows], there[rows]
                )
            else:
                which, w, l = pairs[rows].T
                two = torch.stack([ids[which, w], ids[which, l]], 1)
                loss = preference_loss(*rewards_of(model, prompt[which], two).unbind(1))
            descend(model, loss, optimizer, schedule)
            if (step + 1) % max(1, steps // 4) == 0:
                curve.append(validated(model, held))
    return {"loss": [c[0] for c in curve], "accuracy": [c[1] for c in curve], "pairs": len(pairs)}


def learned(run: Run, how: str, epochs: int) -> list[dict]:
    """Return the trials of all seeds."""
    return [run.trial(learn_comparisons, how=how, epochs=epochs, seed=s)
            for s in run.seeds(seeds_of(run))]  # fmt: skip


def draw_curves(figure, numbers) -> None:
    """Draw the validation losses along training."""
    axes = figure.subplots()
    for color, (how, curves) in zip((BLUE, RED), numbers["curves"].items()):
        for i, curve in enumerate(curves):
            x = [k / (len(curve) - 1) * numbers["epochs"] for k in range(len(curve))]
            axes.plot(x, curve, color=color, alpha=0.7, label=how if i == 0 else None)
    axes.set(xlabel="passes over the comparisons", ylabel="validation loss (nats a pair)")
    axes.legend()


@claim(
    "C4a",
    "Ouyang §3.5",
    "Shuffled pairs overfit within a single pass.",
    draw_curves,
    quotes="if we simply shuffle the comparisons into one dataset, a single pass over the dataset "
    "caused the reward model to overfit",
    asks="Validation log loss of shuffled pairs at the end of one pass minus half-way; K from 4 "
    "to 9, as many steps and pairs a step as grouped.",
    holds_if="the 95% interval of (end − half-way) lies above 0 nats",
    fails_if="it lies below",
)
def shuffled_overfits(run: Run) -> Finding:
    """Look at the second half of the pass."""
    shuffled, grouped = learned(run, "shuffled", 1), learned(run, "grouped", 1)
    curves = {"shuffled": [t["loss"] for t in shuffled], "grouped": [t["loss"] for t in grouped]}
    found = paired([c[-1] for c in curves["shuffled"]],
                   [c[len(c) // 2] for c in curves["shuffled"]])  # fmt: skip
    return Finding(
        judge(found, above=0, paper_regime=False),
        ours=found.text(unit="nats"),
        ran=told(run),
        measured=f"In the second half of a pass the validation loss of shuffled pairs moves by "
        f"{found.text(unit='nats')}.",
        numbers={"curves": curves, "epochs": 1},
        between=BETWEEN,
        would_decide="twenty seeds",
    )


@claim(
    "C4b",
    "Ouyang §3.5",
    "All pairs of a prompt as one batch element give a better log loss.",
    quotes="because it no longer overfits, it achieves much improved validation accuracy and log "
    "loss",
    asks="Validation log loss after one pass, grouped minus shuffled, from the same weights on the "
    "same comparisons.",
    holds_if="the 95% interval of (grouped − shuffled) lies below 0 nats",
    fails_if="it lies above",
)
def grouped_is_better(run: Run) -> Finding:
    """Compare the ends."""
    ours, theirs = learned(run, "grouped", 1), learned(run, "shuffled", 1)
    found = paired([t["loss"][-1] for t in ours], [t["loss"][-1] for t in theirs])
    right = [100 * sum(t["accuracy"][-1] for t in each) / len(each) for each in (ours, theirs)]
    return Finding(
        judge(found, below=0, paper_regime=False),
        ours=found.text(unit="nats"),
        ran=told(run),
        measured=f"Grouped minus shuffled: {found.text(unit='nats')}. Accuracy {right[0]:.1f}% "
        f"against {right[1]:.1f}%.",
        numbers={"grouped": [t["loss"][-1] for t in ours],
                 "shuffled": [t["loss"][-1] for t in theirs], "accuracy": right},
        between=BETWEEN,
        would_decide="twenty seeds",
    )  # fmt: skip


@claim(
    "C4c",
    "Ouyang, appendix C.2",
    "Several epochs overfit the reward model.",
    quotes="multiple epochs quickly overfit the model to the training data with obvious "
    "deterioration in the validation loss",
    asks="Validation log loss, grouped, after four epochs minus after one.",
    holds_if="the 95% interval of (four − one) lies above 0 nats",
    fails_if="it lies below",
    full_only=True,
)
def epochs_overfit(run: Run) -> Finding:
    """Compare four epochs with one."""
    four, one = learned(run, "grouped", 4), learned(run, "grouped", 1)
    found = paired([t["loss"][-1] for t in four], [t["loss"][-1] for t in one])
    return Finding(
        judge(found, above=0, paper_regime=False),
        ours=found.text(unit="nats"),
        ran=told(run),
        measured=f"Four epochs minus one: {found.text(unit='nats')}.",
        numbers={"four": [t["loss"] for t in four], "one": [t["loss"] for t in one]},
        between=BETWEEN,
        would_decide="twenty seeds",
    )


def hold_out_labellers(run: Run, seed: int) -> dict[str, float]:
    """Train on comparisons by four of five groups of labellers; return accuracy on all five.

    Each labeller adds to the true reward a taste of his own for each kind of token, of a spread
    half that of the true reward; each prompt is ranked by one labeller.
    """
    known, n = world(run), run.pick(test=40, default=250, full=1_000)
    prompt, ids, _, there = comparisons(run, seed, n, 4)
    generator = seeded(seed, 10)
    truth = known.reward(ids.flatten(0, 1).cpu()).view(n, 4)
    taste = torch.randn(5, known.vocab_size, generator=generator)
    group = torch.arange(n) % 5
    liked = torch.gather(taste[group][:, None].expand(-1, 4, -1), 2, ids.cpu()).mean(-1)
    utility = truth + 0.5 * truth.std() * liked / liked.std()
    ranks = draw_ranks(utility, temperature_for(utility, 0.85), generator).to(run.device)
    inside, outside, cut = [], [], n * 4 // 5
    for fold in range(5):
        model = RewardModel(copy.deepcopy(supervised(run, scored_by(run), seed)), generator)
        others = (group != fold).nonzero()[:, 0]
        train, valid = others[: cut * 4 // 5], others[cut * 4 // 5 :]
        optimizer, schedule = adam(model, 1e-3, len(train) // 8)
        for rows in train[torch.randperm(len(train), generator=generator)].split(8):
            loss = ranking_loss(rewards_of(model, prompt[rows], ids[rows]), ranks[rows])
            descend(model, loss, optimizer, schedule)
        apart = (group == fold).nonzero()[:, 0]
        for rows, where in ((valid, inside), (apart, outside)):
            where.append(validated(model, [t[rows] for t in (prompt, ids, ranks, there)])[1])
    return {"inside": 100 * sum(inside) / 5, "outside": 100 * sum(outside) / 5}


@demonstration(
    "D2",
    "Comparisons by some labellers tell what others prefer.",
    source="Ouyang §4.1, appendix E.2",
    asks="Five-fold over five groups of made-up labellers, each with a taste of its own beside the "
    "true reward; accuracy on the groups trained on and on the fifth. How far tastes differ is "
    "ours, hence no verdict.",
    paper="72.4 ± 0.4% and 69.6 ± 0.9%",
    full_only=True,
)
def other_labellers(run: Run) -> Finding:
    """Compare accuracies inside and outside."""
    trials = [run.trial(hold_out_labellers, seed=s) for s in run.seeds(seeds_of(run))]
    inside, outside = ([t[k] for t in trials] for k in ("inside", "outside"))
    difference = paired(inside, outside)
    return Finding(
        None,
        ours=f"{interval(inside).text(unit='%')} and {interval(outside).text(unit='%')}",
        ran=told(run),
        measured=f"Accuracy {interval(inside).text(unit='%')} on comparisons by the groups trained "
        f"on, {interval(outside).text(unit='%')} on the held-out group's: "
        f"{difference.text(unit='points')} less.",
        numbers={"inside": inside, "outside": outside},
    )
