"""The claims about learning itself: initial weights, learning rates, criteria."""

import math
import warnings

import torch
from torch import nn

from .claims import HOLDS, NOT_SEEN, REFUTED, Finding, claim
from .compare import clearly_less, mean, percent, tuned
from .data import apart, for_lenet, named
from .figures import BLUE, GREEN, RED
from .layers import ScaledTanh, init_lecun
from .lenet import LeNet5
from .output import DIGIT_CODES, RBFOutput
from .second_order import SCHEDULE, StochasticDiagonalLM, falling
from .train import fit, predict

LAYERS = ("c1", "s2", "c3", "s4", "c5", "f6")


def error_rate(net, images, targets):
    """Return the share of images that a net misreads."""
    return (predict(net, images).argmax(1) != targets).double().mean().item()


# The criterion (§II-C)


def train_centers(run, criterion, seed):
    """Train codes together with a net; return the distances between them after each pass."""
    sets = for_lenet(run)
    x, y = sets["train"]
    many = run.pick(test=40, default=1000, full=10_000)
    x, y = x[:many], y[:many]
    body = nn.Sequential(
        nn.Flatten(), nn.Linear(1024, 60), ScaledTanh(), nn.Linear(60, 84), ScaledTanh()
    )
    init_lecun(body, sqrt=True)
    rbf = RBFOutput(DIGIT_CODES, learnable=True)
    net = nn.Sequential(body, rbf).to(run.device)
    # Eq. 8 is a sum over the 84 numbers of a code; the learning rates make up for that. The
    # codes learn 30 times as fast, so that what would take hundreds of passes shows in a few.
    rate = {"MSE": 0.1 / 84, "MAP": 0.002}[criterion]
    groups = [{"params": body.parameters(), "lr": rate}, {"params": [rbf.centers], "lr": 30 * rate}]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    loss = rbf.loss_mse if criterion == "MSE" else rbf.loss_map
    generator = torch.Generator().manual_seed(seed)
    curve = [distances(rbf)]
    for _ in run.track(range(run.pick(test=1, default=20, full=4)), f"{criterion}, seed {seed}"):
        for batch in torch.randperm(len(x), generator=generator).to(run.device).split(20):
            optimizer.zero_grad()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the collapse is what is wanted here
                loss(net(x[batch]), y[batch]).backward()
            optimizer.step()
        curve.append(distances(rbf))
    with torch.no_grad():
        test = sets["test"]
        wrong = (net(test[0]).argmin(1) != test[1]).float().mean().item()
    return {"curve": curve, "error": wrong}


def distances(rbf):
    """Return the mean and the smallest Euclidean distance between two codes."""
    pairs = torch.pdist(rbf.centers.detach())
    return [pairs.mean().item(), pairs.min().item()]


def draw_centers(figure, numbers):
    """Draw the mean distance between codes against passes."""
    axes = figure.subplots()
    names = {"MSE": (RED, "eq. 8, right class only"), "MAP": (BLUE, "eq. 9, with competition")}
    for criterion, (color, label) in names.items():
        for i, curve in enumerate(numbers["curves"][criterion]):
            means = [both[0] for both in curve]
            axes.plot(range(len(means)), means, color=color, label=label if i == 0 else None)
    axes.set(yscale="log", xlabel="pass", ylabel="mean distance between two codes")
    axes.legend(title="a line a seed")


