"""Claim C6 and demonstration D3: units of short and long memory, and how their gates stand."""

from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import interval, judge
from .contest import runs_of
from .telling import BETWEEN, bounds, mean, protocol, trend, would_decide

SENTENCE = (
    "Those units that learn to capture short-term dependencies will tend to have reset gates that "
    "are frequently active"
)
HOW = (
    "The encoders of C1a read test sentences. A unit's memory is the lag at which the "
    "autocorrelation of its state falls below 1/e"
)


def rank_correlation(x: list[float], y: list[float]) -> float:
    """Return Spearman's coefficient; 0 where one side is constant."""
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic) if len(set(x)) > 1 and len(set(y)) > 1 else 0.0


def draw_units(figure, numbers) -> None:
    """Draw a net's units by memory and gates."""
    figure.set_size_inches(6.4, 2.8)
    for axes, (name, label) in zip(
        figure.subplots(1, 2),
        (("update", "mean of the update gate"), ("reset active", "share of steps with r below ½")),
    ):
        axes.plot(numbers["memory"], numbers[name], "o", color=BLUE, markersize=4, alpha=0.7)
        axes.set(xlabel="memory in words", ylabel=label)


@claim(
    "C6",
    "§2.3",
    "Units of short memory have their reset gates active more often.",
    draw_units,
    quotes=SENTENCE,
    asks=f"{HOW}; its reset gate is taken as active where it is below one half, as close to 0 it "
    "forgets (the paper does not say which is active; with the other reading the sign turns "
    "round). The rank correlation over units of memory and share of active steps.",
    holds_if="the 95% interval over nets lies below 0",
    fails_if="it lies above",
    full_only=True,
)
def resets(run: Run) -> Finding:
    """Correlate memory and resets."""
    units = [f["units"] for f in runs_of(run, "gru")]
    turned = lambda u: rank_correlation(u["memory"], u["reset active"])  # noqa: E731
    found = interval([turned(u) for u in units])
    return Finding(
        judge(found, below=0.0, paper_regime=False),
        ours=f"rank correlation {found.text(2)}",
        ran=protocol(run),
        measured=f"Memory and share of active resets: {found.text(2)} over "
        f"{len(units[0]['memory'])} units."
        + trend(run, lambda x: mean(x, lambda f: turned(f["units"]))),
        numbers={"correlation": bounds(found), **units[0]},
        between=BETWEEN + ".",
        would_decide=would_decide(found, 0.0),
    )


@demonstration(
    "D3",
    "Units of long memory keep their update gates mostly active.",
    asks="“…but those that capture longer-term dependencies will have update gates that are mostly "
    f"active” (§2.3). {HOW}. The rank correlation over units of memory and mean update gate. "
    "Equation 7 all but implies its sign, so nothing is tested.",
    source="§2.3",
    full_only=True,
)
def updates(run: Run) -> Finding:
    """Correlate memory and update gates."""
    units = [f["units"] for f in runs_of(run, "gru")]
    found = interval([rank_correlation(u["memory"], u["update"]) for u in units])
    return Finding(
        None,
        ours=f"rank correlation {found.text(2)}",
        ran=protocol(run),
        measured=f"Memory and mean update gate: {found.text(2)}.",
        numbers={"correlation": bounds(found)},
    )
