"""Claim C5a and demonstration D7: shifts, and sentences longer than any in training."""

import torch

from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import BLUE, PURPLE
from ..lab.run import Run
from ..lab.statistics import exact, interval, paired
from ..positions import SinusoidalPositionalEncoding, shift_matrix
from . import language
from .race import (
    as_pairs,
    exact_match,
    forced_scores,
    train_side_by_side,
    transformer,
    translations,
)

RATE = 3e-3
KINDS, WHAT = ("sinusoids", "learned"), ("seen lengths", "longer")


@claim(
    "C5a",
    "§3.5",
    "For any offset k, PE(pos + k) is a linear function of PE(pos).",
    quotes="for any fixed offset k, PEpos+k can be represented as a linear function of PEpos",
    asks="One rotation for each offset, built from the formula, against the encodings themselves, "
    "in double precision.",
    holds_if="they agree to rounding, 1e-12, at all positions",
    fails_if="they differ at one",
)
def shifts(run: Run) -> Finding:
    """Compare the rotation with the encoding at the shifted positions."""
    encoding, worst = SinusoidalPositionalEncoding(512), {}
    positions = torch.arange(run.pick(test=50, default=1000))
    for k in (1, 37, 1000):
        moved = encoding(positions, torch.float64) @ shift_matrix(k, 512).T
        worst[k] = (moved - encoding(positions + k, torch.float64)).abs().max().item()
    # sin and cos of angles up to 2000 are rounded to 2000 * 2**-53, about 2e-13.
    agree = max(worst.values()) < 1e-12
    return Finding(
        judgement=exact(agree),
        ours=f"one rotation for each of 3 offsets, at {len(positions):,} positions",
        ran=f"d = 512, offsets 1, 37 and 1000, {len(positions):,} positions, double precision.",
        measured=f"The rotation gives the encoding {'to rounding' if agree else 'not'} at all "
        f"{len(positions):,} positions, for offsets 1, 37 and 1000.",
        numbers={"worst": worst, "positions": len(positions)},
    )


def positions(run: Run, seed: int, steps: int | None = None):
    """Train with sinusoids and with learned positions; test on lengths trained on, and longer.

    The longer sentences have one relative clause and more adjectives than fitted into ten words:
    nothing in them is new but their length.
    """
    count = run.pick(test=8, default=200, full=500)
    test = language.corpus(count, 1000, lengths=(0, 10))
    longer = as_pairs(language.corpus(count, 1001, lengths=(11, 15), nested=1))
    train = as_pairs(
        language.corpus(run.pick(test=50, default=12000), 0, lengths=(0, 10), apart_from=test)
    )
    size = len(language.WORDS)
    models = {
        "sinusoids": transformer(size, seed),
        "learned": transformer(size, seed, positions="learned", max_len=40),
    }
    train_side_by_side(models, dict.fromkeys(models, RATE), train, steps or _marks(run)[-1], 64,
                       seed, run.device, track=run.track)  # fmt: skip
    return {
        f"{name}, {what}": {
            "exact": exact_match(translations(model, pairs, run.device), pairs),
            "accuracy": forced_scores(model, pairs, run.device)[0],
        }
        for name, model in models.items()
        for what, pairs in (("seen lengths", as_pairs(test)), ("longer", longer))
    }


def _marks(run: Run) -> list[int]:
    """Return the lengths of training; the last is what a trial has that says none."""
    return run.pick(test=[2, 3], default=[250], full=[300, 600])


def _score(trials: list, kind: str, what: str, score: str = "exact") -> list[float]:
    return [trial[f"{kind}, {what}"][score] for trial in trials]


def draw_positions(figure, numbers):
    """Draw exact translations against training, at seen lengths and longer."""
    axes = figure.subplots()
    for kind, color in zip(KINDS, (BLUE, PURPLE)):
        for what, line in zip(WHAT, ("-", "--")):
            values = numbers["exact"][kind][what]
            mean, end = [sum(each) / len(each) for each in values], interval(values[-1])
            axes.plot(numbers["steps"], mean, f"o{line}", color=color, markersize=4,
                      label=f"{kind}, {what}")  # fmt: skip
            sides = [[end.mean - end.low], [end.high - end.mean]]
            axes.errorbar(numbers["steps"][-1:], mean[-1:], sides, color=color, capsize=3)
    axes.set_xticks(numbers["steps"], [str(s) for s in numbers["steps"]])
    axes.set(xlabel="steps of training", ylabel="sentences right from end to end",
             ylim=(-0.03, 1.05))  # fmt: skip
    figure.legend(loc="outside right center")


@demonstration(
    "D7",
    "On sentences longer than those trained on, sinusoids and a learned table.",
    draw_positions,
    source="§3.5",
    asks="“… it may allow the model to extrapolate”, a hypothesis. A net trained on sentences of a "
    "made-up language of up to 10 words, tested on 11 to 15, with sinusoids and with a table whose "
    "later rows were never trained. (In an earlier run this was a claim, “sinusoids may "
    "extrapolate”, and longer sentences also had two relative clauses: 0.250 of them right, "
    "0.029 with the table, and 0.996 of the short ones: not seen. What only may be has no verdict "
    "now.)",
)
def longer_sentences(run: Run) -> Finding:
    """Train both on short sentences; test on short and longer ones."""
    marks, seeds = _marks(run), run.seeds(run.pick(test=2, default=3))
    trials = [[run.trial(positions, steps=m, seed=run.seed)] for m in marks[:-1]]
    trials.append([run.trial(positions, seed=seed) for seed in seeds])
    exacts = {kind: {what: [_score(each, kind, what) for each in trials] for what in WHAT}
              for kind in KINDS}  # fmt: skip
    mean = {kind: {what: [sum(v) / len(v) for v in each] for what, each in of.items()}
            for kind, of in exacts.items()}  # fmt: skip
    rows = "; ".join(
        f"{kind}, {what}: {', '.join(f'{m:.3f}' for m in mean[kind][what])}"
        for kind in KINDS
        for what in WHAT
    )
    gaps = {what: paired(*(_score(trials[-1], kind, what) for kind in KINDS)) for what in WHAT}
    tokens = {kind: _score(trials[-1], kind, "longer", "accuracy") for kind in KINDS}
    return Finding(
        judgement=None,
        ours=f"{mean['sinusoids']['longer'][-1]:.2f} of longer sentences right; table "
        f"{mean['learned']['longer'][-1]:.2f}",
        ran="A made-up language with reordering and agreement, 12,000 pairs of at most 10 words; "
        f"a Transformer of 2 + 2 layers of width 64, the same batches of 64 in turns, {marks[-1]} "
        f"steps, {len(seeds)} seeds (fewer steps: one seed). Longer sentences: 11 to 15 words, at "
        "most one relative clause, as in those trained on.",
        measured=f"Sentences right from end to end after {', '.join(map(str, marks))} steps: "
        f"{rows}. Sinusoids minus table: {gaps['seen lengths'].text(3)} at seen lengths, "
        f"{gaps['longer'].text(3)} at longer ones.",
        numbers={"steps": marks, "exact": exacts, "mean": mean, "tokens": tokens},
    )
