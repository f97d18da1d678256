"""D1: a made-up web in which words are translated in passing, and a task that nobody taught."""

import math
import random
from typing import Any

import torch

from ..config import GPT2Config
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..model import GPT2
from ..training import learning_rate, param_groups

PAIRS = 80
WORDS = ["in", "french", "is", "called", "which", "means", ".", "=", "a", "the", "of", "and"]
FILLERS = [f"w{i}" for i in range(40)]
ENGLISH, FRENCH = ([f"{letter}{i}" for i in range(PAIRS)] for letter in "ef")
IDS = {word: i for i, word in enumerate([*WORDS, *FILLERS, *ENGLISH, *FRENCH])}


def sentence(draw: random.Random) -> list[str]:
    """Return a sentence: filler, or a word and its French; "E = F" for the first half only."""
    kind, pair = draw.random(), draw.randrange(PAIRS)
    e, f = ENGLISH[pair], FRENCH[pair]
    if kind < 0.3:
        return [*draw.choices([*FILLERS, "a", "the", "of", "and"], k=6), "."]
    if kind < 0.55:
        return ["in", "french", e, "is", "called", f, "."]
    if kind < 0.8:
        return [f, "which", "means", e, "."]
    e, f = ENGLISH[pair // 2], FRENCH[pair // 2]
    return [e, "=", f, "."]


def text(draw: random.Random, length: int) -> list[int]:
    """Return so many tokens of the made-up web."""
    words: list[str] = []
    while len(words) < length:
        words += sentence(draw)
    return [IDS[word] for word in words[:length]]


@torch.no_grad()
def share(net: GPT2, draw: random.Random, half: int, hint: bool) -> float:
    """Return the share of words whose French is the likeliest token behind "E =", or behind "E"."""
    right = 0
    pairs = range(PAIRS // 2) if half == 0 else range(PAIRS // 2, PAIRS)
    for pair in pairs:
        before = [IDS[w] for w in [*draw.choices(FILLERS, k=11), "."]]
        prompt = [*before, IDS[ENGLISH[pair]], *([IDS["="]] if hint else [])]
        likeliest = net(torch.tensor([prompt]))[0, -1].argmax().item()
        right += likeliest == IDS[FRENCH[pair]]
    return right / len(pairs)


def learn(run: Run, width: int, seed: int) -> dict[str, Any]:
    """Train on the made-up web; return its loss and what it can translate."""
    rates: dict[str, Any] = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
    config = GPT2Config(
        vocab_size=len(IDS), n_positions=48, n_embd=width, n_layer=2, n_head=max(width // 16, 1),
        initializer_range=0.02 * math.sqrt(768 / width), **rates,
    )  # fmt: skip
    net = GPT2(config, torch.Generator().manual_seed(seed))
    optimizer = torch.optim.AdamW(param_groups(net, 0.01), lr=3e-3)
    draw, losses = random.Random(seed), []
    steps = run.pick(test=3, default=600)
    for step in run.track(range(steps), f"made-up web, width {width}"):
        ids = torch.tensor([text(draw, 48) for _ in range(24)])
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, 3e-3, steps // 20)
        loss = net(ids, labels_BT=ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    asked = {"format seen": (0, True), "zero-shot": (1, True), "no hint": (1, False)}
    found = {name: share(net, draw, *how) for name, how in asked.items()}
    return found | {"loss": sum(losses[-50:]) / len(losses[-50:])}


def draw_world(figure, numbers) -> None:
    """Draw what is translated against the width."""
    axes = figure.subplots()
    x = [int(width) for width in numbers]
    for color, name in ((MUTED, "format seen"), (BLUE, "zero-shot"), (RED, "no hint")):
        means = [100 * sum(one[name] for one in runs) / len(runs) for runs in numbers.values()]
        axes.plot(x, means, "o-", color=color, label=name)
        for width, runs in zip(x, numbers.values()):
            axes.plot([width] * len(runs), [100 * one[name] for one in runs], ".", color=color)
    axes.set(xscale="log", xlabel="width", ylabel="% of words translated", xticks=x)
    axes.set_xticklabels([str(width) for width in x])
    axes.minorticks_off()
    axes.legend()


@demonstration(
    "D1",
    "In a made-up web, words are translated by a prompt never seen with them.",
    draw_world,
    asks="80 words and their French, told in sentences of two forms, among filler; for half of the "
    "words also as “E = F .”. The prompt “E =” for the other half, behind twelve neutral tokens: "
    "the share whose French is the likeliest next token. The same without “=”, the hint of "
    "§3.6, and by width. Chance is 1 in 80.",
    paper="hint: −6.4 points",
)
def made_up(run: Run) -> Finding:
    """Train and ask."""
    widths = run.pick(test=[16], default=[32, 128], full=[16, 32, 64, 128])
    seeds = run.seeds(run.pick(test=1, default=2, full=5))
    found = {str(w): [run.trial(learn, width=w, seed=s) for s in seeds] for w in widths}
    means = {
        width: {name: sum(one[name] for one in runs) / len(runs) for name in runs[0]}
        for width, runs in found.items()
    }
    last = means[str(widths[-1])]
    told = "; ".join(
        f"width {width}: {100 * m['zero-shot']:.0f}% ({100 * m['no hint']:.0f}% without the hint, "
        f"{100 * m['format seen']:.0f}% of words seen in the format), loss {m['loss']:.2f}"
        for width, m in means.items()
    )
    return Finding(
        None,
        ours=f"{100 * last['zero-shot']:.0f}%; without the hint {100 * last['no hint']:.0f}%",
        ran=f"{len(seeds)} seeds a width, {run.pick(test=3, default=600)} steps of 24 windows of "
        "48 tokens.",
        measured=f"{told}.",
        numbers=found,
    )
