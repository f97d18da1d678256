"""Translators from English to French: their texts, their training, their scores."""

import collections
import copy
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..config import Seq2SeqConfig
from ..decoding import Models, beam_search, greedy
from ..files import load, save
from ..lab.run import Run
from ..model import Seq2Seq
from ..training import clip_gradient, length_batches, pad
from . import grammar, manuals
from .pieces import PAD, WORD, Pieces
from .scoring import bleus, counts, words
from .sentences import Score, log_ratio, nats, pack, unpack, worth

Pair = tuple[list[int], list[int]]
STEPS, BATCH, SORTED = 2000, 64, 20  # in all; pairs a step; batches that are sorted together
WARMUP, FALL = 100, 0.2  # steps; the last part of a training, in which the rate falls to nothing
TESTED, DECODED = 2000, 400  # sentences of the test pages: read greedily; by beams and phrases
WATCHED, WATCH = 200, 100  # dev sentences whose loss is looked at while a net learns, and how often
# Fig. 3 marks its sentences' lengths 4, 7, 8, 12, 17, 22, 28, 35 and 79.
BINS = {"3–7": (3, 7), "8–17": (8, 17), "18–34": (18, 34), "35–60": (35, 60)}
LONG = (18, 60)
THIRDS = ("common words", "middle words", "rare words")  # of the test sentences, for Fig. 3, right
SCORES = {
    "bleu": Score(bleus),
    "nats": Score(nats),
    "worth": Score(worth),
    "nats of long": Score(nats, ("long",)),
    "nats, a third": Score(lambda sums: nats(sums) / 3),
    **{f"bleu {name}": Score(bleus, (name,)) for name in (*BINS, *THIRDS)},
    **{f"nats {name}": Score(nats, (name,)) for name in BINS},
    "18–34 on 8–17": Score(log_ratio, ("18–34", "8–17")),
    "35–60 on 18–34": Score(log_ratio, ("35–60", "18–34")),
    "rare on common": Score(log_ratio, (THIRDS[2], THIRDS[0])),
}
KINDS: dict[str, dict[str, Any]] = {
    "reversed": {},
    "forward": {"reverse_source": False},
    "1 layer": {"num_layers": 1},
    "4 layers": {"num_layers": 4},
    "plain, reversed": {"cell": "tanh"},
    "plain, forward": {"cell": "tanh", "reverse_source": False},
}
EXAMPLES = (3, 10, 40, 300, 700)


@functools.lru_cache(1)
def texts(run: Run) -> dict[str, Any]:
    """Return pairs of texts of all parts, their ids, and the pieces of both languages."""
    if run.scale == "test":  # no data: the made-up language
        made = [(" ".join(p.source), " ".join(p.target)) for p in grammar.corpus(90, 0)]
        parts = {"train": made[:60], "dev": made[60:66], "test": made[66:78]}
    else:
        found = manuals.corpus(run.data)
        generator = torch.Generator().manual_seed(0)
        order = torch.randperm(len(found.test), generator=generator).tolist()
        # Behind the sentences drawn: all others as long as the last bin, of which few are drawn.
        more = [i for i in order[TESTED:] if len(found.test[i][0].split()) >= BINS["35–60"][0]]
        test = [found.test[i] for i in (*order[:TESTED], *more)]
        parts = {"train": found.train, "dev": found.dev, "test": test}
    size = run.pick(test=90, default=2000)
    pieces = [Pieces((pair[k] for pair in parts["train"]), size) for k in (0, 1)]
    ids = {
        name: [(pieces[0].encode(a)[:-1], pieces[1].encode(b)) for a, b in pairs]
        for name, pairs in parts.items()
    }
    return {"texts": parts, "ids": ids, "pieces": pieces}


@functools.lru_cache(1)
def groups_of(run: Run) -> dict[str, np.ndarray]:
    """Return which test sentences are in each group: of the sentences drawn, but for one bin.

    "35–60" has all sentences of that length on the test pages. The thirds are by the mean rank of
    a source's words by their frequency in the training; a word not seen there comes behind all.
    """
    known = texts(run)["texts"]
    drawn = np.arange(len(known["test"])) < TESTED
    length = np.array([len(en.split()) for en, _ in known["test"]])
    often = collections.Counter(w.strip() for en, _ in known["train"] for w in WORD.findall(en))
    rank = {word: k for k, (word, _) in enumerate(often.most_common(), 1)}
    mean = np.array([
        np.mean([rank.get(w.strip(), len(rank) + 1) for w in WORD.findall(en)])
        for en, _ in known["test"]
    ])  # fmt: skip
    ends = np.quantile(mean[drawn], [1 / 3, 2 / 3])
    third = (mean[:, None] > ends).sum(1)
    found = {"all": drawn, "long": drawn & (length >= LONG[0]) & (length <= LONG[1])}
    for name, (low, high) in BINS.items():
        found[name] = (length >= low) & (length <= high) & (drawn | (name == "35–60"))
    found |= {name: drawn & (third == k) for k, name in enumerate(THIRDS)}
    return found


