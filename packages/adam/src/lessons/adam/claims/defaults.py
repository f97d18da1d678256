"""What is said of all the experiments: little tuning, and steps that shrink by themselves."""

from ..lab.claim import Finding, claim
from ..lab.statistics import every, judge, paired, ratio
from . import convolutional, dropout_network
from .training import cost, if_open

DEFAULT = 1e-3  # Algorithm 1: "good default settings for the tested machine learning problems"
BETWEEN = "Two small networks; the paper's are larger and trained for longer."


def untuned(run, seeds: int, trial, **settings) -> list[float]:
    """Return Adam's training costs with the paper's default of every setting."""
    return [
        cost(run.trial(trial, optimizer="Adam", lr=DEFAULT, **settings, seed=s))
        for s in run.seeds(seeds)
    ]


@claim(
    "C12",
    "abstract; Algorithm 1",
    quotes="The hyper-parameters have intuitive interpretations and typically require little "
    "tuning.",
    says="Untuned, Adam ends lower than tuned Nesterov momentum.",
    asks="Adam with the defaults of Algorithm 1 against SGD with Nesterov momentum at its best α, "
    "on the networks of C1 and C6: the training cost, seeds paired.",
    holds_if="the 95% intervals of the ratio Adam/SGD lie below 1 on both networks",
    fails_if="one of them lies above 1",
    paper="",
)
def little_tuning(run):
    """Compare the default with the tuned."""
    mlp, _ = dropout_network.measure(run)
    cnn, seeds = convolutional.measure(run)
    found, size = {}, convolutional.batch(run)
    for name, result, trial, settings in (
        ("network with dropout", mlp, dropout_network.train_mlp, {}),
        ("convolutional", cnn, convolutional.train_cnn, {"dropout": 0.0, "batch": size}),
    ):
        tuned = result["SGD, Nesterov"]["finals"]
        found[name] = ratio(untuned(run, len(tuned), trial, **settings), tuned)
    regime = run.scale == "paper"
    judged = every([judge(r, below=1, paper_regime=regime) for r in found.values()])
    first, second = (r.text() for r in found.values())
    best = ", ".join(f"{r['Adam']['lr']:g}" for r in (mlp, cnn))
    return Finding(
        judged,
        ours=f"default Adam/tuned SGD: {first} (dropout), {second} (convolutional)",
        ran=f"{dropout_network.described(run, len(mlp['Adam']['runs']))} "
        f"{convolutional.described(run, seeds)}",
        measured=f"Default Adam over tuned SGD: {first} with dropout, {second} in the convolutional"
        f" net. Adam's own best α are {best}.",
        numbers={name: [r.mean, r.low, r.high] for name, r in found.items()},
        **if_open(judged, BETWEEN),
    )


@claim(
    "C18",
    "§2.1; abstract",
    quotes="the SNR value typically becomes closer to 0 towards an optimum, leading to smaller "
    "effective steps in parameter space: a form of automatic annealing",
    says="The ratio m̂/√v̂ shrinks as training goes on.",
    asks="The mean of |m̂/√v̂| over all parameters after the last pass, less that after the first, "
    "in the networks of C1 and C6, Adam at its best α.",
    holds_if="the 95% intervals of the difference lie below 0 in both networks",
    fails_if="one of them lies above 0",
    paper="",
)
def annealing(run):
    """Compare the end with the beginning."""
    found = {}
    for name, (result, _) in (
        ("dropout", dropout_network.measure(run)),
        ("convolutional", convolutional.measure(run)),
    ):
        sizes = [[size[0] for size in r["sizes"]] for r in result["Adam"]["runs"]]
        found[name] = (sizes, paired([s[-1] for s in sizes], [s[0] for s in sizes]))
    regime = run.scale == "paper"
    judged = every([judge(gap, below=0, paper_regime=regime) for _, gap in found.values()])
    first, second = (gap.text() for _, gap in found.values())
    told = "; ".join(
        f"{name}: {sum(s[0] for s in sizes) / len(sizes):.3f} after the first pass, "
        f"{sum(s[-1] for s in sizes) / len(sizes):.3f} after the last"
        for name, (sizes, _) in found.items()
    )
    return Finding(
        judged,
        ours=f"change {first} (dropout), {second} (convolutional)",
        ran=f"{dropout_network.described(run, len(found['dropout'][0]))} "
        f"{convolutional.described(run, len(found['convolutional'][0]))}",
        measured=f"Mean |m̂/√v̂|, {told}.",
        numbers={name: sizes for name, (sizes, _) in found.items()},
        **if_open(judged, BETWEEN),
    )
