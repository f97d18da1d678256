"""What the paper advises on training, tested on the nets of C1 and C3 (§5.1, App. A.2, B.1)."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Interval, interval, judge
from .data import digit_sets
from .data_size import results
from .methods import length, raced
from .regularizers import lead, result, shown


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
    "without, on grids of a factor of 2. Half to double is what such grids leave open, and no 95% "
    "interval: one net a rate. The paper scales weights after training and so its rate is ours "
    "over the square of the retention: 4 times ours behind hidden units, of which half are kept, "
    "and 1.56 times behind inputs, of which .8 are. The ratio is multiplied by the 4. (When "
    "this rule was written, C1a's rates were known: .1 without, .025 with dropout; those of C3 "
    "were not.)",
    holds_if="half of the ratio lies above 10",
    fails_if="double the ratio lies below 10",
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
        ours=f"{ratio:g} times, in the paper's scaling of hidden units",
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
    "With dropout no early stopping is needed: the validation loss ends at its lowest.",
    None,
    quotes="we found that it was easy to set up hyperparameters so that early stopping was not "
    "required at all",
    asks="The validation loss after the last pass over the lowest after any, for the nets of C1a "
    "with dropout; those without stand beside. Not required: it ends within 5% of its lowest. The "
    "line is ours. (Nets of 16 and 50 passes were seen before this rule: 1.19 to 1.23 without "
    "dropout, 1.00 to 1.02 with. An earlier rule asked for the validation error of one net of each "
    "method, which hardly rises with or without dropout.)",
    holds_if="the interval of the ratio over the nets with dropout lies below 1.05",
    fails_if="it lies above",
)
def stopping(run: Run) -> Finding:
    """Judge what stopping at the lowest validation loss would have gained."""
    curves = {m: [net["curve"] for net in raced(run, m)] for m in ("none", "dropout")}
    over = {
        method: [curve[-1][2] / min(point[2] for point in curve) for curve in each]
        for method, each in curves.items()
    }
    gap = interval(over["dropout"])
    judged = judge(gap, below=1.05, paper_regime=False)
    said = "; ".join(
        f"{method} {interval(ratios).text(3)} (n = {len(ratios)})"
        for method, ratios in over.items()
    )
    errors = "; ".join(
        f"{method} {interval([c[-1][1] - min(p[1] for p in c) for c in each]).text(2)}"
        for method, each in curves.items()
    )
    return Finding(
        judged,
        ours=f"{gap.text(3)} times its lowest; plain {interval(over['none']).text(2)}",
        ran=f"C1a's nets, {digit_sets(run)}, {length(run)} passes, the rate falling to zero.",
        measured=f"Validation loss at the end over its lowest: {said}. Validation error at the "
        f"end above its lowest, in points: {errors}.",
        numbers={"ratio": over, "curves": {method: each[0] for method, each in curves.items()}},
        between="The paper trains for a million updates.",
        would_decide="More nets." if judged.verdict == UNDECIDED else "",
    )
