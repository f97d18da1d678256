"""C3: how many hidden values are zero, and what more of them cost (§3.1, §4.1)."""

from ..diagnostics import sparsity
from ..lab.claim import Finding, claim
from ..lab.figures import MUTED, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from .averages import difference, mean, percent
from .nets import build, count, images, raced, setting, train_nets


@claim(
    "C3a",
    "§3.1",
    "After uniform initialization around half of the hidden values are real zeros.",
)
def half_are_zero(run):
    """Judge each layer's share of zeros before any training."""
    x = images(run)["test"][0]
    shares = [list(sparsity(build(run, "rectifier", seed), [x]).values()) for seed in run.seeds(10)]
    layers = [mean(layer) for layer in zip(*shares)]
    trained = [mean(row["zeros"]) for row in raced(run, "rectifier")]
    width = run.pick(test=10, default=100, full=200)
    return Finding(
        HOLDS if all(0.45 <= share <= 0.55 for share in layers) else NOT_SEEN,
        ran=f"Fresh nets of three layers of {width} on "
        f"{run.pick(test='digits', default='digits', full='MNIST')}, 10 seeds.",
        measured=f"Zeros by layer: {', '.join(f'{100 * share:.1f}%' for share in layers)}. After "
        f"training as in C1, without a penalty: {100 * mean(trained):.0f}%.",
        numbers={"layers": layers, "trained": trained},
        between="The nets are narrow, so that one seed's layers differ.",
    )


def draw_sparsity(figure, numbers):
    """Draw the test error against the share of zeros, as the paper's Fig. 3."""
    figure.set_size_inches(6.4, 2.8)
    axes = figure.subplots()
    for l1, rows in numbers["nets"].items():
        x, y = ([100 * row[k] for row in rows] for k in ("share", "test"))
        axes.plot(x, y, "o", color=RED, ms=4, alpha=0.7)
        axes.annotate(f"{float(l1):g}", (mean(x), max(y)), (0, 6), textcoords="offset points",
                      ha="center", color=MUTED, fontsize=8)  # fmt: skip
    axes.axvline(85, color=MUTED, lw=0.8, ls=":")
    axes.text(84.5, 60, "the paper's limit ", ha="right", color=MUTED)
    axes.set(yscale="log", ylim=(3.5, 130), xlabel="hidden values that are zero (%)")
    axes.set_ylabel("test error (%)")
    ticks = (4, 5, 7, 10, 20, 50, 100)
    axes.set_yticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()


@claim(
    "C3b",
    "§4.1, Fig. 3",
    "An L1 penalty makes up to almost 85% of activations zero without harm.",
    draw_sparsity,
    asks="An L1 penalty on activations makes up to almost 85% of them zero without hurting the "
    "error.",
)
def sparse_at_no_cost(run):
    """Judge whether some penalty gives 70% zeros or more, the paper's range, at no cost."""
    l1s = run.pick(test=[0.0, 0.01], default=[0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2])
    rows = run.trial(
        train_nets, unit="rectifier", alpha=1.0, rates=[raced(run, "rectifier")[0]["lr"]], l1s=l1s,
        seed=run.seed, seeds=count(run),
    )  # fmt: skip
    nets = {f"{l1:g}": [row for row in rows if row["l1"] == l1] for l1 in l1s}
    for row in rows:
        row["share"] = mean(row["zeros"])
    shares = {l1: mean([row["share"] for row in group]) for l1, group in nets.items()}
    free = []
    for l1, group in nets.items():
        less, error = difference(group, nets["0"])
        if less > -2 * error - 1e-12:
            free.append(l1)
    best = max(free, key=lambda l1: shares[l1])
    return Finding(
        HOLDS if shares[best] >= 0.7 else NOT_SEEN,
        ran=f"Rectifiers at the rate {rows[0]['lr']:g}: {setting(run, count(run))}.",
        measured="Zeros and test error by penalty: "
        + ", ".join(f"{l1}: {100 * shares[l1]:.0f}%, {percent(nets[l1])}" for l1 in nets)
        + f". The most zeros at no cost: {100 * shares[best]:.0f}%.",
        numbers={
            "nets": {
                l1: [{k: row[k] for k in ("seed", "test", "share")} for row in group]
                for l1, group in nets.items()
            },
            "shares": shares,
        },
        between="The nets are narrow: there are fewer units to spare.",
    )
