"""Fine-tuning: every contender on every task, with a rate of its own, from every seed.

A seed draws a contender's pre-training, its new layers, the order of its batches, and with them the
labelled examples that it learns from and is tested on: an interval over seeds is about all of them.
"""

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..lab.run import Run
from ..model import BertModel
from ..one_sided import OneSidedModel
from ..tasks import BertForSequenceClassification, BertForTokenClassification
from ..training import linear_schedule, parameter_groups
from .pretraining import config_of, encoder, ends_of, tuned
from .reading import PAD, Examples, Task, segments
from .world import world

BATCH = 32
# What the head stands on: pre-trainings, units of an LSTM (of the net's width), frozen or not.
CONTENDERS: dict[str, dict[str, Any]] = {
    "MLM + NSP": {"arms": ["MLM + NSP"]},
    "MLM": {"arms": ["MLM"]},
    "LTR": {"arms": ["LTR"]},
    "LTR + BiLSTM": {"arms": ["LTR"], "bilstm": True},
    "LTR and RTL": {"arms": ["LTR", "RTL"]},
    "frozen LTR and RTL + BiLSTM": {"arms": ["LTR", "RTL"], "bilstm": True, "frozen": True},
    "small MLM": {"arms": ["MLM"], "size": "small"},
    "from scratch": {"arms": []},
    "BiLSTM": {},
}


class PlainBiLSTM(nn.Module):
    """Embeddings, a bidirectional LSTM and a head, nothing of it pre-trained."""

    def __init__(self, vocab_size: int, width: int, task: str, num_labels: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(vocab_size, width, padding_idx=PAD)
            self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
            self.classifier = nn.Linear(2 * width, num_labels)
        self.dropout, self.task = nn.Dropout(0.1), task

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """Return logits (B, T, K), or (B, K) of sequences: the mean over their tokens."""
        del token_type_ids
        lengths_B = (attention_mask != 0).sum(-1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.embedding(input_ids)), lengths_B.cpu(), batch_first=True,
            enforce_sorted=False,
        )  # fmt: skip
        hidden_BTW, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        if self.task == "tokens":
            return self.classifier(self.dropout(hidden_BTW))
        mean_BW = hidden_BTW.sum(1) / lengths_B[:, None]  # padding is 0
        return self.classifier(self.dropout(mean_BW))


def build(run: Run, contender: str, kind: str, num_labels: int, seed: int, end: int) -> nn.Module:
    """Return a contender as it begins to be fine-tuned; ``kind`` is "tokens" or "sequence"."""
    made = CONTENDERS[contender]
    generator, size = torch.Generator().manual_seed(seed + 7), made.get("size", "large")
    config = config_of(run, size=size)
    if "arms" not in made:
        width = config.hidden_size
        return PlainBiLSTM(config.vocab_size, width, kind, num_labels, seed).to(run.device)
    encoders = [encoder(run, arm, seed, end, size) for arm in made["arms"]]
    if not encoders:
        config = dataclasses.replace(config, hidden_dropout_prob=0.1, drop_padding=True)
        encoders = [BertModel(config, generator=generator).to(run.device)]
    if contender.startswith(("LTR", "frozen")):
        units = config.hidden_size if made.get("bilstm") else None
        return OneSidedModel(
            encoders, "tokens" if kind == "tokens" else "sequence", num_labels, units,
            made.get("frozen", False), generator,
        )  # fmt: skip
    head = BertForTokenClassification if kind == "tokens" else BertForSequenceClassification
    return head.on(encoders[0], generator, num_labels=num_labels)


