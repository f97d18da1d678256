"""Learning rates that fall, and other first biases (§4.2, §4.3, §4.5, Table 2, Figure 10)."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import Interval, every, judge
from .arms import (
    BIASES,
    CUT,
    EFFECT,
    FORGET,
    MORE,
    RULE,
    between,
    decides,
    difference,
    others,
    progress,
    regime,
    share,
    slim,
    told,
    with_gates,
)


def draw_curves(figure, numbers) -> None:
    """Draw lengths of training streams, as Figure 10 does."""
    panels = figure.subplots(1, 2, sharey=True)
    for axes, name in zip(panels, FORGET):
        curve = numbers["curves"][name] or [[1, 1]]
        axes.plot(*zip(*[(n, max(size, 1)) for n, size in curve]), ".", ms=2, color=BLUE)
        axes.set(yscale="log", xlabel="stream", title=name.replace("forget", "forget gates"))
    panels[0].set_ylabel("symbols right")


@claim(
    "C5a",
    "§4.3, Table 2",
    "A falling learning rate leads to even better results.",
    draw_curves,
    quotes="A continually decreasing learning rate led to even better results but had no effect on "
    "the other algorithms",
    asks=f"{RULE}{CUT}The rate falls by .99 at each symbol, anew in each stream (that it begins "
    "anew is inferred: else it would be 4e-5 of itself after 1,000 symbols of 30,000 streams). The "
    "difference of the shares of perfect nets, 24 each from equal first weights, with an interval "
    "from the two exact ones (Newcombe 1998).",
    holds_if="the interval of the difference lies above 0",
    fails_if="it lies below",
    paper="62 against 18 of 100",
    full_only=True,
)
def falling(run: Run) -> Finding:
    """Compare the two arms with forget gates."""
    found = with_gates(run)
    a, b = (found[name] for name in ("forget falling", "forget"))
    gap = difference(share(a, True), share(b, True))
    judged = judge(gap, above=0, paper_regime=regime(run, a))
    return Finding(
        judged, ours=f"{told(a)}; constant rate: {told(b)}", ran=f"{len(a['best'])} nets each.",
        measured=f"Falling rate: {told(a)}{progress(a)}. Constant: {told(b)}{progress(b)}. "
        f"Difference, perfect: {gap}.",
        numbers={"falling": slim(a), "constant": slim(b), "difference": gap.mean,
                 "curves": {name: found[name]["curve"] for name in FORGET}},
        between=between(run), would_decide=decides(judged),
    )  # fmt: skip


@claim(
    "C5b",
    "§4.3",
    "A falling learning rate has no effect on the other algorithms.",
    quotes="A continually decreasing learning rate led to even better results but had no effect on "
    "the other algorithms",
    asks=f"{RULE}{CUT}As C5a for standard LSTM and for the best decay of states, 24 nets each way "
    "(external resets are told beside: they are not the continual task). The difference of the "
    "shares of perfect or good nets, from the gap of their exact intervals. An effect is .22, half "
    "of what the falling rate does for forget gates in Table 2.",
    holds_if="both gaps lie within ±.22",
    fails_if="one lies outside",
    full_only=True,
)
def no_effect(run: Run) -> Finding:
    """Compare arms without forget gates at the two rates."""
    found, keep, _ = others(run)
    judged, numbers, said = [], {}, []
    for name in ("standard", keep):
        a, b = share(found[f"{name} falling"]), share(found[name])
        gap = Interval(a.mean - b.mean, a.low - b.high, a.high - b.low, a.n + b.n)
        arms = found[name], found[f"{name} falling"]
        judged.append(judge(gap, within=(-EFFECT, EFFECT), paper_regime=regime(run, *arms)))
        numbers[name] = [gap.mean, gap.low, gap.high]
        said.append(f"{name}: {gap}")
    worst = every(judged)
    resets = f"{told(found['reset falling'])} falling, {told(found['reset'])} constant"
    return Finding(
        worst, ours=f"differences {worst.interval} and the like", ran="24 nets each way.",
        measured=f"Differences, {'; '.join(said)}. With external resets: {resets}.",
        numbers=numbers | {"reset": slim(found["reset"]),
                           "reset falling": slim(found["reset falling"])},
        between=between(run), would_decide=decides(worst),
    )  # fmt: skip


@claim(
    "C4",
    "§4.2",
    "Other first biases work just as well.",
    quotes="Precise bias initialization is not critical though—other values work just as well.",
    asks=f"{RULE}The falling rate. All forget gates begin with a bias of 0, 1 or 3 in place of .5, "
    "1, 1.5, 2: 24 nets each, for as many symbols and from the same other weights as the 24 of "
    f"C5a. {CUT}The difference of the shares of perfect or good nets, with an interval from the "
    "two exact ones. The lines are ±.44, the difference that the rate makes in Table 2; 24 nets "
    "could not decide a narrower one.",
    holds_if="all three intervals lie within ±.44",
    fails_if="one lies outside",
    full_only=True,
)
def biases(run: Run) -> Finding:
    """Compare first biases."""
    found = with_gates(run)
    usual, found = found["forget falling"], {name: found[name] for name in BIASES}
    judged, said = [], []
    for name, arm in found.items():
        gap = difference(share(arm), share(usual))
        judged.append(judge(gap, within=(-MORE, MORE), paper_regime=regime(run, arm, usual)))
        said.append(f"{name.split()[-1]}: {told(arm)} ({gap})")
    worst = every(judged)
    return Finding(
        worst, ours=f"difference {worst.interval}, the largest of three",
        ran=f"{len(usual['best'])} nets at each bias.",
        measured=f"At a bias of {'; '.join(said)}; block by block {told(usual)}.",
        numbers={name: slim(arm) for name, arm in found.items()} | {"usual": slim(usual)},
        between=between(run), would_decide=decides(worst),
    )  # fmt: skip
