"""Which matrices, and which rank (§7.1, §7.2; Tables 5 and 6)."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import every, interval, judge, paired
from .headline import decide
from .learning import BETWEEN, MATRICES, protocol, scores

SEEDS = 5


def differences(run: Run, others: tuple[str, ...]) -> dict[str, list[float]]:
    """Return q,v minus each other choice, by seed."""
    ours = scores(run, "q,v", SEEDS)
    return {name: [a - b for a, b in zip(ours, scores(run, name, SEEDS))] for name in others}


def draw_choices(figure, numbers) -> None:
    """Draw q,v minus each other choice."""
    axes = figure.subplots()
    for i, values in enumerate(numbers["differences"].values()):
        found = interval(values)
        ends = [[found.mean - found.low], [found.high - found.mean]]
        axes.errorbar(i, found.mean, ends, fmt="o", color=BLUE, capsize=2)
    axes.axhline(0, linewidth=1)
    axes.set_xticks(range(len(numbers["differences"])), list(numbers["differences"]))
    axes.set_ylabel("q,v − this choice (points)")


def table(run: Run, choices) -> str:
    """Tell accuracies in per cent."""
    return ", ".join(f"{n} {interval(scores(run, n, SEEDS)).text(1)}" for n in choices)


@claim(
    "C3", "§7.1, Table 5", "The queries alone, or the keys alone, do significantly worse.",
    draw_choices,
    quotes="putting all the parameters in ∆Wq or ∆Wk results in significantly lower performance",
    asks="At equal numbers: W_q or W_k with r 16 against W_q and W_v with r 8 each.",
    holds_if="both 95% intervals of q,v − q and q,v − k, paired over 5 seeds, lie above 0 points",
    fails_if="one of them lies below 0", paper="70.4 and 70.0 against 73.7 (WikiSQL)",
    full_only=True,
)  # fmt: skip
def alone(run: Run) -> Finding:
    """Judge both; the worse decides."""
    found = differences(run, ("q", "k"))
    judged = {n: judge(interval(v), above=0.0, paper_regime=False) for n, v in found.items()}
    worst = every([*judged.values()])
    assert worst.interval is not None
    told = ", ".join(f"{n} {interval(v).text(1)}" for n, v in found.items())
    return Finding(
        worst, ours=f"ahead of {told} points", ran=protocol(run),
        measured=f"Per cent right: {table(run, ('q', 'k', 'q,v'))}. q,v is ahead of {told} points.",
        numbers={"differences": found}, between=BETWEEN, would_decide=decide(worst.interval, 0.0),
    )  # fmt: skip


@claim(
    "C4", "§7.1, Table 5", "Queries and values together are the best choice.", draw_choices,
    quotes="adapting both Wq and Wv yields the best result",
    asks="At equal numbers, q and v against each other choice: q, k, v alone (r 16), all four "
    "of attention (r 4). The paper's own table has a tie with all four on one set "
    "of data and a loss on the other.",
    holds_if="all four 95% intervals of q,v − other, paired over 5 seeds, lie above 0 points",
    fails_if="one of them lies below 0", paper="73.7 (all four: 73.7; MNLI 91.3, all four 91.7)",
    full_only=True,
)  # fmt: skip
def best(run: Run) -> Finding:
    """Judge all; the worst decides."""
    others = tuple(name for name in MATRICES if name != "q,v")
    found = differences(run, others)
    judged = {n: judge(interval(v), above=0.0, paper_regime=False) for n, v in found.items()}
    worst = every([*judged.values()])
    assert worst.interval is not None
    name = next(n for n, j in judged.items() if j is worst)
    told = ", ".join(f"{n} {interval(v).text(1)}" for n, v in found.items())
    return Finding(
        worst, ours=f"{worst.interval.text(1)} points against {name}", ran=protocol(run),
        measured=f"Per cent right: {table(run, MATRICES)}. q,v minus each, in points: {told}.",
        numbers={"differences": found}, between=BETWEEN, would_decide=decide(worst.interval, 0.0),
    )  # fmt: skip


RANKS = (1, 8, 64)


def draw_ranks(figure, numbers) -> None:
    """Draw accuracy against rank."""
    axes = figure.subplots()
    for r, values in numbers["ranks"].items():
        found = interval(values)
        ends = [[found.mean - found.low], [found.high - found.mean]]
        axes.errorbar(int(r), found.mean, ends, fmt="o", color=BLUE, capsize=2)
    axes.set(xscale="log", xlabel="rank", ylabel="right (%)")


@claim(
    "C5", "§7.2, Table 6", "A rank of one is nearly as good as eight.", draw_ranks,
    quotes="LoRA already performs competitively with a very small r (more so for {Wq, Wv} than "
    "just Wq)",
    asks="q and v with r 1 against r 8 (and 64 beside), α 8 for all. Competitively: within "
    "C1's one point. Footnote 6 adds that a small r is not expected to do for every task: D2.",
    holds_if="the 95% interval of (r 1) − (r 8), paired over 5 seeds, lies above −1.0 points",
    fails_if="it lies below −1.0 points", paper="73.4 against 73.8 (WikiSQL)", full_only=True,
)  # fmt: skip
def small_rank(run: Run) -> Finding:
    """Judge r 1 against r 8."""
    found = {str(r): scores(run, "q,v", SEEDS, r=None if r == 8 else r) for r in RANKS}
    gap = paired(found["1"], found["8"])
    told = ", ".join(f"r {r} {interval(v).text(1)}" for r, v in found.items())
    return Finding(
        judge(gap, above=-1.0, paper_regime=False), ours=f"{gap.text(1)} points, {gap.n} seeds",
        ran=protocol(run), measured=f"Per cent right: {told}. r 1 − r 8: {gap.text(2)} points.",
        numbers={"ranks": found}, between=BETWEEN, would_decide=decide(gap, -1.0),
    )  # fmt: skip
