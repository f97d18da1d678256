"""Claims C1 and C7: the Transformer against a recurrent net, on the same batches in turns."""

import functools
import math

from . import language, parsing, spelling
from .claims import HOLDS, NOT_SEEN, Finding, claim
from .experiment import (
    as_pairs,
    bleu,
    exact_match,
    forced_scores,
    in_full_run_only,
    mean_and_error,
    recurrent,
    train_side_by_side,
    training_flops,
    transformer,
    translations,
    with_error,
)
from .figures import BLUE, MUTED, RED

COLOR = {"Transformer": BLUE, "GRU": RED}
BATCH = {1: 64, 5: 32}  # sentences, by their number of clauses
# Peaks of the learning rate for a default run: what a full run found (``tuned``).
RATES = {
    (1, "Transformer"): 3e-3, (1, "GRU"): 1e-2,
    (5, "Transformer"): 3e-3, (5, "GRU"): 1e-2,
}  # fmt: skip


# C1: quality for the cost of training


def _language(run, clauses, test_seed=1000):
    test = language.corpus(run.pick(test=8, default=200, full=500), test_seed, clauses)
    train = language.corpus(run.pick(test=50, default=12000), 0, clauses, apart_from=test)
    return as_pairs(train), as_pairs(test)


def tune(run, clauses, model, rate, seed):
    """Return the token accuracy that a learning rate gives on validation pairs."""
    train, valid = _language(run, clauses, test_seed=2000)
    net = {"Transformer": transformer, "GRU": recurrent}[model](len(language.WORDS), seed)
    train_side_by_side({model: net}, {model: rate}, train, 200, BATCH[clauses], seed, run.device,
                       track=run.track)  # fmt: skip
    return forced_scores(net, valid[:200], run.device)[0]


def best_rate(accuracy) -> float:
    """Return the rate of the highest accuracy, on a grid of factors 3 around 0.003.

    The grid grows until the winner is not at its edge, where it would not have had its best rate.
    """
    found = {rate: accuracy(rate) for rate in (1e-3, 3e-3, 1e-2)}
    while True:
        best = max(found, key=found.__getitem__)
        if min(found) < best < max(found):
            return best
        edge = float(f"{best / 3 if best == min(found) else best * 3:.0e}")
        found[edge] = accuracy(edge)


def tuned(run, clauses) -> dict[str, float]:
    """Return each model's peak learning rate: chosen in a full run, else as one chose it."""
    if run.scale != "full":
        return {model: RATES[clauses, model] for model in COLOR}
    return {
        model: best_rate(
            lambda rate, model=model: run.trial(
                tune, clauses=clauses, model=model, rate=rate, seed=run.seed + 100
            )
        )
        for model in COLOR
    }


