"""Demonstration D8: sentences into trees."""

from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from . import treebank
from .race import (
    COLOR,
    best_rate,
    exact_match,
    forced_scores,
    recurrent,
    train_side_by_side,
    transformer,
    translations,
)

MIDDLE = {"Transformer": 3e-3, "GRU": 1.2e-2}  # of the first grid of learning rates
MAKE = {"Transformer": transformer, "GRU": recurrent}


def tune_parser(run: Run, model: str, rate: float, steps: int, seed: int) -> float:
    """Return minus the perplexity on trees apart that a learning rate gives: more is better."""
    train, valid = treebank.corpora(run.pick(test=50, default=12000), 200, 2000)
    net = MAKE[model](len(treebank.SYMBOLS), seed)
    train_side_by_side({model: net}, {model: rate}, train, steps, 32, seed, run.device,
                       track=run.track)  # fmt: skip
    return -forced_scores(net, valid, run.device)[1]


def parse(run: Run, rates: dict[str, float], marks: list[int], seed: int):
    """Train both to write trees as brackets; return labelled F1 and exact trees at the marks."""
    train, test = treebank.corpora(run.pick(test=50, default=12000), run.pick(test=8, default=300))
    models = {name: make(len(treebank.SYMBOLS), seed) for name, make in MAKE.items()}

    def score(model):
        answers = translations(model, test, run.device)
        f1 = treebank.bracket_f1(answers, [tree for _, tree in test])
        return {"f1": f1, "exact": exact_match(answers, test)}

    found, seconds = train_side_by_side(
        models, rates, train, max(marks), 32, seed, run.device, marks, score, track=run.track
    )
    return {"scores": found, "seconds": seconds}


@demonstration(
    "D8",
    "Sentences of a small grammar into trees, beside a recurrent net.",
    source="§6.3",
    asks="F1 of labelled brackets on unseen sentences of a small grammar, written as brackets, "
    "after the same steps; each net's learning rate tuned at this length on trees apart. The "
    "paper's parser read newspapers (F1 91.3). Only a full run trains them.",
    paper="F1 91.3 on newspapers",
    full_only=True,
)
def trees(run: Run) -> Finding:
    """Race over sentences and their trees."""
    marks = run.pick(test=[2, 4], default=[200, 400])
    rates: dict[str, float] = dict(MIDDLE)
    tried: dict[str, dict[float, float]] = {}
    for name in COLOR if run.scale != "test" else ():

        def dev(rate, name=name):
            settings = {"model": name, "rate": rate, "steps": max(marks)}
            return run.trial(tune_parser, seed=run.seed + 100, **settings)

        rates[name], tried[name] = best_rate(dev, MIDDLE[name])
    trial = run.trial(parse, rates=rates, marks=marks, seed=run.seed)
    f1 = {name: [100 * s["f1"] for s in trial["scores"][name]] for name in COLOR}
    ends = {name: each[-1] for name, each in f1.items()}
    whole = {name: trial["scores"][name][-1]["exact"] for name in COLOR}
    gaps = [a - b for a, b in zip(*f1.values())]
    trend = ", ".join(f"{g:.1f} after {m} steps" for g, m in zip(gaps, marks))
    count = sum(len(each) for each in tried.values())
    return Finding(
        judgement=None,
        ours=f"F1 {ends['Transformer']:.1f}; GRU {ends['GRU']:.1f}",
        ran="Sentences of a small grammar (mean 9 words) to linearised trees (mean 26 symbols), "
        "12,000 to train, 300 to test; a Transformer of 2 + 2 layers of width 64 and a GRU with "
        f"attention, {marks[-1]} batches of 32 in turns, {count} learning rates tried at full "
        f"length, one seed.",
        measured=f"F1 of labelled brackets, Transformer minus GRU: {trend}. Whole trees right "
        f"{whole['Transformer']:.3f} against {whole['GRU']:.3f}. An earlier run, with rates tuned "
        "for another task and two seeds, had 90.3 against 98.0.",
        numbers={
            "steps": marks, "f1": f1, "rates": rates, "whole": whole,
            "end": ends,
            "tried": {n: {f"{r:g}": -v for r, v in t.items()} for n, t in tried.items()},
        },
        timings={"seconds a step": trial["seconds"]},
    )  # fmt: skip
