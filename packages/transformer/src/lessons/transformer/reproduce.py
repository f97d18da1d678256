"""The paper's claims, re-tested: what is run, in this order."""

import time

import torch

from . import dates, layers, races, reader, variations
from .claims import HOLDS, NOT_SEEN, Finding, claim
from .experiment import mean_and_error, with_error


def learn_dates(run, seed):
    """Train the reader of dates and keep it; return how it reads dates never seen."""
    began = time.perf_counter()
    steps = run.pick(test=3, default=1400)
    model = dates.train(steps, seed, run.device, run.track)
    seconds = time.perf_counter() - began
    _, unseen = dates.split_days()
    generator = torch.Generator().manual_seed(1)
    pairs = dates.examples(unseen, run.pick(test=40, default=2000, full=5000), generator)
    texts, wanted = zip(*((dates.decode(src), dates.decode(tgt)) for src, tgt in pairs))
    answers = dates.read_all(model, list(texts))
    read = [(a, w) for a, w in zip(answers, wanted) if w != dates.UNREADABLE]
    junk = [a for a, w in zip(answers, wanted) if w == dates.UNREADABLE]
    if seed == run.seed:
        dates.keep(
            model, run.out / "dates.safetensors" if run.scale == "test" else dates.model_path()
        )
    first = next((t for t, a, w in zip(texts, answers, wanted) if a != w and w != "?"), "")
    reading = dates.look(model, "mardi 3 juin 2014")
    return {
        "exact": sum(a == w for a, w in read) / len(read),
        "dates": len(read),
        "refused": sum(a == dates.UNREADABLE for a in junk) / max(len(junk), 1),
        "first wrong": first,
        "seconds": seconds,
        "reading": [reading.text, reading.answer, reading.probability, reading.weights.tolist()],
    }


def draw_dates(figure, numbers):
    """Draw where the model looked while it read one date."""
    text, answer, probability, weights = numbers["trials"][0]["reading"]
    reader.draw(figure, dates.Reading(text, answer, probability, torch.tensor(weights)))


@claim("C8", "§7", "It generalises: dates in eight languages into ISO 8601.", draw_dates)
def read_dates(run):
    """Train on nine tenths of two centuries' days, test on the others."""
    seeds = run.seeds(run.pick(test=1, default=1, full=2))
    trials = [run.trial(learn_dates, seed=seed) for seed in seeds]
    exact, error = mean_and_error([trial["exact"] for trial in trials])
    lowest = min(trial["exact"] for trial in trials)
    spread = with_error(error, len(trials), ".2%")
    return Finding(
        verdict=HOLDS if lowest >= 0.99 else NOT_SEEN,
        ran=f"Unicode locale data for English (two countries), German, French, Spanish, Italian, "
        f"Portuguese, Dutch and Hungarian; days of 1900 to 2099, of which a tenth never seen; "
        f"characters in, characters out; {run.pick(test=3, default=1400)} steps, {len(trials)} "
        f"seed(s), {trials[0]['dates']} test dates each.",
        measured=f"Read right from end to end: {exact:.2%} ({spread}, lowest "
        f"{lowest:.2%}). Of texts that are no date, {trials[0]['refused']:.0%} refused.",
        numbers={"trials": [{k: v for k, v in t.items() if k != "seconds"} for t in trials]},
        timings={"seconds of training": [trial["seconds"] for trial in trials]},
        between="Training too short.",
    )


CLAIMS = [
    races.short_sentences, races.long_sentences, races.spelling_to_sound, layers.layer_costs,
    layers.path_lengths, layers.scale, variations.one_head, variations.too_many_heads,
    variations.shifts, variations.learned_positions, variations.extrapolation,
    variations.label_smoothing, variations.dropout, races.constituency_parsing, read_dates,
]  # fmt: skip
COMMANDS = {"read": reader.main}