@claim(
    "C4",
    "1998, §II-C, after eqs. 8 and 9",
    "If the codes of the RBF units are learned, the mean squared error has the trivial minimum at "
    "which all codes are equal; the MAP criterion prevents this collapse.",
    draw_centers,
)
def collapse(run):
    """Judge the mean distance between the codes at the end."""
    seeds = run.seeds(run.pick(test=1, default=3))
    trials = {
        c: [run.trial(train_centers, criterion=c, seed=s) for s in seeds] for c in ("MSE", "MAP")
    }
    start = trials["MSE"][0]["curve"][0]
    end = {c: mean([t["curve"][-1][0] for t in ts]) for c, ts in trials.items()}
    least = {c: min(t["curve"][-1][1] for t in ts) for c, ts in trials.items()}
    lowest = mean([min(both[0] for both in t["curve"]) for t in trials["MAP"]])
    errors = {c: [t["error"] for t in ts] for c, ts in trials.items()}
    # "Collapsed" is a tenth of the distance at the start; "prevented" five times what eq. 8 leaves.
    holds = end["MSE"] < 0.1 * start[0] and end["MAP"] >= 5 * end["MSE"]
    holds = holds and mean(errors["MAP"]) < mean(errors["MSE"])
    many = run.pick(test=40, default=1000, full=10_000)
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"A 1024-60-84 net with learnable codes on {many:,} images of {named(run)}, "
        f"{run.pick(test=1, default=20, full=4)} passes, j = 1, the codes learning 30 times as "
        f"fast as the weights, {len(seeds)} seeds.",
        measured=f"Mean distance between two codes: {start[0]:.2f} before; eq. 8 ends at "
        f"{end['MSE']:.2f} (smallest {least['MSE']:.2f}) with {percent(errors['MSE'])} test error, "
        f"eq. 9 at {end['MAP']:.2f} (smallest {least['MAP']:.2f}) with {percent(errors['MAP'])}. "
        f"Under eq. 9 the distance falls to {lowest:.2f} and ends {end['MAP'] / lowest:.2f} times "
        "as large.",
        numbers={"curves": {c: [t["curve"] for t in ts] for c, ts in trials.items()}}
        | {"errors": errors},
        between=apart(run, "A small net stands for LeNet-5, and passes are few."),
    )


# Learning rates (App. C)


def rates_of_two_halves(run, passes, seed):
    """Return how the learning rates from two sets of patterns differ, and their range."""
    x, y = for_lenet(run)["train"]
    many = run.pick(test=40, default=1000, full=3000)
    some = run.pick(test=10, default=300, full=500)
    net = LeNet5().to(run.device)
    loss = net.rbf.loss_map
    if passes:
        [*_] = fit(
            net, x[:many], y[:many], loss, schedule=SCHEDULE[:passes], batch_size=10,
            curvature_patterns=some,
        )  # fmt: skip
    optimizer, found = StochasticDiagonalLM(net), []
    for start in (0, some):
        part = slice(start, start + some)
        optimizer.estimate(x[part], y[part], loss)
        found.append(torch.cat([rate.flatten() for rate in optimizer.rates().values()]))
    difference = (found[0] / found[1]).log().abs()
    spread = found[0].log().std()
    return {
        "low": found[0].min().item(),
        "high": found[0].max().item(),
        "median": found[0].median().item(),
        "typical": difference.median().item(),
        "most": difference.quantile(0.95).item(),
        "spread": spread.item(),
    }


@claim(
    "C8a",
    "1998, App. C",
    "The curvatures, hence the learning rates, hardly depend on which few hundred patterns they "
    "are estimated from: they are a matter of the network's structure.",
)
def insensitive_rates(run):
    """Compare rates estimated from two disjoint sets of patterns, before and after training."""
    seeds = run.seeds(run.pick(test=1, default=3))
    when = {passes: [run.trial(rates_of_two_halves, passes=passes, seed=s) for s in seeds]
            for passes in (0, 1)}  # fmt: skip
    every = [row for rows in when.values() for row in rows]
    # "Not particularly sensitive": half of all rates within 10%, and 95 of 100 within a factor 2.
    typical = max(row["typical"] for row in every)
    most = max(row["most"] for row in every)
    holds = typical < math.log(1.1) and most < math.log(2)
    low, high = min(r["low"] for r in when[0]), max(r["high"] for r in when[0])
    some = run.pick(test=10, default=300, full=500)
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"LeNet-5 before training and after a pass, {len(seeds)} seeds; rates from two "
        f"disjoint sets of {some} images of {named(run)}.",
        measured="Half of the weights' rates differ by less than "
        f"{100 * math.expm1(typical):.1f}%, 95 of 100 by less than {100 * math.expm1(most):.0f}%. "
        f"Before training they span {low:.1e} to {high:.1e} at η = 0.0005 (§III-B: about 7e-5 to "
        "0.016).",
        numbers={str(passes): rows for passes, rows in when.items()},
        between=apart(run, "The paper gives no number for it; the margins are ours."),
    )


