"""The runs that several claims share: one model, trained and asked; and how its rate was chosen.

Rates are chosen on every second question and all claims judged on the others.
"""

import time
from typing import Any

import torch

from ..lab.run import Run
from ..nnlm import NNLM, NNLMConfig
from ..training import Word2Vec
from ..vectors import KeyedVectors
from ..vocabulary import huffman
from .world import World, build, real

HISTORY, BATCH = 8, 64  # of the feedforward model: 2013a, §4.3
# The search for each rate begins here and goes on, by factors of 2, until the best is no edge.
TREE = [0.0125, 0.025, 0.05]  # of whatever has a tree: it has more outputs a pair
GRIDS = {"nnlm": TREE, "hs": TREE}
GRID = [0.025, 0.05, 0.1]
THRESHOLDS = [1e-3, 1e-4, 1e-5]  # of subsampling: 10⁻⁵ is for a billion words
Tried = list[list[float | None]]


def sizes(run: Run) -> dict[str, Any]:
    """Return dimensions, passes (2013a, §4.2: three) and seeds at this scale."""
    return {
        "dim": run.pick(test=10, default=50, full=100, paper=300),
        "epochs": run.pick(test=1, default=3),
        "seeds": run.pick(test=2, default=3, full=5),
    }


def learn(
    run: Run, model: str, loss: str, lr: float, sample: float, power: float,
    dim: int, epochs: int, seed: int, every: int = 1,
) -> dict[str, Any]:  # fmt: skip
    """Train vectors; return what they answer, CPU seconds, words, pairs, and steps scaled down.

    ``every`` 2 reads half of the text, 4 a quarter; the vocabulary and the questions are the same.
    """
    world = build(run)
    trained = Word2Vec(
        vector_size=dim, sg=int(model == "skip-gram"), loss=loss, alpha=lr, sample=sample,
        ns_exponent=power, epochs=epochs, seed=seed,
    ).build_vocab(world.vocab, run.device)  # fmt: skip
    began = time.process_time()
    try:
        trained.train(text=world.part(every), track=run.track)
    except RuntimeError as error:
        return diverged(world, str(error))
    found = {
        "right": world.right(trained.wv),
        "seconds": time.process_time() - began,
        "words": trained.trained,
        "pairs": trained.pairs,
        "damped": trained.damped,
        "at_once": trained.at_once,
    }
    if model == "skip-gram" and (loss, sample, power) == ("neg", 0.0, 0.75):
        found |= {"open": world.open(trained.wv), "closed": world.open(trained.wv, leave_out=True)}
        found["ten"] = world.ten(trained.wv, seed)
    return found


def diverged(world: World, why: str) -> dict[str, Any]:
    """Return what a run that did not stay finite counts for while rates are chosen: nothing."""
    nothing = "0" * len(world.questions)
    return dict.fromkeys(("right", "open", "closed", "ten"), nothing) | {"diverged": why}


def histories(ids: torch.Tensor, numbers: torch.Tensor, at_B: torch.Tensor, border: int):
    """Return the words before some words, (B, N); before a paragraph's first stand borders."""
    back_BN = at_B[:, None] + torch.arange(-HISTORY, 0, device=at_B.device)
    inside_BN = (back_BN >= 0) & (numbers[back_BN.clamp(min=0)] == numbers[at_B][:, None])
    return torch.where(inside_BN, ids[back_BN.clamp(min=0)], border)


