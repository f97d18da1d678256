"""C6d and C6e, later: learning rate and decay under Adam, one grid for each mode.

Loshchilov and Hutter 2019.
"""

import math

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from ..optimizer import AdamL2, AdamW
from .training import NOISE, Nets, Sets, softmax_entropy, train


def heat(run, mode, lr, lam, seeds):
    """Return F and error rates at the end, for Adam with one rate and decay; one net a seed.

    ``lam`` is λ of the penalty, or in the decoupled mode the share that is lost at each step: as in
    the paper of 2019, not multiplied by the learning rate.
    """
    every = list(range(run.seed, run.seed + seeds))
    sets = Sets(run, run.pick(test=100, default=600, full=1000), every)
    nets = Nets(sets.x_SBF.shape[2], 64, torch.relu, every)
    epochs = run.pick(test=1, default=20, full=30)
    own = AdamL2 if mode == "l2" else AdamW
    optimizer = own(nets.parameters(), lr, weight_decay=lam if mode == "l2" else lam / lr)
    found = train(nets, sets, optimizer, softmax_entropy, epochs, 50, epochs, run.seed)
    return {key: values[-1] for key, values in found.items()}


def grids(run) -> tuple[list[float], dict[str, list[float]]]:
    """Return the learning rates, and the decays of each mode."""
    rates = run.pick(
        test=[1e-3, 1e-2], default=[1e-3, 3e-3, 1e-2], full=[3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
    )
    exponents = run.pick(test=[-4, -2], default=[-5, -4, -3, -2], full=[-6, -5, -4, -3, -2, -1])
    halves = (
        [x + d for x in exponents for d in (0.0, 0.5)]
        if run.scale in ("full", "paper")
        else exponents
    )
    values = [round(10.0**x, 8) for x in halves]
    l2 = values[2:] if run.scale in ("full", "paper") else values
    return rates, {"l2": l2, "decoupled": [v for v in values if v <= 0.1]}


def slopes(cells: dict, rates: list[float], lams: list[float], seeds: int) -> list[float]:
    """Return for each seed the slope of log(best λ) over log(rate), by least squares."""
    result = []
    x = torch.tensor([math.log10(lr) for lr in rates]).double()
    for seed in range(seeds):
        best = [min(lams, key=lambda lam, lr=lr: cells[lr, lam]["F"][seed]) for lr in rates]
        y = torch.tensor([math.log10(lam) for lam in best]).double()
        dx = x - x.mean()
        result.append(((dx * (y - y.mean())).sum() / (dx**2).sum()).item())
    return result


def measured_maps(run):
    """Return both heat maps: mean F and error over seeds, slopes, and the best of each."""
    seeds = run.pick(test=2, default=3, full=5)
    rates, decays = grids(run)
    found = {"rates": rates, "seeds": seeds}
    for mode, lams in decays.items():
        cells = {}
        for lr in run.track(rates, f"Adam, {mode}"):
            for lam in lams:
                cells[lr, lam] = run.trial(heat, mode=mode, lr=lr, lam=lam, seeds=seeds)
        best = min(cells, key=lambda key: sum(cells[key]["valid_F"]))
        found[mode] = {
            "lams": lams,
            "F": [[sum(cells[lr, lam]["F"]) / seeds for lam in lams] for lr in rates],
            "slopes": slopes(cells, rates, lams, seeds),
            "best": {"lr": best[0], "lam": best[1], "F": cells[best]["F"],
                     "error": cells[best]["error"]},
        }  # fmt: skip
    return found


def summary(values: list[float]) -> tuple[float, float]:
    """Return the mean and its standard error."""
    tensor = torch.tensor(values).double()
    error = tensor.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return tensor.mean().item(), error


def place(run, found) -> str:
    """Return what the nets of C6d and C6e trained on."""
    data = run.pick(test="100 digits, 64-64-10", default="600 digits, 64-64-10",
                    full="1,000 images of MNIST at 14 by 14 pixels, 196-64-10")  # fmt: skip
    cells = sum(len(found[mode]["lams"]) for mode in ("l2", "decoupled")) * len(found["rates"])
    return (
        f"{data} with rectifiers; {100 * NOISE:.0f}% of the labels drawn again; Adam, batch 50, "
        f"{run.pick(test=1, default=20, full=30)} epochs, {cells} pairs of η and λ, "
        f"{found['seeds']} seeds."
    )


def draw_maps(figure, numbers):
    """Draw F over learning rate and decay, a panel for each mode; the best λ of each rate."""
    figure.set_size_inches(6.4, 3.2)
    low = min(min(map(min, numbers[mode]["F"])) for mode in ("l2", "decoupled"))
    for axes, mode in zip(figure.subplots(1, 2), ("l2", "decoupled")):
        rates, lams = numbers["rates"], numbers[mode]["lams"]
        best = []
        for lr, row in zip(rates, numbers[mode]["F"]):
            best.append(lams[row.index(min(row))])
            for lam, value in zip(lams, row):  # a larger disc: closer to the lowest F
                size = 9 * max(0.0, 1 - (value - low) / (0.6 * low))
                axes.plot(lam, lr, "o", ms=max(size, 1.2), color=BLUE if size else MUTED)
        axes.plot(best, rates, "-", color=RED, lw=1.2)
        kind = "L2 penalty" if mode == "l2" else "decoupled"
        axes.set(xscale="log", yscale="log", title=f"Adam, {kind}", ylabel="learning rate η")
        axes.set_xlabel("λ" if mode == "l2" else "share lost a step (ηλ in torch's terms)")
        axes.minorticks_off()


@claim(
    "C6d",
    "later: Loshchilov and Hutter 2019, abstract",
    "Under Adam the best decay depends less on the learning rate if it is decoupled.",
    draw_maps,
)
def decoupled_choice(run):
    """Fit how the best λ moves with the rate, for each seed."""
    found = measured_maps(run)
    l2, own = found["l2"]["slopes"], found["decoupled"]["slopes"]
    excess, error = summary([abs(a) - abs(b) for a, b in zip(l2, own)])
    texts = ["{:.2f} ± {:.2f}".format(*summary(values)) for values in (l2, own)]
    return Finding(
        HOLDS if excess > 2 * error else NOT_SEEN,
        ran=place(run, found),
        measured=f"Slope of log(best λ) over log(η): {texts[0]} with L2; {texts[1]} for the "
        f"decoupled share lost a step, which is that of 2019 (for torch's λ, which η multiplies, "
        f"it is lower by 1). |L2| − |decoupled| = {excess:.2f} ± {error:.2f}.",
        numbers=found,
        between="The paper trained residual networks on CIFAR-10 for 100 epochs and more, with a "
        "falling rate. With a constant one, and so few epochs, a small rate ends before it has "
        "learned the noise and wants no decay at all: that moves the best λ more than the mode.",
    )


@claim(
    "C6e",
    "later: Loshchilov and Hutter 2019, abstract",
    "Adam generalizes better with decoupled decay than with L2, each tuned.",
    asks="Adam generalizes better with decoupled decay than with L2, each with its best rate and "
    "λ.",
)
def decoupled_generalizes(run):
    """Compare the best of each mode, chosen on the validation images, paired over seeds."""
    found = measured_maps(run)
    l2, own = found["l2"]["best"], found["decoupled"]["best"]
    parts = []
    for key in ("F", "error"):
        gain = summary([1 - b / a for a, b in zip(l2[key], own[key])])
        parts.append((summary(l2[key])[0], summary(own[key])[0], *gain))
    f, rate = parts
    return Finding(
        HOLDS if f[2] > 2 * f[3] else NOT_SEEN,
        ran=place(run, found),
        measured=f"F: {f[0]:.3f} with L2 (η = {l2['lr']:g}, λ = {l2['lam']:g}), {f[1]:.3f} "
        f"decoupled (η = {own['lr']:g}, {own['lam']:g} a step), a gain of {100 * f[2]:.1f} ± "
        f"{100 * f[3]:.1f}%. Error rate: {rate[0]:.3f} and {rate[1]:.3f}, a gain of "
        f"{100 * rate[2]:.1f} ± {100 * rate[3]:.1f}%.",
        numbers={"l2": l2, "decoupled": own},
        between="A net with one hidden layer, whose gradients are all of one size, has little of "
        "what sets the two apart.",
    )
