"""Nets trained on the web, and in a domain of their own; what each can do; and how they are tuned.

All share the tokens (learned from the web), the windows of 128, the batch of 16, AdamW and the
schedule. What is tuned is told with each claim.
"""

import functools
import math
import random
from collections.abc import Callable
from typing import Any

import torch

from ..bpe import END_OF_TEXT, ByteLevelBPE
from ..config import GPT2Config
from ..lab.run import Run
from ..model import GPT2
from ..training import learning_rate, param_groups
from . import cloze, corpus

LAYERS = {8: 1, 16: 1, 32: 2, 64: 3, 128: 4, 192: 4}  # of each width
RATES = [7.5e-4, 1.5e-3, 3e-3, 6e-3, 1.2e-2, 2.4e-2]
DROPOUTS = [0.0, 0.1, 0.2, 0.4]


def widths(run: Run) -> list[int]:
    """Return the sizes whose steps are compared."""
    return run.pick(test=[8, 16, 32], default=[32, 64, 128])


def steps_of(run: Run) -> int:
    """Return the steps of a net on the web, all of the same length."""
    return run.pick(test=4, default=1000)


def shape(run: Run) -> tuple[int, int]:
    """Return sequences a step, and tokens of each."""
    return run.pick(test=(4, 32), default=(16, 128))


@functools.lru_cache(1)
def tokens_of(run: Run) -> ByteLevelBPE:
    """Return tokens learned from every fourth block of the web's text to train on."""
    texts, _, _ = corpus.web(run)
    return ByteLevelBPE.train(texts[::4], run.pick(test=300, default=2048))


@functools.lru_cache(8)
def encoded(run: Run, what: str, characters: int | None = None) -> tuple[torch.Tensor, int]:
    """Return the ids of texts, each behind an end of text, and how many bytes they have.

    Args:
        run: whose.
        what: "web", "austen" or "factbook", and "train", "dev", "test" or "all" behind a blank.
        characters: blocks from the first on until there are so many.
    """
    name, part = what.split()
    if part == "all":
        texts = corpus.blocks(corpus.documents(run, name))
    else:
        found = corpus.web(run) if name == "web" else corpus.split(run, name)
        texts = found[("train", "dev", "test").index(part)]
    if characters is not None:
        texts = list(texts)
        random.Random(0).shuffle(texts)  # of all novels alike
        kept, left = [], characters
        for text in texts:
            if left > 0:
                kept.append(text[:left])
                left -= len(text)
        texts = kept
    bpe = tokens_of(run)
    end = bpe.special[END_OF_TEXT]
    ids = [i for text in texts for i in (end, *bpe.encode(text, disallowed_special=()))]
    return torch.tensor(ids), sum(len(text.encode()) for text in texts)


