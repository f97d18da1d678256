"""1989: the zip-code net against fully connected ones."""

import math

import torch
from torch import nn

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, GREEN, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from ..layers import ScaledTanh, init_lecun
from ..train import fit
from ..zip_net import ZipNet, loss_signs
from .compare import clearly_less, error_rate, mean, percent, tuned
from .data import apart, for_zip, named

NETS = {"zip": "zip-code net", "35": "256-35-10", "300": "256-300-10", "linear": "256-10"}


def connected(pixels, hidden, outputs_squashed=True):
    """Return a fully connected net, without a hidden layer if ``hidden`` is 0."""
    f = ScaledTanh()
    sums = [nn.Linear(pixels, hidden), f, nn.Linear(hidden, 10)] if hidden else []
    sums = sums or [nn.Linear(pixels, 10)]
    net = nn.Sequential(nn.Flatten(), *sums, *([f] if outputs_squashed else []))
    init_lecun(net, sqrt=True)
    return net


def train_zip(run, net, many, passes, lr, seed):
    """Train on 16 by 16 images as in 1989; return the error rates."""
    sets = for_zip(run)
    x, y = (tensor[:many] for tensor in sets["train"])
    hidden = {"35": 35, "300": 300, "linear": 0}
    model = ZipNet() if net == "zip" else connected(256, hidden[net])
    model = model.to(run.device)
    *_, done = fit(
        model, x, y, loss_signs, track=run.track,
        schedule=[lr] * passes,
        batch_size=run.pick(test=10, default=10, full=20),
        curvature_patterns=run.pick(test=10, default=100, full=500),
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    errors = {name: error_rate(model, *sets[name]) for name in ("valid", "test")}
    return errors | {"train": error_rate(model, x, y), "loss": done.loss}


def few(run):
    """Return the two sizes of training set and their passes; the second is 1989's in full."""
    return run.pick(
        test=[(20, 1), (40, 1)], default=[(300, 40), (1000, 20)], full=[(729, 40), (7291, 23)]
    )


def races(run):
    """Return for each size the test errors of each net over the seeds, its η by validation."""
    seeds = run.seeds(run.pick(test=1, default=3))
    grid = run.pick(test=[3e-4], default=[1e-4, 3e-4, 1e-3])
    result = {}
    for many, passes in few(run):
        result[str(many)] = {}
        for net in NETS:
            settings = {"net": net, "many": many, "passes": passes}
            lr = tuned(run, train_zip, grid, **settings) if len(grid) > 1 else grid[0]
            rows = [run.trial(train_zip, lr=lr, **settings, seed=s) for s in seeds]
            result[str(many)][net] = {"lr": lr} | {
                key: [row[key] for row in rows] for key in ("test", "train", "loss")
            }
    return result


@claim(
    "C2a",
    "1989, results",
    says="The zip-code net misreads 5.0% of new digits and 0.14% of its training set.",
    asks="Trained for 23 passes on 7,291 digits of 16 by 16 pixels, a net of 9,760 weights "
    "misreads 5.0% of new digits and 0.14% of those it was trained on.",
)
def zip_codes(run):
    """Judge the test error at the larger size against 5.0% and against a linear classifier."""
    many, passes = few(run)[1]
    result = races(run)[str(many)]
    zips, linear = result["zip"]["test"], result["linear"]["test"]
    count = len(for_zip(run)["test"][0])
    sampling = math.sqrt(0.05 * 0.95 / 2007)  # of the paper's own number
    holds = mean(zips) <= 0.05 + 2 * sampling and clearly_less(zips, linear)
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"{many:,} images of {named(run)}, {passes} passes, diagonal second-order rates with "
        f"a constant η, {len(zips)} seeds, {count:,} test images.",
        measured=f"Test error {percent(zips, 2)}, training error "
        f"{percent(result['zip']['train'], 2)}; a linear classifier: {percent(linear)}.",
        numbers=result,
        between=apart(run, "These are not the zip codes, and the wiring of H2 is a guess."),
    )


def draw_races(figure, numbers):
    """Draw test errors, a panel a size of the training set."""
    figure.set_size_inches(6.4, 2.6)
    colors = dict(zip(NETS, (RED, BLUE, GREEN, AMBER)))
    for axes, (many, result) in zip(figure.subplots(1, 2, sharey=True), numbers.items()):
        for row, name in enumerate(reversed(NETS)):
            errors = [100 * e for e in result[name]["test"]]
            axes.barh(row, mean(errors), height=0.55, color=colors[name], alpha=0.35)
            axes.plot(errors, [row] * len(errors), "o", ms=4, color=colors[name])
        axes.set_yticks(range(4), [NETS[name] for name in reversed(NETS)])
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", visible=True)
        axes.set(title=f"{int(many):,} training images", xlabel="test error (%)", xlim=(0, None))


@claim(
    "C2b",
    "1989; 1998, Fig. 9",
    says="Constrained nets generalize better from few data than fully connected ones.",
    asks="Constraining the weights by knowledge of the task makes a net generalize better from "
    "few data than fully connected ones, with as many weights or with more.",
    draw=draw_races,
)
def constrained_nets(run):
    """Judge at both sizes: clearly less than each, by 8% at the smaller, by 25% at the larger."""
    result = races(run)
    sizes = [str(many) for many, _ in few(run)]
    holds = True
    # The margins come from a pilot on digits; the papers' own ratio is 1.7/4.7.
    for many, margin in zip(sizes, (0.92, 0.75)):
        zips = result[many]["zip"]["test"]
        others = [result[many][name]["test"] for name in ("35", "300", "linear")]
        holds = holds and all(clearly_less(zips, other) for other in others)
        holds = holds and mean(zips) <= margin * min(map(mean, others))
    listed = "; ".join(
        f"{int(many):,} images: "
        + ", ".join(f"{NETS[n]} {percent(r['test'])}" for n, r in result[many].items())
        for many in sizes
    )
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"Four nets of 9,760, 9,355, 80,110 and 2,570 weights on {named(run)} at 16 by 16, "
        "with targets of ±1, diagonal second-order rates, a constant η by a validation set, "
        f"{len(result[sizes[0]]['zip']['test'])} seeds.",
        measured=f"Test error, {listed}.",
        numbers=result,
        between=apart(
            run,
            "These digits are centred and of one size, so that where a stroke lies tells a fully "
            "connected net something; those of the post office came segmented from envelopes.",
        ),
    )