def race(run, clauses, rates, seed):
    """Train both on the same sentences, in turns; return their scores along the way."""
    train, test = _language(run, clauses)
    size, batch = len(language.WORDS), BATCH[clauses]
    models = {"Transformer": transformer(size, seed), "GRU": recurrent(size, seed)}
    steps = {
        1: run.pick(test=8, default=240, full=480),
        5: run.pick(test=8, default=80, full=800),
    }[clauses]
    marks = [steps * k // 8 for k in range(1, 9)]

    def score(model):
        accuracy, perplexity = forced_scores(model, test[:100], run.device)
        return {"accuracy": accuracy, "perplexity": perplexity}

    scores, seconds = train_side_by_side(
        models, rates, train, steps, batch, seed, run.device, marks, score, track=run.track
    )
    words = sum(len(src) - 1 for src, _ in train) / len(train)
    result = {"marks": marks, "words": words, "seconds": seconds, "scores": scores, "final": {}}
    for name, model in models.items():
        answers = translations(model, test, run.device)
        result["final"][name] = {
            "exact": exact_match(answers, test),
            "bleu": bleu(answers, test),
            "accuracy": forced_scores(model, test, run.device)[0],
            "gflops": training_flops(model, train, batch, run.device) / 1e9,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        }
    return result


def _at_equal_time(trial) -> dict[str, float]:
    """Return each model's accuracy when the slower one's last step fits the faster one's time."""
    time_spent = min(trial["seconds"].values()) * trial["marks"][-1]
    found = {}
    for name, seconds in trial["seconds"].items():
        steps = time_spent / seconds
        reached = [(0, 0.0), *zip(trial["marks"], (s["accuracy"] for s in trial["scores"][name]))]
        later = next((i for i, (mark, _) in enumerate(reached) if mark >= steps), len(reached) - 1)
        (a, low), (b, high) = reached[max(later - 1, 0)], reached[later]
        share = 1.0 if b == a else min((steps - a) / (b - a), 1.0)
        found[name] = low + share * (high - low)
    return found


def _race(run, clauses, seeds):
    """Judge a race: a step in half the time, and at equal time the higher accuracy."""
    rates = tuned(run, clauses)
    trials = [run.trial(race, clauses=clauses, rates=rates, seed=s) for s in run.seeds(seeds)]
    words = round(trials[0]["words"])
    equal = [_at_equal_time(trial) for trial in trials]
    ratios = [t["seconds"]["GRU"] / t["seconds"]["Transformer"] for t in trials]
    difference, error = mean_and_error([e["Transformer"] - e["GRU"] for e in equal])
    # A factor of two is more than the disturbance of a busy machine; two standard errors are what
    # chance exceeds once in twenty, and one seed has none.
    holds = min(ratios) >= 2 and difference > 2 * error and len(trials) > 1
    means = {
        (name, what): mean_and_error([t["final"][name][what] for t in trials])[0]
        for name in COLOR
        for what in ("exact", "bleu", "accuracy", "gflops")
    }
    steps = trials[0]["marks"][-1]
    at_time = {name: mean_and_error([e[name] for e in equal])[0] for name in COLOR}
    measured = (
        f"The longest chain of products is 33 against {5 * words + 2} (GRU); a step takes the GRU "
        f"{mean_and_error(ratios)[0]:.1f} times as long, of "
        f"{means['GRU', 'gflops']:.2f} against {means['Transformer', 'gflops']:.2f} GFLOP. "
        f"After {steps} steps each: exact {means['Transformer', 'exact']:.2f} (Transformer) "
        f"against {means['GRU', 'exact']:.2f}, token accuracy "
        f"{means['Transformer', 'accuracy']:.3f} against {means['GRU', 'accuracy']:.3f}, BLEU "
        f"{means['Transformer', 'bleu']:.1f} against {means['GRU', 'bleu']:.1f}. At equal time: "
        f"accuracy {at_time['Transformer']:.3f} against {at_time['GRU']:.3f}, difference "
        f"{difference:+.4f}, {with_error(error, len(trials), '.4f')}."
    )
    sizes = {name: round(trials[0]["final"][name]["parameters"] / 1e3) for name in COLOR}
    return Finding(
        verdict=HOLDS if holds else NOT_SEEN,
        ran=f"A made-up language with reordering and agreement, {clauses} clause(s) a sentence, "
        f"mean {words} words; Transformer ({sizes['Transformer']}k parameters, 2+2 layers, width "
        f"64) and GRU with additive attention ({sizes['GRU']}k), the same {steps} batches in "
        f"turns, each at its best learning rate, {len(trials)} seed(s). The paper: 4.5M sentence "
        "pairs, 65M parameters, 8 GPUs.",
        measured=measured,
        numbers={
            "trials": [{k: v for k, v in t.items() if k != "seconds"} for t in trials],
            # Products that wait for one another, forward: 6 in an encoder layer, 10 in a decoder
            # layer, the output; one for each word read, 4 for each written, and 2 for the output.
            "chain": {"Transformer": 2 * 6 + 2 * 10 + 1, "GRU": words + 4 * words + 2},
        },
        timings={"seconds a step": [t["seconds"] for t in trials], "at equal time": equal},
        between="The gain is parallel work: it needs sentences long enough, and processors with "
        "more arithmetic to spare than two cores have, which the recurrence leaves idle; and the "
        "language is so small that few steps suffice, where attention learns later than a GRU.",
    )


def draw_race(figure, numbers):
    """Draw accuracy against the operations spent, one line a seed."""
    axes = figure.subplots()
    for trial in numbers["trials"]:
        for name, color in COLOR.items():
            cost = [mark * trial["final"][name]["gflops"] for mark in trial["marks"]]
            accuracy = [score["accuracy"] for score in trial["scores"][name]]
            axes.plot(cost, accuracy, color=color, marker="o", markersize=3)
    for name, color in COLOR.items():
        axes.plot([], [], color=color, label=name)
    axes.set(xlabel="training cost (GFLOP)", ylabel="token accuracy on unseen sentences")
    axes.legend()


@claim("C1a", "Table 2, §6.1", "Better translations at less training cost: short sentences.",
       draw_race)  # fmt: skip
def short_sentences(run):
    """Race over sentences of 8 words, where there is little to do at once."""
    return _race(run, 1, run.pick(test=1, default=1, full=3))


@claim("C1b", "Table 2, §6.1", "Better translations at less training cost: long sentences.",
       draw_race)  # fmt: skip
def long_sentences(run):
    """Race over sentences of 41 words."""
    return _race(run, 5, run.pick(test=1, default=1, full=3))


def race_spelling(run, models, rates, steps, seed):
    """Train models to pronounce English words; return phone and word error rates along the way."""
    found = spelling.words(spelling.find(run.data).read_text(encoding="utf-8"))
    parts = spelling.split(found)
    train = [(spelling.spell(w), p) for w in parts["train"] for p in found[w]]
    held_out = parts["test" if len(models) > 1 else "valid"][:1000]
    test = [(spelling.spell(word), found[word][0]) for word in held_out]
    right = [found[word] for word in held_out]
    size = len(spelling.SYMBOLS)
    make = {
        "Transformer": lambda: transformer(size, seed, d_model=128, d_ff=512),
        "GRU": lambda: recurrent(size, seed, embedding=128, encoder=144, decoder=224),
    }
    nets = {name: make[name]() for name in models}

    def score(model):
        return spelling.error_rates(translations(model, test, run.device), right)

    marks = [steps // 3, 2 * steps // 3, steps]
    scores, seconds = train_side_by_side(
        nets, dict(zip(models, rates)), train, steps, 128, seed, run.device, marks, score,
        track=run.track,
    )  # fmt: skip
    sizes = {name: sum(p.numel() for p in model.parameters()) for name, model in nets.items()}
    gflops = {n: training_flops(m, train, 128, run.device) / 1e9 for n, m in nets.items()}
    return {"marks": marks, "scores": scores, "seconds": seconds, "sizes": sizes,
            "gflops": gflops, "words": len(train)}  # fmt: skip


def draw_spelling(figure, numbers):
    """Draw word error rates against the operations spent."""
    axes = figure.subplots()
    for name, color in COLOR.items() if numbers.get("marks") else ():
        cost = [mark * numbers["gflops"][name] / 1e3 for mark in numbers["marks"]]
        axes.plot(
            cost, [100 * w for _, w in numbers["scores"][name]], "o-", color=color, label=name
        )
    if not numbers.get("marks"):
        axes.text(0.5, 0.5, "in the full run only", color=MUTED, ha="center")
        axes.set_axis_off()
        return
    axes.set(xlabel="training cost (TFLOP)", ylabel="words not wholly right (%)")
    axes.legend()


@claim("C1c", "Table 2, §6.1", "Better at less training cost: English spelling to sound.",
       draw_spelling)  # fmt: skip
def spelling_to_sound(run):
    """Race over real words: the CMU pronouncing dictionary."""
    if run.scale != "full":
        return in_full_run_only(
            "a dictionary, cmudict.dict, in `--data FOLDER` or the user's cache"
        )

    def accuracy(model, rate):
        settings = {"models": [model], "rates": [rate], "steps": 240}
        return -run.trial(race_spelling, **settings, seed=run.seed + 100)["scores"][model][-1][0]

    rates = [best_rate(functools.partial(accuracy, model)) for model in COLOR]
    settings = {"models": [*COLOR], "rates": rates, "steps": 1800}
    trial = run.trial(race_spelling, **settings, seed=run.seed)
    (per, wer), (gru_per, gru_wer) = (trial["scores"][name][-1] for name in COLOR)
    error = math.sqrt((wer * (1 - wer) + gru_wer * (1 - gru_wer)) / 1000)
    ratio = trial["seconds"]["GRU"] / trial["seconds"]["Transformer"]
    sizes = {name: size / 1e6 for name, size in trial["sizes"].items()}
    return Finding(
        # Two standard errors of a difference of two shares of 1,000 words.
        verdict=HOLDS if wer < gru_wer - 2 * error and ratio > 1 else NOT_SEEN,
        ran=f"{trial['words']:,} pronunciations of CMUdict, 1,000 other words to test; Transformer "
        f"({sizes['Transformer']:.2f}M parameters) and GRU ({sizes['GRU']:.2f}M), "
        f"{trial['marks'][-1]} batches of 128 in turns, each at its best learning rate.",
        measured=f"Words not wholly right {wer:.1%} (Transformer) against {gru_wer:.1%} (GRU), "
        f"standard error of the difference {error:.1%}; phones wrong {per:.1%} against "
        f"{gru_per:.1%}. A step takes the GRU {ratio:.2f} times as long.",
        numbers={key: value for key, value in trial.items() if key != "seconds"},
        timings={"seconds a step": trial["seconds"]},
        between="Words have 7 letters: the recurrence is short, and its order that of the sounds.",
    )


# C7: another task


def parse(run, seed):
    """Train both to write trees as brackets; return labelled F1 and exact trees."""
    test = parsing.treebank(run.pick(test=8, default=200, full=500), 1000)
    train = parsing.treebank(run.pick(test=50, default=12000), 0, test)
    size = len(parsing.SYMBOLS)
    models = {"Transformer": transformer(size, seed), "GRU": recurrent(size, seed)}
    steps, rates = run.pick(test=3, default=100, full=600), tuned(run, 1)
    _, seconds = train_side_by_side(
        models, rates, train, steps, 32, seed, run.device, track=run.track
    )
    found = {}
    for name, model in models.items():
        answers = translations(model, test, run.device)
        f1 = parsing.bracket_f1(answers, [tree for _, tree in test])
        found[name] = {"f1": f1, "exact": exact_match(answers, test), "seconds": seconds[name]}
    return found


@claim("C7", "§6.3, Table 4", "It generalises to parsing, where recurrent nets fell short.")
def constituency_parsing(run):
    """Race over sentences and their trees."""
    seeds = run.seeds(run.pick(test=1, default=1, full=2))
    trials = [run.trial(parse, seed=seed) for seed in seeds]
    f1 = {name: [t[name]["f1"] for t in trials] for name in COLOR}
    exact = {name: mean_and_error([t[name]["exact"] for t in trials])[0] for name in COLOR}
    means = {name: mean_and_error(values)[0] for name, values in f1.items()}
    difference, error = mean_and_error([a - b for a, b in zip(*f1.values())])
    # 0.9 is what the paper's parsers reach; then it is to be no worse than the recurrent net.
    holds = means["Transformer"] > 0.9 and difference >= -2 * error - 1e-3
    return Finding(
        verdict=HOLDS if holds else NOT_SEEN,
        ran=f"Sentences of a small grammar (mean 9 words) to linearised trees (mean 26 symbols), "
        f"12,000 training trees, {run.pick(test=3, default=100, full=600)} batches of 32 in turns, "
        f"{len(trials)} seeds. The paper: 40,000 newspaper sentences, d_model = 1024.",
        measured=f"F1 of labelled brackets {means['Transformer']:.3f} (Transformer) against "
        f"{means['GRU']:.3f} (GRU), difference {difference:+.3f}, "
        f"{with_error(error, len(trials))}; whole trees right {exact['Transformer']:.2f} against "
        f"{exact['GRU']:.2f}.",
        numbers={"f1": f1, "exact": exact},
        timings={"seconds a step": [{n: t[n]["seconds"] for n in COLOR} for t in trials]},
        between="A regular grammar without ambiguity, and few steps: the default run's 100 are a "
        "beginning, `--full` has 600.",
    )
