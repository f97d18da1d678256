"""Translators from English to French: their texts, training, scores, and what a step costs."""

import copy
import itertools
import time
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..attention import padding_mask
from ..lab.run import Run
from ..model import Transformer
from ..training import batch_by_tokens, pad
from . import language, manuals
from .bleu import bleu, words
from .pieces import Pieces
from .race import BOS, recurrent, said, transformer

TOKENS, LONGEST = 800, 80
# How the rate rises and what it does then: it stays, or falls with the root of the step (eq. 3).
SCHEDULES = {"200, stays": (200, False), "800, stays": (800, False), "800, root": (800, True)}
USUAL = "200, stays"
SMOOTHING = DROPOUT = 0.1  # §5.4
FALL = 0.1  # the last part of every training, in which the rate falls to nothing
BINS = {"1–10": (0, 10), "11–20": (11, 20), "21+": (21, 1000)}
EXAMPLES = (40, 300, 700)
_texts: dict[Any, Any] = {}


def texts(run: Run, size: int = 4000) -> dict[str, Any]:
    """Return sentences of all parts, their pieces' ids, and so many pieces."""
    if (run.scale, size) in _texts:
        return _texts[run.scale, size]
    if run.scale == "test":  # no data: the made-up language
        made = [
            tuple(" ".join(language.WORDS[i] for i in ids[:-1]) for ids in (pair.src, pair.tgt))
            for pair in language.corpus(60, 0)
        ]
        parts = {"train": made[:44], "dev": made[44:48], "test": made[48:]}
    else:
        found = manuals.corpus(run.data)
        parts = {"train": found.train, "dev": found.dev, "test": found.test}
    pieces = Pieces((t for pair in parts["train"] for t in pair), run.pick(test=80, default=size))
    ids = {name: [(pieces.encode(a), pieces.encode(b)) for a, b in pairs]
           for name, pairs in parts.items()}  # fmt: skip
    ids["train"] = [pair for pair in ids["train"] if max(map(len, pair)) <= LONGEST]
    _texts[run.scale, size] = {"texts": parts, "ids": ids, "pieces": pieces}
    return _texts[run.scale, size]


