"""C3, C7: recurrent nets, their speed and their first gains (§6.1–6.5, §7)."""

import math

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import MUTED, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from .averages import log_ratio, summary
from .readers import conditions, described, race_all, race_readers, time_steps


def steps_to(curves: list[list[float]], target: float) -> int | None:
    """Return the updates until the mean of five points falls to a loss, averaged over seeds."""
    mean = torch.tensor(curves).mean(0).unfold(0, min(5, len(curves[0])), 1).mean(1)
    there = (mean <= target).nonzero()
    return 10 * (int(there[0]) + min(5, len(curves[0]))) if len(there) else None


def draw_readers(figure, numbers):
    """Draw the loss against updates, with and without layer norm, a panel a condition."""
    figure.set_size_inches(6.4, 2.8)
    panels = figure.subplots(1, len(numbers), sharey=True)
    for axes, (name, by_variant) in zip(panels, numbers.items()):
        for variant, label, color in (("none", "LSTM", MUTED), ("full", "with layer norm", RED)):
            curves = torch.tensor(by_variant[variant]["curves"])
            steps = [10 * (i + 1) for i in range(curves.shape[1])]
            axes.fill_between(steps, curves.amin(0), curves.amax(0), color=color, alpha=0.2, lw=0)
            axes.plot(steps, curves.mean(0), color=color, label=label)
        axes.set(title=name, xlabel="updates", ylim=(0, None))
    panels[0].set_ylabel("loss (nats)")
    panels[0].legend()


@claim(
    "C3a",
    "§6.1–6.5, Figs 1, 2, 4, 5",
    "Layer norm trains recurrent nets in fewer updates, and in less time.",
    draw_readers,
    asks="Layer norm speeds up the training of recurrent nets: it takes fewer updates, and less "
    "time.",
)
def faster_readers(run):
    """Judge the loss after equal numbers of updates; measure the time of an update beside it."""
    raced, settings = race_all(run), conditions(run)
    words, timings, lower = [], {}, []
    for name in ("short", "long"):
        pixels = settings[name]["pixels"]
        none, full = raced[name]["none"], raced[name]["full"]
        lead, error = log_ratio(none["finals"], full["finals"])
        lower.append(lead > 2 * error)
        needed, target = settings[name]["updates"], summary(none["finals"])[0]
        took = steps_to(full["curves"], target)
        seconds = timings[name] = run.trial(time_steps, pixels=pixels, batch=8)
        loop, torchs = (
            seconds["layer norm"] / seconds[form]
            for form in ("the same loop without norms", "torch.nn.LSTM")
        )
        if took:
            share = took / needed
            speed = (
                f"it gets to the LSTM's last loss after {share:.0%} of the updates, which is "
                f"{share * loop:.0%} of the time of the same loop without norms and "
                f"{share * torchs:.0%} of torch.nn.LSTM's time"
            )
        else:
            speed = "it does not get to the LSTM's last loss"
        words.append(
            f"{described(run, settings[name])}: LSTM {summary(none['finals'])[0]:.3f} ± "
            f"{summary(none['finals'])[1]:.1g} (α = {none['rate']:g}), with layer norm "
            f"{summary(full['finals'])[0]:.3f} ± {summary(full['finals'])[1]:.1g} "
            f"(α = {full['rate']:g}); {speed}."
        )
    units, seeds = run.pick(test=8, default=48, full=64), len(raced["short"]["none"]["finals"])
    data = run.pick(test="the digits", default="the digits", full="MNIST")
    return Finding(
        HOLDS if all(lower) else NOT_SEEN,
        ran=f"An LSTM of {units} units (eqs 20–22) reads {data} in pieces, batch 8, "
        f"{settings['short']['updates']} updates of Adam, gradients clipped to norm 1, forget "
        f"gates biased by 1, α tuned for each, {seeds} seeds; the "
        "loss is that of the last 50 batches, before their updates. The verdict is on updates.",
        measured=" ".join(words),
        numbers={described(run, settings[name]): by_variant for name, by_variant in raced.items()},
        timings=timings,
        between="A few hundred updates of a small net are the very beginning of a training, and "
        "three seeds leave an error as large as a small lead.",
    )


