"""Real English: Brown, King James, Shakespeare and a manual to read; tags, reviews, news to learn.

Sentences are tokens of a byte-level vocabulary that is trained on what is read.
"""

import functools
import random
from collections.abc import Iterable, Sequence

import torch

from ..inputs import Document
from ..lab.run import Run
from ..tokenizer import PAD_ID, RobertaTokenizer
from . import corpus
from .world import Examples, Task, World, padded

VOCAB_SIZE, LENGTH = 2_048, 128
SIZES = (1_000, 300, 1_000)  # labelled examples to train on, for dev, to test
TAGS = 40  # the most frequent ones by themselves; the others are one
TINY = 15_000  # tokens that a unit reads forty times
EVERY, SMALL = 100, 10  # of 256 documents: what is read, and a tenth of it
SHORT = 64  # tokens of a review or a report
TASKS = ("tags", "sentiment", "topics")


@functools.lru_cache(1)
def english(run: Run) -> World:
    """Return real English with its tasks."""
    data = run.data
    texts = corpus.documents(data)
    dev = [text for text in texts if corpus.place("dev " + " ".join(text)) < 5]
    read = [
        text
        for text in texts
        if corpus.place("dev " + " ".join(text)) >= 5 and corpus.place(" ".join(text)) < EVERY
    ]
    tokenizer = vocabulary(run, read)
    every, apart = (encoded(tokenizer, part, LENGTH) for part in (read, dev))
    tenth = [ids for text, ids in zip(read, every) if corpus.place(" ".join(text)) < SMALL]

    def task(name: str, seed: int) -> Task:
        rng = random.Random(1_000 * seed + TASKS.index(name))
        if name == "tags":
            return tag_task(data, tokenizer, rng)
        found: list[tuple[str, str, int]]  # what must stay on one side, text, label
        if name == "sentiment":
            found = corpus.reviews(data)
        else:
            news = corpus.news(data)
            labels = sorted({label for label, _ in news})
            found = [(text, text, labels.index(label)) for label, text in news]
        parts = parted((group for group, *_ in found), rng)
        made = []
        for groups, n in zip(parts, SIZES):
            pool = [each for each in found if each[0] in groups]
            chosen = rng.sample(pool, min(n, len(pool)))
            ids = [tokenizer.encode(text, max_length=SHORT).ids for _, text, _ in chosen]
            made.append(
                Examples(padded(ids, SHORT, PAD_ID), torch.tensor([label for *_, label in chosen]))
            )
        return Task(1 + max(label for *_, label in found), *made)

    return World(
        tokenizer.vocab_size, tokenizer.special_ids, tokenizer.mask_id, LENGTH, every, tenth,
        first_tokens(tenth, TINY), first_tokens(apart, 60_000), TASKS,
        functools.lru_cache(6)(task), tokenizer,
    )  # fmt: skip


def vocabulary(run: Run, texts: Sequence[corpus.Document], name: str = "text") -> RobertaTokenizer:
    """Return the vocabulary learned from these texts; it is kept in the run's folder."""
    folder = run.out / "lessons-results"
    paths = folder / f"{name}-vocab.json", folder / f"{name}-merges.txt"
    if not all(path.is_file() for path in paths):
        lines = ((f" {s}" if k else s) for text in texts for k, s in enumerate(text))
        RobertaTokenizer.train(lines, VOCAB_SIZE).save(*paths)
    return RobertaTokenizer.load(*paths)


def encoded(
    tokenizer: RobertaTokenizer, texts: Iterable[corpus.Document], length: int
) -> list[list[list[int]]]:
    """Return documents as ids; a sentence that does not fit into a pair's half is cut in pieces."""
    most, found = length // 2 - 2, []
    for text in texts:
        document = []
        for k, sentence in enumerate(text):
            ids = tokenizer.bpe.encode(f" {sentence}" if k else sentence)
            document += [ids[at : at + most] for at in range(0, len(ids), most)]
        found.append(document)
    return found


def first_tokens(documents: Sequence[Document], n: int) -> list[Document]:
    """Return documents, spread evenly over the list, with about n tokens in all."""
    total = sum(len(s) for d in documents for s in d)
    every = max(1, round(total / n))
    return [document for i, document in enumerate(documents) if i % every == 0]


def parted(names: Iterable[str], rng: random.Random) -> list[set[str]]:
    """Deal names to train, dev and test: an eighth is dev's for all seeds, the others by lot."""
    every = sorted(set(names))
    dev = {name for name in every if corpus.place(f"dev {name}") < 32}
    others = [name for name in every if name not in dev]
    rng.shuffle(others)
    at = round(0.6 * len(others))
    return [set(others[:at]), dev, set(others[at:])]


def tag_task(data, tokenizer: RobertaTokenizer, rng: random.Random) -> Task:
    """Return the tags of Brown's files that nobody reads: a word's label is at its first token."""
    found = {" ".join(word for word, _ in each): each for each in corpus.tagged(data)}
    counts: dict[str, int] = {}
    for sentence in found.values():
        for _, tag in sentence:
            counts[tag] = counts.get(tag, 0) + 1
    names = sorted(counts, key=lambda tag: (-counts[tag], tag))[:TAGS]
    made = []
    for part, n in zip(parted(found, rng), SIZES):
        pool, rows, labels = sorted(part), [], []
        for name in rng.sample(pool, min(n, len(pool))):
            ids, first = tokenizer.encode_words([word for word, _ in found[name]], LENGTH)
            own = [-100] * len(ids)
            for at, (_, tag) in zip(first, found[name]):
                own[at] = names.index(tag) if tag in names else TAGS
            rows.append(ids)
            labels.append(own)
        made.append(Examples(padded(rows, LENGTH, PAD_ID), padded(labels, LENGTH, -100)))
    return Task(TAGS + 1, *made)