def make(run: Run, kind: str, seed: int) -> Seq2Seq:
    """Return a translator that has learned nothing."""
    pieces = texts(run)["pieces"]
    own: dict[str, Any] = {"num_layers": 2, "peephole": False, "init": None} | KINDS[kind]
    config = Seq2SeqConfig(
        len(pieces[0]), len(pieces[1]), embedding_size=run.pick(test=8, default=64),
        hidden_size=run.pick(test=8, default=96),
        **own,
    )  # fmt: skip
    return Seq2Seq(config, torch.Generator().manual_seed(seed)).to(run.device)


def plan(pairs: list[Pair], count: int, seed: int) -> list[list[int]]:
    """Return the pairs of so many batches of similar length, pass after pass."""
    generator = torch.Generator().manual_seed(seed)
    passes = (length_batches(pairs, BATCH, SORTED, generator) for _ in itertools.count())
    return list(itertools.islice(itertools.chain.from_iterable(passes), count))


def take(net: Seq2Seq, optimizer, rate: float, pairs: list[Pair], chosen: list[int]) -> float:
    """Take a step of training on the pairs chosen; return their loss per piece before it."""
    device = net.output.weight.device
    src, length = pad([pairs[i][0] for i in chosen])
    tgt, _ = pad([pairs[i][1] for i in chosen])
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss = net.loss(src.to(device), length.to(device), tgt.to(device), "token")
    loss.backward()
    clip_gradient(net.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def trained(
    run: Run,
    net: Seq2Seq,
    rate: float,
    ends: list[int],
    pairs: list[Pair],
    seed: int,
    watch: Callable[[int, Seq2Seq, float], Any] = lambda step, net, loss: None,
) -> Iterator[tuple[int, Seq2Seq]]:
    """Train a net; yield each length of training and the net that it ends with.

    The rate rises at first and stays. For each length a copy branches off when a fifth of it is
    left, and its rate falls in a line to nothing on the batches that come next. ``watch`` is called
    with each step of the longest training, its net and its loss.
    """
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    batches = plan(pairs, max(ends), seed)
    warmup = min(WARMUP, max(min(ends) // 4, 1))
    starts = {end: end - max(round(FALL * end), 1) for end in ends}
    for step in run.track(range(1, max(starts.values()) + 1), f"rate {rate:g}, seed {seed}"):
        now = rate * min(step / warmup, 1.0)
        watch(step, net, take(net, optimizer, now, pairs, batches[step - 1]))
        for end in [end for end, start in starts.items() if start == step]:
            other, its = copy.deepcopy((net, optimizer))
            for k in range(step, end):
                loss = take(other, its, now * (end - k) / (end - step + 1), pairs, batches[k])
                if end == max(ends):
                    watch(k + 1, other, loss)
            yield end, other.eval()


def tune(run: Run, kind: str, rate: float, seed: int) -> float:
    """Return the loss per piece on the dev pages after a whole training at a rate.

    A training that diverges counts as a net that guesses evenly.
    """
    net, known = make(run, kind, seed), texts(run)["ids"]
    chance = math.log(net.config.target_vocab_size)
    try:
        ((_, other),) = trained(run, net, rate, [steps(run)], known["train"], seed)
    except RuntimeError as error:
        if "norm" not in str(error):
            raise
        return chance
    found = forced(run, other, known["dev"])["nats"].sum() / sum(len(b) for _, b in known["dev"])
    return float(found) if math.isfinite(found) else chance


def steps(run: Run) -> int:
    """Return how many steps a training has."""
    return run.pick(test=8, default=STEPS)


def kept_at(run: Run, kind: str, seed: int, end: int) -> Path:
    """Return where a run keeps a net: in its folder, in a part of it that git passes over."""
    name = kind.replace(", ", "-").replace(" ", "-")
    return run.out / "lessons-results" / f"{name}-{seed}-{end}.safetensors"


def recall(run: Run, kind: str, seed: int, end: int) -> Seq2Seq:
    """Return a net that was kept."""
    net = make(run, kind, seed)
    net.load_state_dict(load(kept_at(run, kind, seed, end)))
    return net.eval()


def keep(run: Run, net: Seq2Seq, kind: str, seed: int, end: int) -> None:
    """Keep a net for the claims that need its translations again."""
    save(kept_at(run, kind, seed, end), net.state_dict())


def translate(run: Run, models: Models, sources: list[list[int]], beam: int = 1) -> list[str]:
    """Return what models make of sources; a beam of 1 is greedy."""
    pieces, answers = texts(run)["pieces"][1], [""] * len(sources)
    rows_each = 100 if beam == 1 else 25
    for chosen in by_length(sources, rows_each):
        src, length = (x.to(run.device) for x in pad([sources[i] for i in chosen]))
        longest = run.pick(test=10, default=2 * src.shape[1] + 10)
        if beam == 1:
            rows = greedy(models, src, length, longest).tolist()
        else:
            rows = beam_search(models, src, length, beam, max_len=longest).ids[:, 0].tolist()
        for i, row in zip(chosen, rows):
            answers[i] = pieces.decode([k for k in row if k != PAD])
    return answers


def measured(answers: list[str], pairs: list[tuple[str, str]]) -> list[list[int]]:
    """Return what each sentence adds to BLEU."""
    return [counts(words(a), words(b)) for a, (_, b) in zip(answers, pairs)]


def scores(run: Run, net: Seq2Seq, seed: int) -> tuple[dict[str, Any], str]:
    """Return a net's scores on the test pages, and what each sentence adds to them."""
    known = texts(run)
    pairs, ids = known["texts"]["test"], known["ids"]["test"]
    answers = translate(run, net, [source for source, _ in ids])
    loss, other = forced(run, net, ids), forced(run, net, strangers(ids, seed))
    whole = np.stack([100 * loss["nats"], np.array([len(b) for _, b in ids]), 100 * other["nats"]])
    text = pack(np.concatenate([measured(answers, pairs), whole.T.round()], 1))
    rows, groups = unpack(text), groups_of(run)
    ones = np.ones((1, len(rows)))
    said, wanted = rows[groups["all"], :2].sum(0)
    return {
        "scores": {name: float(score(rows, groups, ones)[0]) for name, score in SCORES.items()},
        "nats by place": loss["places"],
        "brevity": said / max(wanted, 1),
        "examples": [answers[i] for i in EXAMPLES if i < len(answers)],
    }, text


def strangers(ids: list[Pair], seed: int) -> list[Pair]:
    """Give each translation the source of another sentence, of a length near its own."""
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i][0]), (i * 7919 + seed) % 10_007))
    near = dict(zip(order, order[1:] + order[:1]))
    return [(ids[near[i]][0], ids[i][1]) for i in range(len(ids))]


