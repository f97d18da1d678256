"""Demonstration D1: dates as people write them in eight languages, into ISO 8601."""

import time
from typing import Any

import torch

from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..lab.statistics import proportion
from . import dates, read


def learn_dates(run: Run, seed: int) -> dict[str, Any]:
    """Train a reader of dates and keep it; return how it reads days never seen."""
    began = time.process_time()
    model = dates.train(run.pick(test=3, default=1400), seed, run.device, run.track)
    spent = time.process_time() - began
    path = run.out / "model.safetensors" if run.scale == "test" else dates.model_path()
    dates.keep(model, path)
    return {"seconds": spent, **examine(run, model)}


def examine(run: Run, model) -> dict[str, Any]:
    """Return how a reader reads dates of unseen days, and what it makes of what is no date."""
    _, unseen = dates.split_days()
    generator = torch.Generator().manual_seed(1)
    pairs = dates.examples(unseen, run.pick(test=40, default=1500, full=5000), generator)
    texts, wanted = zip(*((dates.decode(src), dates.decode(tgt)) for src, tgt in pairs))
    answers = dates.read_all(model, list(texts))
    right = [(a, w) for a, w in zip(answers, wanted) if w != dates.UNREADABLE]
    junk = [a for a, w in zip(answers, wanted) if w == dates.UNREADABLE]
    wrong = [(t, a) for t, a, w in zip(texts, answers, wanted) if a != w and w != "?"]
    reading = dates.look(model, "mardi 3 juin 2014")
    return {
        "right": sum(a == w for a, w in right),
        "dates": len(right),
        "refused": sum(a == dates.UNREADABLE for a in junk),
        "no dates": len(junk),
        "wrong": wrong[:5],
        "reading": [reading.text, reading.answer, reading.probability, reading.weights.tolist()],
    }


def draw_dates(figure, numbers):
    """Draw where the model looked while it read one date."""
    text, answer, probability, weights = numbers["reading"]
    read.draw(figure, dates.Reading(text, answer, probability, torch.tensor(weights)))


@demonstration(
    "D1",
    "It reads dates in eight languages, and shows where it looked.",
    draw_dates,
    asks="Dates of days never seen, as people write them in English (two countries), German, "
    "French, Spanish, Italian, Portuguese, Dutch and Hungarian, into ISO 8601, character by "
    "character; exact from end to end. The default run examines the model that is shipped, a full "
    "run trains it.",
)
def read_dates(run: Run) -> Finding:
    """Train on nine tenths of two centuries' days, or take the shipped model; test on the rest."""
    if run.scale == "default":
        found = examine(run, dates.recall(dates.model_path()))
    else:
        found = run.trial(learn_dates, seed=run.seed)
    exact = proportion(found["right"], found["dates"])
    refused = proportion(found["refused"], max(found["no dates"], 1))
    share = f"{100 * exact.mean:.1f}% [{100 * exact.low:.1f}, {100 * exact.high:.1f}]"
    return Finding(
        judgement=None,
        ours=f"{share} right; {100 * refused.mean:.0f}% of non-dates refused",
        ran="Unicode locale data; days of 1900 to 2099, a tenth of them never seen; 2 + 2 layers "
        f"of width 64, 1,400 batches, rate of eq. 3, the last five checkpoints averaged; "
        f"{found['dates']:,} test dates.",
        measured=f"Right from end to end: {share} of dates of unseen days. Of texts that are no "
        f"date {100 * refused.mean:.0f}% are refused by the net itself.",
        numbers={k: v for k, v in found.items() if k != "seconds"}
        | {"percent right": 100 * exact.mean, "percent refused": 100 * refused.mean},
        timings={"CPU seconds of training": found.get("seconds")},
    )
