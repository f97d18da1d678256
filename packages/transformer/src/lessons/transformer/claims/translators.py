"""Translators from English to French: their texts, training, scores, and what a step costs."""

import time
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
from .race import BOS, COLOR, recurrent, said, transformer

TOKENS, WARMUP, SMOOTHING, LONGEST = 800, 200, 0.1, 80
BINS = {"1–10": (0, 10), "11–20": (11, 20), "21+": (21, 1000)}
_texts: dict[str, Any] = {}


def texts(run: Run) -> dict[str, Any]:
    """Return sentences of all parts, their pieces' ids, and the pieces."""
    if run.scale in _texts:
        return _texts[run.scale]
    if run.scale == "test":  # no data: the made-up language
        made = [
            tuple(" ".join(language.WORDS[i] for i in ids[:-1]) for ids in (pair.src, pair.tgt))
            for pair in language.corpus(60, 0)
        ]
        parts = {"train": made[:44], "dev": made[44:48], "test": made[48:]}
    else:
        found = manuals.corpus(run.data)
        parts = {"train": found.train, "dev": found.dev, "test": found.test}
    size = run.pick(test=80, default=4000)
    pieces = Pieces((text for pair in parts["train"] for text in pair), size)
    ids = {name: [(pieces.encode(a), pieces.encode(b)) for a, b in pairs]
           for name, pairs in parts.items()}  # fmt: skip
    ids["train"] = [pair for pair in ids["train"] if max(map(len, pair)) <= LONGEST]
    _texts[run.scale] = {"texts": parts, "ids": ids, "pieces": pieces}
    return _texts[run.scale]


def make(run: Run, model: str, seed: int) -> nn.Module:
    """Return a translator: both have about 1.9 million weights."""
    size, width = len(texts(run)["pieces"]), run.pick(test=16, default=128)
    if model == "GRU":
        return recurrent(size, seed, embedding=width, encoder=width, decoder=2 * width)
    sizes = {"d_model": width, "d_ff": 4 * width, "num_encoder_layers": 3, "num_decoder_layers": 3}
    return transformer(size, seed, **sizes)


def states_of(net: Any, src: torch.Tensor, tgt: torch.Tensor) -> torch.Tensor:
    """Return what the output matrix is applied to, at every target position."""
    if not isinstance(net, Transformer):
        return net.states(src, tgt)
    mask = padding_mask(src, net.config.pad_id)
    return net.decode(tgt, net.encode(src, mask), mask)


def loss_of(net: Any, src: torch.Tensor, tgt: torch.Tensor) -> torch.Tensor:
    """Return the smoothed cross-entropy; the output matrix meets no padding."""
    real = tgt[:, 1:] != 0
    logits = net.project(states_of(net, src, tgt[:, :-1])[real])
    return F.cross_entropy(logits, tgt[:, 1:][real], label_smoothing=SMOOTHING)


def adam(net: nn.Module) -> torch.optim.Adam:
    """Return the paper's optimizer (§5.3)."""
    return torch.optim.Adam(net.parameters(), betas=(0.9, 0.98), eps=1e-9, fused=True)


def step_of(net: nn.Module, optimizer: torch.optim.Adam, rate: float, src, tgt) -> None:
    """Take a step of training."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss_of(net, src, tgt).backward()
    if not isinstance(net, Transformer):  # a recurrent net's gradients explode now and then
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()


def batches(run: Run, seed: int):
    """Yield batches of about 800 tokens, of sentences of one length, without end."""
    pairs, generator = texts(run)["ids"]["train"], torch.Generator().manual_seed(seed)
    while True:
        for chosen in batch_by_tokens(pairs, TOKENS, generator):
            some = [pairs[i] for i in chosen]
            yield (pad([a for a, _ in some]).to(run.device),
                   pad([(BOS, *b) for _, b in some]).to(run.device))  # fmt: skip


def translator(run: Run, model: str, rate: float, marks: list[int], seed: int):
    """Train one translator; return its scores on the test pages at the marks.

    The rate rises for 200 steps and falls with the root of the step (eq. 3, its peak tuned): a
    schedule without a horizon, so that one run has several lengths of training.
    """
    net = make(run, model, seed).to(run.device).train()
    optimizer = adam(net)
    source, found, began = batches(run, seed), [], time.process_time()
    for step in run.track(range(1, max(marks) + 1), f"{model}, rate {rate:g}, seed {seed}"):
        now = rate * min(step / WARMUP, (WARMUP / step) ** 0.5)
        step_of(net, optimizer, now, *next(source))
        if step in marks:
            spent = time.process_time() - began
            found.append({"step": step, "seconds": spent, **scores(run, net.eval())})
            net.train()
            began = time.process_time() - spent
    return found


@torch.no_grad()
def scores(run: Run, net: Any) -> dict[str, Any]:
    """Return BLEU, all and by source length, perplexity per piece, and three translations."""
    known = texts(run)
    pairs, ids, pieces = known["texts"]["test"], known["ids"]["test"], known["pieces"]
    answers: list[str] = [""] * len(ids)
    for chosen in by_length(ids):
        src = pad([ids[i][0] for i in chosen]).to(run.device)
        for i, row in zip(chosen, said(net, src, int(1.5 * src.shape[1]) + 10)):
            answers[i] = pieces.decode(row)
    cut = [(words(a), words(b), len(en.split())) for a, (en, b) in zip(answers, pairs)]

    def of(low, high):
        chosen = [(a, b) for a, b, n in cut if low <= n <= high]
        return bleu([a for a, _ in chosen], [b for _, b in chosen]) if chosen else 0.0

    return {
        "bleu": of(0, 1000),
        "by length": {name: of(low, high) for name, (low, high) in BINS.items()},
        "nats": nats_of(run, net, ids),
        "dev nats": nats_of(run, net, known["ids"]["dev"]),
        "brevity": sum(len(a) for a, _, _ in cut) / sum(len(b) for _, b, _ in cut),
        "examples": [answers[i] for i in EXAMPLES if i < len(answers)],
    }


EXAMPLES = (40, 300, 700)


def by_length(ids) -> list[list[int]]:
    """Return the sentences' numbers in hundreds of similar length."""
    order = sorted(range(len(ids)), key=lambda i: len(ids[i][0]))
    return [order[start : start + 100] for start in range(0, len(order), 100)]


@torch.no_grad()
def nats_of(run: Run, net: Any, ids) -> float:
    """Return the loss per piece of the translation, without smoothing."""
    nats = count = 0.0
    for chosen in by_length(ids):
        src = pad([ids[i][0] for i in chosen]).to(run.device)
        tgt = pad([(BOS, *ids[i][1]) for i in chosen]).to(run.device)
        real = tgt[:, 1:] != 0
        logits = net.project(states_of(net, src, tgt[:, :-1])[real])
        nats += float(F.cross_entropy(logits, tgt[:, 1:][real], reduction="sum"))
        count += int(real.sum())
    return nats / count


def speeds(run: Run, seed: int):
    """Measure a step of both in turns: CPU seconds, and operations.

    Operations are counted on the meta device, forward and backward: a count on the device at hand
    misses what a fused kernel does not declare.
    """
    nets = {name: make(run, name, seed).to(run.device).train() for name in COLOR}
    with torch.device("meta"):
        twins = {name: make(run, name, seed) for name in COLOR}
    optimizers = {name: adam(net) for name, net in nets.items()}
    source, count = batches(run, seed), run.pick(test=2, default=40)
    seconds, operations = dict.fromkeys(COLOR, 0.0), dict.fromkeys(COLOR, 0.0)
    for k in range(count + 1):
        src, tgt = next(source)
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
