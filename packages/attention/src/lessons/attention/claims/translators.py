"""Translators from English to French: their texts, their training, their scores."""

import copy
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F

from ..config import TranslatorConfig
from ..decoding import greedy
from ..lab.run import Run
from ..model import RNNencdec, RNNsearch
from ..training import batches_of_one_length, clip_gradient, pad
from . import grammar, manuals
from .bleu import bleu, words
from .pieces import PAD, Pieces

Pair = tuple[list[int], list[int]]
# Table 2: updates of each model in about the same time, 10⁵.
UPDATES = {"search-50": 2.88, "encdec-50": 6.00, "search-30": 4.71, "encdec-30": 8.46}
BATCH, SORTED = 32, 20  # of B.2's 80 pairs, 20 batches of similar length
WARMUP, FALL = 200, 0.2  # steps; the last part of a training, in which the rate falls to nothing
BINS = {"1–10": (1, 10), "11–20": (11, 20), "21–30": (21, 30), "31–50": (31, 50)}
LONG = (21, 50)
SIZES: dict[str, Any] = {
    "embedding_size": 64, "encoder_size": 96, "decoder_size": 192, "alignment_size": 192,
    "maxout_size": 64,
}  # fmt: skip
KINDS: dict[str, tuple[type[RNNsearch], dict[str, Any]]] = {
    "search": (RNNsearch, {}),
    "encdec": (RNNencdec, {"bidirectional": False}),
    # One encoder, and a matrix that makes a vector of its last state: the vector alone differs.
    "encdec, vector of 48": (
        RNNencdec,
        {"bidirectional": False, "encoder_size": 192, "code_size": 48},
    ),
    "encdec, vector of 192": (
        RNNencdec,
        {"bidirectional": False, "encoder_size": 192, "code_size": 192},
    ),
    "encdec, both directions": (RNNencdec, {}),
    "equal weights": (RNNencdec, {"code": "mean"}),
}
SPREAD = 1.0  # of the embeddings at the start: see `RECIPE`
RECIPE = (
    "Known before these rules, from pilots of one seed. Of the editor, on these manuals, a similar "
    "GRU with attention, Adam: at 600 steps and a rate of 0.003 embeddings that began with a "
    "deviation of 1 ended at 3.53 nats a piece, of 0.1 at 4.90; a rate that suited 600 steps "
    "(0.006) stood still later; at 1,200 steps 17.6 to 20.2 BLEU, the most at 0.0015. Of ours, on "
    "the made-up language, 80 steps, nats a word: Adam 2.28 with embeddings of 1 and 3.28 with "
    "0.01, Adadelta 2.57 and 3.78; and RNNsearch on the manuals, 100 steps of Adam: 5.86. The "
    "paper's starts and Adadelta are for five days on a GPU. So here embeddings begin at 1, all "
    "else as B.1, Adam takes Adadelta's place, for all models alike, and rates are tuned at the "
    "full length."
)


@functools.lru_cache(1)
def texts(run: Run) -> dict[str, Any]:
    """Return pairs of texts of all parts, their ids, and the pieces of both languages."""
    if run.scale == "paper":
        raise ValueError(
            "--paper has no translators: WMT '14, 80 million weights and five days of a GPU for "
            "each net are not written here; --full holds the contest on manuals"
        )
    if run.scale == "test":  # no data: the made-up language
        made = [(" ".join(p.source), " ".join(p.target)) for p in grammar.corpus(90, 0)]
        parts = {"train": made[:60], "dev": made[60:66], "test": made[66:]}
    else:
        found = manuals.corpus(run.data)
        parts = {"train": found.train, "dev": found.dev, "test": found.test}
    size = run.pick(test=90, default=2000)
    pieces = [Pieces((pair[k] for pair in parts["train"]), size) for k in (0, 1)]
    ids = {
        name: [(pieces[0].encode(a), pieces[1].encode(b)) for a, b in pairs]
        for name, pairs in parts.items()
    }
    return {"texts": parts, "ids": ids, "pieces": pieces}