def draw_benefit(figure, numbers):
    """Draw how many times lower the loss is with layer norm: a dot a seed, a bar the mean."""
    figure.set_size_inches(6.4, 1.9)
    axes = figure.subplots()
    for row, ratios in enumerate(reversed(numbers["loss ratios"].values())):
        axes.plot(ratios, [row] * len(ratios), "o", ms=4, color=RED)
        axes.barh(row, sum(ratios) / len(ratios) - 1, left=1, height=0.5, color=RED, alpha=0.3)
    axes.set_yticks(range(len(numbers["loss ratios"])), list(numbers["loss ratios"])[::-1])
    axes.axvline(1, color=MUTED, lw=0.8)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.set(xlabel="loss of the LSTM / loss with layer norm, after equal updates")


@claim(
    "C3b",
    "§7",
    "Recurrent nets benefit the most from layer norm with long sequences and small batches.",
    draw_benefit,
)
def who_benefits(run):
    """Compare the ratio of losses between lengths, and between batch sizes, over paired seeds."""
    raced, settings = race_all(run), conditions(run)
    logs, ratios = {}, {}
    for name, by_variant in raced.items():
        pairs = zip(by_variant["none"]["finals"], by_variant["full"]["finals"])
        logs[name] = [math.log(none / full) for none, full in pairs]
        ratios[described(run, settings[name])] = [math.exp(v) for v in logs[name]]
    longer = summary([a - b for a, b in zip(logs["long"], logs["short"])])
    smaller = summary([a - b for a, b in zip(logs["short"], logs["large batch"])])
    holds = all(mean > 2 * error for mean, error in (longer, smaller))
    listed = ", ".join(f"{name} {summary(v)[0]:.2f} ± {summary(v)[1]:.1g}"
                       for name, v in ratios.items())  # fmt: skip
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran="The nets of C3a, and the short sequences with a batch of 64.",
        measured=f"The LSTM's loss over that with layer norm: {listed}. From short to long "
        f"sequences its logarithm grows by {longer[0]:+.2f} ± {longer[1]:.1g}, from the large "
        f"batch to the small one by {smaller[0]:+.2f} ± {smaller[1]:.1g}.",
        numbers={"loss ratios": ratios, "longer": longer, "smaller batch": smaller},
        between="One kind of data, a few hundred updates, and lengths a quarter or less of the "
        "paper's longest; how far a loss can fall differs between the conditions, too.",
    )


@claim(
    "C7",
    "§6.2",
    "Layer norm is not sensitive to the initial gain, as recurrent batch norm is.",
    asks="Layer norm is not sensitive to the initial gain, in the way recurrent batch norm is.",
)
def initial_gain(run):
    """Compare a gain of 1 with one of 0.1, on the short sequences."""
    condition = conditions(run)["short"]
    found = {gain: race_readers(run, condition, "full", gain) for gain in (1.0, 0.1)}
    one, tenth = (found[gain]["finals"] for gain in (1.0, 0.1))
    change, error = log_ratio(tenth, one)
    return Finding(
        HOLDS if abs(change) < math.log(1.1) else NOT_SEEN,
        ran="The layer-normalized LSTM of C3a on the short sequences, all gains 1 or 0.1 at first, "
        "α tuned for each.",
        measured=f"Gain 1: {summary(one)[0]:.3f} ± {summary(one)[1]:.1g} "
        f"(α = {found[1.0]['rate']:g}); 0.1: {summary(tenth)[0]:.3f} ± {summary(tenth)[1]:.1g} "
        f"(α = {found[0.1]['rate']:g}); a factor of {math.exp(change):.2f}, log error {error:.1g}.",
        numbers={f"{gain:g}": result for gain, result in found.items()},
        between="The paper itself found 1 to be “significantly better” than 0.1, and says this of "
        "the end of a long training; here it is the beginning, which a wrong gain delays.",
    )
