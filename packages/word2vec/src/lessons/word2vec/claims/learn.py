"""The runs that several claims share: one model, trained and asked; and how its rate was chosen.

Rates are chosen on every second question and all claims judged on the others.
"""

import time
from typing import Any

import torch

from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, Judgement, seeds_needed
from ..nnlm import NNLM, NNLMConfig
from ..training import Word2Vec
from ..vectors import KeyedVectors
from .world import HALF, QUARTER, World, build, real

HISTORY, BATCH = 8, 64  # of the feedforward model: 2013a, §4.3
# The search for each rate begins here and has steps of a factor of 2.
GRIDS = {
    "skip-gram": [0.025, 0.05, 0.1], "cbow": [0.025, 0.05, 0.1], "nnlm": [0.0125, 0.025, 0.05],
}  # fmt: skip
THRESHOLDS = [1e-3, 1e-4, 1e-5]  # of subsampling: 10⁻⁵ is for a billion words


def sizes(run: Run) -> dict[str, Any]:
    """Return dimensions, passes and seeds at this scale."""
    return {
        "dim": run.pick(test=10, default=50, full=100, paper=300),
        "epochs": run.pick(test=1, default=5, full=5),
        "seeds": run.pick(test=2, default=3, full=5),
    }


def learn(
    run: Run, model: str, loss: str, quarters: int, lr: float, sample: float, power: float,
    dim: int, epochs: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Train vectors; return which questions they answer, CPU seconds, words and pairs."""
    world = build(run, quarters)
    trained = Word2Vec(
        vector_size=dim, sg=int(model == "skip-gram"), loss=loss, alpha=lr, sample=sample,
        ns_exponent=power, epochs=epochs, seed=seed,
    ).build_vocab(world.vocab, run.device)  # fmt: skip
    began = time.process_time()
    trained.train(text=(world.ids, world.numbers), track=run.track)
    spent = time.process_time() - began
    return {
        "right": world.right(trained.wv),
        "seconds": spent,
        "words": trained.trained,
        "pairs": trained.pairs,
    }


def feedforward(
    run: Run, quarters: int, lr: float, dim: int, epochs: int, seed: int
) -> dict[str, Any]:
    """Train the model with a hidden layer on the same text; return the same."""
    world, device = build(run, quarters), run.device
    config = NNLMConfig(len(world.vocab), dim, HISTORY, dim)
    net = NNLM(config, torch.Generator(device).manual_seed(seed), device=device)
    tree = world.vocab.huffman().to(device)
    n = len(world.ids) - HISTORY
    whole = world.numbers[HISTORY:] == world.numbers[:-HISTORY]  # history within a paragraph
    starts = whole.nonzero().squeeze(1)
    total, done = epochs * len(starts), 0
    generator = torch.Generator().manual_seed(seed)
    began, losses = time.process_time(), []
    ids = world.ids.long().to(device)
    for epoch in range(epochs):
        order = starts[torch.randperm(len(starts), generator=generator)].split(BATCH)
        for start_B in run.track(order, f"nnlm, epoch {epoch + 1}"):
            start_B = start_B.to(device)
            history_BN = ids[start_B[:, None] + torch.arange(HISTORY, device=device)]
            rate = lr * max(1 - done / total, 1e-3)
            losses.append(net.step(history_BN, ids[start_B + HISTORY], tree, rate))
            done += len(start_B)
    spent = time.process_time() - began
    vectors = KeyedVectors(world.vocab.words, net.input.weight)
    finite = bool(torch.isfinite(net.input.weight).all())
    last = torch.stack(losses[-max(1, len(losses) // 20) :]).mean().item()
    return {
        "right": world.right(vectors) if finite else "0" * len(world.questions),
        "seconds": spent,
        "words": n,
        "nats": last if finite else None,
    }


def trained(run: Run, model: str, seed: int, **changes) -> dict[str, Any]:
    """Return the trial of a model at its best rate; ``changes`` replace the settings."""
    how = {"quarters": HALF, "dim": sizes(run)["dim"], "epochs": sizes(run)["epochs"]} | changes
    if "lr" not in how:
        how["lr"] = tuned(run, model)[0]
    if model == "nnlm":
        return run.trial(feedforward, seed=seed, **how)
    how = {"loss": "neg", "sample": 0.0, "power": 0.75} | how
    return run.trial(learn, model=model, seed=seed, **how)


def tuned(run: Run, model: str) -> tuple[float, list[list[float]]]:
    """Return a model's best rate on the questions for tuning, and what was tried.

    On a quarter of the text, for as many passes as are judged.
    """
    tried: dict[float, float] = {}

    def attempt(lr: float) -> None:
        found = trained(run, model, run.seed, lr=lr, quarters=QUARTER)
        tried[lr] = percent(found["right"], every_second(found["right"], 0))

    for lr in GRIDS[model][: run.pick(test=1, default=3, full=3)]:
        attempt(lr)
    for _ in range(run.pick(test=0, default=1, full=3)):
        best = max(tried, key=lambda lr: (tried[lr], -lr))
        if min(tried) < best < max(tried):
            break
        attempt(best / 2 if best == min(tried) else 2 * best)
    best = max(tried, key=lambda lr: (tried[lr], -lr))
    return best, [[lr, tried[lr]] for lr in sorted(tried)]


def threshold(run: Run) -> tuple[float, list[list[float]]]:
    """Return the best t of subsampling on the questions for tuning, and what was tried."""
    tried = {}
    for t in THRESHOLDS[: run.pick(test=1, default=2, full=3)]:
        found = trained(run, "skip-gram", run.seed, quarters=QUARTER, sample=t)
        tried[t] = percent(found["right"], every_second(found["right"], 0))
    return max(tried, key=lambda t: (tried[t], t)), [[t, tried[t]] for t in tried]


def every_second(right: str, first: int) -> list[bool]:
    """Return which questions are the first, third … (0: for tuning) or the others (1)."""
    return [i % 2 == first for i in range(len(right))]


def percent(right: str, among: list[bool]) -> float:
    """Return the percentage of right answers among some questions."""
    chosen = [hit == "1" for hit, there in zip(right, among) if there]
    return 100 * sum(chosen) / max(1, len(chosen))


def parts(world: World) -> dict[str, list[bool]]:
    """Return the questions that are judged, by kind."""
    judged = every_second("0" * len(world.questions), 1)
    kinds = {
        "total": [True] * len(judged),
        "semantic": world.semantic,
        "syntactic": [not s for s in world.semantic],
        "rare": world.rare,
    }
    return {
        name: [a and b for a, b in zip(judged, chosen)] for name, chosen in kinds.items()
    }  # fmt: skip


def scores(run: Run, model: str, part: str, n: int | None = None, **changes) -> list[float]:
    """Return the accuracy (%) of a model on a kind of questions, over seeds."""
    among = parts(build(run, changes.get("quarters", HALF)))[part]
    seeds = run.seeds(min(n or 99, sizes(run)["seeds"]))
    return [percent(trained(run, model, seed, **changes)["right"], among) for seed in seeds]


def text_words(run: Run, quarters: int = HALF) -> str:
    """Return what was read and asked, in words."""
    world = build(run, quarters)
    n = {name: sum(part) for name, part in parts(world).items()}
    what = "real text" if real(run) else "made-up text (entities.py)"
    return (
        f"{world.words:,} words of {what}, {len(world.vocab):,} distinct, and {n['total']:,} "
        f"questions that no rate was chosen on ({n['semantic']:,} semantic, {n['syntactic']:,} "
        "syntactic), all of whose words occur 5 times in a quarter of the text"
    )


def decide(judged: Judgement, what: str = "seeds") -> str:
    """Return what would decide an undecided verdict."""
    if judged.verdict != UNDECIDED or judged.interval is None:
        return ""
    line = judged.line if isinstance(judged.line, float | int) else 0.0
    return f"About {seeds_needed(judged.interval, line) or 'many'} {what} a model."


def shown(values: Interval, digits: int = 1) -> str:
    """Return an interval of percentages as text."""
    return values.text(digits, "%")
