"""Learning rates from curvatures (App. C)."""

import math

import torch

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN
from ..lenet import LeNet5
from ..second_order import SCHEDULE, StochasticDiagonalLM, falling
from ..train import fit
from .compare import clearly_less, error_rate, mean, percent, tuned
from .data import apart, for_lenet, named


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
    says="Learning rates hardly depend on which few hundred patterns they are estimated from.",
    asks="The curvatures, hence the learning rates, hardly depend on which few hundred patterns "
    "they are estimated from: they are a matter of the network's structure.",
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
    says="Diagonal Levenberg–Marquardt converges untuned, and not much faster than gradient "
    "descent.",
    asks="Stochastic diagonal Levenberg–Marquardt converges reliably without adjusting its "
    "constants, and is not much faster than plain stochastic gradient descent.",
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
