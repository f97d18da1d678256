"""Experts that are used alike, or not (§4, App. A, Table 6)."""

import itertools
import math

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import Interval, every, interval, judge, paired, slope
from .contest import SEEDS
from .learning import at, between, lengths, less, percent, perplexity, runs_of, seeds, what
from .models import K

KIND = "moe-32"
EIGHTH = -3  # of the doublings between looks: from an eighth of the text to a quarter
# (w_importance, w_load), as in Table 6: perplexity, CV(Importance), CV(Load), max/mean load there.
TABLE_6 = {
    (0.0, 0.0): (39.8, 3.04, 3.01, 17.80), (0.2, 0.0): (35.6, 0.06, 0.17, 1.47),
    (0.0, 0.2): (35.7, 0.22, 0.04, 1.15), (0.1, 0.1): (35.6, 0.06, 0.05, 1.14),
    (0.01, 0.01): (35.7, 0.48, 0.11, 1.37), (1.0, 1.0): (35.7, 0.03, 0.02, 1.07),
}  # fmt: skip
NONE, IMPORTANCE, LOAD, BOTH = (0.0, 0.0), (0.2, 0.0), (0.0, 0.2), (0.1, 0.1)
# Half of the way, in logarithms, that Table 6's gate goes from 256 experts to the least, four.
LINE = math.log(1 + 3.04**2) / math.log(256 / 4) / 2  # .280
# Without losses the paper loses log(39.8/35.65) of the log(45.0/35.65) that its experts gain.
LOST = math.log(39.8 / 35.65) / math.log(45.0 / 35.65)  # .47


def runs(run: Run, weights: tuple[float, float]):
    """Return the runs with these weights of the two losses; the usual ones are C1's."""
    if weights == BOTH:
        return runs_of(run, KIND, SEEDS)
    return runs_of(run, KIND, SEEDS, w_importance=weights[0], w_load=weights[1])


def used(shares: list[float]) -> float:
    """Return how many experts are in effect used, n / (1 + CV²): all alike n, only m alike m."""
    return sum(shares) ** 2 / sum(x * x for x in shares)


def narrowed(shares: list[float]) -> float:
    """Return how far use has narrowed, in logarithms: 0 if all experts are used alike, 1 if k."""
    n = len(shares)
    return math.log(n / used(shares)) / math.log(n / K)


def draw_shares(figure, numbers) -> None:
    """Draw each expert's share of importance, sorted, with and without losses."""
    axes = figure.subplots()
    for name, color in (("no losses", RED), ("both", GREEN)):
        for i, shares in enumerate(numbers["shares"][name]):
            ordered = sorted(shares, reverse=True)
            axes.plot(range(1, len(ordered) + 1), ordered, color=color, alpha=0.7,
                      label=name if i == 0 else None)  # fmt: skip
    axes.axhline(1 / len(ordered), ls=":", color=MUTED)
    axes.set(yscale="log", xlabel="experts, the busiest first", ylabel="share of all importance")
    axes.set_ylim(bottom=1e-5)
    axes.legend()


@claim(
    "C8a",
    "§4",
    "Without a balancing loss the gate ends with the same few experts.",
    draw_shares,
    quotes="We have observed that the gating network tends to converge to a state where it always "
    "produces large weights for the same few experts.",
    asks="32 experts, C1's model and its rate, without either loss. Few: n/(1 + CV²) experts are "
    "in effect used, with CV that of Importance over all test batches together, so that they must "
    "be the same. In Table 6 those are 25 of 256; in logarithms that is .56 of the way from all to "
    "the four that must be used, and with any loss at most .05. Half of .56 is .28: fewer than "
    "17.9 of 32. (Seen before the rule, one seed, after 0.8 million pieces: CV .73 without, .08 "
    "with both, which is 21 and 32 experts. An earlier rule, under which no full run was made, "
    "would have held with 27 of 32 in use.)",
    holds_if="the interval of that way lies above .28",
    fails_if="it lies below",
    paper="25 of 256 experts (CV 3.04)",
    full_only=True,
)
def collapse(run: Run) -> Finding:
    """Judge how few experts are used without losses."""
    found = {"no losses": runs(run, NONE), "both": runs(run, BOTH)}
    shares = {k: [f["curve"][-1]["importance"] for f in r] for k, r in found.items()}
    ways = {name: [narrowed(x) for x in each] for name, each in shares.items()}
    judged = judge(interval(ways["no losses"]), above=LINE, paper_regime=False)
    assert judged.interval is not None
    most = {name: interval(at(r, "max load")).text(2) for name, r in found.items()}
    cv = {name: interval(at(r, "cv importance")).text(2) for name, r in found.items()}
    few = {name: interval([used(x) for x in each]).text(1) for name, each in shares.items()}
    return Finding(
        judged,
        ours=f"{few['no losses']} of 32; {few['both']} with losses",
        ran=f"{what(run, KIND)} {SEEDS} seeds.",
        measured=f"In effect used: {few['no losses']} of 32 experts without losses "
        f"({judged.interval.text(2)} of the way to four), {few['both']} with both. CV(Importance) "
        f"{cv['no losses']} and {cv['both']}, largest over mean load {most['no losses']} and "
        f"{most['both']} (Table 6: 3.04 and .06, 17.80 and 1.14, of 256).",
        numbers={"way": ways, "shares": shares},
        between=between(run),
        would_decide=seeds(judged),
    )


