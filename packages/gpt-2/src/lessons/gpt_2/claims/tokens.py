"""Byte-level BPE: any string, slots of the vocabulary, compression (§2.2)."""

import math
import random
import sys

import torch

from ..bpe import ByteLevelBPE
from ..config import GPT2Config
from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import exact, judge, ratio
from ..model import GPT2
from ..scoring import log_probabilities
from .text import parts, told

SPLITS = {
    "as in the paper": {},
    "at white space only": {"barrier": False},
    "without the exception for spaces": {"space": False},
}


def strings(count: int, seed: int) -> list[str]:
    """Return random strings of assigned and unassigned characters, no halves of surrogate pairs."""
    draw, made = random.Random(seed), []
    for _ in range(count):
        planes = draw.choice(
            [(0x80,), (0x800,), (0x10000,), (sys.maxunicode + 1,), (0x80, 0x20000)]
        )
        codes = (draw.randrange(draw.choice(planes)) for _ in range(draw.randint(1, 20)))
        made.append("".join(chr(c) for c in codes if not 0xD800 <= c < 0xE000) or "a")
    return made


@claim(
    "C3a",
    "§2.2",
    quotes="our approach can assign a probability to any Unicode string",
    says="Any Unicode string comes back unchanged from its tokens, and has a probability.",
    asks="Random strings over all of Unicode: whether decoding gives the string, and whether a "
    "small untrained model's log-probability of it, after a token of its own, is finite.",
    holds_if="every string comes back, and every log-probability is finite and below 0",
    fails_if="one does not",
)
def any_string(run: Run) -> Finding:
    """Encode, decode, score."""
    count = run.pick(test=200, default=2000, full=20000)
    bpe = ByteLevelBPE.train(parts(5, 20000)[:1], 512)
    config = GPT2Config(vocab_size=len(bpe), n_positions=128, n_embd=16, n_layer=1, n_head=1)
    model = GPT2(config, torch.Generator().manual_seed(run.seed)).eval()
    end, back, scored = bpe.special["<|endoftext|>"], 0, 0
    for text in run.track(strings(count, run.seed), "strings"):
        ids = bpe.encode(text, disallowed_special=())
        back += bpe.decode(ids, errors="strict") == text
        total = log_probabilities(model, [end, *ids]).sum().item()
        scored += math.isfinite(total) and total < 0
    return Finding(
        exact(back == scored == count),
        ours=f"{back:,} of {count:,} come back",
        ran=f"{count:,} random strings; 512 tokens learned from {told()}.",
        measured=f"{back:,} of {count:,} strings come back, {scored:,} have a log-probability.",
        numbers={"strings": count, "back": back, "scored": scored},
    )


def learned(run: Run, split: str, part: int, size: int, merges: int) -> dict[str, float]:
    """Learn tokens from a part; return what the next part needs of them, and how many are twice."""
    texts = parts(5, size)
    bpe = ByteLevelBPE.train([texts[part]], 256 + merges, special=(), **SPLITS[split])
    held_out = texts[(part + 1) % 5]
    cores: dict[str, int] = {}
    for token in bpe.tokens.values():
        core = core_of(token)
        if len(core) >= 3:
            cores[core] = cores.get(core, 0) + 1
    return {
        "bytes a token": len(held_out.encode()) / len(bpe.encode(held_out, disallowed_special=())),
        "versions": sum(count - 1 for count in cores.values()),
        "tokens": len(bpe),
    }


def core_of(token: bytes) -> str:
    """Return the letters of a token that has other characters around them only; else nothing."""
    text = token.decode("utf-8", "replace")
    letters = [i for i, character in enumerate(text) if character.isalpha()]
    core = text[letters[0] : letters[-1] + 1] if letters else ""
    return core if core.isalpha() else ""


def compare(run: Run, of: str, splits: tuple[str, str]) -> dict[str, list[float]]:
    """Return a number for each part of the text, by split."""
    size = run.pick(test=12000, default=60000, full=10**9)
    merges = run.pick(test=200, default=1000, full=2000)
    return {
        split: [
            run.trial(learned, split=split, part=part, size=size, merges=merges)[of]
            for part in range(5)
        ]
        for split in splits
    }


@claim(
    "C3b",
    "§2.2",
    quotes="including many versions of common words like dog since they occur in many variations "
    "such as dog. dog! dog? This results in a sub-optimal allocation of limited vocabulary slots",
    says="Categories that do not merge leave fewer slots to versions of one word.",
    asks="Entries of the vocabulary that differ from another only in what surrounds the same three "
    "letters or more, with the paper's barrier between categories and with a cut at white space "
    "only; five parts of a text.",
    holds_if="the 95% interval of the ratio of their numbers lies below 0.8",
    fails_if="it lies above",
    paper="none",
)
def slots(run: Run) -> Finding:
    """Count versions."""
    numbers = compare(run, "versions", ("as in the paper", "at white space only"))
    # One more on both sides: a part may have none at the smallest size.
    found = ratio(*([value + 1 for value in values] for values in numbers.values()))
    means = [sum(values) / 5 for values in numbers.values()]
    return Finding(
        judge(found, below=0.8, paper_regime=False),
        ours=f"{found.text()} times as many versions",
        ran=f"Five parts of {told()}.",
        measured=f"{means[0]:.0f} versions with the barrier, {means[1]:.0f} without: "
        f"{found.text()} times as many.",
        numbers=numbers,
        between="the paper has 50,000 merges from 40 GB of text",
        would_decide="more text: there are five parts of it",
    )


@claim(
    "C3c",
    "§2.2",
    quotes="We add an exception for spaces which significantly improves the compression efficiency",
    says="A blank before a word may be part of its token: fewer tokens.",
    asks="Bytes a token on the next part of the text, with and without the exception, five parts.",
    holds_if="the 95% interval of the ratio lies above 1.3",
    fails_if="it lies below",
    paper="none",
)
def exception(run: Run) -> Finding:
    """Compare compression."""
    numbers = compare(run, "bytes a token", ("as in the paper", "without the exception for spaces"))
    found = ratio(*numbers.values())
    means = [sum(values) / 5 for values in numbers.values()]
    return Finding(
        judge(found, above=1.3, paper_regime=False),
        ours=f"{found.text()} times as many bytes a token",
        ran=f"Five parts of {told()}.",
        measured=f"{means[0]:.2f} bytes a token with the exception, {means[1]:.2f} without: "
        f"{found.text()} times as many.",
        numbers=numbers,
        between="the paper has 50,000 merges from 40 GB of text",
        would_decide="more text: there are five parts of it",
    )