def train_lenet_for_rates(run, optimizer, lr, seed):
    """Train LeNet-5 with one way of choosing step sizes; return its errors."""
    sets = for_lenet(run)
    many, passes = run.pick(test=(20, 1), default=(1000, 8), full=(10_000, 3))
    x, y = (tensor[:many] for tensor in sets["train"])
    net = LeNet5().to(run.device)
    sgd = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.0) if optimizer == "SGD" else None
    *_, last = fit(
        net, x, y, net.rbf.loss_map, schedule=falling(passes, lr), batch_size=10, optimizer=sgd,
        curvature_patterns=run.pick(test=10, default=100, full=500), track=run.track,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    held = run.pick(test="test", default="valid", full="train")  # MNIST's last 10,000
    x_valid, y_valid = sets[held]
    if run.scale == "full":
        x_valid, y_valid = x_valid[50_000:], y_valid[50_000:]
    valid = error_rate(net, x_valid, y_valid)
    return {"train": last.error, "valid": valid, "test": error_rate(net, *sets["test"])}


@claim(
    "C8b",
    "1998, App. C",
    "Stochastic diagonal Levenberg–Marquardt converges reliably without adjusting its constants, "
    "and is not much faster than plain stochastic gradient descent.",
)
def second_order_rates(run):
    """Judge the published η and μ, untuned, against gradient descent with its best step size."""
    seeds = run.seeds(run.pick(test=1, default=3))
    newton = [
        run.trial(train_lenet_for_rates, optimizer="LM", lr=SCHEDULE[0], seed=s)["test"]
        for s in seeds
    ]
    grid = run.pick(test=[1e-3, 3e-3], default=[1e-3, 3e-3, 1e-2])
    lr = tuned(run, train_lenet_for_rates, grid, optimizer="SGD")
    plain = [
        run.trial(train_lenet_for_rates, optimizer="SGD", lr=lr, seed=s)["test"] for s in seeds
    ]
    # Reliable: not clearly worse than what had to be tuned. Not much faster: at most twice as good.
    holds = not clearly_less(plain, newton) and mean(newton) >= 0.5 * mean(plain)
    many, passes = run.pick(test=(20, 1), default=(1000, 8), full=(10_000, 3))
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"LeNet-5 on {many:,} images of {named(run)}, {passes} passes, batches of 10, eq. 9, "
        f"η falling as in §III-B, {len(seeds)} seeds; the step size of gradient descent by a "
        "validation set.",
        measured=f"Test error with η from 0.0005, μ = 0.02: {percent(newton, 2)}; with the best "
        f"single step size, from {lr:g}: {percent(plain, 2)}.",
        numbers={"LM": newton, "SGD": plain, "lr": lr},
        between=apart(run, f"{many:,} images and {passes} passes instead of 60,000 and 20."),
    )


# Initial weights (App. A)