def growth(first: list[float], later: list[float]) -> Interval:
    """Return the slope of log share later on log share first, over experts.

    Above 1 unequal shares become more unequal in proportion; 1 is no change; below 1 is levelling.
    Shares of less than a thousandth of the mean count as that.
    """
    floor = 1e-3 / len(first)
    return slope([math.log(max(x, floor)) for x in first], [math.log(max(x, floor)) for x in later])


def draw_growth(figure, numbers) -> None:
    """Draw how unequal importance is, along training."""
    axes = figure.subplots()
    for name, color in (("no losses", RED), ("importance", BLUE), ("both", GREEN)):
        for i, values in enumerate(numbers["cv"].get(name, [])):
            axes.plot(numbers["steps"], values, "o-", color=color, ms=3, label=None if i else name)
    axes.set(xscale="log", xlabel="steps", ylabel="CV(Importance)", ylim=(0, None))
    axes.set_xticks(numbers["steps"], [str(step) for step in numbers["steps"]])
    axes.minorticks_off()
    axes.legend()


@claim(
    "C8b",
    "§4",
    "Imbalance reinforces itself.",
    draw_growth,
    quotes="This imbalance is self-reinforcing, as the favored experts are trained more rapidly "
    "and thus are selected even more by the gating network.",
    asks="The runs without losses: each expert's share of Importance at an eighth and at a quarter "
    "of training, on the same test text. The slope of the logarithms, over experts: above 1 the "
    "favoured have gained in proportion, below 1 shares have come nearer to each other. (That "
    "they are favoured *because* they learn faster is not asked.)",
    holds_if="the interval of the slope, over seeds, lies above 1",
    fails_if="it lies below 1",
    full_only=True,
)
def reinforcing(run: Run) -> Finding:
    """Judge how shares grow."""
    found = {"no losses": runs(run, NONE), "importance": runs(run, IMPORTANCE),
             "both": runs(run, BOTH)}  # fmt: skip
    doublings = [
        [growth(*(f["curve"][i]["importance"] for i in (part, part + 1))).mean
         for f in found["no losses"]]
        for part in range(-len(lengths(run)), -1)
    ]  # fmt: skip
    slopes = doublings[EIGHTH]
    judged = judge(interval(slopes), above=1.0, paper_regime=False)
    assert judged.interval is not None
    return Finding(
        judged,
        ours=f"slope {judged.interval.text(2)}",
        ran=f"The runs of C8a, {SEEDS} seeds.",
        measured="log share at a quarter of training on that at an eighth: slope "
        f"{judged.interval.text(2)}. Of every doubling of the steps from {lengths(run)[0]} on: "
        + "; ".join(interval(each).text(2) for each in doublings) + ".",
        numbers={
            "slopes": slopes, "doublings": doublings, "steps": lengths(run),
            "cv": {k: [[e["cv importance"] for e in f["curve"]] for f in r]
                   for k, r in found.items()},
        },
        between=between(run),
        would_decide=seeds(judged),
    )  # fmt: skip


def gain(run: Run) -> list[float]:
    """Return what 32 experts gain over four, by seed, as a logarithm."""
    return less(at(runs(run, BOTH)), at(runs_of(run, "moe-4", SEEDS)))


