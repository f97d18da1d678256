"""C1, C2: Fig. 1's net with batch norm and without: accuracy, and a sigmoid's inputs."""

import dataclasses
import math

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, PURPLE, RED
from ..lab.run import Run
from ..lab.statistics import HOLDS, NOT_SEEN
from .averages import error, mean, rounded
from .data import data_of, images
from .side_by_side import BATCH, Setting, nets, train

RATES = (0.3, 1.0, 3.0, 10.0)  # of the sigmoid nets
LEVEL = 0.9  # test accuracy that counts as trained: what takes long is the way out of chance, .1
KINDS = {
    "batch norm": Setting(),
    "batch norm, shifted by .3": Setting(shift=0.3),
    "batch norm, shifted by 1": Setting(shift=1.0),
    "without": Setting(norm="none"),
}
LOOKS = {
    "batch norm": (BLUE, "-"),
    "batch norm, shifted by .3": (PURPLE, "-."),
    "batch norm, shifted by 1": (RED, "--"),
    "without": (MUTED, "-"),
}


def sigmoid_nets(run, seed, steps=None, std=0.1):
    """Train Fig. 1's net in four kinds at every rate; follow accuracies and inputs."""
    x, y, x_test, y_test = images(run)
    steps = steps or run.pick(test=30, default=2000, full=10_000)
    settings = [
        dataclasses.replace(kind, lr=lr, std=std) for kind in KINDS.values() for lr in RATES
    ]
    net = nets(settings, "sigmoid", x.shape[1], seed)
    last = run.pick(test=3, default=39)
    looks = sorted({round(20 * (steps / 20) ** (i / last)) for i in range(last + 1)})
    probe, wanted = x[:500].float(), torch.tensor([0.15, 0.5, 0.85])
    accuracies, percentiles = [], []
    for step, _ in train(run, net, x, y, steps, BATCH, f"sigmoid nets, seed {seed}"):
        if step in looks:
            accuracies.append(net.evaluate(x_test[:2000], y_test[:2000])[1])
            percentiles.append(net.inputs(probe).quantile(wanted, 0))
    curves, percentiles_T3KJ = torch.stack(accuracies, 1), torch.stack(percentiles)
    medians_TKJ = percentiles_T3KJ[:, 1]
    width_TKJ = (percentiles_T3KJ[:, 2] - percentiles_T3KJ[:, 0]) / 2
    moved_KJ = medians_TKJ.diff(dim=0).abs().sum(0)
    relative_KJ = (medians_TKJ.diff(dim=0).abs() / width_TKJ[1:].clamp(min=1e-6)).sum(0)
    final = net.evaluate(x_test, y_test)[1]
    results = {}
    for k, setting in enumerate(settings):
        reached = [step for step, a in zip(looks, curves[k].tolist()) if a >= LEVEL]
        typical = moved_KJ[k].argsort()[len(moved_KJ[k]) // 2]  # the unit that moves the median way
        kind = list(KINDS)[k // len(RATES)]
        results[f"{kind}, {setting.lr:g}"] = {
            "curve": rounded(curves[k], 4),
            "final": round(final[k].item(), 5),
            "reached": reached[0] if reached else None,
            "moved": round(moved_KJ[k].mean().item(), 4),
            "relative": round(relative_KJ[k].mean().item(), 4),
            "typical": rounded(percentiles_T3KJ[:, :, k, typical].T, 4),
        }
    return {"looks": looks, "steps": steps, "nets": results}


def sigmoid_trials(run: Run) -> list[dict]:
    """Return the trials of the sigmoid nets, one a seed."""
    return [run.trial(sigmoid_nets, seed=seed) for seed in run.seeds(run.pick(test=2, default=3))]


def over(trials: list[dict], kind: str, lr: float, key: str) -> list:
    """Return a result of one kind at one rate over the seeds."""
    return [trial["nets"][f"{kind}, {lr:g}"][key] for trial in trials]


def times(trials: list[dict], kind: str, lr: float) -> list[float]:
    """Return log10 of the steps to `LEVEL` over the seeds; never counts as all steps."""
    reached = over(trials, kind, lr, "reached")
    return [math.log10(r or trial["steps"]) for r, trial in zip(reached, trials)]


def fastest(trials: list[dict], kind: str) -> float:
    """Return the rate at which a kind of net needs fewest steps to `LEVEL`."""
    return min(RATES, key=lambda lr: (mean(times(trials, kind, lr)), -mean(
        over(trials, kind, lr, "final"))))  # fmt: skip


def most_accurate(trials: list[dict], kind: str) -> float:
    """Return the rate at which a kind of net ends with the highest test accuracy."""
    return max(RATES, key=lambda lr: mean(over(trials, kind, lr, "final")))


def draw_accuracy(axes, numbers, kinds):
    """Draw test accuracy against steps, each kind at its fastest rate, a line a seed."""
    for kind in kinds:
        color, style = LOOKS[kind]
        rate = numbers["fastest"][kind]
        for i, curve in enumerate(numbers["curves"][kind]):
            label = f"{kind} (rate {rate:g})" if i == 0 else None
            axes.plot(numbers["looks"], curve, style, color=color, lw=1.1, label=label)
    axes.set(xscale="log", xlabel="step", ylabel="test accuracy", ylim=(0, 1))


def accuracy_numbers(trials: list[dict], kinds) -> dict:
    """Return what `draw_accuracy` needs."""
    rates = {kind: fastest(trials, kind) for kind in kinds}
    curves = {kind: over(trials, kind, rate, "curve") for kind, rate in rates.items()}
    return {"looks": trials[0]["looks"], "fastest": rates, "curves": curves}


def draw_c1(figure, numbers):
    """Draw the paper's Fig. 1 a."""
    axes = figure.subplots()
    draw_accuracy(axes, numbers, ("batch norm", "without"))
    axes.legend(loc="lower right")


@claim(
    "C1",
    "§4.1, Fig. 1 a",
    "A sigmoid net with batch norm trains faster than without, and reaches a higher accuracy.",
    draw_c1,
)
def faster_and_better(run):
    """Judge steps to 90% and the accuracy at the end, each net at its own best rates."""
    trials, kinds = sigmoid_trials(run), ("batch norm", "without")
    speed = {kind: times(trials, kind, fastest(trials, kind)) for kind in kinds}
    ends = {kind: over(trials, kind, most_accurate(trials, kind), "final") for kind in kinds}
    gains = [a - b for a, b in zip(ends["batch norm"], ends["without"])]
    quicker = [b - a for a, b in zip(speed["batch norm"], speed["without"])]
    better, faster = mean(gains) > 2 * error(gains), mean(quicker) > 2 * error(quicker)
    said = "; ".join(
        f"{kind} {over(trials, kind, fastest(trials, kind), 'reached')} steps to 90% at rate "
        f"{fastest(trials, kind):g}, {100 * mean(ends[kind]):.2f} ± {100 * error(ends[kind]):.2f}% "
        f"at the end at rate {most_accurate(trials, kind):g}"
        for kind in kinds
    )
    return Finding(
        HOLDS if better and faster else NOT_SEEN,
        ran=f"Three hidden layers of 100 sigmoid units (Fig. 1's net) on {data_of(run)}, batches "
        f"of 60, {trials[0]['steps']:,} steps of SGD (the paper: 50,000), rates of {RATES}, "
        f"{len(trials)} seeds; both nets start from the same weights, N(0, .1²).",
        measured=f"{said}. Paired difference at the end {100 * mean(gains):.2f} ± "
        f"{100 * error(gains):.2f} points.",
        numbers=accuracy_numbers(trials, kinds) | {"ends": ends, "log_steps": speed},
        between=f"{trials[0]['steps']:,} steps instead of 50,000, and a rate tuned for each net.",
    )


def draw_c2(figure, numbers):
    """Draw the paper's Fig. 1 b and c."""
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), ("without", "batch norm")):
        color = LOOKS[kind][0]
        low, middle, high = numbers["typical"][kind]
        axes.fill_between(numbers["looks"], low, high, color=color, alpha=0.25, lw=0)
        axes.plot(numbers["looks"], middle, color=color)
        axes.set(xscale="log", xlabel="step", title=kind)
        if kind == "without":
            axes.set_ylabel("input of a sigmoid")


