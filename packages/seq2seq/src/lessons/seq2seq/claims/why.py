"""Claim C2c: why reversing the source helps (§3.3)."""

import itertools
import math
from typing import Any

import torch

from ..config import Seq2SeqConfig
from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, RED, TEAL
from ..lab.run import Run
from ..lab.statistics import every, interval, judge, paired
from ..model import Seq2Seq
from ..training import clip_gradient, pad
from . import grammar
from .contest import bounds, ends_of, grid, tuned, would_decide

ARMS = {  # which side is turned round, and whether first words then lie close
    "reversed": (True, False),
    "target only": (False, True),
    "forward": (False, False),
    "both": (True, True),
}
SIZES: dict[str, Any] = {"embedding_size": 32, "hidden_size": 64, "num_layers": 2}
TOY_RATE, TOY_BATCH, TOY_WARMUP = 5e-3, 64, 50


def learn_order(
    run: Run, arm: str, rate: float, seed: int, steps: int, dev: bool
) -> dict[str, Any]:
    """Train on the made-up language with some sides reversed; return loss by length.

    The sentences on which it is measured are others for ``dev``, on which rates are tuned.
    """
    source, target = ARMS[arm]
    config = Seq2SeqConfig(
        len(grammar.SOURCE), len(grammar.TARGET), reverse_source=source, peephole=False, init=None,
        **{k: run.pick(test=8, default=v) if k != "num_layers" else v for k, v in SIZES.items()},
    )  # fmt: skip
    net = Seq2Seq(config, torch.Generator().manual_seed(seed))

    def batch(count: int, at: int, length: int) -> tuple[Any, Any]:
        rows = [grammar.ids(pair) for pair in grammar.corpus(count, at, length)]
        if target:
            rows = [(a, [*b[-2::-1], b[-1]]) for a, b in rows]
        return pad([a for a, _ in rows])[0], pad([b for _, b in rows])[0]

    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    span = grammar.LONGEST - grammar.SHORTEST + 1
    for step in run.track(range(steps), f"{arm}, seed {seed}"):
        # The same sentences for every arm; a batch has one length.
        length = grammar.SHORTEST + (step * 5 + seed) % span
        factor = min((step + 1) / TOY_WARMUP, 1.0, 2 * (steps - step) / steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        optimizer.zero_grad()
        src, tgt = batch(TOY_BATCH, 1_000_000 * (seed + 1) + step, length)
        net.loss(src, None, tgt, "token").backward()
        clip_gradient(net.parameters(), 5.0)
        optimizer.step()
    found = {}
    with torch.no_grad():
        for length in (3, 6, 10):
            first = 888_000_000 if dev else 999_000_000
            src, tgt = batch(run.pick(test=20, default=300), first + length, length)
            logits = net(src, None, tgt)
            nats_TB = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), tgt.flatten(), reduction="none"
            ).view_as(tgt)
            found[str(length)] = nats_TB.mean().item()
    return {"nats": sum(found.values()) / 3, "by length": found}


def toy_steps(run: Run) -> int:
    """Return how many steps an arm is trained."""
    return run.pick(test=3, default=200, full=1200)


def tune_order(run: Run, arm: str, rate: float, seed: int, steps: int) -> float:
    """Return an arm's loss on dev sentences after a whole training; ln of its words if it failed.

    A training whose gradient is no longer finite counts as a net that guesses evenly.
    """
    even = math.log(len(grammar.TARGET))
    try:
        found = learn_order(run, arm, rate, seed, steps, dev=True)["nats"]
    except RuntimeError as error:
        if "norm" not in str(error):
            raise
        return even
    return found if math.isfinite(found) else even


def toy_rate(run: Run, arm: str) -> tuple[float, dict[float, float]]:
    """Return an arm's best rate and the losses of all: for the full length, on a seed apart."""
    if run.scale == "test":
        return TOY_RATE, {TOY_RATE: 0.0}

    def loss(rate: float) -> float:
        return run.trial(
            tune_order, arm=arm, rate=rate, seed=run.seed + 100, steps=toy_steps(run)
        )  # fmt: skip

    return tuned(TOY_RATE, loss, run.pick(test=3, default=3, full=8))


