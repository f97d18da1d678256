"""C2: the softplus, sharpened towards the rectifier (§3.1, §4.1)."""

from ..lab.claim import Finding, claim
from ..lab.figures import GREEN, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from .averages import difference, gap, mean, percent
from .nets import BETWEEN, count, raced, setting


def draw_corner(figure, numbers):
    """Draw test error and training loss against the sharpness of the corner."""
    figure.set_size_inches(6.4, 2.6)
    names = list(numbers)
    for axes, key, times, label in zip(
        figure.subplots(1, 2),
        ("test", "loss"),
        (100, 1),
        ("test error (%)", "training loss (nats)"),
    ):
        for i, name in enumerate(names):
            values = [times * row[key] for row in numbers[name]]
            color = RED if name == "∞" else GREEN
            axes.plot([i] * len(values), values, "o", color=color, ms=4, alpha=0.7)
            axes.plot([i - 0.25, i + 0.25], [mean(values)] * 2, color=color)
        axes.set_xticks(range(len(names)), names)
        axes.set(xlabel="sharpness α (∞: the rectifier)", ylabel=label)


@claim(
    "C2",
    "§3.1, §4.1",
    "Hard zeros do not hurt: sharpening the softplus towards the rectifier lowers the error.",
    draw_corner,
    asks="Hard zeros do not hurt: as the softplus is sharpened towards the rectifier, the error "
    "falls (NORB: 17.68% at α = 1, 16.54% at 6, 16.40% at ∞).",
)
def sharper_is_better(run):
    """Judge both ends, and whether any sharpness in between beats the rectifier."""
    alphas = run.pick(test=[2.0], default=[2.0, 6.0])
    nets = {"1": raced(run, "softplus")}
    nets |= {f"{alpha:g}": raced(run, "softplus", alpha) for alpha in alphas}
    nets["∞"] = raced(run, "rectifier")
    ends, error = difference(nets["∞"], nets["1"])
    beaten = [
        name for name, rows in nets.items() if difference(rows, nets["∞"])[0]
        > 2 * max(difference(rows, nets["∞"])[1], 1e-12)
    ]  # fmt: skip
    return Finding(
        HOLDS if ends > 2 * error and not beaten else NOT_SEEN,
        ran=f"(1/α) softplus(αx) in {setting(run, count(run))}, rates chosen as in C1.",
        measured="Test error: "
        + ", ".join(f"α = {name} {percent(rows)}" for name, rows in nets.items())
        + f". α = 1 minus ∞: {gap(nets['∞'], nets['1'])} points. Better than the rectifier by two "
        f"standard errors: {', '.join(f'α = {name}' for name in beaten) or 'none'}.",
        numbers={
            name: [{k: row[k] for k in ("lr", "seed", "test", "loss")} for row in rows]
            for name, rows in nets.items()
        },
        between=BETWEEN,
    )
