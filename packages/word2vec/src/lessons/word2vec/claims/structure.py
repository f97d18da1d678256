"""A made-up world: how its rates are chosen; networks beside counts (D1).

The world's text (entities.py) has analogies by construction, so that what a method makes of them
is seen in seconds.
"""

import functools
import itertools
import time
from types import FunctionType
from typing import Any

import torch

from ..lab.claim import Finding, demonstration
from ..lab.figures import AMBER, BLUE, INK
from ..lab.run import Run
from ..training import Word2Vec
from ..vectors import KeyedVectors
from ..vocabulary import Vocab
from . import counting, entities

PAIRS = tuple(itertools.combinations(entities.ROLES, 2))
RATES, PASSES = [0.1, 0.05, 0.2], 10
APART = 1000  # the seed of runs that only choose a rate is so much above those that are judged
METHODS: dict[str, dict[str, Any]] = {
    "skip-gram, NEG": {},
    "skip-gram, NEG, subsampled": {"sample": 1e-3},
    "skip-gram, HS": {"loss": "hs"},
    "skip-gram, HS, subsampled": {"loss": "hs", "sample": 1e-3},
    "CBOW, NEG": {"sg": 0},
    "CBOW, HS": {"sg": 0, "loss": "hs"},
}
COUNTS = ("counts", "log(1 + counts)", "PPMI", "PPMI, 50 dimensions")


@functools.lru_cache(4)
def encoded(n: int, two: bool = False, seed: int = 0):
    """Return the vocabulary and the text of n sentences by its places."""
    sentences = entities.text(n, seed, two)
    vocab = Vocab.of([*sentences, entities.lexicon()], min_count=1)
    return vocab, vocab.encode(sentences)


def taught(run: Run, n: int, two: bool = False, seed: int = 0, **changes) -> Word2Vec | None:
    """Return a model of a seed's text of the made-up world; None if it did not stay finite."""
    vocab, text = encoded(n, two, seed)
    how: dict[str, Any] = {"vector_size": 50, "sample": 0.0, "loss": "neg"}
    how |= changes | {"seed": seed}
    model = Word2Vec(**how).build_vocab(vocab, run.device)
    try:
        return model.train(text=text, track=run.track)
    except RuntimeError:
        return None


def rate(run: Run, function: FunctionType, **settings) -> tuple[float, list[list[float | None]]]:
    """Return the rate at which a trial's first number is highest, and what was tried.

    On a seed of its own; a run that did not stay finite has None.
    """
    tried: dict[float, float | None] = {}

    def attempt(lr: float) -> None:
        tried[lr] = run.trial(function, lr=lr, seed=run.seed + APART, **settings)[0]

    def best() -> float:
        finite = {lr: share for lr, share in tried.items() if share is not None}
        return max(finite, key=lambda lr: (finite[lr], -lr))

    for lr in RATES[: run.pick(test=1, default=2, full=3)]:
        attempt(lr)
    for _ in range(run.pick(test=0, default=0, full=3)):
        if min(tried) < best() < max(tried):
            break
        attempt(best() / 2 if best() == min(tried) else 2 * best())
    return best(), [[lr, tried[lr]] for lr in sorted(tried)]


def judged(run: Run, function: FunctionType, **settings) -> list[float]:
    """Return a trial's numbers.

    Raises:
        RuntimeError: it did not stay finite at the rate that was chosen with another seed.
    """
    found = run.trial(function, **settings)
    if found[0] is None:
        raise RuntimeError(f"{function.__name__} did not stay finite: {settings}")
    return found


def asked(vectors: KeyedVectors, n: int) -> float:
    """Return the percentage of n questions that vectors answer."""
    questions = entities.questions(PAIRS, n)
    ids_Q4 = torch.tensor([[vectors.index[w] for w in q] for q in questions])
    return 100 * float((vectors.answer(ids_Q4) == ids_Q4[:, 3]).double().mean())


