"""Real English: help, King James and Shakespeare to read; Brown, reviews and headings to learn."""

import functools
import random
from collections.abc import Iterable
from typing import Any

import torch

from ..lab.run import Run
from ..wordpiece import WordPieceTokenizer
from ..wordpiece_training import train
from . import corpus
from .reading import TASKS, Task, World, rows_of, special_ids, tag_examples, text_examples

VOCAB_SIZE, LENGTH = 2_048, 64
SIZES = (2_000, 500, 1_300)  # labelled examples to train on, for dev, to test
PASSES = 2  # pairs are made so often from all documents
DEV_ROWS = 512
TAGS = 40  # the most frequent ones by themselves; the others are one


@functools.lru_cache(1)
def english(run: Run) -> World:
    """Return real English: help, King James, Shakespeare; Brown, reviews, the help's headings."""
    known = unlabelled_english(run)
    tokenizer = WordPieceTokenizer(known["pieces"])
    data = run.data
    every = [tag for sentence in corpus.tagged(data) for _, tag in sentence]
    names = {tag: i for i, tag in enumerate(most_frequent(every, TAGS))}

    @functools.lru_cache(32)
    def task(name: str, seed: int) -> Task:
        rng = random.Random(1_000 * seed + TASKS.index(name))
        if name == "tags":
            parts = tag_parts(data, rng)
            made = [tag_examples(tokenizer, part, names, LENGTH) for part in parts]
            return Task(len(names) + 1, *made)
        texts = review_parts(data, rng) if name == "sentiment" else pair_parts(data, rng)
        return Task(2, *(text_examples(tokenizer, part, LENGTH) for part in texts))

    return World(
        tokenizer.vocab_size, special_ids(tokenizer), known["rows"], known["apart"],
        known["dev_rows"], known["dev_apart"], task, tokenizer,
    )  # fmt: skip


def unlabelled_english(run: Run) -> dict[str, Any]:
    """Return pieces and rows of the unlabelled texts; they are kept in the run's folder."""
    path = run.out / "lessons-results" / "text.pt"
    if path.is_file():
        return torch.load(path, weights_only=True)
    texts = corpus.documents(run.data)
    dev = [text for text in texts if corpus.place(" ".join(text)) < 5]
    read = [text for text in texts if corpus.place(" ".join(text)) >= 5]
    tokenizer = train((s for text in read for s in text), VOCAB_SIZE)

    def encoded(documents: list[corpus.Document]) -> list[list[list[int]]]:
        return [[tokenizer.encode(s).ids[1:-1] for s in text] for text in documents]

    rows, apart = rows_of(tokenizer, encoded(read), LENGTH, PASSES, 0)
    dev_rows, dev_apart = rows_of(tokenizer, encoded(dev), LENGTH, 1, 1)
    found = {
        "pieces": tokenizer.pieces, "rows": rows, "apart": apart,
        "dev_rows": dev_rows[:DEV_ROWS], "dev_apart": dev_apart[:DEV_ROWS],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    torch.save(found, temporary)
    temporary.replace(path)
    return found


def most_frequent(items: Iterable[str], n: int) -> list[str]:
    """Return the n most frequent items; ties in the order of the alphabet."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return sorted(counts, key=lambda item: (-counts[item], item))[:n]


def parted(names: Iterable[str], rng: random.Random, share: float) -> list[set[str]]:
    """Deal names to train, dev and test: an eighth is dev's whatever the seed, the others by lot.

    Args:
        names: of pages, films or sentences.
        rng: what draws the lots.
        share: of the others that goes to train.
    """
    every = sorted(set(names))
    dev = {name for name in every if corpus.place(f"dev {name}") < 32}
    others = [name for name in every if name not in dev]
    rng.shuffle(others)
    at = round(share * len(others))
    return [set(others[:at]), dev, set(others[at:])]


def some(pool: list, n: int, rng: random.Random) -> list:
    """Draw n of a list, or all of a shorter one."""
    return rng.sample(pool, min(n, len(pool)))


def tag_parts(data, rng: random.Random) -> list[list]:
    """Return tagged sentences to train on, for dev and to test, no sentence in two of them."""
    found = {" ".join(word for word, _ in each): each for each in corpus.tagged(data)}
    parts = parted(found, rng, 0.5)
    return [[found[name] for name in some(sorted(part), n, rng)]
            for part, n in zip(parts, SIZES)]  # fmt: skip


def review_parts(data, rng: random.Random) -> list[list]:
    """Return reviews to train on, for dev and to test, of films of their own."""
    found, parts = corpus.reviews(data), []
    for films, n in zip(parted((film for film, *_ in found), rng, 0.6), SIZES):
        pool = [(text, None, label) for film, text, label in found if film in films]
        parts.append(some(pool, n, rng))
    return parts


def pair_parts(data, rng: random.Random) -> list[list]:
    """Return headings with their paragraph (0) and with another of their page (1), by page.

    Each heading is there twice, once with either; a page's only heading is left out. As QNLI's,
    the wrong ones are from the same text, which next sentence prediction never has.
    """
    found, parts = corpus.sections(data), []
    for pages, n in zip(parted((page for page, *_ in found), rng, 0.6), SIZES):
        pool = [each for each in found if each[0] in pages]
        made: list[tuple[str, str | None, int]] = []
        for page, heading, paragraph in pool:
            others = [text for name, _, text in pool if name == page and text != paragraph]
            if others:
                made += [(heading, paragraph, 0), (heading, rng.choice(others), 1)]
        parts.append(some(made, n, rng))
    return parts
