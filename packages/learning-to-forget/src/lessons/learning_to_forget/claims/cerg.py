"""Who learns the continual embedded Reber grammar, and what helps (§4.2, §4.3, Table 2)."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, GREEN, RED
from ..lab.run import Run
from ..lab.statistics import Interval, every, judge, proportion, unpaired
from .arms import (
    BETWEEN,
    CUT,
    DESK,
    EASY,
    EFFECT,
    FORGET,
    MORE,
    MUCH,
    RULE,
    both,
    decides,
    desk,
    family,
    full,
    others,
    share,
    slim,
    told,
    with_gates,
)
from .learning import GOOD
from .plain import plain_nets


@claim(
    "C1a",
    "abstract",
    "All algorithms, LSTM included, fail at the continual grammar.",
    quotes="All algorithms (including LSTM) fail to solve continual versions of these problems.",
    asks=f"{RULE}{CUT}Standard LSTM, 20 nets; and plain recurrent nets of 12 logistic units that "
    "learn by the whole gradient online (RTRL), 20 nets at the best of four rates, tried on five "
    "nets apart each, in 500,000 symbols. The share of perfect nets. To fail is to have fewer "
    "than the .18 of Table 2 that the abstract calls easily solving. Others of its algorithms "
    f"(Elman's, RCC) are not run. {DESK}There the plain nets are not run, and perfect is 10,000.",
    holds_if="the exact intervals of both shares lie below .18",
    fails_if="one of them lies above .18",
    paper="0 of 100 (standard LSTM)",
)
def all_fail(run: Run) -> Finding:
    """Judge nets without forget gates."""
    if run.scale == "default":
        found = desk(run, False)
        one = proportion(sum(b >= 10_000 for b in found["best"]), len(found["best"]))
        shares, said = [one], f"standard LSTM right for {max(found['best']):.0f} symbols at best"
        numbers = {"standard": slim(found)}
    else:
        standard, plain = others(run)[0]["standard"], plain_nets(run)
        shares = [share(standard, True), share(plain, True)]
        said = f"LSTM: {told(standard)}; plain: {told(plain)}"
        numbers = {"standard": slim(standard), "plain": slim(plain)}
    judged = every([judge(s, below=EASY, paper_regime=full(run)) for s in shares])
    return Finding(
        judged, ours=said, ran=f"{shares[0].n} nets of each kind.",
        measured=f"{said}. Shares of perfect nets: {'; '.join(map(str, shares))}.",
        numbers=numbers, between=BETWEEN, would_decide=decides(judged),
    )  # fmt: skip


def draw_arms(figure, numbers) -> None:
    """Draw each net's best test length, by arm."""
    axes = figure.subplots()
    names = [name for name, value in numbers.items() if isinstance(value, dict)]
    for i, name in enumerate(names):
        best = numbers[name]["best"]
        x = [i + 0.5 * (k / max(1, len(best) - 1) - 0.5) for k in range(len(best))]
        color = BLUE if name.startswith("forget") else RED
        axes.plot(x, [max(b, 1) for b in best], "o", ms=4, alpha=0.7, color=color)
    axes.axhline(GOOD, color=GREEN, ls="--", lw=1)
    axes.set(yscale="log", ylabel="symbols right, mean of ten streams")
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n") for name in names])


@claim(
    "C1b",
    "abstract, Table 2",
    "LSTM with forget gates solves the continual grammar.",
    draw_arms,
    quotes="LSTM with forget gates, however, easily solves them in an elegant way.",
    asks=f"{RULE}{CUT}The share of perfect or good nets: 40 with forget gates at the constant rate "
    "(47 of 100 in Table 2; with a falling rate, told beside, 68) against 20 without (1 of 100). "
    f"(How easily, the table itself says: 18 are perfect.) {DESK}",
    holds_if="the low end of the exact interval with forget gates lies above the high end without",
    fails_if="the high end with forget gates lies below the low end without",
    paper="47 against 1 of 100",
)
def gates_solve(run: Run) -> Finding:
    """Compare shares with forget gates and without."""
    ours, theirs = both(run)
    a, b = share(ours), share(theirs)
    gap = Interval(a.mean - b.mean, a.low - b.high, a.high - b.low, a.n + b.n)
    judged = judge(gap, above=0, paper_regime=full(run))
    numbers = {"forget": slim(ours), "standard": slim(theirs)}
    said = f"with: {told(ours)}; without: {told(theirs)}"
    if run.scale != "default":
        numbers["forget falling"] = slim(with_gates(run)["forget falling"])
        numbers |= {name: slim(v) for name, v in others(run)[0].items() if "falling" not in name}
        said += f"; falling rate: {told(numbers['forget falling'])}"
    return Finding(
        judged, ours=f"{a} with forget gates, {b} without", ran=f"{a.n} nets and {b.n}.",
        measured=f"Best tests, {said}.", numbers=numbers, between=BETWEEN,
        would_decide=decides(judged),
    )  # fmt: skip


@claim(
    "C1c",
    "§4.3",
    "States that decay at a fixed rate do not help much.",
    quotes="Internal state decay does not help much either (we tried various self-recurrent weight "
    "values and report only the best result).",
    asks=f"{RULE}{CUT}States are multiplied at each step by a constant, from .5 to .999 (its "
    "distance from 1 by factors of 2, ten of them), five nets each for the full length; the best "
    "is then run with 20 other nets. The share of perfect or good nets; the line for much is .24, "
    "midway between standard LSTM's .01 and forget gates' .47 in Table 2.",
    holds_if="the exact interval of the share lies below .24",
    fails_if="it lies above",
    paper="0 of 100",
    full_only=True,
)
def state_decay(run: Run) -> Finding:
    """Judge the best decay."""
    found, keep, _ = others(run)
    return one_arm(run, found[keep], f"weight {float(keep.split()[1]):.4g}")