def world(run: Run, method: str, n: int, seed: int, lr: float) -> list[float | None]:
    """Train a network on n sentences; return accuracy (%), CPU seconds, share scaled down (%)."""
    began = time.process_time()
    epochs = run.pick(test=1, default=PASSES)
    model = taught(run, n, seed=seed, alpha=lr, epochs=epochs, **METHODS[method])
    spent = time.process_time() - began
    if model is None:
        return [None, spent, None]
    return [asked(model.wv, run.pick(test=100, default=4000)), spent, 100 * model.damped]


def counted(run: Run, method: str, n: int, seed: int) -> list[float]:
    """Make vectors of n sentences by counting; return accuracy (%) and CPU seconds."""
    vocab, text = encoded(n, seed=seed)
    began = time.process_time()
    vectors = counting.vectors(vocab, *text, method)
    spent = time.process_time() - began
    return [asked(vectors, run.pick(test=100, default=4000)), spent]


def draw_world(figure, numbers) -> None:
    """Draw each method's accuracy on the made-up world."""
    figure.set_size_inches(6.4, 3.6)
    axes = figure.subplots()
    for i, (method, values) in enumerate(numbers["accuracy"].items()):
        color = AMBER if method in COUNTS else BLUE
        axes.barh(i, sum(values) / len(values), color=color)
        axes.plot(values, [i] * len(values), ".", color=INK, ms=3)
    axes.set_yticks(range(len(numbers["accuracy"])), list(numbers["accuracy"]))
    axes.invert_yaxis()
    axes.grid(axis="x")
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="right answers (%)", xlim=(0, 100))


@demonstration(
    "D1",
    "On a made-up world both networks and plain counts find analogies.",
    draw_world,
    asks="60 topics, each with a country, a capital, a currency and a language; a sentence names "
    "one of them among words of its topic, of its role and of no meaning. 4,000 questions "
    "a : b :: c : d; chance is about 0.1%. Each seed has a text of its own. How much of the linear "
    "structure is in the counts of neighbours already? Each network has ten passes at its best "
    "rate.",
)
def made_up_world(run: Run) -> Finding:
    """Ask vectors of six networks and four matrices of counts."""
    n = run.pick(test=100, default=2_000)
    seeds = run.seeds(run.pick(test=1, default=1, full=2))
    methods = list(METHODS)[:: run.pick(test=1, default=2, full=1)]
    rates = {m: rate(run, world, method=m, n=n) for m in methods}
    found = {
        m: [judged(run, world, method=m, n=n, seed=seed, lr=rates[m][0]) for seed in seeds]
        for m in methods
    }
    plain = {m: [run.trial(counted, method=m, n=n, seed=seed) for seed in seeds] for m in COUNTS}
    accuracy = {m: [f[0] for f in values] for m, values in (found | plain).items()}
    means = {m: sum(values) / len(values) for m, values in accuracy.items()}
    said = ", ".join(f"{m} {mean:.1f}" for m, mean in means.items())
    damped = {m: max(f[2] for f in values) for m, values in found.items()}
    best = max(means, key=lambda m: means[m])
    chosen = ", ".join(f"{m} {best:g} of {len(tried)}" for m, (best, tried) in rates.items())
    return Finding(
        None,
        ours=f"skip-gram {means['skip-gram, NEG']:.0f}%, CBOW {means['CBOW, NEG']:.0f}%, "
        f"log counts {means['log(1 + counts)']:.0f}%",
        ran=f"{n:,} sentences ({len(encoded(n)[1][0]):,} words, {len(encoded(n)[0])} distinct), "
        f"50 dimensions, windows of 5, {PASSES} passes, {len(seeds)} seeds; counts within 5. "
        f"Rates, chosen on another text: {chosen}. At most {max(damped.values()):.1f}% of the "
        "steps were scaled down.",
        measured=f"Right answers (%): {said}. The best is {best}.",
        numbers={
            "accuracy": accuracy,
            "mean": means,
            "rates": {m: tried for m, (_, tried) in rates.items()},
            "damped": damped,
        },
        timings={
            "CPU seconds": {m: [f[1] for f in values] for m, values in (found | plain).items()}
        },
    )
