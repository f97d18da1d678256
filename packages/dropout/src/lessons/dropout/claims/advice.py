"""What the paper advises on training, tested on the nets of C1 and C3 (§5.1, App. A.2, B.1)."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, interval, judge
from .data import digit_sets, sets
from .data_size import results
from .methods import length, raced
from .regularizers import lead, result, shown

WITH_DROPOUT = ["dropout", "dropout + L2", "dropout + max-norm"]


@claim(
    "C1f",
    "§5.1",
    "Max-norm improves training even without dropout.",
    None,
    quotes="It typically improves the performance of stochastic gradient descent training of deep "
    "neural nets, even when no dropout is used.",
    asks="As C1c, the plain net against that with max-norm as its only regularizer.",
    holds_if="the interval of (plain − max-norm), in points of error, lies above 0",
    fails_if="it lies below 0",
)
def alone(run: Run) -> Finding:
    """Judge the points of error that max-norm removes from the plain net's."""
    judged = lead(run, "max-norm", "none", 0.0)
    return result(run, judged, f"{shown(judged)} points fewer", ["none", "max-norm"])


@claim(
    "C11",
    "App. A.2",
    "With dropout, the best learning rate is 10 to 100 times as high.",
    None,
    quotes="a dropout net should typically use 10-100 times the learning rate that was optimal for "
    "a standard neural net",
    asks="The rates that did best on validation cases in the tuning of C3, with dropout over "
    "without, on grids of a factor of 2: the interval is half to double. Behind dropped units the "
    "paper's rate is 4 times ours, as its weights are scaled after training (half of the units "
    "are kept, and the factor enters twice), so the ratio is multiplied by 4. (When this rule was "
    "written, C1a's rates were known: .1 without, .025 with dropout; those of C3 were not.)",
    holds_if="the interval of the ratio lies above 10",
    fails_if="it lies below 10",
    paper="10 to 100 times",
)
def rates(run: Run) -> Finding:
    """Judge the ratio of the best rates."""
    found = results(run)
    best = {kind: min(tried, key=lambda t: t[::-1])[0] for kind, tried in found["rates"].items()}
    ratio = 4 * best["with"] / best["without"]
    judged = judge(Interval(ratio, ratio / 2, 2 * ratio, 1), above=10.0, paper_regime=False)
    errors = {
        kind: ", ".join(f"{lr:g} {error:.2f}%" for lr, error in tried)
        for kind, tried in found["rates"].items()
    }
    return Finding(
        judged,
        ours=f"{ratio:g} times, in the paper's scaling",
        ran=f"The tuning of C3: {digit_sets(run)}, momentum .95, the rate falling to zero, one net "
        "a rate.",
        measured=f"Best rates {best['without']:g} without and {best['with']:g} with dropout. "
        f"Validation errors by rate: without {errors['without']}; with {errors['with']}.",
        numbers={"rates": found["rates"], "best": best, "ratio": ratio},
        between="The paper names neither its rates nor the nets that it compared.",
        would_decide="A finer grid." if judged.verdict == UNDECIDED else "",
    )


@claim(
    "C12",
    "App. B.1",
    "With dropout no early stopping is needed: the validation error ends at its lowest.",
    None,
    quotes="we found that it was easy to set up hyperparameters so that early stopping was not "
    "required at all",
    asks="The validation error after the last pass less the lowest after any, for the first net of "
    "each method with dropout in C1c, constants chosen for the full length. Not required: early "
    "stopping would gain less than a standard deviation of a validation error, √(e(1 − e)/n).",
    holds_if="the interval of the difference over the three nets lies below that deviation",
    fails_if="it lies above",
)
def stopping(run: Run) -> Finding:
    """Judge what stopping at the lowest validation error would have gained."""
    curves = {method: raced(run, method)[0]["curve"] for method in WITH_DROPOUT}
    errors = {method: [point[1] for point in curve] for method, curve in curves.items()}
    losses = {method: [point[2] for point in curve] for method, curve in curves.items()}
    gap = interval([e[-1] - min(e) for e in errors.values()])
    mean = max(sum(e[-1] for e in errors.values()) / len(errors) / 100, 1e-3)
    line = 100 * (mean * (1 - mean) / len(sets(run)["valid"][0])) ** 0.5
    said = "; ".join(
        f"{method} {e[-1]:.2f} and {min(e):.2f}% (pass {e.index(min(e)) + 1}), loss "
        f"{losses[method][-1]:.4f} and {min(losses[method]):.4f}"
        for method, e in errors.items()
    )
    judged = judge(gap, below=line, paper_regime=False)
    return Finding(
        judged,
        ours=f"{gap.text(2)} points above its lowest",
        ran=f"The first net of each method with dropout of C1c, {digit_sets(run)}, "
        f"{length(run)} passes, the rate falling to zero.",
        measured=f"Validation error at the end and at its lowest: {said}. A standard deviation is "
        f"{line:.2f} points.",
        numbers={"curves": curves, "line": line},
        between="The paper trains for a million updates.",
        would_decide="More nets." if judged.verdict == UNDECIDED else "",
    )
