"""C1: rectifiers against tanh and softplus units, without pre-training (§4.1, Table 1)."""

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN
from .averages import difference, gap, mean, percent
from .nets import BETWEEN, COLOR, count, raced, rates_of, setting


def four(run) -> dict[str, list[dict]]:
    """Return the four kinds of net of C1."""
    return {
        "rectifier": raced(run, "rectifier"),
        "signed, L1": raced(run, "signed, L1", l1=0.001),
        "tanh": raced(run, "tanh"),
        "softplus": raced(run, "softplus"),
    }


def draw_four(figure, numbers):
    """Draw the test error and the training loss of each net, a row a kind."""
    figure.set_size_inches(6.4, 2.3)
    left, right = figure.subplots(1, 2, sharey=True)
    names = list(reversed(numbers))
    for row, name in enumerate(names):
        for axes, key, times in ((left, "test", 100), (right, "loss", 1)):
            values = [times * r[key] for r in numbers[name]]
            axes.plot(values, [row] * len(values), "o", color=COLOR[name], ms=4, alpha=0.7)
            axes.plot([mean(values)] * 2, [row - 0.28, row + 0.28], color=COLOR[name])
    left.set_yticks(range(len(names)), names)
    left.set_ylim(-0.6, len(names) - 0.4)
    left.set_xlabel("test error (%)")
    right.set_xlabel("training loss (nats)")
    for axes in (left, right):
        axes.grid(axis="x", visible=True)


def against(run, other):
    """Judge the rectifier against another unit, by two standard errors of the paired difference."""
    nets = four(run)
    less, error = difference(nets["rectifier"], nets[other])
    said = "; ".join(
        f"{name} {percent(rows)} (rate {rows[0]['lr']:g}, training loss "
        f"{mean([row['loss'] for row in rows]):.2g})"
        for name, rows in nets.items()
    )
    numbers = {
        name: [{k: row[k] for k in ("lr", "seed", "test", "loss")} for row in rows]
        for name, rows in nets.items()
    }
    return Finding(
        # Chance exceeds two standard errors about once in twenty.
        HOLDS if less > 2 * error else NOT_SEEN,
        ran=f"{setting(run, count(run))}, the rate of each kind chosen from {rates_of(run)}, and "
        "1 where the last is best. "
        "“Signed, L1” is the paper's variant: half of the units negative, penalty .001.",
        measured=f"Test error: {said}. {other.capitalize()} minus rectifier: "
        f"{gap(nets['rectifier'], nets[other])} points.",
        numbers=numbers,
        between=BETWEEN,
    )


@claim(
    "C1a",
    "§4.1, Table 1",
    "Without pre-training, rectifiers have a lower test error than tanh units.",
    draw_four,
    asks="Without pre-training, rectifiers have a lower test error than tanh units (MNIST 1.43 "
    "against 1.57%, NORB 16.40 against 19.29%).",
)
def better_than_tanh(run):
    """Judge the test error."""
    return against(run, "tanh")


@claim(
    "C1b",
    "§4.1, Table 1",
    "Without pre-training, rectifiers have a lower test error than softplus units.",
    asks="Without pre-training, rectifiers have a lower test error than softplus units (MNIST "
    "1.43 against 1.77%, NORB 16.40 against 17.68%).",
)
def better_than_softplus(run):
    """Judge the test error."""
    return against(run, "softplus")