def by_length(rows: list[list[int]], size: int = 100) -> list[list[int]]:
    """Return the rows' numbers in groups of similar length."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


@torch.no_grad()
def forced(run: Run, net: Seq2Seq, ids: list[Pair]) -> dict[str, Any]:
    """Return each translation's loss in nats, given the right pieces before, and it by place."""
    found = np.zeros(len(ids))
    place_nats, place_count = [0.0] * 3, [0] * 3
    for chosen in by_length([source for source, _ in ids]):
        src, length = (x.to(run.device) for x in pad([ids[i][0] for i in chosen]))
        tgt = pad([ids[i][1] for i in chosen])[0].to(run.device)
        logits = net(src, length, tgt)
        nats = F.cross_entropy(logits.flatten(0, 1), tgt.flatten(), reduction="none").view_as(tgt)
        real = tgt.ne(PAD)
        nats = nats * real
        lengths = real.sum(1)
        part = torch.arange(tgt.shape[1], device=tgt.device)[None] * 3 // lengths[:, None]
        for third in range(3):  # of the translation
            inside = real & (part == third)
            place_nats[third] += float(nats[inside].sum())
            place_count[third] += int(inside.sum())
        found[chosen] = nats.sum(1).double().cpu().numpy()
    return {"nats": found, "places": [a / max(b, 1) for a, b in zip(place_nats, place_count)]}