def build(run: Run, width: int, seed: int, dropout: float) -> GPT2:
    """Return a net of a width; narrow ones begin as large as 0.02 is at 768."""
    rates: dict[str, Any] = dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), dropout)
    config = GPT2Config(
        vocab_size=len(tokens_of(run)), n_positions=shape(run)[1], n_embd=width,
        n_layer=LAYERS[width], n_head=max(width // 32, 1),
        initializer_range=0.02 * math.sqrt(768 / width), **rates,
    )  # fmt: skip
    return GPT2(config, torch.Generator().manual_seed(seed)).to(run.device)


def fit(
    run: Run, net: GPT2, ids: torch.Tensor, steps: int, rate: float, seed: int, what: str
) -> list[float]:
    """Train on windows that begin anywhere; return the loss of each twentieth, in nats a token."""
    batch, length = shape(run)
    length = min(length, len(ids) - 1)
    groups = param_groups(net, 0.01)
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95))
    generator, losses, curve = torch.Generator().manual_seed(seed), [], []
    net.train()
    for step in run.track(range(steps), what):
        starts = torch.randint(len(ids) - length + 1, (batch,), generator=generator)
        windows = torch.stack([ids[s : s + length] for s in starts.tolist()]).to(run.device)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, rate, min(50, steps // 4))
        loss = net(windows, labels_BT=windows)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if len(losses) >= max(1, steps // 20):
            curve.append(sum(losses) / len(losses))
            losses.clear()
    net.eval()
    return curve


@torch.no_grad()
def bits(run: Run, net: GPT2, what: str, most: int) -> float:
    """Return bits a byte of ``most`` tokens of a text at most, half a window of context each.

    The windows are spread evenly over the whole text, which is of many kinds one behind the other.
    """
    ids, _ = encoded(run, what)
    n, end_of_text = min(net.config.n_positions, len(ids)), tokens_of(run).special[END_OF_TEXT]
    known, last = n // 2, len(ids) - n  # tokens of context; where the last window begins
    count = max(min(most // (n - known), last // (n - known) + 1), 1)
    starts = [i * last // max(count - 1, 1) for i in range(count)]
    total, scored = 0.0, []
    for group in [starts[i : i + 32] for i in range(0, count, 32)]:
        rows = torch.stack([ids[s : s + n] for s in group]).to(run.device)
        log_p = net.project(net.states(rows))[:, known - 1 : -1].log_softmax(-1)
        labels = rows[:, known:]
        text = labels != end_of_text
        total -= log_p.gather(2, labels[..., None])[..., 0][text].double().sum().item()
        scored += labels[text].tolist()
    return total / math.log(2) / len(tokens_of(run).decode_bytes(scored))


def on_the_web(
    run: Run, width: int, rate: float, seed: int, share: float = 1.0, asked: int = 0
) -> dict[str, Any]:
    """Train a net on the web; return what it can do there, in other domains, and in tasks.

    Args:
        run: whose.
        width: of the net.
        rate: the largest learning rate.
        seed: of weights and windows.
        share: of the steps.
        asked: questions of each task; 0: none.
    """
    net = build(run, width, seed, 0.0)
    ids, _ = encoded(run, "web train")
    steps = max(int(steps_of(run) * share), 2)
    curve = fit(run, net, ids, steps, rate, seed, f"width {width} on the web")
    most = run.pick(test=500, default=40_000)
    found: dict[str, Any] = {"curve": curve, "dev": bits(run, net, "web dev", most)}
    if not asked:
        return found
    for name in ("web train", "web test", "austen test", "factbook all"):
        found[name] = bits(run, net, name, most)
    bpe = tokens_of(run)
    room = net.config.n_positions
    for kind in ("names", "nouns"):
        found[kind] = cloze.share_right(net, bpe, cloze.questions(run, kind, asked, bpe, room))
    _, right, filtered = cloze.answers(net, bpe, cloze.passages(run, 2 * asked))
    found["last words"] = sum(right) / len(right)
    found["last words, filtered"] = sum(filtered) / len(filtered)
    if width == widths(run)[-1]:  # calibration needs many answers, and is asked of the widest only
        # Words anywhere: of a last word we know more than the net, namely that it is the last.
        found["shares"], found["right"], _ = cloze.answers(net, bpe, cloze.anywhere(run, 6 * asked))
    return found


def tuned_rate(run: Run, width: int) -> tuple[float, int]:
    """Return the rate of a width that is best on the web's dev part, and how many were tried.

    Whole runs; the best has a worse one on both sides, half and double.
    """

    def loss(point: dict[str, Any]) -> float:
        return run.trial(on_the_web, width=width, seed=run.seed, **point)["dev"]

    best, tried = refine(loss, {"rate": RATES}, {"rate": 3e-3}, run.scale == "test")
    return best["rate"], tried


def in_domain(
    run: Run, characters: int, width: int, rate: float, share: float, dropout: float, seed: int
) -> dict[str, float]:
    """Train a net on so much of Austen; return bits a byte on her dev and test parts."""
    net = build(run, width, seed, dropout)
    ids, _ = encoded(run, "austen train", characters)
    steps = max(int(steps_of(run) * share), 2)
    fit(run, net, ids, steps, rate, seed, f"{characters / 1e6:g} MB of Austen")
    most = run.pick(test=500, default=40_000)
    return {part: bits(run, net, f"austen {part}", most) for part in ("dev", "test")}


def tuned_in_domain(run: Run, characters: int) -> tuple[dict[str, Any], int]:
    """Return width, rate, share of the steps and dropout that are best on Austen's dev part."""

    def loss(point: dict[str, Any]) -> float:
        return run.trial(in_domain, characters=characters, seed=run.seed, **point)["dev"]

    axes = {
        "share": [1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0],
        "width": widths(run), "dropout": DROPOUTS, "rate": RATES,
    }  # fmt: skip
    about = 1 / 2 if characters >= 1e6 else 1 / 4 if characters >= 3e5 else 1 / 8
    start = {"share": about, "width": widths(run)[1], "dropout": 0.1, "rate": 3e-3}
    return refine(loss, axes, start, run.scale == "test")


def refine(
    loss: Callable[[dict[str, Any]], float],
    axes: dict[str, list],
    start: dict[str, Any],
    once: bool = False,
) -> tuple[dict[str, Any], int]:
    """Go to the better neighbour on a grid until there is none; return the point, and the tries.

    Args:
        loss: of a point.
        axes: the grid's values, in order.
        start: where to begin.
        once: stop after the start: for the smallest runs.
    """
    seen: dict[tuple, float] = {}

    def at(point: dict[str, Any]) -> float:
        key = tuple(point.values())
        if key not in seen:
            seen[key] = loss(point)
        return seen[key]

    best, moved = dict(start), not once
    at(best)
    while moved:
        moved = False
        for name, values in axes.items():
            place = values.index(best[name])
            for other in (place - 1, place + 1):
                if 0 <= other < len(values):
                    point = best | {name: values[other]}
                    if at(point) < at(best):
                        best, moved = point, True
    return best, len(seen)