def make(run: Run, model: str, seed: int) -> nn.Module:
    """Return a translator: "Transformer" or "GRU", or what a word behind the comma says of it.

    "tied" has one matrix of embeddings and output, "small" is half as wide (and the Transformer has
    two layers in place of three), "smaller" a quarter.
    """
    narrow = {"small": 2, "smaller": 4}.get(model.rpartition(", ")[2], 1)
    size, width = len(texts(run)["pieces"]), run.pick(test=16, default=128 // narrow)
    if model.startswith("GRU"):
        sizes: dict[str, Any] = {"embedding": width, "encoder": width, "decoder": 2 * width}
        tied = "tied" in model
        return recurrent(size, seed, tied=tied, dropout=DROPOUT, **sizes)
    layers = 3 if narrow == 1 else 2
    sizes = {"num_encoder_layers": layers, "num_decoder_layers": layers}
    return transformer(size, seed, dropout=DROPOUT, d_model=width, d_ff=4 * width, **sizes)


def states_of(net: Any, src: torch.Tensor, tgt: torch.Tensor) -> torch.Tensor:
    """Return what the output matrix is applied to, at every target position."""
    if not isinstance(net, Transformer):
        return net.states(src, tgt)
    mask = padding_mask(src, net.config.pad_id)
    return net.decode(tgt, net.encode(src, mask), mask)


def loss_of(net: Any, src: torch.Tensor, tgt: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Return the smoothed cross-entropy; the output matrix meets no padding."""
    real = tgt[:, 1:] != 0
    logits = net.project(states_of(net, src, tgt[:, :-1])[real])
    return F.cross_entropy(logits, tgt[:, 1:][real], label_smoothing=smoothing)


def adam(net: nn.Module) -> torch.optim.Adam:
    """Return the optimizer: the paper's (§5.3), and for a recurrent net Adam's usual constants."""
    if isinstance(net, Transformer):
        return torch.optim.Adam(net.parameters(), betas=(0.9, 0.98), eps=1e-9, fused=True)
    return torch.optim.Adam(net.parameters(), fused=True)


def step_of(net, optimizer, rate: float, src, tgt, smoothing: float = SMOOTHING) -> None:
    """Take a step of training."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss_of(net, src, tgt, smoothing).backward()
    if not isinstance(net, Transformer):  # a recurrent net's gradients explode now and then
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()


def batches(pairs, count: int, seed: int) -> list[list[int]]:
    """Return the pairs of so many batches of about 800 tokens, of sentences of one length."""
    generator = torch.Generator().manual_seed(seed)
    passes = (batch_by_tokens(pairs, TOKENS, generator) for _ in itertools.count())
    return list(itertools.islice(itertools.chain.from_iterable(passes), count))


def tensors(run: Run, pairs, chosen: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return sources and targets of a batch, the targets with their start mark."""
    some = [pairs[i] for i in chosen]
    return (pad([a for a, _ in some]).to(run.device),
            pad([(BOS, *b) for _, b in some]).to(run.device))  # fmt: skip


def height(step: int, schedule: str) -> float:
    """Return the rate at a step over its peak, before the end's fall."""
    warmup, root = SCHEDULES[schedule]
    return min(step / warmup, (warmup / step) ** 0.5 if root else 1.0)


def trained(
    run: Run,
    net: nn.Module,
    rate: float,
    ends,
    pairs,
    seed: int,
    smoothing: float = SMOOTHING,
    schedule: str = USUAL,
) -> Iterator[tuple[int, nn.Module]]:
    """Train a net; yield each length of training and the net that it ends with.

    The rate rises, and stays or falls slowly (`SCHEDULES`). For each length a copy branches off
    when a tenth of it is left, and its rate falls in a line to nothing on the batches that come
    next (Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed Training
    Durations"). So each length has a training that ends, and what comes before is shared.
    """
    net.to(run.device).train()
    optimizer, plan = adam(net), batches(pairs, max(ends), seed)
    starts = {end: end - max(round(FALL * end), 1) for end in ends}
    for step in run.track(range(1, max(starts.values()) + 1), f"rate {rate:g}, seed {seed}"):
        now = rate * height(step, schedule)
        step_of(net, optimizer, now, *tensors(run, pairs, plan[step - 1]), smoothing)
        for end in [end for end, start in starts.items() if start == step]:
            branch, its = copy.deepcopy((net, optimizer))
            for k in range(step, end):
                falling = now * (end - k) / (end - step + 1)
                step_of(branch, its, falling, *tensors(run, pairs, plan[k]), smoothing)
            yield end, branch.eval()


def tune(run: Run, model: str, rate: float, end: int, seed: int, schedule: str = USUAL) -> float:
    """Return the loss per piece on the dev pages after a training at a rate."""
    pairs = texts(run)["ids"]["train"]
    net = make(run, model, seed)
    ((_, net),) = trained(run, net, rate, [end], pairs, seed, schedule=schedule)
    return forced(run, net, texts(run)["ids"]["dev"])[0]


@torch.no_grad()
def translated(
    run: Run, net: Any, part: str = "test", size: int = 4000, beam: int = 1, alpha: float = 0.0
) -> list[str]:
    """Return a net's translations of the sentences of a part."""
    known = texts(run, size)
    ids, pieces = known["ids"][part], known["pieces"]
    answers: list[str] = [""] * len(ids)
    for chosen in by_length(ids):
        src = pad([ids[i][0] for i in chosen]).to(run.device)
        for i, row in zip(chosen, said(net, src, int(1.5 * src.shape[1]) + 10, beam, alpha)):
            answers[i] = pieces.decode(row)
    return answers


def dev_bleu(run: Run, net: Any, beam: int, alpha: float) -> float:
    """Return the BLEU of a net's translations of the dev pages."""
    answers, pairs = translated(run, net, "dev", beam=beam, alpha=alpha), texts(run)["texts"]
    return bleu([words(a) for a in answers], [words(b) for _, b in pairs["dev"]])


def scores(
    run: Run, net: Any, size: int = 4000, beam: int = 1, alpha: float = 0.0
) -> dict[str, Any]:
    """Return BLEU, all and by source length, loss and accuracy per piece, some translations."""
    known = texts(run, size)
    pairs, ids = known["texts"]["test"], known["ids"]["test"]
    answers = translated(run, net, "test", size, beam, alpha)
    cut = [(words(a), words(b), len(en.split())) for a, (en, b) in zip(answers, pairs)]

    def of(low, high):
        chosen = [(a, b) for a, b, n in cut if low <= n <= high]
        return bleu([a for a, _ in chosen], [b for _, b in chosen]) if chosen else 0.0

    nats, accuracy = forced(run, net, ids)
    return {
        "bleu": of(0, 1000),
        "by length": {name: of(low, high) for name, (low, high) in BINS.items()},
        "nats": nats,
        "accuracy": accuracy,
        "brevity": sum(len(a) for a, _, _ in cut) / sum(len(b) for _, b, _ in cut),
        "examples": [answers[i] for i in EXAMPLES if i < len(answers)],
    }


def by_length(ids) -> list[list[int]]:
    """Return the sentences' numbers in hundreds of similar length."""
    order = sorted(range(len(ids)), key=lambda i: len(ids[i][0]))
    return [order[start : start + 100] for start in range(0, len(order), 100)]


@torch.no_grad()
def forced(run: Run, net: Any, ids) -> tuple[float, float]:
    """Return the loss per piece, without smoothing, and accuracy, given the right ones before."""
    nats = count = right = 0.0
    for chosen in by_length(ids):
        src, tgt = tensors(run, ids, chosen)
        real = tgt[:, 1:] != 0
        logits, wanted = net.project(states_of(net, src, tgt[:, :-1])[real]), tgt[:, 1:][real]
        nats += float(F.cross_entropy(logits, wanted, reduction="sum"))
        right += int((logits.argmax(-1) == wanted).sum())
        count += len(wanted)
    return nats / count, right / count


def speeds(run: Run, models: list[str], seed: int):
    """Measure a step of all in turns, on 100 batches: CPU seconds, and operations.

    Operations are counted on the meta device, forward and backward: a count on the device at hand
    misses what a fused kernel does not declare.
    """
    nets = {model: make(run, model, seed).to(run.device).train() for model in models}
    with torch.device("meta"):
        twins = {model: make(run, model, seed) for model in models}
    optimizers = {name: adam(net) for name, net in nets.items()}
    pairs, count = texts(run)["ids"]["train"], run.pick(test=2, default=100)
    seconds, operations = dict.fromkeys(models, 0.0), dict.fromkeys(models, 0.0)
    for k, chosen in enumerate(batches(pairs, count + 1, seed)):
        src, tgt = tensors(run, pairs, chosen)
        for name, net in nets.items():
            began = time.process_time()
            step_of(net, optimizers[name], 1e-4, src, tgt)
            if k:  # the first is a warm-up
                seconds[name] += (time.process_time() - began) / count
                operations[name] += operations_of(twins[name], src, tgt) / count
    sizes = {name: sum(p.numel() for p in net.parameters()) for name, net in nets.items()}
    return {"seconds": seconds, "operations": operations, "sizes": sizes}


def operations_of(twin: nn.Module, src: torch.Tensor, tgt: torch.Tensor) -> int:
    """Return the operations of a training step, by a net on the meta device."""
    real = int((tgt[:, 1:] != 0).sum())
    s, t = (torch.empty(x.shape, dtype=torch.long, device="meta") for x in (src, tgt[:, 1:]))
    with FlopCounterMode(display=False) as counter:
        twin.project(states_of(twin, s, t).flatten(0, 1)[:real]).sum().backward()  # type: ignore
    return counter.get_total_flops()