def up_to(run: Run, limit: int, part: str = "train") -> list[Pair]:
    """Return the ids of pairs of at most so many words (a quarter more in the translation)."""
    known = texts(run)
    return [
        ids for ids, (en, fr) in zip(known["ids"][part], known["texts"][part])
        if len(en.split()) <= limit and len(fr.split()) <= 1.25 * limit
    ]  # fmt: skip


def make(run: Run, kind: str, seed: int, **changes: Any) -> RNNsearch:
    """Return a translator that has learned nothing: B.1's starts, and wide embeddings."""
    cls, own = KINDS[kind]
    sizes = {k: run.pick(test=8, default=v) for k, v in SIZES.items()}
    if run.scale == "test":
        own = {k: (4 if k in ("encoder_size", "code_size") else v) for k, v in own.items()}
    pieces = texts(run)["pieces"]
    settings: dict[str, Any] = {**sizes, **own, **changes}
    config = TranslatorConfig(len(pieces[0]), len(pieces[1]), **settings)
    generator = torch.Generator().manual_seed(seed)
    return spread(cls(config, generator), generator).to(run.device)


def spread(net: RNNsearch, generator: torch.Generator, deviation: float = SPREAD) -> RNNsearch:
    """Let the embeddings begin with another deviation than 0.01."""
    for embedding in (net.encoder.embedding, net.embedding):
        torch.nn.init.normal_(embedding.weight, 0, deviation, generator=generator)
    return net


def plan(pairs: list[Pair], count: int, seed: int) -> list[list[int]]:
    """Return the pairs of so many batches, cut as in B.2."""
    generator = torch.Generator().manual_seed(seed)
    passes = (
        batches_of_one_length(pairs, BATCH, SORTED, generator) for _ in itertools.count()
    )  # a shuffle for each pass; the paper shuffles once
    return list(itertools.islice(itertools.chain.from_iterable(passes), count))


def take(net: RNNsearch, optimizer, rate: float, pairs: list[Pair], chosen: list[int]) -> None:
    """Take a step of training on the pairs chosen."""
    device = net.embedding.weight.device
    src, length = pad([pairs[i][0] for i in chosen])
    tgt, _ = pad([pairs[i][1] for i in chosen])
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    net.loss(src.to(device), length.to(device), tgt.to(device)).backward()
    clip_gradient(net.parameters(), 1.0)
    optimizer.step()


def trained(
    run: Run,
    net: RNNsearch,
    rate: float,
    ends: list[int],
    pairs: list[Pair],
    seed: int,
    branches=(None,),
) -> Iterator[tuple[int, RNNsearch]]:  # fmt: skip
    """Train a net; yield each length of training and the net that it ends with.

    The rate rises for 200 steps and stays. For each length a copy branches off when a fifth of it
    is left, and its rate falls in a line to nothing on the batches that come next.

    Args:
        run: for its progress.
        net: is changed.
        rate: the highest.
        ends: lengths of training, in steps.
        pairs: to learn from.
        seed: of the batches.
        branches: each is called with a copy before its rate falls, and what it returns is trained
            on, the branches of a length one after another; None: the copy itself.
    """
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    batches = plan(pairs, max(ends), seed)
    starts = {end: end - max(round(FALL * end), 1) for end in ends}
    for step in run.track(range(1, max(starts.values()) + 1), f"rate {rate:g}, seed {seed}"):
        now = rate * min(step / WARMUP, 1.0)
        take(net, optimizer, now, pairs, batches[step - 1])
        for end, branch in itertools.product(
            [end for end, start in starts.items() if start == step], branches
        ):
            other, its = copy.deepcopy((net, optimizer))
            if branch is not None:
                other = branch(other)
            for k in range(step, end):
                take(other, its, now * (end - k) / (end - step + 1), pairs, batches[k])
            yield end, other.eval()


def steps_of(run: Run, name: str) -> int:
    """Return how long a model of Table 2 is trained: in proportion to the table's updates."""
    return round(run.pick(test=8, default=800) * UPDATES[name] / UPDATES["search-50"])


def tune(run: Run, kind: str, rate: float, end: int, seed: int) -> float:
    """Return the loss per piece on the dev pages after a training at a rate."""
    net, pairs = make(run, kind, seed), up_to(run, 50)
    ((_, other),) = trained(run, net, rate, [end], pairs, seed)
    return forced(run, other, up_to(run, 50, "dev"))["nats"]


