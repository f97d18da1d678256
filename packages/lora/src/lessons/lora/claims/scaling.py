"""Digits: prefixes against LoRA as they grow (Fig. 2), and rates as the rank grows (§4.1)."""

from ..lab.claim import Finding, claim
from ..lab.figures import GREEN, RED
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired
from .digits import RATES, adapt_digits, results
from .headline import decide

LENGTHS, SERIES = (1, 8, 32), (1, 8, 32)


def draw_scaling(figure, numbers) -> None:
    """Draw accuracy against trained numbers: prefixes and LoRA."""
    axes = figure.subplots()
    for name, color in (("prefix", RED), ("q,v", GREEN)):
        for i, (n, values) in enumerate(numbers[name]):
            found = interval(values)
            ends = [[found.mean - found.low], [found.high - found.mean]]
            axes.errorbar(n, found.mean, ends, fmt="o", color=color, capsize=2,
                          label=name if not i else None)  # fmt: skip
    axes.set(xscale="log", xlabel="numbers trained", ylabel="right (%)")
    axes.legend()


def series(run: Run) -> dict[str, list]:
    """Return (numbers, accuracies) of growing prefixes and ranks, near shift."""
    lengths = run.pick(test=(1, 2), default=LENGTHS)
    ranks = run.pick(test=(1, 2), default=SERIES)
    found: dict[str, list] = {"prefix": [], "q,v": []}
    for name, method in [("prefix", f"prefix {n}") for n in lengths] + [
        ("q,v", f"q,v r {r}") for r in ranks
    ]:
        each = results(run, method, "near")
        found[name].append([each[0]["numbers"], [one["accuracy"] for one in each]])
    return found


BETWEEN = "an encoder of 152,000 numbers for digits in place of GPT-3"


@claim(
    "C15a", "§5.5, Fig. 2", "More prefix tokens can make it worse.", draw_scaling,
    quotes="not all methods benefit monotonically from having more trainable parameters",
    asks="Digits, near shift: 1, 8 and 32 trained embeddings before the patches, each at its "
    "best rate. Not monotonic, as Fig. 2 has it: the longest is worse than one that is shorter.",
    holds_if="the 95% interval of (32) − (the best shorter one by mean), 5 seeds, lies below 0 "
    "points",
    fails_if="it lies above 0", paper="55.9 (512 tokens) against 63.1 (256)", full_only=True,
)  # fmt: skip
def prefixes(run: Run) -> Finding:
    """Judge the longest prefix against the best shorter one."""
    found = series(run)
    *shorter, longest = found["prefix"]
    best = max(shorter, key=lambda each: sum(each[1]))
    gap = paired(longest[1], best[1])
    told = ", ".join(f"{n:,}: {interval(v).text(1)}" for n, v in found["prefix"])
    return Finding(
        judge(gap, below=0.0, paper_regime=False), ours=f"{gap.text(1)} points, {gap.n} seeds",
        ran="As D1.", measured=f"Per cent right by numbers trained: {told}.", numbers=found,
        between=BETWEEN, would_decide=decide(gap, 0.0),
    )  # fmt: skip


@claim(
    "C15b", "§5.5, Fig. 2", "LoRA's best is ahead of the best prefix.",
    quotes="LoRA exhibits better scalability and task performance.",
    asks="Digits, near shift: the best rank of q and v (1, 8, 32) against the best prefix (1, "
    "8, 32), each at its best rate.",
    holds_if="the 95% interval of LoRA − prefix, paired over 5 seeds, lies above 0 points",
    fails_if="it lies below 0", paper="74.0 against 63.1 (WikiSQL)", full_only=True,
)  # fmt: skip
def scalable(run: Run) -> Finding:
    """Judge the best of each."""
    found = series(run)
    tops = {name: max(each, key=lambda one: sum(one[1])) for name, each in found.items()}
    gap = paired(tops["q,v"][1], tops["prefix"][1])
    told = ", ".join(f"{n:,}: {interval(v).text(1)}" for n, v in found["q,v"])
    return Finding(
        judge(gap, above=0.0, paper_regime=False), ours=f"{gap.text(1)} points, {gap.n} seeds",
        ran="As D1.", measured=f"LoRA, per cent right by numbers trained: {told}. Best against "
        "best: "
        f"{gap.text(1)} points.", numbers=found, between=BETWEEN, would_decide=decide(gap, 0.0),
    )  # fmt: skip


def best_of_rank(run: Run, r: int, alpha: float | None, seed: int) -> dict[str, float]:
    """Return the rate that is best for a rank, on dev, as its power of two."""
    rates = run.pick(test=(2e-3, 4e-3), default=(5e-4, *RATES, 3.2e-2))
    found = [adapt_digits(run, f"six r {r}", "near", rate, seed, "dev", alpha)["accuracy"]
             for rate in rates]  # fmt: skip
    top = max(found)
    places = [i for i, value in enumerate(found) if value == top]
    return {"place": sum(places) / len(places)}  # rates that do equally well: their middle


@claim(
    "C16", "§4.1", "With α/r the best rate moves less when r changes.",
    quotes="This scaling helps to reduce the need to retune hyperparameters when we vary r",
    asks="Digits, near shift, r 1 and 16 on all six matrices, seven rates a factor of 2 apart: "
    "how far apart, in powers of two, are the two best rates with α = 4 fixed, and how far "
    "without scaling (a factor of 1)?",
    holds_if="the 95% interval of (spread with α/r) − (spread without), 5 seeds, lies below 0",
    fails_if="it lies above 0", full_only=True,
)  # fmt: skip
def portable(run: Run) -> Finding:
    """Judge the spread of best rates."""
    spreads: dict[str, list[float]] = {}
    places: dict[str, list[list[float]]] = {}
    for name, alpha in (("α/r", 4.0), ("without", None)):
        for seed in run.seeds(run.pick(test=2, default=2, full=5)):
            own = [run.trial(best_of_rank, r=r, alpha=alpha, seed=seed)["place"] for r in (1, 16)]
            places.setdefault(name, []).append(own)
            spreads.setdefault(name, []).append(max(own) - min(own))
    gap = paired(spreads["α/r"], spreads["without"])
    return Finding(
        judge(gap, below=0.0, paper_regime=False), ours=f"{gap.text(1)} factors of 2",
        ran="As D1, on the digits for dev, all seven rates for each rank and seed.",
        measured=f"The best rates lie {interval(spreads['α/r']).text(1)} factors of two apart with "
        f"α/r, {interval(spreads['without']).text(1)} without.",
        numbers={"spreads": spreads, "places": places}, between=BETWEEN,
        would_decide=decide(gap, 0.0),
    )  # fmt: skip
