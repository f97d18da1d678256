"""The nets of MNIST that several claims share: what each method adds, its tuning and its runs.

Each method's constants are chosen on validation cases, at the full length of training.
"""

from typing import Any

from ..lab.figures import AMBER, BLUE, GREEN, PURPLE, RED, TEAL
from ..lab.run import Run
from .data import sets
from .sampling import sample
from .train import Plan, assess, fit

DROP: dict[str, Any] = {"p_input": 0.2, "p_hidden": 0.5}  # the paper's .8 and .5 are retained
# What each method adds to the plain net, and the constant of its own that is tuned.
METHODS: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, "lr"),
    "L2": ({}, "decay"),
    "max-norm": ({}, "c"),
    "dropout": (DROP, "lr"),
    "dropout + L2": (DROP, "decay"),
    "dropout + max-norm": (DROP, "c"),
}
# Where the search for each method's constant begins, steps of a factor of 2 (tests, digits, MNIST).
GRIDS: dict[str, dict[str, list[float]]] = {
    "none": {"test": [0.05], "default": [0.02, 0.04, 0.08], "full": [0.025, 0.05, 0.1]},
    "L2": {"test": [1e-4], "default": [1e-4, 2e-4, 4e-4], "full": [1e-5, 2e-5, 4e-5]},
    "max-norm": {"test": [2.0], "default": [1.0, 2.0, 4.0], "full": [1.0, 2.0, 4.0]},
    "dropout": {"test": [0.05], "default": [0.02, 0.04, 0.08], "full": [0.0125, 0.025, 0.05]},
    "dropout + L2": {"test": [1e-5], "default": [1e-5, 2e-5, 4e-5], "full": [5e-6, 1e-5, 2e-5]},
    "dropout + max-norm": {"test": [2.0], "default": [1.0, 2.0, 4.0], "full": [1.0, 2.0, 4.0]},
}
FULL_SEEDS = {
    "none": 5, "L2": 3, "max-norm": 3,
    "dropout": 5, "dropout + L2": 3, "dropout + max-norm": 3,
}  # fmt: skip
# For all methods alike: a plain net of 16 passes still gained by a schedule of three times the
# length, as C1a tells.
PASSES = 50
COLORS = dict(zip(METHODS, (BLUE, TEAL, AMBER, RED, PURPLE, GREEN)))


def length(run: Run) -> int:
    """Return how many passes all nets are trained for."""
    return run.pick(test=2, default=60, full=PASSES, paper=2560)


def plan(run: Run, method: str, passes: int, narrow: bool = False, **constants: Any) -> Plan:
    """Return how a method's nets are trained at this scale."""
    inputs, hidden = run.pick(test=(64, 16), default=(64, 128), full=(784, 1024))
    hidden = run.pick(test=16, default=128, full=256) if narrow else hidden
    batch = run.pick(test=50, default=50, full=128)
    widths = (inputs, hidden, hidden, 10)
    return Plan(widths, passes=passes, batch=batch, **METHODS[method][0], **constants)


def race(
    run: Run, method: str, lr: float, decay: float, c: float | None, seed: int, narrow: bool,
    passes: int,
) -> dict[str, Any]:  # fmt: skip
    """Train one net; return its errors (%) and NLL, the curves of the first seed, and more."""
    how, data = plan(run, method, passes, narrow, lr=lr, decay=decay, c=c), sets(run)
    x, y = data["train"]
    curve: list[list[float]] = []

    def watch(net, done: int) -> None:
        some = min(len(x), 10_000)
        valid, train = assess(net, *data["valid"]), assess(net, x[:some], y[:some])
        curve.append([done, valid["error"], valid["nll"], train["error"], train["nll"]])

    net = fit(how, x, y, seed, run.track, None if narrow or seed > run.seed else watch)
    found: dict[str, Any] = {name: assess(net, *data[name]) for name in ("valid", "test")}
    found["train"] = assess(net, x[:10_000], y[:10_000])
    found["norm"] = [w.norm(dim=1).max().item() for w in net.weights]
    found["curve"] = curve
    if method == "dropout" and seed > run.seed:  # what C6 asks of the same nets
        found["sampled"] = sample(run, net, how, *data["test"], seed=seed)
    return found


def tuned(run: Run, method: str) -> tuple[dict[str, Any], list[list[float]]]:
    """Return a method's constants, chosen on validation cases, and what was tried.

    The grid has steps of a factor of 2 and goes on until its best is not at its edge. Rates are
    tuned on the net itself, without dropout and with; a decay or a bound at the rate chosen there,
    on a net of a quarter of the width.
    """
    kind = METHODS[method][1]
    base: dict[str, Any] = {"lr": 0.0, "decay": 0.0, "c": None}
    if kind != "lr":
        base |= tuned(run, "dropout" if method.startswith("dropout") else "none")[0]
    tried: dict[float, float] = {}

    def attempt(value: float) -> None:
        settings = base | {kind: value, "narrow": kind != "lr", "seed": run.seed}
        settings["passes"] = length(run)
        tried[value] = run.trial(race, method=method, **settings)["valid"]["error"]

    grid = GRIDS[method]
    for value in run.pick(test=grid["test"], default=grid["default"], full=grid["full"]):
        attempt(value)
    for _ in range(run.pick(test=0, default=2, full=4)):
        best = min(tried, key=lambda value: (tried[value], value))
        if min(tried) < best < max(tried):
            break
        attempt(best / 2 if best == min(tried) else 2 * best)
    best = min(tried, key=lambda value: (tried[value], value))
    return base | {kind: best}, [[value, tried[value]] for value in sorted(tried)]


def raced(run: Run, method: str) -> list[dict[str, Any]]:
    """Return the results of a method at its best, over seeds."""
    seeds = run.seeds(run.pick(test=3, default=3, full=FULL_SEEDS[method]))
    best = tuned(run, method)[0]
    best |= {"narrow": False, "passes": length(run)}
    return [run.trial(race, method=method, seed=seed, **best) for seed in seeds]


def errors(run: Run, method: str) -> list[float]:
    """Return a method's test errors (%), over seeds."""
    return [found["test"]["error"] for found in raced(run, method)]
