"""How nets are pre-trained, fine-tuned and asked in these experiments."""

import copy
import functools
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from ..adafactor import Adafactor
from ..config import T5Config
from ..decoding import greedy
from ..finetuning import unfreeze, with_adapters
from ..lab.run import Run
from ..language_model import LanguageModel
from ..model import T5ForConditionalGeneration
from ..objectives import (
    Example,
    bert_style,
    deshuffle,
    drop_tokens,
    iid_noise,
    lengths_for,
    mass_style,
    pad,
    prefix_lm_split,
    replace_spans,
    span_noise,
)
from .bleu import bleu, words
from .world import TASKS, Ids, real, world

BATCH, TUNE_BATCH = 64, 32
RATE = 1e-2  # of pre-training, relative to the weights' size: the paper's own (§3.1.2)
TUNE_RATE = 1e-2  # of fine-tuning, where the search begins; the paper: 1e-3, for 262,144 steps
WARM = 0.02  # of pre-training at the full rate (§3.1.2: 10,000 of 524,288 steps)
INPUTS = 64
ARCHITECTURES = ("enc-dec", "shared", "half", "lm", "prefix lm")
Net = T5ForConditionalGeneration | LanguageModel


def config(run: Run, architecture: str) -> T5Config:
    """Return the sizes of an architecture of Table 2, scaled down."""
    width, layers = run.pick(test=(16, 2), default=(48, 2), full=(96, 2))
    layers = layers // 2 if architecture == "half" else layers
    return T5Config(
        world(run).pieces.vocab_size, width, width // 4, 4 * width, layers, num_heads=4,
        share_stacks=architecture == "shared",
    )  # fmt: skip


def make(run: Run, architecture: str, seed: int) -> Net:
    """Return a net that has learned nothing."""
    generator = torch.Generator().manual_seed(seed)
    if architecture in ("lm", "prefix lm"):
        net = LanguageModel(config(run, architecture), architecture == "prefix lm", generator)
    else:
        net = T5ForConditionalGeneration(config(run, architecture), generator)
    return net.to(run.device)


def corrupted(run: Run, objective: str, ids: list[int], g: torch.Generator) -> Example:
    """Return a text under an objective of Table 3."""
    pieces = world(run).pieces
    sentinels, known = pieces.sentinels, range(3, len(pieces.pieces))
    if objective == "prefix lm":
        return prefix_lm_split(ids, generator=g)
    if objective == "lm":  # nothing is read, all is written (§3.2.3)
        return Example([], [*ids, 1])
    if objective == "deshuffling":
        return deshuffle(ids, g)
    if objective == "spans of 3":
        return replace_spans(ids, span_noise(len(ids), generator=g), sentinels)
    noise = iid_noise(len(ids), generator=g)
    forms: dict[str, Callable[[], Example]] = {
        "replace spans": lambda: replace_spans(ids, noise, sentinels),
        "drop tokens": lambda: drop_tokens(ids, noise),
        "MASS-style": lambda: mass_style(ids, noise, sentinels[0]),
        "BERT-style": lambda: bert_style(ids, noise, sentinels[0], known, g),
    }
    return forms[objective]()


def segments(run: Run, repeats: int, examples: int) -> list[list[int]]:
    """Return texts of one length: all there are, or so few that each is seen so many times."""
    length = lengths_for(INPUTS if real(run) else 16).raw
    found = [
        part
        for document in world(run).documents
        for part in (document[i : i + length] for i in range(0, len(document), length))
        if len(part) == length
    ]
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(0)).tolist()
    found = [found[i] for i in order]
    return found if not repeats else found[: max(1, round(examples / repeats))]


def count_examples(run: Run) -> int:
    """Return how many texts a pre-training reads."""
    return run.pick(test=128, default=16_000, full=32_000)


