"""The amount of data (§7.4, Fig. 10)."""

from typing import Any

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, INK, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, every, interval, judge, paired, unpaired
from .data import digit_sets, sets
from .train import Plan, assess, fit, products, rounding

DROP: dict[str, Any] = {"p_input": 0.2, "p_hidden": 0.5}
# Fig. 10's errors (%) at each size, read from the figure's vectors: without and with dropout.
FIGURE_10 = {
    100: (22.84, 26.62), 500: (13.07, 13.19), 1000: (10.73, 10.60), 5000: (4.69, 2.94),
    10_000: (3.27, 2.39), 50_000: (1.69, 1.28),
}  # fmt: skip
# Passes at each size, 5,000 updates or more, and at the largest as many as all nets of C1a: by
# their end the validation error should not fall any more (C3a's numbers have the curves).
PASSES = {100: 1000, 500: 1000, 1000: 500, 5000: 100, 10_000: 60, 50_000: 100}
SEEDS = {100: 5, 500: 5, 5000: 5}  # C3a is judged at the first two, C7 at the last; else three
RATES, TUNED_AT = (0.05, 0.1), 5000  # where the search begins
PEAK = 5000  # where Fig. 10's gain is largest


def sizes(run: Run) -> list[int]:
    """Return the numbers of training cases."""
    return run.pick(test=[20, 60, 200], default=[30, 100, 300, 800], full=list(FIGURE_10))