def start(run, rule, seed):
    """Return the spread of the sums in each layer before training, and errors in training."""
    x, y = for_lenet(run)["train"]
    many, passes = run.pick(test=(20, 1), default=(1000, 4), full=(5000, 3))
    net = LeNet5()
    init_lecun(net, sqrt=rule == "2.4/√F")
    net = net.to(run.device)
    spreads, states = {}, x[:500]
    named_layers = {id(getattr(net, name)): name for name in LAYERS}
    with torch.no_grad():
        for layer in net.layers:
            states = layer(states)
            if id(layer) in named_layers:
                spreads[named_layers[id(layer)]] = states.std().item()
    errors = [
        done.error
        for done in fit(net, x[:many], y[:many], net.rbf.loss_map, schedule=[SCHEDULE[0]] * passes,
                        batch_size=10, curvature_patterns=run.pick(test=10, default=100, full=500),
                        track=run.track)
    ]  # fmt: skip
    with torch.no_grad():
        for layer in net.layers:
            x = layer(x[:500])
    saturated = (x.abs() > 1.7).float().mean().item()  # |f| < 1.7159
    return {"spreads": spreads, "errors": errors, "saturated": saturated}


def draw_start(figure, numbers):
    """Draw the spread of the sums by layer for both rules."""
    axes = figure.subplots()
    axes.axhspan(0.1, 2, color=GREEN, alpha=0.15, lw=0)
    axes.text(5.2, 0.13, "where f bends", color=GREEN, ha="right")
    for rule, color in (("2.4/F", RED), ("2.4/√F", BLUE)):
        for i, spreads in enumerate(numbers[rule]["spreads"]):
            label = f"±{rule}" + (", as printed" if rule == "2.4/F" else "")
            values = [spreads[name] for name in LAYERS]
            axes.plot(range(6), values, "o-", ms=3.5, color=color, label=None if i else label)
    axes.set_xticks(range(6), [name.upper() for name in LAYERS])
    axes.set(yscale="log", ylabel="standard deviation of the sums")
    axes.legend(loc="lower left")


@claim(
    "C9",
    "1998, App. A",
    "Initial weights from ±2.4/F, F the fan-in, give the weighted sums of all units the same "
    "range, in the normal operating region of the sigmoid.",
    draw_start,
)
def initial_weights(run):
    """Judge the sums before training; print what becomes of the net with the published rates."""
    seeds = run.seeds(run.pick(test=1, default=3))
    trials = {r: [run.trial(start, rule=r, seed=s) for s in seeds] for r in ("2.4/F", "2.4/√F")}
    smallest, largest = (
        {r: pick(t["spreads"].values() for t in ts) for r, ts in trials.items()}
        for pick in (lambda rows: min(map(min, rows)), lambda rows: max(max(row) for row in rows))
    )
    # The same range: within a factor of ten of each other. The operating region: a standard
    # deviation from 0.1, where f is still a straight line to 0.2%, to 2, where it is flat.
    r = "2.4/F"
    holds = largest[r] <= 10 * smallest[r] and smallest[r] > 0.1 and largest[r] < 2
    final = {r: [t["errors"][-1] for t in ts] for r, ts in trials.items()}
    saturated = {r: mean([t["saturated"] for t in ts]) for r, ts in trials.items()}
    many, passes = run.pick(test=(20, 1), default=(1000, 4), full=(5000, 3))
    return Finding(
        HOLDS if holds else REFUTED,
        ran=f"LeNet-5, {len(seeds)} seeds; sums over 500 images of {named(run)}; then {passes} "
        f"passes over {many:,} with η = 0.0005, μ = 0.02, eq. 9.",
        measured="Standard deviation of the sums, from the layer with the smallest to the one with "
        f"the largest: ±2.4/F {smallest['2.4/F']:.1e} to {largest['2.4/F']:.2f}, ±2.4/√F "
        f"{smallest['2.4/√F']:.2f} to {largest['2.4/√F']:.2f}. Training error in the last pass: "
        f"±2.4/F {percent(final['2.4/F'])} with {100 * saturated['2.4/F']:.0f}% of F6 saturated, "
        f"±2.4/√F {percent(final['2.4/√F'])} with {100 * saturated['2.4/√F']:.0f}%.",
        numbers={
            r: {"spreads": [t["spreads"] for t in ts], "errors": [t["errors"] for t in ts]}
            for r, ts in trials.items()
        },
    )


LEARNING = [collapse, insensitive_rates, second_order_rates, initial_weights]