@functools.lru_cache(64)
def pretrained(
    run: Run, architecture: str, objective: str, repeats: int, seed: int, share: float = 1.0
) -> tuple[Net, float]:
    """Return a net that has read, and its loss over the last tenth of its steps.

    Args:
        run: whose scale says how much is read.
        architecture: of `ARCHITECTURES`.
        objective: see `corrupted`.
        repeats: how often each text is seen; 0: all texts there are.
        seed: of weights, order and noise.
        share: of the steps, for shorter trainings.
    """
    examples = count_examples(run)
    rows = segments(run, repeats, examples)
    net, g = make(run, architecture, seed).train(), torch.Generator().manual_seed(seed)
    steps = max(1, round(share * examples / BATCH))
    passes = (torch.randperm(len(rows), generator=g).tolist() for _ in itertools.count())
    order = itertools.chain.from_iterable(passes)
    optimizer, losses = Adafactor(net.parameters(), RATE), []
    warm = max(1.0, WARM * examples / BATCH)
    for step in run.track(range(1, steps + 1), f"{architecture}, {objective}, seed {seed}"):
        some = [corrupted(run, objective, rows[i], g) for i in itertools.islice(order, BATCH)]
        for group in optimizer.param_groups:
            group["lr"] = RATE * (warm / max(step, warm)) ** 0.5  # §3.1.2
        losses.append(descend(run, net, optimizer, [(e.inputs, e.targets) for e in some]))
    last = losses[-max(1, steps // 10) :]
    return net, sum(last) / len(last)


def descend(run: Run, net: Net, optimizer: torch.optim.Optimizer, pairs: Sequence[Ids]) -> float:
    """Take one step on pairs of inputs and targets; return the loss, in nats a token."""
    inputs, labels = pad([a for a, _ in pairs]), pad([b for _, b in pairs], -100)
    optimizer.zero_grad()
    loss = net.loss(inputs.to(run.device), labels.to(run.device))
    loss.backward()
    optimizer.step()
    return loss.item()


def tuning_steps(run: Run, task: str) -> int:
    """Return the steps of fine-tuning: the same with and without pre-training (Table 1)."""
    full = {"review": 400, "simplify": 400, "translate": 800}[task]
    return run.pick(test=2, default=150, full=full)


def fine_tuned(
    run: Run, net: Net, task: str, seed: int, way: str = "all", rate: float = TUNE_RATE
) -> Net:
    """Return a copy of a net that has learned a task; the net stays as it is.

    Args:
        run: the run.
        net: pre-trained or not.
        task: of `TASKS`.
        seed: of the order of the examples.
        way: "all" of the weights; "adapters"; "unfreezing" from the top (§3.5.1).
        rate: relative to the weights' size.
    """
    pairs, steps = world(run).tasks[task]["train"], tuning_steps(run, task)
    new: Any = copy.deepcopy(net)
    if way == "adapters":
        new = with_adapters(new, 32, torch.Generator().manual_seed(seed))
    new.train()
    g = torch.Generator().manual_seed(1000 + seed)
    passes = (torch.randperm(len(pairs), generator=g).tolist() for _ in itertools.count())
    order = itertools.chain.from_iterable(passes)
    optimizer = Adafactor(new.parameters(), rate)  # constant
    layers = new.config.num_layers
    for step in run.track(range(steps), f"{task}, {way}, seed {seed}"):
        if way == "unfreezing":
            unfreeze(new, 1 + step * layers // steps)
        descend(run, new, optimizer, [pairs[i] for i in itertools.islice(order, TUNE_BATCH)])
    return new.requires_grad_(True).eval()


def asked(run: Run, net: Net, task: str, part: str = "test") -> list[str]:
    """Return what a net writes, greedily, to the inputs of a part."""
    known, pieces = world(run).tasks[task][part], world(run).pieces
    most = run.pick(test=32, default=300, full=1_400 if task == "review" else 500)
    known = known[:most]
    longest = 4 if task == "review" else 64
    answers = [""] * len(known)
    order = sorted(range(len(known)), key=lambda i: len(known[i][0]))
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        inputs = pad([known[i][0] for i in chosen]).to(run.device)
        for i, row in zip(chosen, greedy(net, inputs, longest).tolist()):
            answers[i] = pieces.decode(row)
    return answers


def score(run: Run, net: Net, task: str, part: str = "test") -> dict[str, float]:
    """Return a net's score, 0 to 100: accuracy, or BLEU; and how many answers are no label."""
    answers = asked(run, net, task, part)
    right = world(run).answers[task][part][: len(answers)]
    if TASKS[task].labels is None:
        value = bleu([words(a) for a in answers], [words(b) for b in right])
        return {"score": value, "illegal": 0, "count": len(answers)}
    read = [TASKS[task].from_text(answer) for answer in answers]
    good = sum(a == b for a, b in zip(read, right))
    illegal = sum(answer is None for answer in read)
    return {"score": 100 * good / len(right), "illegal": illegal, "count": len(right)}


def transfer(
    run: Run,
    seed: int,
    architecture: str = "enc-dec",
    objective: str = "replace spans",
    repeats: int = 0,
    tasks: tuple[str, ...] = ("review", "simplify"),
    pretrain: bool = True,
    way: str = "all",
    share: float = 1.0,
    rate: float = TUNE_RATE,
) -> dict[str, Any]:
    """Pre-train, fine-tune on each task by itself, and ask; a trial."""
    began = time.process_time()
    loss = None
    net: Any = make(run, architecture, seed)
    if pretrain:
        net, loss = pretrained(run, architecture, objective, repeats, seed, share)
    scores = {
        task: score(run, fine_tuned(run, net, task, seed, way, rate), task) for task in tasks
    }  # fmt: skip
    return {
        "loss": loss,
        "scores": {task: found["score"] for task, found in scores.items()},
        "illegal": sum(found["illegal"] for found in scores.values()),
        "count": sum(found["count"] for found in scores.values()),
        "weights": sum(p.numel() for p in nn.Module.parameters(net)),
        "cpu": time.process_time() - began,
    }


def dev_score(run: Run, seed: int, rate: float, pretrain: bool, way: str = "all") -> float:
    """Return the mean score on dev, of both tasks, after tuning at a rate; a trial."""
    net: Any = make(run, "enc-dec", seed)
    if pretrain:
        net, _ = pretrained(run, "enc-dec", "replace spans", 0, seed)
    found = [
        score(run, fine_tuned(run, net, task, seed, way, rate), task, "dev")["score"]
        for task in ("review", "simplify")
    ]
    return sum(found) / len(found)


def best_rate(
    run: Run, pretrain: bool = True, way: str = "all"
) -> tuple[float, dict[float, float]]:
    """Return the rate of fine-tuning that does best on dev, and all scores by rate.

    A grid of factors 2, which grows until the best is not at its edge, on a seed apart; at smaller
    scales nothing is searched.
    """
    if not real(run):
        return TUNE_RATE, {}
    tried: dict[float, float] = {}

    def attempt(rate: float) -> None:
        settings: dict[str, Any] = {"rate": rate, "pretrain": pretrain, "way": way}
        tried[rate] = run.trial(dev_score, seed=run.seed + 100, **settings)

    for rate in (TUNE_RATE / 2, TUNE_RATE, 2 * TUNE_RATE):
        attempt(rate)
    while (best := max(tried, key=tried.__getitem__)) in (min(tried), max(tried)) and len(
        tried
    ) < 7:
        attempt(best / 2 if best == min(tried) else best * 2)
    return best, tried