@claim(
    "C2",
    "§4.1, Fig. 1 b, c",
    "With batch norm the distribution of a sigmoid's inputs is much more stable during training.",
    draw_c2,
)
def stable_inputs(run):
    """Judge how far medians travel, at the rate that is best for the net without."""
    trials = sigmoid_trials(run)
    rate = fastest(trials, "without")
    moved = {k: over(trials, k, rate, "moved") for k in KINDS}
    relative = {k: over(trials, k, rate, "relative") for k in KINDS}
    # A fifth, in every seed: "much more" should be visible without measuring.
    ratios = [a / b for a, b in zip(moved["without"], moved["batch norm"])]
    others = ", ".join(
        f"{mean(over(trials, 'without', lr, 'moved')):.2f} and "
        f"{mean(over(trials, 'batch norm', lr, 'moved')):.2f} at {lr:g}"
        for lr in RATES
        if lr != rate
    )
    return Finding(
        HOLDS if min(ratios) >= 5 else NOT_SEEN,
        ran=f"The nets of C1; inputs of the last hidden layer on 500 images at "
        f"{len(trials[0]['looks'])} moments, both nets at rate {rate:g}, {len(trials)} seeds. "
        "Judged is the way that a unit's median travels (sum of its moves), mean over 100 units.",
        measured=f"Without {mean(moved['without']):.2f} ± {error(moved['without']):.2f}, with "
        f"{mean(moved['batch norm']):.2f} ± {error(moved['batch norm']):.2f}; ratios "
        f"{', '.join(f'{r:.1f}' for r in ratios)}. In units of the distribution's own half width "
        f"{mean(relative['without']):.1f} and {mean(relative['batch norm']):.1f}. At other rates "
        f"{others}.",
        numbers={
            "looks": trials[0]["looks"], "rate": rate, "moved": moved, "relative": relative,
            "typical": {
                kind: trials[0]["nets"][f"{kind}, {rate:g}"]["typical"]
                for kind in ("without", "batch norm")
            },
        },
        between="γ and β are trained, and move what was normalized; the paper shows one unit at "
        "one rate that it does not give.",
    )  # fmt: skip
