"""The runs that claims share: one model, once through the text; and how its rate was found."""

import math
import time
from typing import Any

import torch
from torch import Tensor

from ..config import MoEConfig
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, Judgement, interval, seeds_needed
from ..model import MoELanguageModel, count_parameters
from ..optim import inverse_sqrt
from .language import World, real, world
from .models import SERIES, build, config
from .speech import examine

BATCH = 32  # rows a step
RATE = 1.6e-2  # the middle of the first grid of rates
PARTS = tuple(2.0**-i for i in range(6, -1, -1))  # of the text: where a run is looked at
QUARTERS = (-3, -2, -1)  # of these, a quarter, a half and all


def lengths(run: Run) -> list[int]:
    """Return after how many steps a run is looked at."""
    steps = len(world(run).train) // batch(run)
    return sorted({max(1, round(steps * part)) for part in PARTS})


def batch(run: Run) -> int:
    """Return rows a step."""
    return run.pick(test=8, default=BATCH, paper=512)


def train(run: Run, model: MoELanguageModel, rate: float, seed: int, end: int):
    """Yield (step, nats a piece in training) after each step of one pass (App. C.1).

    Adam; the rate rises for a 27th of the steps, 1,000 of the paper's 27,000,
    then falls as 1/√step.
    Models of one seed read the same rows in the same order.
    """
    text, size = world(run), batch(run)
    order = torch.randperm(len(text.train), generator=torch.Generator().manual_seed(seed))
    noise = torch.Generator(run.device).manual_seed(seed)
    fused = run.device.type in ("cpu", "cuda")
    optimizer = torch.optim.Adam(model.parameters(), rate, fused=fused)
    model.train()
    for step in run.track(range(1, end + 1), f"rate {rate:g}, seed {seed}"):
        rows = order[torch.arange((step - 1) * size, step * size) % len(order)]
        ids = text.train[rows].long().to(run.device)
        for group in optimizer.param_groups:
            group["lr"] = rate * inverse_sqrt(step, max(1, end // 27))
        loss, aux, _, _ = model.loss(ids, generator=noise)
        optimizer.zero_grad()
        (loss + aux).backward()
        optimizer.step()
        yield step, loss


@torch.no_grad()
def nats(model: MoELanguageModel, rows: Tensor, device: Any) -> float:
    """Return nats a piece without noise."""
    model.eval()
    total = [model.loss(part.long().to(device))[0].item() * len(part) for part in rows.split(BATCH)]
    model.train()
    return sum(total) / len(rows)


@torch.no_grad()
def utilization(model: MoELanguageModel, rows: Tensor, device: Any) -> dict[str, Any]:
    """Return Table 6's measures, averaged over batches with noise, and each expert's importance."""
    generator = torch.Generator(device).manual_seed(0)
    found = []
    for part in rows.split(BATCH):
        stats = model.loss(part.long().to(device), generator=generator)[3]
        if stats is not None:
            found.append(stats)
    if not found:
        return {}
    n = len(found)
    importance_N = torch.stack([s.importance for s in found]).sum(0)
    return {
        "cv importance": sum(s.cv_importance.item() for s in found) / n,
        "cv load": sum(s.cv_load.item() for s in found) / n,
        "max load": sum(s.most_loaded.item() for s in found) / n,
        "importance": (importance_N / importance_N.sum()).tolist(),
    }


def learn(
    run: Run, kind: str, rate: float, seed: int, w_importance: float = 0.1, w_load: float = 0.1
) -> dict[str, Any]:
    """Train a model once through the text; return its curve and how it uses its experts."""
    text = world(run)
    balance = {"w_importance": w_importance, "w_load": w_load}
    model = build(kind, text.vocab_size, seed, text.wide, **balance).to(run.device)
    ends, curve, began = lengths(run), [], time.process_time()
    recent = []
    try:
        for step, loss in train(run, model, rate, seed, ends[-1]):
            recent.append(loss.detach())
            if step in ends:
                found = {"step": step, "nats": nats(model, text.test, run.device)}
                found["train nats"] = torch.stack(recent[-max(1, step // 20) :]).mean().item()
                found |= utilization(model, text.test[: 16 * BATCH], run.device)
                curve.append(found)
    except ValueError as error:  # a gate that is not a number says so
        return {"curve": curve, "dev nats": math.inf, "diverged": str(error)}
    c = model.config
    return {
        "curve": curve,
        "dev nats": nats(model, text.dev, run.device),
        "seconds": time.process_time() - began,
        "parameters": count_parameters(model),
        **(
            examine(model, text, seed, run.device) if c.num_experts > 1 and kind == "moe-32" else {}
        ),
    }


def rate_of(run: Run, kind: str) -> tuple[float, dict[str, float]]:
    """Return a model's best rate, and the nats by rate: all tuned alike, for the full length.

    A grid of factors of 2, that grows until the best is not at its edge, to six rates at most,
    judged on text apart with the first seed; its run at the best rate is one of those that count.
    """
    if run.scale == "test":
        return RATE, {f"{RATE:g}": 0.0}

    def tried_at(rate: float) -> float:
        found = run.trial(learn, kind=kind, rate=rate, seed=run.seed)["dev nats"]
        return found if math.isfinite(found) else math.inf

    tried = {rate: tried_at(rate) for rate in (RATE / 2, RATE, 2 * RATE)}
    while True:
        best = min(tried, key=tried.__getitem__)
        if min(tried) < best < max(tried) or len(tried) > 5:
            return best, {f"{rate:g}": tried[rate] for rate in sorted(tried)}
        edge = best / 2 if best == min(tried) else best * 2
        tried[edge] = tried_at(edge)


def runs_of(run: Run, kind: str, seeds: int, **balance: float) -> list[dict[str, Any]]:
    """Return a model's runs at its best rate; other balancing losses have the same rate."""
    rate, _ = rate_of(run, kind)
    count = run.pick(test=2, default=seeds)
    found = [
        run.trial(learn, kind=kind, rate=rate, seed=seed, **balance) for seed in run.seeds(count)
    ]
    if not all(math.isfinite(f["dev nats"]) for f in found):
        raise RuntimeError(f"{kind} does not stay finite at a rate of {rate:g} with all seeds")
    return found


def at(runs: list[dict[str, Any]], key: str = "nats", part: int = -1) -> list[float]:
    """Return a measure of every run, at a part of the text (`PARTS`; the last is all)."""
    return [found["curve"][part][key] for found in runs]


def less(ours: list[float], theirs: list[float]) -> list[float]:
    """Return theirs − ours by seed: the logarithm of their perplexity over ours."""
    return [b - a for a, b in zip(ours, theirs)]


def percent(found: Interval) -> str:
    """Return the logarithm of a ratio of perplexities as how much lower one is, in percent."""
    mean, low, high = (100 * (1 - math.exp(-x)) for x in (found.mean, found.low, found.high))
    return Interval(mean, low, high, found.n).text(1)


def perplexity(runs: list[dict[str, Any]]) -> str:
    """Return the mean perplexity a piece, as text."""
    return interval([math.exp(x) for x in at(runs)]).text(2)


def trend(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[list[float]]:
    """Return log(their perplexity / ours), by seed, after a quarter, a half and all of the text."""
    return [less(at(ours, part=i), at(theirs, part=i)) for i in QUARTERS]


def told(ways: list[list[float]]) -> str:
    """Return a `trend` in words."""
    parts = ", ".join(interval(values).text(3) for values in ways)
    return f" Logarithm of the ratio after a quarter, a half and all of the text: {parts}."


def between(run: Run) -> str:
    """Return what stands between this run and the paper's."""
    text = world(run)
    sizes = [config(kind, text.vocab_size, text.wide) for kind in SERIES]
    weights = [c.expert_weights for c in sizes]
    pieces = len(text.train) * (text.train.shape[1] - 1) / 1e6
    return (
        "The paper has 0.8 and 100 billion words, models of 8 million products a word and experts "
        f"of a million weights; here {pieces:.2g} million pieces, "
        f"{round(sizes[0].operations, -3):,} products a piece and experts of {min(weights):,} to "
        f"{max(weights):,} weights"
    )


def seeds(judged: Judgement) -> str:
    """Return what would decide an undecided verdict."""
    if judged.verdict != UNDECIDED or judged.interval is None or judged.line is None:
        return "More seeds." if judged.verdict == UNDECIDED else ""
    lines = judged.line if isinstance(judged.line, tuple) else (judged.line,)
    needed = [seeds_needed(judged.interval, x) for x in lines]
    known = [n for n in needed if n is not None]
    return f"About {max(known)} seeds a model." if known else "Many more seeds."


def what(run: Run, *kinds: str) -> str:
    """Return what was read, and at which rates, in words."""
    text: World = world(run)
    n = len(text.train) * (text.train.shape[1] - 1)
    language = "real text" if real(run) else "a made-up language (language.py)"
    rates = []
    for kind in kinds:
        best, tried = rate_of(run, kind)
        edge = len(tried) > 1 and f"{best:g}" in (next(iter(tried)), list(tried)[-1])
        rates.append(f"{kind} {best:g} of {len(tried)}" + (" (at the edge)" if edge else ""))
    return (
        f"{n:,} pieces of {language}, {text.vocab_size:,} distinct, read once, {batch(run)} rows "
        f"of {text.train.shape[1] - 1} a step. Rates: {', '.join(rates)}."
    )


def products(kind: str, vocab_size: int, wide: int = 1) -> tuple[int, int]:
    """Return multiply-adds a piece before the softmax, and with it."""
    c: MoEConfig = config(kind, vocab_size, wide)
    gate = 2 * c.width * c.active_columns if kind == "hash" else 0
    return c.operations - gate, c.whole - gate
