"""Fixed features of an encoder's layers in a BiLSTM of two layers: Table 7's way of using BERT."""

import dataclasses
import time

import torch
import torch.nn.functional as F
from torch import nn

from ..features import FeatureTagger
from ..lab.run import Run
from ..model import BertModel
from ..training import linear_schedule, parameter_groups
from .finetuning import BATCH, batch_of, steps_of
from .pretraining import BERTS, config_of, encoder, ends_of, tuned
from .reading import Examples
from .world import world

RATE = 2e-3
# The weighted sum of the last four is left out: at our depth it is that of all.
KINDS = {
    "embeddings": "embeddings", "second_to_last": "second to last", "last": "last",
    "weighted_all": "weighted sum of all", "concat_last_four": "all next to each other",
}  # fmt: skip


def states(nets: list[BertModel], batch: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Return every layer's states; those of several nets next to each other."""
    with torch.no_grad():
        each = [net.hidden_states(**batch) for net in nets]
    return [torch.cat(layer, -1) for layer in zip(*each)]


def read(
    run: Run, kind: str, rate: float, seed: int, arms: list[str], size: str = "large",
    strategy: str = BERTS, share: float = 1.0, part: str = "test",
) -> dict[str, float]:  # fmt: skip
    """Train a BiLSTM on fixed states of nets; return its accuracy on tags of a part."""
    task, began = world(run).task("tags", seed), time.process_time()
    nets = [
        encoder(run, arm, seed, ends_of(run, share)[-1], size, strategy, share).eval()
        for arm in arms
    ]
    config = config_of(run, size=size)
    wide = dataclasses.replace(config, hidden_size=config.hidden_size * len(arms))
    width = run.pick(test=8, default=32, full=96, paper=768)
    generator = torch.Generator().manual_seed(seed + 5)
    tagger = FeatureTagger(wide, task.num_labels, kind, width, generator).to(run.device)
    steps, n = steps_of(run, len(task.train.ids)), len(task.train.ids)
    order = torch.cat([
        torch.randperm(n, generator=generator) for _ in range(-(-steps * min(BATCH, n) // n))
    ])  # fmt: skip
    optimizer = torch.optim.AdamW(parameter_groups(tagger), rate, fused=True)
    scheduler = linear_schedule(optimizer, steps, warmup=steps // 10)
    for step in run.track(range(steps), f"features, {kind}, seed {seed}"):
        chosen = order[step * min(BATCH, n) : (step + 1) * min(BATCH, n)]
        batch, labels = batch_of(run, task.train, chosen)
        logits = tagger(states(nets, batch), batch["attention_mask"])
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(tagger.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    found = right(run, tagger.eval(), nets, task.dev if part == "dev" else task.test)
    return {"accuracy": found, "CPU seconds": time.process_time() - began}


@torch.no_grad()
def right(run: Run, tagger: nn.Module, nets: list[BertModel], examples: Examples) -> float:
    """Return the share of labels that are right."""
    hits = total = 0
    for chosen in torch.arange(len(examples.ids)).split(128):
        batch, labels = batch_of(run, examples, chosen)
        said = tagger(states(nets, batch), batch["attention_mask"]).argmax(-1)
        hits += int(((said == labels) & (labels != -100)).sum())
        total += int((labels != -100).sum())
    return hits / total


def rate_for(run: Run, arms: list[str]) -> tuple[float, dict[float, float]]:
    """Return the rate for a BiLSTM on nets' states, and the errors on dev by rate.

    Tuned on all states next to each other, which Table 7 has as the best, and taken for all kinds.
    """
    if run.scale in ("test", "default"):
        return RATE, {RATE: 0.0}

    def error(rate: float) -> float:
        found = run.trial(
            read, kind="concat_last_four", rate=rate, seed=run.seed, arms=arms, part="dev"
        )
        return 1 - found["accuracy"]

    return tuned(RATE, error)


def features(run: Run, kind: str, arms: list[str], seeds: range) -> list[float]:
    """Return accuracies on tags, by seed."""
    rate = rate_for(run, arms)[0]
    return [
        run.trial(read, kind=kind, rate=rate, seed=seed, arms=arms)["accuracy"] for seed in seeds
    ]