def feedforward(
    run: Run, lr: float, dim: int, epochs: int, seed: int, every: int = 1
) -> dict[str, Any]:
    """Train the model with a hidden layer on the same text; return the same.

    Every word is predicted. Where a history begins before the paragraph, a word of its own stands,
    which is never predicted.
    """
    world, device = build(run), run.device
    border = len(world.vocab)
    config = NNLMConfig(border + 1, dim, HISTORY, dim)
    net = NNLM(config, torch.Generator(device).manual_seed(seed), device=device)
    tree = huffman([*world.vocab.counts.tolist(), 0]).to(device)
    text = world.part(every)
    n, done = len(text[0]), 0
    ids, numbers = text[0].long().to(device), text[1].to(device)
    generator = torch.Generator().manual_seed(seed)
    began, losses = time.process_time(), []
    for epoch in range(epochs):
        order = torch.randperm(n, generator=generator).split(BATCH)
        for at_B in run.track(order, f"nnlm, epoch {epoch + 1}"):
            at_B = at_B.to(device)
            rate = lr * max(1 - done / (epochs * n), 1e-3)
            loss = net.step(histories(ids, numbers, at_B, border), ids[at_B], tree, rate)
            losses.append(loss)
            done += len(at_B)
    if not torch.isfinite(net.input.weight).all():
        return diverged(world, f"the feedforward model is not finite at a rate of {lr:g}")
    last = torch.stack(losses[-max(1, len(losses) // 20) :]).mean().item()
    return {
        "right": world.right(KeyedVectors(world.vocab.words, net.input.weight[:border])),
        "seconds": time.process_time() - began,
        "words": done,
        "nats": last,
    }


def trained(run: Run, model: str, seed: int, **changes) -> dict[str, Any]:
    """Return the trial of a model at its best rate; ``changes`` replace the settings.

    Raises:
        RuntimeError: it did not stay finite at the rate that was chosen with another seed.
    """
    judged = "lr" not in changes
    how = {"dim": sizes(run)["dim"], "epochs": sizes(run)["epochs"]} | changes
    if model != "nnlm":
        how = {"loss": "neg", "sample": 0.0, "power": 0.75} | how
    if judged:
        how["lr"] = tuned(run, model, **changes)[0]
    if model == "nnlm":
        found = run.trial(feedforward, seed=seed, **how)
    else:
        found = run.trial(learn, model=model, seed=seed, **how)
    if judged and "diverged" in found:
        raise RuntimeError(f"{model}, seed {seed}, {how}: {found['diverged']}")
    return found


def tuned(run: Run, model: str, **changes) -> tuple[float, Tried]:
    """Return a setting's best rate on the questions for tuning, and all rates that were tried.

    With the text and the passes that are judged. A rate at which a run does not stay finite has
    None in the place of its percentage.
    """
    tried: dict[float, float | None] = {}

    def attempt(lr: float) -> None:
        found = trained(run, model, run.seed, lr=lr, **changes)
        share = percent(found["right"], every_second(found["right"], 0))
        tried[lr] = None if "diverged" in found else share

    def best() -> float:
        finite = {lr: share for lr, share in tried.items() if share is not None}
        if not finite:
            raise RuntimeError(f"{model} does not stay finite at any rate of {list(tried)}")
        return max(finite, key=lambda lr: (finite[lr], -lr))

    for lr in GRIDS.get(changes.get("loss", model), GRID)[: run.pick(test=1, default=3)]:
        attempt(lr)
    for _ in range(run.pick(test=0, default=1, full=4)):
        if min(tried) < best() < max(tried):
            break
        attempt(best() / 2 if best() == min(tried) else 2 * best())
    return best(), [[lr, tried[lr]] for lr in sorted(tried)]


def threshold(run: Run, loss: str) -> tuple[float, Tried]:
    """Return an objective's best t of subsampling, in the same way, and what was tried.

    At the best rate without subsampling; the rate is then chosen anew with t.
    """
    lr, _ = tuned(run, "skip-gram", loss=loss)
    tried: dict[float, float] = {}

    def attempt(t: float) -> None:
        found = trained(run, "skip-gram", run.seed, loss=loss, sample=t, lr=lr)
        tried[t] = percent(found["right"], every_second(found["right"], 0))

    for t in THRESHOLDS[: run.pick(test=1, default=2, full=3)]:
        attempt(t)
    for _ in range(run.pick(test=0, default=0, full=2)):
        best = max(tried, key=lambda t: (tried[t], t))
        if min(tried) < best < max(tried):
            break
        attempt(float(f"{best / 10 if best == min(tried) else best * 10:.0e}"))
    return max(tried, key=lambda t: (tried[t], t)), [[t, tried[t]] for t in sorted(tried)]


def chosen(best: float, tried: Tried) -> str:
    """Return what was chosen among what, in words; says if it lies at an edge."""
    ends = tried[0][0], tried[-1][0]
    edge = ", at the edge of what was tried" if len(tried) > 1 and best in ends else ""
    failed = ", ".join(f"{x:g}" for x, share in tried if share is None)
    return f"{best:g} of {len(tried)}{edge}" + (f" ({failed} diverged)" if failed else "")


def every_second(right: str, first: int) -> list[bool]:
    """Return which questions are the first, third … (0: for tuning) or the others (1)."""
    return [i % 2 == first for i in range(len(right))]


def percent(right: str, among: list[bool]) -> float:
    """Return the percentage of right answers among some questions."""
    asked = [hit == "1" for hit, there in zip(right, among) if there]
    return 100 * sum(asked) / max(1, len(asked))


def parts(world: World) -> dict[str, list[bool]]:
    """Return the questions that are judged, by kind."""
    judged = every_second("0" * len(world.questions), 1)
    kinds = {
        "total": [True] * len(judged),
        "semantic": world.semantic,
        "syntactic": [not s for s in world.semantic],
        "rare": world.third(0),
        "frequent": world.third(2),
        "capitals": [name in ("capital-common-countries", "sem country capital")
                     for name in world.relations],
    }  # fmt: skip
    return {name: [a and b for a, b in zip(judged, kind)] for name, kind in kinds.items()}


def answers(run: Run, model: str, n: int | None = None, key: str = "right", **changes) -> list[str]:
    """Return which questions a model answers, for each seed."""
    seeds = run.seeds(min(n or 99, sizes(run)["seeds"]))
    return [trained(run, model, seed, **changes)[key] for seed in seeds]


def scores(run: Run, model: str, part: str, n: int | None = None, **changes) -> list[float]:
    """Return the accuracy (%) of a model on a kind of questions, over seeds."""
    among = parts(build(run))[part]
    return [percent(right, among) for right in answers(run, model, n, **changes)]


def text_words(run: Run) -> str:
    """Return what was read and asked, in words."""
    world = build(run)
    n = {name: sum(part) for name, part in parts(world).items()}
    what = "real text" if real(run) else "made-up text (entities.py)"
    return (
        f"{world.words:,} words of {what}, {len(world.vocab):,} distinct, and {n['total']:,} "
        f"questions that no rate was chosen on ({n['semantic']:,} semantic, {n['syntactic']:,} "
        "syntactic), all of whose words occur 5 times"
    )