def arms(run: Run) -> dict[str, list[Any]]:
    """Return all four arms, by seed, each with its own rate."""
    count = run.pick(test=2, default=2, full=5)
    return {
        arm: [
            run.trial(learn_order, arm=arm, rate=toy_rate(run, arm)[0], seed=seed,
                      steps=toy_steps(run), dev=False)
            for seed in run.seeds(count)
        ]
        for arm in ARMS
    }  # fmt: skip


def draw_arms(figure, numbers) -> None:
    """Draw perplexity by length for the four arms."""
    axes = figure.subplots()
    for arm, color, style in zip(ARMS, (BLUE, TEAL, RED, AMBER), ("o-", "o--", "s-", "s--")):
        rows = numbers["by length"][arm]
        axes.plot([int(n) for n in rows], [v[0] for v in rows.values()], style, color=color,
                  label=f"{arm} ({'short' if ARMS[arm][0] != ARMS[arm][1] else 'long'} lag)",
                  markersize=4)  # fmt: skip
    axes.set(xlabel="words of the source", ylabel="nats a word", ylim=(0, None))
    axes.legend(fontsize=8)


@claim(
    "C2c",
    "Abstract, §3.3",
    "It is short lags, not the order of the source, that help.",
    draw_arms,
    quotes="While we do not have a complete explanation to this phenomenon, we believe that it is "
    "caused by the introduction of many short term dependencies to the dataset.",
    asks="A made-up language whose counterparts are known (20 nouns, 10 adjectives, which change "
    "places). Four arms on the same sentences: source reversed; target reversed (lags as short); "
    "neither; both (lags as long). If short lags are the cause, both of the first must be better "
    "than both of the others: nats a word, mean of lengths 3, 6 and 10, five seeds. Each arm has "
    "its own rate, tuned alike.",
    holds_if="all four 95% intervals of a long-lag less a short-lag arm, paired, lie above 0",
    fails_if="one of them lies below 0",
)
def short_lags(run: Run) -> Finding:
    """Turn either side, both or none."""
    found = arms(run)
    value = {arm: [each["nats"] for each in rows] for arm, rows in found.items()}
    gaps = {
        f"{long} − {short}": paired(value[long], value[short])
        for long, short in itertools.product(("forward", "both"), ("reversed", "target only"))
    }
    worst = min(gaps.values(), key=lambda g: g.low)
    told = ", ".join(f"{arm} {interval(v).text(3)}" for arm, v in value.items())
    rates = "; ".join(f"{arm} {grid(*toy_rate(run, arm))}" for arm in ARMS)
    return Finding(
        every([judge(g, above=0.0, paper_regime=False) for g in gaps.values()]),
        ours=f"long less short lags, least: {worst.text(3)} nats",
        ran=f"Two LSTMs of 2 × 64, embeddings of 32, {toy_steps(run):,} steps of 64 sentences of 3 "
        "to 10 words, drawn anew, Adam, the rate tuned for each arm at the full length, on a seed "
        f"and sentences apart ({rates}), falling over the last half; 300 sentences of each length "
        "to test. The editors "
        "had seen reversed and forward at 1,200 steps (perplexity 1.4 against 1.55 at length 10, "
        "one to three seeds), never the two controls.",
        measured=f"Nats a word: {told}. Differences: "
        + ", ".join(f"{name} {g.text(3)}" for name, g in gaps.items()) + ".",
        numbers={
            "nats": {arm: bounds(v) for arm, v in value.items()},
            "by length": {arm: {n: bounds([r["by length"][n] for r in rows])
                                for n in rows[0]["by length"]} for arm, rows in found.items()},
            "differences": {name: ends_of(g) for name, g in gaps.items()},
            "rates": {arm: [toy_rate(run, arm)[0], {f"{r:g}": v for r, v in
                            toy_rate(run, arm)[1].items()}] for arm in ARMS},
        },
        between="a made-up language of 30 words and nets of 64 cells, in the place of translation.",
        would_decide=would_decide(worst, 0.0),
    )  # fmt: skip
