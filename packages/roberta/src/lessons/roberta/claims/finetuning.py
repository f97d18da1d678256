"""Fine-tuning: every recipe's net on every task, from every seed.

A seed draws a net's first weights and masks, its new head, the order of its batches, and with them
the labelled examples that it learns from and is tested on: an interval over seeds is about all of
them.
"""

import math
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..lab.run import Run
from ..tasks import RobertaForSequenceClassification, RobertaForTokenClassification
from ..tokenizer import PAD_ID
from ..training import BASE, linear_schedule, parameter_groups
from .pretraining import BERTS, Recipe, encoder, tuned
from .world import Examples, Task, world

BATCH, FIRST = 32, 5e-4  # Table 10's larger batch; the middle of the first grid


def batch_of(run: Run, examples: Examples, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return some examples, cut to the longest of them, and their labels."""
    ids = examples.ids[chosen]
    longest = int((ids != PAD_ID).sum(-1).max())
    labels = examples.labels[chosen]
    labels = labels[:, :longest] if labels.dim() == 2 else labels
    return ids[:, :longest].to(run.device), labels.to(run.device)


def finetune(
    run: Run, task: str, rate: float, seed: int, part: str = "test", **changes: Any
) -> dict[str, float]:
    """Fine-tune a recipe's net on a task; return its accuracy on a part, in per cent.

    Table 10's recipe but for rate and length: rates are a small net's, and ten epochs of GLUE's
    hundreds of thousands are three of a thousand examples here.
    """
    set_: Task = world(run).task(task, seed)
    generator, began = torch.Generator().manual_seed(seed + 7), time.process_time()
    kind: Any = RobertaForSequenceClassification
    if set_.train.labels.dim() == 2:
        kind = RobertaForTokenClassification
    net = kind.on(encoder(run, Recipe(**changes), seed), generator, num_labels=set_.num_labels)
    torch.manual_seed(seed + 13)  # of dropout: whether a net had to be trained again is no matter
    n = len(set_.train.ids)
    size = min(BATCH, n)
    steps = run.pick(test=2, default=50, full=-(-3 * n // size), paper=-(-10 * n // size))
    optimizer = torch.optim.AdamW(parameter_groups(net, 0.1), rate, BASE.betas, BASE.eps)
    scheduler = linear_schedule(optimizer, steps, warmup=round(0.06 * steps))
    passes = -(-steps * size // n)
    order = torch.cat([torch.randperm(n, generator=generator) for _ in range(passes)])
    net.train()
    for step in run.track(range(steps), f"fine-tuning on {task}, seed {seed}"):
        ids, labels = batch_of(run, set_.train, order[step * size : (step + 1) * size])
        loss = F.cross_entropy(net(ids).flatten(0, -2), labels.flatten(), ignore_index=-100)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        scheduler.step()
    found = accuracy(run, net, set_.dev if part == "dev" else set_.test)
    return {"accuracy": 100 * found, "CPU seconds": time.process_time() - began}


@torch.no_grad()
def accuracy(run: Run, net: nn.Module, examples: Examples) -> float:
    """Return the share of labels that a net gets right."""
    net.eval()
    right = total = 0
    # Inputs of similar length share a batch.
    order = (examples.ids != PAD_ID).sum(-1).argsort(stable=True)
    for chosen in order.split(128):
        ids, labels = batch_of(run, examples, chosen)
        counts = labels != -100
        right += int(((net(ids).argmax(-1) == labels) & counts).sum())
        total += int(counts.sum())
    return right / total


def tuning_of(run: Run, task: str) -> tuple[float, dict[float, float]]:
    """Return a task's rate, and the errors on dev by rate.

    It is chosen with BERT's recipe, from the first seed, and serves all: if it favours any, then
    the baseline. No seed learns from the dev examples or is tested on them.
    """
    if run.scale != "full":
        return run.pick(test=FIRST, default=2e-3, paper=2e-5), {}

    def error(rate: float) -> float:
        return 100 - run.trial(tune, task=task, rate=rate, seed=run.seed)["accuracy"]

    return tuned(FIRST, error)


def tune(run: Run, task: str, rate: float, seed: int) -> dict[str, float]:
    """Return what a rate gives on the dev examples, which no score is of."""
    return finetune(run, task, rate, seed, part="dev", **BERTS.changes)


def scores(run: Run, recipe: Recipe, task: str, seeds: range) -> list[float]:
    """Return a recipe's accuracies on a task in per cent, by seed."""
    rate = tuning_of(run, task)[0]
    found = [
        run.trial(finetune, task=task, rate=rate, seed=seed, **recipe.changes) for seed in seeds
    ]
    return [each["accuracy"] for each in found]


def means(run: Run, recipe: Recipe, seeds: range) -> list[float]:
    """Return the mean of a recipe's accuracies over all tasks, by seed."""
    every = [scores(run, recipe, task, seeds) for task in world(run).tasks]
    return [math.fsum(each) / len(each) for each in zip(*every)]
