"""The nets of MNIST that several claims share: what each method adds, its tuning and its runs.

Each method's constants are chosen on validation cases, at the full length of training, on nets of
the first seed, which counts among the judged ones too.
"""

from typing import Any

from ..lab.figures import AMBER, BLUE, GREEN, PURPLE, RED, TEAL
from ..lab.run import Run
from .data import sets
from .sampling import sample
from .train import Plan, assess, fit, products

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
# Where the searches begin, steps of a factor of 2 (tests, digits, MNIST).
Grid = dict[str, list[float]]
RATES: dict[str, Grid] = {
    "none": {"test": [0.05], "default": [0.02, 0.04, 0.08], "full": [0.05, 0.1, 0.2]},
    "max-norm": {"test": [0.05], "default": [0.04, 0.08], "full": [0.1, 0.2]},
    "dropout": {"test": [0.05], "default": [0.02, 0.04, 0.08], "full": [0.0125, 0.025, 0.05]},
    "dropout + max-norm": {"test": [0.05], "default": [0.04, 0.08], "full": [0.025, 0.05, 0.1]},
}
OWN: dict[str, Grid] = {
    "L2": {"test": [1e-4], "default": [1e-4, 2e-4, 4e-4], "full": [1e-5, 2e-5, 4e-5]},
    "max-norm": {"test": [2.0], "default": [1.0, 2.0, 4.0], "full": [1.0, 2.0, 4.0]},
    "dropout + L2": {"test": [1e-5], "default": [1e-5, 2e-5, 4e-5], "full": [5e-6, 1e-5, 2e-5]},
    "dropout + max-norm": {"test": [2.0], "default": [1.0, 2.0, 4.0], "full": [1.0, 2.0, 4.0]},
}
FIRST_C = 2.0  # B.1's bound: the rates with max-norm are searched at it
TIE = 0.05  # points of validation error that do not tell two rates apart: five cases of 10,000
FULL_SEEDS = {
    "none": 5, "L2": 3, "max-norm": 3,
    "dropout": 5, "dropout + L2": 3, "dropout + max-norm": 4,
}  # fmt: skip
# For all methods alike. A net that has learned its training cases by heart may end sooner.
PASSES = 100
BY_HEART, THEREAFTER = 1e-4, 10  # the training loss (nats), the passes after it
COLORS = dict(zip(METHODS, (BLUE, TEAL, AMBER, RED, PURPLE, GREEN)))


def length(run: Run) -> int:
    """Return how many passes all nets are trained for."""
    return run.pick(test=2, default=60, full=PASSES, paper=2560)


def lasting(run: Run) -> dict[str, Any]:
    """Return the settings of every net of the full length."""
    return {"passes": length(run), "ends": True, "products": products(run)}


def plan(run: Run, method: str, passes: int, narrow: bool = False, **constants: Any) -> Plan:
    """Return how a method's nets are trained at this scale."""
    inputs, hidden = run.pick(test=(64, 16), default=(64, 128), full=(784, 1024))
    hidden = run.pick(test=16, default=128, full=256) if narrow else hidden
    batch = run.pick(test=50, default=50, full=128)
    widths = (inputs, hidden, hidden, 10)
    return Plan(widths, passes=passes, batch=batch, **METHODS[method][0], **constants)