@claim(
    "C8c",
    "App. A, Table 6",
    "Either loss, or both, leads to very similar quality.",
    quotes="All the combinations containing at least one the two losses led to very similar model "
    "quality, where having no loss was much worse.",
    asks="The first half of the sentence: weights (.2, 0), (0, .2) and (.1, .1) of the two losses. "
    "Very similar: perplexities differ by less than a quarter of what 'much worse' stands for in "
    "Table 6, where no losses cost 47% of all that experts gain; here 12% of what 32 experts gain "
    "over 4, with the same seed. If that gain's own interval reaches 0, there is nothing to "
    "compare with, and the claim is undecided.",
    holds_if="32 experts gain, and for (.2, 0) and (0, .2) the intervals of (difference to "
    "(.1, .1) + and − 12% of the gain) lie above and below 0",
    fails_if="a difference lies outside ±12% with its interval",
    paper="35.6 to 35.7",
    full_only=True,
)
def similar(run: Run) -> Finding:
    """Judge each loss alone against both."""
    both, gained = at(runs(run, BOTH)), gain(run)
    mean = sum(gained) / len(gained)
    line = [LOST / 4 * g for g in gained]
    found = {"importance": at(runs(run, IMPORTANCE)), "load": at(runs(run, LOAD))}
    lost = {name: less(both, values) for name, values in found.items()}
    judgements = [judge(interval(gained), above=0.0, paper_regime=False)]
    for values in lost.values():
        judgements += [
            judge(paired(values, line), below=0.0, paper_regime=False),
            judge(paired(values, [-x for x in line]), above=0.0, paper_regime=False),
        ]
    judged = every(judgements)
    told = ", ".join(f"{k} {percent_of(interval(values), mean)}" for k, values in lost.items())
    return Finding(
        judged,
        ours=f"{told} of the gain",
        ran=f"{what(run, KIND)} {SEEDS} seeds.",
        measured=f"Lost by one loss alone, in percent of what 32 experts gain over 4 "
        f"({percent(interval(gained))}%): {told}. Perplexity with both "
        f"{perplexity(runs(run, BOTH))}.",
        numbers={"both": both, "gain": gained, **found},
        between=between(run),
        would_decide=seeds(judged),
    )


def percent_of(found: Interval | None, whole: float) -> str:
    """Return an interval in percent of a number, as text."""
    assert found is not None
    parts = sorted(100 * x / whole for x in (found.low, found.mean, found.high))
    return Interval(parts[1], parts[0], parts[2], found.n).text(0) + "%"


@claim(
    "C8d",
    "App. A, Table 6",
    "Without any loss quality is much worse.",
    quotes="All the combinations containing at least one the two losses led to very similar model "
    "quality, where having no loss was much worse.",
    asks="The second half: no losses against (.1, .1). In Table 6 their lack costs 47% of what 256 "
    "experts gain over 4. Much worse: half of that, 24% of what 32 experts gain, with the same "
    "seed. If that gain's own interval reaches 0, the claim is undecided.",
    holds_if="32 experts gain, and the interval of (nats without losses − with both − 24% of the "
    "gain) lies above 0",
    fails_if="it lies below 0",
    paper="39.8 against 35.6",
    full_only=True,
)
def much_worse(run: Run) -> Finding:
    """Judge no losses against both."""
    none, both, gained = at(runs(run, NONE)), at(runs(run, BOTH)), gain(run)
    lost = less(both, none)
    judged = every([
        judge(interval(gained), above=0.0, paper_regime=False),
        judge(paired(lost, [LOST / 2 * g for g in gained]), above=0.0, paper_regime=False),
    ])  # fmt: skip
    share = percent_of(interval(lost), sum(gained) / len(gained))
    return Finding(
        judged,
        ours=f"{percent(interval([-x for x in lost]))}% lower perplexity; {share} of the gain lost",
        ran=f"{what(run, KIND)} {SEEDS} seeds.",
        measured=f"Perplexity {perplexity(runs(run, NONE))} without losses, "
        f"{perplexity(runs(run, BOTH))} with both: {share} of what 32 experts gain is lost.",
        numbers={"none": none, "both": both, "gain": gained},
        between=between(run),
        would_decide=seeds(judged),
    )


@claim(
    "C9",
    "App. A, Table 6",
    "A larger weight of the load loss lowers the busiest expert's load.",
    quotes="Models with higher values of wload had lower loads on the most overloaded expert.",
    asks="(w_importance, w_load) = (.2, 0), (.1, .1), (0, .2): the largest load over the mean one, "
    "averaged over batches. Table 6's own row for .2 lies above that for .1 (E2), so the second "
    "step could go either way.",
    holds_if="the intervals of log(max/mean at the lower w_load / at the higher) lie above 0, both",
    fails_if="one lies below 0",
    paper="1.47, 1.14, 1.15",
    full_only=True,
)
def busiest(run: Run) -> Finding:
    """Judge the busiest expert along w_load."""
    order = (IMPORTANCE, BOTH, LOAD)
    found = [[math.log(x) for x in at(runs(run, w), "max load")] for w in order]
    steps = [
        judge(paired(a, b), above=0.0, paper_regime=False) for a, b in itertools.pairwise(found)
    ]
    judged = every(steps)
    told = [interval([math.exp(x) for x in values]).text(2) for values in found]
    return Finding(
        judged,
        ours=f"{told[0]}; {told[1]}; {told[2]}",
        ran=f"{what(run, KIND)} {SEEDS} seeds.",
        measured=f"max(Load)/mean(Load) with w_load 0, .1 and .2: {told[0]}; {told[1]}; {told[2]}.",
        numbers={str(weights): values for weights, values in zip(order, found)},
        between=between(run),
        would_decide=seeds(judged),
    )