@torch.no_grad()
def translate(run: Run, net: RNNsearch, sources: list[list[int]]) -> list[str]:
    """Return what a net makes of sources, greedily."""
    pieces, answers = texts(run)["pieces"][1], [""] * len(sources)
    for chosen in by_length(sources):
        src, length = pad([sources[i] for i in chosen])
        longest = run.pick(test=10, default=3 * src.shape[1] // 2 + 10)
        rows = greedy(net, src.to(run.device), length.to(run.device), longest).tolist()
        for i, row in zip(chosen, rows):
            answers[i] = pieces.decode(row)
    return answers


def scores(run: Run, net: RNNsearch, every: int = 1) -> dict[str, Any]:
    """Return BLEU on the test pages, all and by source length, and loss per piece.

    Args:
        run: has the pages.
        net: in eval mode.
        every: so many pairs, one is taken.
    """
    known = texts(run)
    pairs, ids = known["texts"]["test"][::every], known["ids"]["test"][::every]
    answers = translate(run, net, [source for source, _ in ids])
    cut = [(words(a), words(b), len(en.split())) for a, (en, b) in zip(answers, pairs)]

    def of(low: int, high: int) -> float:
        chosen = [(a, b) for a, b, n in cut if low <= n <= high]
        return bleu([a for a, _ in chosen], [b for _, b in chosen]) if chosen else 0.0

    return {
        "bleu": of(1, 50),
        "by length": {name: of(*bounds) for name, bounds in BINS.items()},
        "long": of(*LONG),
        "beyond": of(51, manuals.LONGEST),
        "nats": forced(run, net, ids)["nats"],
        "brevity": sum(len(a) for a, _, _ in cut) / max(sum(len(b) for _, b, _ in cut), 1),
        "examples": [answers[i] for i in EXAMPLES if i < len(answers)],
    }


EXAMPLES = (3, 10, 40, 300, 700)


def by_length(rows: list[list[int]]) -> list[list[int]]:
    """Return the rows' numbers in hundreds of similar length."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    return [order[start : start + 100] for start in range(0, len(order), 100)]


@torch.no_grad()
def forced(run: Run, net: RNNsearch, ids: list[Pair], only=None) -> dict[str, Any]:
    """Return loss per piece and accuracy, given the right pieces before, and how many there are.

    Args:
        run: for its device.
        net: in eval mode.
        ids: pairs.
        only: ids of target pieces that are counted apart, under "only", where a word ends with
            them.
    """
    sums = {part: [0.0, 0.0, 0.0] for part in ("all", "only")[: 1 + (only is not None)]}
    names = texts(run)["pieces"][1].names if only is not None else []
    goes_on = torch.tensor([name[:1].isalpha() for name in names], device=run.device)
    for chosen in by_length([source for source, _ in ids]):
        src, length = pad([ids[i][0] for i in chosen])
        tgt, _ = pad([ids[i][1] for i in chosen])
        tgt = tgt.to(run.device)
        hidden_TBL, _ = net.hidden(net.encode(src.to(run.device), length.to(run.device)), tgt)
        real = tgt.T.ne(PAD)
        wanted = tgt.T[real]
        counted = {"all": torch.ones_like(wanted, dtype=torch.bool)}
        if only is not None:
            after = torch.cat([tgt.T[1:], torch.full_like(tgt.T[:1], PAD)])[real]
            listed = torch.isin(wanted, torch.tensor(only, device=tgt.device))
            counted["only"] = listed & ~goes_on[after]
        logits = net.readout.logits(hidden_TBL[real])
        nats, right = F.cross_entropy(logits, wanted, reduction="none"), logits.argmax(-1) == wanted
        for part, which in counted.items():
            found = (nats[which].sum(), right[which].sum(), which.sum())
            sums[part] = [a + float(b) for a, b in zip(sums[part], found)]
    told = {
        part: {"nats": nats / max(count, 1), "accuracy": right / max(count, 1), "count": count}
        for part, (nats, right, count) in sums.items()
    }
    return told.pop("all") | told
