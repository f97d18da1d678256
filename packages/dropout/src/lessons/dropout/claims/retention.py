"""The probability of retaining a unit (§7.3, Fig. 9)."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, every, interval, judge, paired
from .data import digit_sets, sets
from .train import Plan, assess, fit, products, rounding

RETAIN = (0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)
WIDER = (0.1, 0.2, 0.5)  # where the number of retained units is held constant as well


def settings(run: Run) -> dict[str, Any]:
    """Return the size of the experiment at this scale."""
    return {
        "hidden": run.pick(test=16, default=128, full=400),
        "retained": run.pick(test=8, default=64, full=100),
        "cases": run.pick(test=200, default=500, full=5000),
        "passes": run.pick(test=2, default=300, full=200),
        # Of pilots with .05 and .2 at retentions of .1 and .5 this lies between the better ones.
        "lr": run.pick(test=0.1, default=0.1, full=0.1),
        # At a retention of .1 the best of these times the rate is judged.
        "factors": run.pick(test=[1, 4], default=[1, 4], full=[1, 4, 16]),
        "seeds": run.pick(test=2, default=3, full=5),
        "few": run.pick(test=2, default=3, full=3),
    }


def retained(run: Run, keep: float, hidden: int, lr: float, seed: int) -> dict[str, float]:
    """Train a net that retains hidden units with a probability; return its errors (%).

    In the paper's own scaling (§4), in which the weights are scaled after training: divided by a
    tenth in training, activations blow up at a rate that serves all other retentions.
    """
    how = settings(run)
    data = sets(run)
    x, y = (tensor[: how["cases"]] for tensor in data["train"])
    widths = (x.shape[1], hidden, hidden, 10)
    plan = Plan(widths, passes=how["passes"], lr=lr, p_hidden=round(1 - keep, 3), batch=100,
                noise="unscaled", products=products(run))  # fmt: skip
    net = fit(plan, x, y, seed, run.track)
    for weight in net.weights[1:]:
        weight.mul_(keep)
    errors = {name: assess(net, *data[name])["error"] for name in ("test", "valid")}
    return errors | {"train": assess(net, x, y)["error"]}


def results(run: Run) -> dict[str, Any]:
    """Return errors (%) over seeds, with the units held constant and with the retained ones."""
    how = settings(run)

    def errors(keep: float, hidden: int) -> list[dict[str, float]]:
        options: dict[str, Any] = {"keep": keep, "hidden": hidden}
        seeds = run.seeds(how["few" if keep < 0.4 or hidden != how["hidden"] else "seeds"])
        nets = {}
        for factor in how["factors"] if keep == min(RETAIN) else [1]:
            lr = factor * how["lr"]
            nets[lr] = [run.trial(retained, seed=seed, lr=lr, **options) for seed in seeds]
        valid = {lr: sum(net["valid"] for net in each) / len(each) for lr, each in nets.items()}
        best = min(valid, key=lambda lr: (valid[lr], lr))
        if len(nets) > 1:
            found["rates"][str(hidden)] = [[lr, error] for lr, error in valid.items()]
        return nets[best]

    found: dict[str, Any] = {"retain": list(RETAIN), "wider": list(WIDER), "rates": {}}
    for kind, keeps in (("fixed", RETAIN), ("scaled", WIDER)):
        nets = [
            errors(keep, how["hidden"] if kind == "fixed" else round(how["retained"] / keep))
            for keep in keeps
        ]
        found[kind] = [[net["test"] for net in seeds] for seeds in nets]
        found[f"{kind}, training"] = [[net["train"] for net in seeds] for seeds in nets]
    return found


def draw(figure, numbers) -> None:
    """Draw test and training errors against the retention."""
    axes = figure.subplots()
    for kind, keeps, color, label in (
        ("fixed", "retain", BLUE, "units held constant"),
        ("scaled", "wider", RED, "retained units held constant"),
    ):
        for suffix, style in (("", "o-"), (", training", "o:")):
            means = [interval(e) for e in numbers[kind + suffix]]
            ends = [[m.mean - m.low for m in means], [m.high - m.mean for m in means]]
            name = f"{label}, {suffix[2:] or 'test'}"
            axes.errorbar(numbers[keeps], [m.mean for m in means], ends, fmt=style, ms=3,
                          color=color, label=name)  # fmt: skip
    top = max(max(e) for e in numbers["fixed"])
    axes.set(xlabel="probability of retaining a hidden unit", ylabel="error (%)")
    axes.set_yscale("symlog", linthresh=1)
    ticks = [t for t in (0, 1, 2, 5, 10, 20, 50, 90) if t <= top]
    axes.set_yticks(ticks, [str(t) for t in ticks])
    axes.set_yticks([], minor=True)
    axes.legend(loc="upper right")


def finding(run: Run, judged, ours: str, found: dict[str, Any]) -> Finding:
    """Return the finding of a claim about the retention."""
    how, data = settings(run), digit_sets(run)
    fixed, wider = (
        ", ".join(f"{keep:g} {interval(e).text(2)}" for keep, e in zip(keeps, found[kind]))
        for keeps, kind in ((RETAIN, "fixed"), (WIDER, "scaled"))
    )
    inputs = sets(run)["test"][0].shape[1]
    rates = "; ".join(
        f"{hidden} units: " + ", ".join(f"{lr:g} {error:.2f}%" for lr, error in tried)
        for hidden, tried in found["rates"].items()
    )
    return Finding(
        judged,
        ours=ours,
        ran=f"{inputs}-{how['hidden']}-{how['hidden']}-10 on {how['cases']:,} cases of {data}, "
        f"{how['passes']} passes, rate {how['lr']:g} and momentum .95, at a retention of .1 the "
        f"rate that is best in validation ({rates}), falling to zero, no dropout on the inputs, "
        f"weights scaled after training (§4); also with "
        f"{how['retained']} divided by the retention units a layer; {how['seeds']} nets each at "
        f"retentions of .4 and more with units held constant, {how['few']} at all others."
        f"{rounding(run)}",
        measured=f"Test error (%) by retention: {fixed}. With wider nets: {wider}.",
        numbers=found,
        between="The paper's nets have five times the width, a third hidden layer and all cases. "
        "One rate serves all retentions but .1 here; in today's scaling it is that times the "
        "square of the retention, four times as much at .8 as at .4.",
        would_decide="More nets at each retention." if judged.verdict == UNDECIDED else "",
    )


def at(found: dict[str, Any], keep: float, of: str = "fixed") -> list[float]:
    """Return the errors at a retention, with the units held constant."""
    return found[of][RETAIN.index(keep)]


@claim(
    "C5a",
    "§7.3, Fig. 9a",
    "The test error is flat for retentions of .4 to .8.",
    draw,
    quotes="We see that as p increases, the error goes down. It becomes flat when 0.4 ≤ p ≤ 0.8",
    asks="The test error at .4, .6 and .8 less that at .5. Flat: in Fig. 9a these "
    "differ by .06 points, and .1 and .4 by 2.1; a tenth of our own such distance is allowed. "
    "In the paper's scaling one rate is not one: in today's it is that times the square of the "
    "retention, four times as much at .8 as at .4, and a flat error is flat for both together. "
    "At .1, a hundredth, 4 and 16 times the rate are tried too, so that the net is not merely "
    "slow. "
    "(An earlier version of C5a to C5d, one claim on 1,000 cases and 800 updates, held: 8.8 to "
    "9.3% between .4 and .8, 87.5 at .1 and 9.8 at 1. At .1 that net was at chance: scaled up in "
    "training, its activations had blown up. So the paper's own scaling is used now.)",
    holds_if="the intervals of all three differences lie within a tenth of the distance between "
    "the errors at .1 and at .4",
    fails_if="one of them lies outside",
    paper="1.06 to 1.12% (Fig. 9a's points)",
)
def flat(run: Run) -> Finding:
    """Judge the differences to a retention of a half."""
    found = results(run)
    rise = interval(at(found, 0.1)).mean - interval(at(found, 0.4)).mean
    line = max(abs(rise) / 10, 1e-9)
    gaps = [paired(at(found, keep), at(found, 0.5)) for keep in (0.4, 0.6, 0.8)]
    judged = every([judge(g, within=(-line, line), paper_regime=False) for g in gaps])
    means = [interval(at(found, keep)).mean for keep in (0.4, 0.5, 0.6, 0.8)]
    ours = f"{min(means):.2f} to {max(means):.2f}% between .4 and .8"
    return finding(run, judged, ours, found)


@claim(
    "C5b",
    "§7.3, Fig. 9a",
    "Towards a retention of 1, the test error rises.",
    None,
    quotes="It becomes flat when 0.4 ≤ p ≤ 0.8 and then increases as p becomes close to 1.",
    asks="The test error without dropout less that at a retention of .8.",
    holds_if="the interval of the difference lies above 0",
    fails_if="it lies below 0",
    paper="1.08 → 1.65%",
)
def rise(run: Run) -> Finding:
    """Judge the rise from .8 to 1."""
    found = results(run)
    gap = paired(at(found, 1.0), at(found, 0.8))
    judged = judge(gap, above=0.0, paper_regime=False)
    return finding(run, judged, f".8 to 1: {gap.text(2)} points more", found)


@claim(
    "C5c",
    "§7.3, Fig. 9a",
    "Very small retentions underfit: training and test error are high.",
    None,
    quotes="having a small p means very few units will turn on during training. It can be seen "
    "that this has led to underfitting since the training error is also high.",
    asks="The training error (whole net) at a retention of .1 less that at .5.",
    holds_if="the interval of the difference lies above 0",
    fails_if="it lies below 0",
    paper="training error 2.7% at .1",
)
def underfitting(run: Run) -> Finding:
    """Judge the training error at .1."""
    found = results(run)
    small, half = (at(found, keep, "fixed, training") for keep in (0.1, 0.5))
    gap = paired(small, half[: len(small)])  # the first seeds are of the same weights and batches
    judged = judge(gap, above=0.0, paper_regime=False)
    return finding(run, judged, f"training error {gap.text(1)} points higher", found)


@claim(
    "C5d",
    "§7.3, Fig. 9b",
    "With wider nets at small retention, the error there is much smaller.",
    None,
    quotes="the magnitude of errors for small values of p has reduced by a lot compared to "
    "Figure 9a (for p = 0.1 it fell from 2.7% to 1.7%)",
    asks="What a retention of .1 costs over one of .5, with the number of units held constant and "
    "with that of the retained ones. By a lot: in Figs. 9a and 9b the cost in test error falls "
    "from 2.1 to 1.2 points, by 45% (the quoted numbers are training errors: E2); asked for is "
    "more than half of that.",
    holds_if="the interval of (cost with wider nets − .78 of the cost with units held constant) "
    "lies below 0",
    fails_if="it lies above 0",
    paper="3.2 → 2.4% at .1 (Fig. 9's points)",
)
def softened(run: Run) -> Finding:
    """Judge what a small retention costs, with width to make up for it and without."""
    found = results(run)
    wide, usual = found["scaled"][0], at(found, 0.1)
    half, base = found["scaled"][WIDER.index(0.5)], at(found, 0.5)
    over = [(w - h) - 0.78 * (u - b) for w, h, u, b in zip(wide, half, usual, base)]
    judged = judge(interval(over), below=0.0, paper_regime=False)
    ours = f"{interval(usual).mean:.1f} → {interval(wide).mean:.1f}% at .1"
    return finding(run, judged, ours, found)