def learned(
    run: Run, cases: int, lr: float, drops: bool, seed: int, noise: str = "bernoulli"
) -> dict[str, Any]:
    """Train one net on some cases of its seed's own; return how well it does, and its curve."""
    widths = run.pick(test=(64, 16, 16, 10), default=(64, 128, 128, 10), full=(784, 400, 400, 10))
    passes = run.pick(test=2, default=max(60, 12_000 // cases), full=PASSES.get(cases, 50))
    batch = min(100, max(10, cases // 5))
    how = Plan(widths, passes=passes, lr=lr, batch=batch, noise=noise,
               products=products(run), **(DROP if drops else {}))  # fmt: skip
    data = sets(run)
    x, y = data["train"]
    dealt = torch.Generator().manual_seed(seed)
    own = torch.randperm(len(x), generator=dealt)[:cases].to(x.device)
    x, y = x[own], y[own]
    curve: list[list[float]] = []
    every_so_many = max(1, passes // 10)

    def watch(net, done: int) -> None:
        if not done % every_so_many:
            curve.append([done, assess(net, *data["valid"])["error"], assess(net, x, y)["nll"]])

    net = fit(how, x, y, seed, run.track, watch if seed == run.seed else None)
    found: dict[str, Any] = {name: assess(net, *data[name]) for name in ("valid", "test")}
    return found | {"train": assess(net, x[:10_000], y[:10_000]), "curve": curve}


def rate(run: Run, drops: bool) -> tuple[float, list[list[float]]]:
    """Return the rate that does best on validation cases at one size, for all; what was tried.

    The grid has steps of a factor of 2 and goes on until its best is not at its edge.
    """
    cases = run.pick(test=60, default=100, full=TUNED_AT)
    tried: dict[float, float] = {}

    def attempt(lr: float) -> None:
        found = run.trial(learned, cases=cases, lr=lr, drops=drops, seed=run.seed)
        tried[lr] = found["valid"]["error"]

    for lr in run.pick(test=(0.05,), default=(0.02, 0.04), full=RATES):
        attempt(lr)
    for _ in range(run.pick(test=0, default=0, full=5)):
        best = min(tried, key=lambda lr: (tried[lr], lr))
        if min(tried) < best < max(tried):
            break
        attempt(best / 2 if best == min(tried) else 2 * best)
    best = min(tried, key=lambda lr: (tried[lr], lr))
    return best, [[lr, tried[lr]] for lr in sorted(tried)]


def results(run: Run) -> dict[str, Any]:
    """Return errors (%) over seeds at each size, without and with dropout; curves and rates."""
    found: dict[str, Any] = {"cases": sizes(run), "rates": {}, "curve": {}}
    for name, drops in (("without", False), ("with", True)):
        found[name], found["curve"][name] = [], []
        lr, found["rates"][name] = rate(run, drops)
        for cases in sizes(run):
            seeds = run.seeds(run.pick(test=2, default=3, full=SEEDS.get(cases, 3)))
            nets = [run.trial(learned, cases=cases, lr=lr, drops=drops, seed=s) for s in seeds]
            found[name].append([net["test"]["error"] for net in nets])
            found["curve"][name].append(nets[0]["curve"])
    gains = [paired(a, b) for a, b in zip(found["without"], found["with"])]
    found["gain"] = [[g.mean, g.low, g.high, g.n] for g in gains]
    return found


def draw(figure, numbers) -> None:
    """Draw errors with and without dropout against the number of cases, and the gain."""
    figure.set_size_inches(6.4, 2.9)
    left, right = figure.subplots(1, 2)
    cases = numbers["cases"]
    for name, color in (("without", BLUE), ("with", RED)):
        means = [interval(e) for e in numbers[name]]
        left.errorbar(cases, [m.mean for m in means],
                      [[m.mean - m.low for m in means], [m.high - m.mean for m in means]],
                      fmt="o-", ms=3, color=color, label=f"{name} dropout")  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="training cases", ylabel="test error (%)")
    low, high = left.get_ylim()
    ticks = [t for t in (1, 2, 3, 5, 10, 20, 30, 50, 90) if low <= t <= high]
    left.set_yticks(ticks, [str(t) for t in ticks])
    left.set_yticks([], minor=True)
    left.legend()
    mean, low, high, _ = zip(*numbers["gain"])
    ends = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
    right.errorbar(cases, mean, ends, fmt="o-", ms=3, color=INK, label="here")
    if set(cases) == set(FIGURE_10):
        gains = [a - b for a, b in FIGURE_10.values()]
        right.plot(cases, gains, "s--", ms=3, color=MUTED, lw=1, label="the paper's Fig. 10")
        right.legend()
    right.axhline(0, color=MUTED, lw=0.6)
    right.set(xscale="log", xlabel="training cases", ylabel="points of error removed")


def finding(run: Run, judged, ours: str, found: dict[str, Any]) -> Finding:
    """Return the finding of a claim about the gains."""
    gains = [Interval(*g) for g in found["gain"]]
    said = ", ".join(f"{n:,} cases {g.text(2)}" for n, g in zip(found["cases"], gains))
    counts = sorted({g.n for g in gains})
    passes = run.pick(test="2", default="60 or more", full="60 to 1,000, and 100 on 50,000,")
    at = run.pick(test=60, default=100, full=TUNED_AT)
    rates = ", ".join(
        f"{name} {min(tried, key=lambda t: t[::-1])[0]:g} of {len(tried)}"
        for name, tried in found["rates"].items()
    )
    return Finding(
        judged,
        ours=ours,
        ran=f"{run.pick(test='64-16-16-10', default='64-128-128-10', full='784-400-400-10')} on "
        f"cases of {digit_sets(run)} of each seed's own, {passes} passes, momentum .95, the rate "
        f"falling to zero; for all sizes the rate that is best on validation cases when trained "
        f"on {at:,} ({rates} tried); {' to '.join(map(str, counts))} nets a size.{rounding(run)}",
        measured=f"Points of test error that dropout removes: {said}.",
        numbers=found,
        between="The paper's net (784-1024-1024-2048-10) has eight times the weights and more to "
        "memorize with.",
        would_decide="More nets at each size." if judged.verdict == UNDECIDED else "",
    )


@claim(
    "C3a",
    "§7.4, Fig. 10",
    "With 100 or 500 training cases, dropout does not help.",
    draw,
    quotes="It can be observed that for extremely small data sets (100, 500) dropout does not "
    "give any improvements.",
    asks="The test error without dropout less that with it, at 100 and at 500 cases, both nets "
    "trained until nothing changes any more, each kind at the rate that is best for it at 5,000. "
    "(An earlier version of C3a and C3b gave every size 800 updates: gains of 4.1, 1.3, 0.5, −1.9 "
    "and −2.6 points at 100, 500, 1,000, 5,000 and 50,000 cases, not seen at this scale.)",
    holds_if="both intervals of the gain lie below half a point: no improvement worth the name "
    "beside errors of 23 and 13% (Fig. 10 has −3.8 and −.1)",
    fails_if="one of them lies above half a point",
    paper="100 cases: −3.8, 500: −0.1 points",
)
def extremely_small(run: Run) -> Finding:
    """Judge the gains at the two smallest sizes."""
    found = results(run)
    gains = [Interval(*g) for g in found["gain"][:2]]
    judged = every([judge(g, below=0.5, paper_regime=False) for g in gains])
    names = [f"{n:,}" for n in found["cases"]]
    ours = f"{names[0]} cases: {gains[0].text(1)}, {names[1]}: {gains[1].text(1)} points"
    return finding(run, judged, ours, found)


@claim(
    "C3b",
    "§7.4, Fig. 10",
    "As the data grow, dropout's gain rises to a sweet spot, then declines.",
    None,
    quotes="As the size of the data set is increased, the gain from doing dropout increases up to "
    "a point and then declines.",
    asks="The gain at 5,000 cases, where Fig. 10 has its peak, against those at the smallest and "
    "the largest of C3a's six sizes. The size is fixed beforehand: a peak picked from our own "
    "gains would be judged on what it was picked by. Sizes have nets of their own, so their gains "
    "are compared unpaired.",
    holds_if="the intervals of its lead over both ends lie above 0",
    fails_if="one of the two lies below 0",
    paper="largest at 5,000 cases: 1.8 points",
)
def sweet_spot(run: Run) -> Finding:
    """Judge the lead of the gain at the paper's peak over the gains at both ends."""
    found = results(run)
    by_seed = [[a - b for a, b in zip(w, d)] for w, d in zip(found["without"], found["with"])]
    means = [g[0] for g in found["gain"]]
    peak = run.pick(test=60, default=300, full=PEAK)
    top = found["cases"].index(peak)
    judged = []
    for end in (0, len(means) - 1):
        lead = unpaired(by_seed[top], by_seed[end])
        judged.append(judge(lead, above=0.0, paper_regime=False))
    ours = (
        f"{peak:,} cases: {means[top]:.1f} points; at the ends {means[0]:.1f} and {means[-1]:.1f}"
    )
    return finding(run, every(judged), ours, found)