def batch_of(run: Run, examples: Examples, chosen: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Return some examples as arguments of a net, cut to the longest of them, and their labels."""
    ids = examples.ids[chosen].long()
    longest = int((ids != PAD).sum(-1).max())
    ids, labels = ids[:, :longest], examples.labels[chosen]
    labels = labels[:, :longest] if labels.dim() == 2 else labels
    batch = {"input_ids": ids, "attention_mask": (ids != PAD).long(),
             "token_type_ids": segments(ids, world(run).specials[3])}  # fmt: skip
    return {k: v.to(run.device) for k, v in batch.items()}, labels.to(run.device)


def fit(
    run: Run, net: nn.Module, examples: Examples, rate: float, steps: int, seed: int, what: str
) -> None:
    """Train a net on labelled examples: the paper's recipe, the rate rising for a tenth of it."""
    generator, n = torch.Generator().manual_seed(seed + 11), len(examples.ids)
    size = min(BATCH, n)
    passes = -(-steps * size // n)
    order = torch.cat([torch.randperm(n, generator=generator) for _ in range(passes)])
    free = [p for p in net.parameters() if p.requires_grad]
    groups = parameter_groups(net)
    optimizer = torch.optim.AdamW(groups, rate, eps=1e-6, fused=True)
    scheduler = linear_schedule(optimizer, steps, warmup=steps // 10)
    net.train()
    for step in run.track(range(steps), f"fine-tuning {what}, seed {seed}"):
        batch, labels = batch_of(run, examples, order[step * size : (step + 1) * size])
        loss = F.cross_entropy(net(**batch).flatten(0, -2), labels.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(free, 1.0)
        optimizer.step()
        scheduler.step()


@torch.no_grad()
def accuracy(run: Run, net: nn.Module, examples: Examples) -> float:
    """Return the share of labels that a net gets right."""
    net.eval()
    right = total = 0
    # Inputs of similar length share a batch.
    order = (examples.ids != PAD).sum(-1).argsort(stable=True)
    for chosen in order.split(128):
        batch, labels = batch_of(run, examples, chosen)
        counts = labels != -100
        right += int(((net(**batch).argmax(-1) == labels) & counts).sum())
        total += int(counts.sum())
    return right / total


def steps_of(run: Run, n: int) -> int:
    """Return the steps of a fine-tuning on n examples: §4.1's three passes, or a fixed few."""
    return run.pick(test=2, default=100, full=-(-3 * n // BATCH))


def finetune(
    run: Run, contender: str, task: str, rate: float, seed: int, end: int,
    labels: int | None = None, part: str = "test",
) -> dict[str, float]:  # fmt: skip
    """Fine-tune a contender from a mark of its pre-training; return its accuracy on a part.

    With ``labels`` it learns from so many examples only, for a fixed number of steps.
    """
    set_: Task = world(run).task(task, seed)
    train = set_.train
    if labels is not None:
        train = Examples(train.ids[:labels], train.labels[:labels])
    began = time.process_time()
    kind = "tokens" if task == "tags" else "sequence"
    net = build(run, contender, kind, set_.num_labels, seed, end)
    steps = steps_of(run, len(train.ids)) if labels is None else run.pick(test=2, default=120)
    fit(run, net, train, rate, steps, seed, f"{contender} on {task}")
    found = accuracy(run, net, set_.dev if part == "dev" else set_.test)
    return {"accuracy": found, "CPU seconds": time.process_time() - began}


# Where the first search for a rate begins, and what runs that tune nothing take.
FIRST = {"pre-trained": 5e-4, "fresh": 1e-3}


def first_rate(run: Run, contender: str) -> float:
    """Return the middle of a contender's grid."""
    if run.scale == "paper":
        return 5e-5  # §4.2; of A.3's three the highest
    fresh = contender in ("from scratch", "BiLSTM") or CONTENDERS[contender].get("frozen")
    rate = FIRST["fresh" if fresh else "pre-trained"]
    return 2 * rate if run.scale == "default" else rate


def tuning_of(
    run: Run, contender: str, task: str, labels: int | None = None
) -> tuple[float, dict[float, float]]:
    """Return a contender's best rate on a task, and the errors on dev by rate.

    For the full length, from the first seed's pre-training at its end. No seed learns from the dev
    examples or is tested on them.
    """
    first = first_rate(run, contender)
    if run.scale in ("test", "default"):
        return first, {first: 0.0}
    other = {} if labels is None else {"labels": labels}

    def error(rate: float) -> float:
        found = run.trial(
            tune, contender=contender, task=task, rate=rate, seed=run.seed, **other
        )  # fmt: skip
        return 1 - found["accuracy"]

    return tuned(first, error)


def tune(
    run: Run, contender: str, task: str, rate: float, seed: int, labels: int | None = None
) -> dict[str, float]:
    """Return what a rate gives on the dev examples, which no score is of: see `tuning_of`."""
    return finetune(run, contender, task, rate, seed, ends_of(run)[-1], labels, part="dev")


def seeds_of(run: Run, contender: str) -> Sequence[int]:
    """Return a contender's seeds: five, three where it needs NSP or a model from the right."""
    arms = CONTENDERS[contender].get("arms", [])
    few = {"MLM + NSP", "RTL"} & set(arms)
    return run.seeds(run.pick(test=2, default=3, full=3 if few else 5, paper=5))


def scores(
    run: Run, contender: str, task: str, end: int | None = None, n: int | None = None
) -> list[float]:
    """Return a contender's accuracies on a task, by seed; from a mark, or the end."""
    rate = tuning_of(run, contender, task)[0]
    end = ends_of(run)[-1] if end is None else end
    found = [
        run.trial(finetune, contender=contender, task=task, rate=rate, seed=seed, end=end)
        for seed in list(seeds_of(run, contender))[:n]
    ]
    return [each["accuracy"] for each in found]


def chance(run: Run, task: str) -> float:
    """Return the share of a task's most frequent label among the first seed's test examples."""
    labels = world(run).task(task, run.seed).test.labels
    counts = labels[labels != -100].bincount()
    return float(counts.max() / counts.sum()) if len(counts) else math.nan