@claim(
    "C1d",
    "§2.1",
    "Weight decay does not work.",
    quotes="Weight decay does not work.",
    asks=f"{RULE}{CUT}All weights of standard LSTM lose, at each step, the rate times a constant, "
    "from 1e-7 to .0066 by factors of 4, five nets each for the full length; the best is then run "
    "with 20 other nets. (Of the paper's two algorithms this is Hinton's; weight elimination is "
    "not run.) The share of perfect or good nets, against the line of C1c.",
    holds_if="the exact interval of the share lies below .24",
    fails_if="it lies above",
    full_only=True,
)
def weight_decay(run: Run) -> Finding:
    """Judge the best weight decay."""
    found, _, shrink = others(run)
    return one_arm(run, found[shrink], f"constant {float(shrink.split()[1]):.2g}")


def one_arm(run: Run, found: dict, what: str) -> Finding:
    """Judge an arm that should not help much."""
    s = share(found)
    judged = judge(s, below=MUCH, paper_regime=full(run))
    return Finding(
        judged, ours=f"{told(found)}, {what}", ran=f"{s.n} nets, {what}.",
        measured=f"{told(found)}; of late {max(found['recent']):.0f} symbols a stream at most.",
        numbers={"found": slim(found), "share": [s.mean, s.low, s.high]},
        between="Fewer streams than the paper's.", would_decide=decides(judged),
    )  # fmt: skip


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
    "difference of the shares of perfect nets, 40 each from equal first weights, by Student's t.",
    holds_if="the interval of the difference lies above 0",
    fails_if="it lies below",
    paper="62 against 18 of 100",
    full_only=True,
)
def falling(run: Run) -> Finding:
    """Compare the two arms with forget gates."""
    found = with_gates(run)
    a, b = (found[name] for name in ("forget falling", "forget"))
    gap = unpaired(*([float(s is not None) for s in arm["solved"]] for arm in (a, b)))
    judged = judge(gap, above=0, paper_regime=full(run))
    return Finding(
        judged, ours=f"{told(a)}; constant rate: {told(b)}", ran=f"{len(a['best'])} nets each.",
        measured=f"Falling rate: {told(a)}. Constant: {told(b)}. Difference, perfect: {gap}.",
        numbers={"falling": slim(a), "constant": slim(b), "difference": gap.mean,
                 "curves": {name: found[name]["curve"] for name in FORGET}},
        between="Fewer nets and symbols than the paper's.", would_decide=decides(judged),
    )  # fmt: skip


@claim(
    "C5b",
    "§4.3",
    "A falling learning rate has no effect on the other algorithms.",
    quotes="A continually decreasing learning rate led to even better results but had no effect on "
    "the other algorithms",
    asks=f"{RULE}{CUT}As C5a for standard LSTM and for the best decay of states, 20 nets each way "
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
        judged.append(judge(gap, within=(-EFFECT, EFFECT), paper_regime=full(run)))
        numbers[name] = [gap.mean, gap.low, gap.high]
        said.append(f"{name}: {gap}")
    worst = every(judged)
    resets = f"{told(found['reset falling'])} falling, {told(found['reset'])} constant"
    return Finding(
        worst, ours=f"differences {worst.interval} and the like", ran="20 nets each way.",
        measured=f"Differences, {'; '.join(said)}. With external resets: {resets}.",
        numbers=numbers | {"reset": slim(found["reset"]),
                           "reset falling": slim(found["reset falling"])},
        between="Fewer nets than the paper's.", would_decide=decides(worst),
    )  # fmt: skip


@claim(
    "C4",
    "§4.2",
    "Other first biases work just as well.",
    quotes="Precise bias initialization is not critical though—other values work just as well.",
    asks=f"{RULE}The falling rate. All forget gates begin with a bias of 0, 1 or 3 in place of .5, "
    "1, 1.5, 2: 20 nets each, at most 4 million symbols, against the 40 of C5a. The difference of "
    "the shares of perfect or good nets, by Student's t. The lines are ±.44, the difference that "
    "the rate makes in Table 2.",
    holds_if="all three intervals lie within ±.44",
    fails_if="one lies outside",
    full_only=True,
)
def biases(run: Run) -> Finding:
    """Compare first biases."""
    arms = [f"forget falling bias {b}" for b in (0, 1, 3)]
    found, usual = family(run, arms, 20, 4_000_000), with_gates(run)["forget falling"]
    theirs = [float(b > GOOD) for b in usual["best"]]
    judged, said = [], []
    for name, arm in found.items():
        gap = unpaired([float(b > GOOD) for b in arm["best"]], theirs)
        judged.append(judge(gap, within=(-MORE, MORE), paper_regime=full(run)))
        said.append(f"{name.split()[-1]}: {told(arm)} ({gap})")
    worst = every(judged)
    return Finding(
        worst, ours=f"difference {worst.interval}, the largest of three",
        ran=f"{len(found[arms[0]]['best'])} nets at each bias.",
        measured=f"At a bias of {'; '.join(said)}; block by block {told(usual)}.",
        numbers={name: slim(arm) for name, arm in found.items()} | {"usual": slim(usual)},
        between="Fewer nets than the paper's.", would_decide=decides(worst),
    )  # fmt: skip