def race(
    run: Run, method: str, lr: float, decay: float, c: float | None, seed: int, narrow: bool,
    passes: int, ends: bool = False, products: str = "float32",
) -> dict[str, Any]:  # fmt: skip
    """Train one net; return its errors (%) and NLL, its curves, and more.

    With ``ends`` a net ends ten passes after it has learned its training cases by heart, and all
    have curves; without, only wide ones of the first seed. Wide nets of the first seed are looked
    at after every pass, others after every fifth.
    """
    constants = {"lr": lr, "decay": decay, "c": c, "products": products}
    how, data = plan(run, method, passes, narrow, **constants), sets(run)
    x, y = data["train"]
    curve: list[list[float]] = []

    often = 5 if narrow or seed > run.seed else 1

    def watch(net, done: int) -> bool:
        if done % often and done < passes:
            return False
        some = min(len(x), 10_000)
        valid, train = assess(net, *data["valid"]), assess(net, x[:some], y[:some])
        curve.append([done, valid["error"], valid["nll"], train["error"], train["nll"]])
        return ends and done - THEREAFTER >= next(
            (at for at, *_, loss in curve if loss < BY_HEART), done
        )

    watched = ends or not (narrow or seed > run.seed)
    net = fit(how, x, y, seed, run.track, watch if watched else None)
    found: dict[str, Any] = {name: assess(net, *data[name]) for name in ("valid", "test")}
    found["train"] = assess(net, x[:10_000], y[:10_000])
    found["norm"] = [w.norm(dim=1).max().item() for w in net.weights]
    if c:  # the share of each layer's units that the bound holds back
        found["bound"] = [(w.norm(dim=1) > 0.999 * c).double().mean().item() for w in net.weights]
    found["curve"] = curve
    if method == "dropout" and seed > run.seed:  # what C6 asks of the same nets
        found["sampled"] = sample(run, net, how, *data["test"], seed=seed)
    return found


def search(run: Run, method: str, kind: str, base: dict[str, Any]) -> dict[float, float]:
    """Return validation errors (%) by a constant's value, on a grid of steps of a factor of 2.

    It goes on until its best is not at its edge. Rates are tried on the net itself, decays and
    bounds on one of a quarter of the width.
    """
    tried: dict[float, float] = {}

    def attempt(value: float) -> None:
        settings = base | {kind: value, "narrow": kind != "lr", "seed": run.seed}
        settings |= lasting(run)
        tried[value] = run.trial(race, method=method, **settings)["valid"]["error"]

    grid = (RATES if kind == "lr" else OWN)[method]
    for value in run.pick(test=grid["test"], default=grid["default"], full=grid["full"]):
        attempt(value)
    for _ in range(run.pick(test=0, default=2, full=4)):
        best = chosen(kind, tried)
        if min(tried) < best < max(tried):
            break
        attempt(best / 2 if best == min(tried) else 2 * best)
    return tried


def chosen(kind: str, tried: dict[float, float]) -> float:
    """Return the best value; of rates that validation does not tell apart, the largest."""
    if kind == "lr":
        return max(flat(tried))
    return min(tried, key=lambda value: (tried[value], value))


def flat(tried: dict[float, float]) -> list[float]:
    """Return the values that do as well as the best, to within five cases of 10,000."""
    return [value for value in sorted(tried) if tried[value] <= min(tried.values()) + TIE + 1e-9]


def tuned(run: Run, method: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a method's constants, chosen on validation cases, and its searches in their order.

    A decay is searched at the rate of the same net without it. With max-norm the rate is searched
    at c = 2, then c at that rate, then the rate again if c is another.
    """
    best: dict[str, Any] = {"lr": 0.0, "decay": 0.0, "c": None}
    searches: list[dict[str, Any]] = []

    def find(kind: str, of: str = method) -> None:
        tried = search(run, of, kind, best)
        best[kind] = chosen(kind, tried)
        fixed = {name: value for name, value in best.items() if value and name != kind}
        said = {"kind": kind, "at": fixed, "best": best[kind], "flat": flat(tried)}
        searches.append(said | {"tried": [[value, tried[value]] for value in sorted(tried)]})

    if METHODS[method][1] == "decay":
        find("lr", "dropout" if method.startswith("dropout") else "none")
        find("decay")
    elif METHODS[method][1] == "c":
        best["c"] = FIRST_C
        find("lr")
        find("c")
        if best["c"] != FIRST_C:
            find("lr")
    else:
        find("lr")
    return best, searches


def raced(run: Run, method: str, narrow: bool = False) -> list[dict[str, Any]]:
    """Return the results of a method at its best, over seeds; narrow ones at the same constants."""
    seeds = run.seeds(run.pick(test=3, default=3, full=3 if narrow else FULL_SEEDS[method]))
    best = tuned(run, method)[0]
    best |= {"narrow": narrow} | lasting(run)
    return [run.trial(race, method=method, seed=seed, **best) for seed in seeds]


def errors(run: Run, method: str) -> list[float]:
    """Return a method's test errors (%), over seeds."""
    return [found["test"]["error"] for found in raced(run, method)]
