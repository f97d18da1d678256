"""§6.4, Fig. 4: Adam with the correction of §3 and without it."""

import math

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.statistics import judge, paired, proportion, ratio
from .training import if_open, plain_ticks
from .vae import BETA2, PAPERS_NET, after, grid, name, passes, point, refined, small, train_vae

WORSE = 1.1  # a third of the distance in Fig. 4a, where it is above 140 against 107 nats
BETWEEN = "A small net with a twentieth of the paper's steps in its 100 passes."


def pair(run, seeds: int, lr: float):
    """Return the curves with the correction and without at β₁ .9, β₂ .9999, in the paper's net."""
    settings = {"net": "paper", "lr": lr, "beta1": 0.9, "beta2": 0.9999}
    return [
        [run.trial(train_vae, **settings, corrected=corrected, seed=s) for s in run.seeds(seeds)]
        for corrected in (True, False)
    ]


@claim(
    "C9",
    "§6.4, Fig. 4a",
    quotes="values β₂ close to 1 indeed lead to instabilities in training when no bias correction "
    "term was present, especially at first few epochs of the training",
    says="With β₂ near 1 and no correction, training becomes unstable.",
    asks="A variational auto-encoder with β₂ = .9999 at the α where Fig. 4's corrected curve has "
    "its minimum, with the correction and without from the same weights. In how many of the pairs "
    "has the run without diverged, or more than 1.1 times the other's loss in the second pass? "
    "That is a third of the distance in Fig. 4a. (Small digits: in the tenth.)",
    holds_if="the 95% interval of that share (Clopper and Pearson) lies above one half",
    fails_if="it lies below one half",
    paper="above 140 against 107 nats after ten passes (read off)",
)
def instability(run):
    """Compare the two at the step size that is best with the correction."""
    lr = run.pick(test=1e-2, default=1e-2, full=1e-3)
    seeds, count = run.pick(test=2, default=6, full=8), passes(run, "paper")
    with_it, without = pair(run, seeds, lr)
    worse = sum(after(b, count) > WORSE * after(a, count) for a, b in zip(with_it, without))
    diverged = sum(len(curve) < count for curve in without)
    found = proportion(worse, seeds)
    judged = judge(found, above=0.5, paper_regime=run.scale in ("full", "paper"))
    net = run.pick(test="a tiny net", default="64-64-8 on 1,437 digits", full=PAPERS_NET)
    means = [
        [sum(after(c, p) for c in side) / seeds for side in (with_it, without)] for p in (1, count)
    ]
    told = [f"{a:.1f} and {b:.1f}" for a, b in means]
    return Finding(
        judged,
        ours=f"diverged, or 1.1 times the loss: {worse} of {seeds} runs",
        ran=f"A variational auto-encoder with softplus units, {net}, batch 100, β₁ = .9, β₂ = "
        f".9999, α = {lr:g}; the first {count} passes (Fig. 4 shows 10 and 100); {seeds} pairs.",
        measured=f"{worse} of {seeds} runs without the correction are worse, {diverged} of them "
        f"diverged; the share is {found.text(2)}. Mean loss with the correction and without it: "
        f"{told[0]} nats in the first pass, {told[1]} in pass {count}.",
        numbers={"with": with_it, "without": without, "diverged": diverged},
        **if_open(judged, "Small digits and a small net."),
    )


EARLIER = (
    "An earlier experiment, replaced: the paper's net on 10,000 images for 10 passes, 2 seeds, α "
    "in factors of 10; for β₂ = .99, .999 and .9999 the best loss was 121.96, 121.97 and 121.98 "
    "nats with the correction and 121.00, 119.31 and 131.49 without: the best of all had none."
)


def tuned_settings(run, curves, at: int) -> dict[tuple[float, bool], tuple[float, float]]:
    """Return the lowest loss in pass ``at`` and its α by (β₂, corrected), at the tuning seed."""
    return {(b2, c): refined(run, curves, b2, c, at) for b2 in BETA2 for c in (True, False)}


def is_claimed(setting: tuple[float, bool]) -> bool:
    """Return whether a setting has a small 1 − β₂ and the correction."""
    return setting[1] and setting[0] > BETA2[0]


def lead(run, found, at: int, seeds: int):
    """Return, over judged seeds, the losses in pass ``at`` of the best claimed and other setting.

    Both are picked at the tuning seed. Then their names.
    """
    ends, names = [], []
    for claimed in (True, False):
        beta2, corrected = min((s for s in found if is_claimed(s) is claimed), key=found.get)
        lr = found[beta2, corrected][1]
        curves = [small(run, lr, 0.9, beta2, corrected, s) for s in run.seeds(seeds)]
        ends.append([after(curve, at) for curve in curves])
        names.append(f"β₂ {beta2:g} {'' if corrected else 'un'}corrected (α {lr:.2g})")
    return *ends, names


def described(run, seeds: int) -> str:
    """Return what was run for C10 and C11."""
    net = run.pick(
        test="tiny",
        default="64-64-8 on 1,437 digits",
        full="196-100-20 on 3,000 images of MNIST at half the side (the paper: 784-500-50 on all)",
        paper=PAPERS_NET,
    )
    return (
        f"A variational auto-encoder with softplus units, {net}, batch 100, "
        f"{passes(run, 'small')} passes; α on Fig. 4's grid at full length, on a seed apart from "
        f"the {seeds} judged ones"
    )


def judged_seeds(run) -> int:
    """Return on how many seeds C10 and C11 are judged."""
    return run.pick(test=2, default=3, full=5)


def draw_correction(figure, numbers):
    """Draw the loss against α as Fig. 4's lower row does: a panel for each β₂, two lines."""
    figure.set_size_inches(6.4, 3.0)
    panels = figure.subplots(1, 3, sharey=True)
    curves, count = numbers["curves"], numbers["passes"]
    ends = [after(c, count) for row in curves.values() for c in row.values()]
    low = min(ends)
    for axes, beta2 in zip(panels, BETA2):
        for corrected, color, style in ((False, BLUE, "s--"), (True, RED, "o-")):
            line = curves[name(0.9, beta2, corrected)]
            points = [(float(lr), min(after(c, count), 9 * low)) for lr, c in line.items()]
            label = "corrected" if corrected else "not corrected"
            axes.plot(*zip(*points), style, ms=4, color=color, label=label)
        axes.set(xscale="log", ylim=(0.97 * low, 1.35 * low), xlabel="step size α")
        plain_ticks(axes.xaxis, range(-4, -1))
        axes.set_title(f"β₂ = {beta2:g}")
    panels[0].set_ylabel("loss (nats)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)


@claim(
    "C10a",
    "§6.4, Fig. 4b",
    quotes="The best results were achieved with small values of (1 − β₂) and bias correction",
    says="The best loss has the correction and β₂ of .999 or .9999.",
    asks="The loss at the end, best over α, at β₁ = .9: the better of β₂ = .999 and .9999 with the "
    "correction, against the best of all other settings. Both are picked on a seed apart; the "
    "judged seeds are paired.",
    holds_if="the 95% interval of (best other − best with both) lies above 0",
    fails_if="it lies below 0",
    paper="about 99 nats for several settings (read off)",
    draw=draw_correction,
)
def best_settings(run):
    """Tune α for each β₂ with and without the correction, then compare the best over seeds."""
    curves, count, seeds = grid(run), passes(run, "small"), judged_seeds(run)
    found = tuned_settings(run, curves, count)
    best, other, names = lead(run, found, count, seeds)
    gap = paired(other, best)
    judged = judge(gap, above=0, paper_regime=run.scale == "paper")
    told = ", ".join(
        f"β₂ {b2:g} {'' if c else 'un'}corrected {end:.2f} (α {lr:.2g})"
        for (b2, c), (end, lr) in found.items()
    )
    return Finding(
        judged,
        ours=f"best other − best claimed: {gap.text(unit='nats')}",
        ran=f"{described(run, seeds)}, then in factors of 2 around the best. {EARLIER}",
        measured=f"On the tuning seed, best over α: {told} nats. On the judged ones {names[0]} has "
        f"{sum(best) / seeds:.2f}, {names[1]} {sum(other) / seeds:.2f}.",
        numbers={"curves": curves, "passes": count, "claimed": best, "other": other},
        **if_open(judged, BETWEEN),
    )


@claim(
    "C10b",
    "§6.4, Fig. 4",
    quotes="this was more apparent towards the end of optimization",
    says="The lead of the corrected, long memory grows in the course of training.",
    asks="The lead of C10a, (best other − best with both), at the end of 100 passes less the same "
    "after 10, where the settings are picked anew for what is best by then. Seeds paired.",
    holds_if="the 95% interval of the difference lies above 0",
    fails_if="it lies below 0",
    paper="",
)
def towards_the_end(run):
    """Compare the lead at the end with that after a tenth of the passes."""
    curves, count, seeds = grid(run), passes(run, "small"), judged_seeds(run)
    early = max(1, count // 10)
    leads, told = [], []
    for at in (early, count):
        best, other, names = lead(run, tuned_settings(run, curves, at), at, seeds)
        leads.append([b - a for a, b in zip(best, other)])
        gap = paired(other, best).text(unit="nats")
        told.append(f"after {at} passes {gap} ({names[1]} less {names[0]})")
    gap = paired(leads[1], leads[0])
    judged = judge(gap, above=0, paper_regime=run.scale == "paper")
    return Finding(
        judged,
        ours=f"lead at the end − lead after {early} passes: {gap.text(unit='nats')}",
        ran=f"{described(run, seeds)}, then in factors of 2 around the best. {EARLIER}",
        measured=f"The lead is {told[0]}, and {told[1]}.",
        numbers={"early": leads[0], "end": leads[1]},
        **if_open(judged, BETWEEN),
    )


SIZE = (
    f"{BETWEEN} But size would not rescue the claim: the paper's own Fig. 4b has a counterexample, "
    "119 against 114 nats."
)


@claim(
    "C11",
    "§6.4",
    quotes="In summary, Adam performed equal or better than RMSProp, regardless of hyper-parameter "
    "setting.",
    says="With the correction the loss is never higher than without it.",
    asks="RMSProp with momentum is, in the paper's words, Adam without the correction. Over all "
    "settings of Fig. 4's lower row, on a seed apart, the one at which the loss with it is highest "
    "against that without, after 100 passes; then that setting alone on five other seeds.",
    holds_if="the 95% interval of the ratio with/without there lies below 1.01",
    fails_if="it lies above 1.01: a statement about every setting falls by one",
    paper="Fig. 4 itself has some: β₂ = .9999, α = .00003, 119 against 114 nats (read off)",
)
def never_worse(run):
    """Look for the setting at which the correction does worst, and confirm it on other seeds."""
    curves, count, seeds = grid(run), passes(run, "small"), judged_seeds(run)
    ratios = {}
    for beta2 in BETA2:
        for lr, curve in curves[name(0.9, beta2, True)].items():
            other = after(curves[name(0.9, beta2, False)][lr], count)
            if math.isfinite(other):
                ratios[beta2, lr] = after(curve, count) / other
    beta2, lr = max(ratios, key=ratios.__getitem__)
    with_, without = (
        [after(small(run, point(lr), 0.9, beta2, c, s), count) for s in run.seeds(seeds)]
        for c in (True, False)
    )
    found = ratio(with_, without)
    judged = judge(found, below=1.01, paper_regime=run.scale == "paper")
    worse = sum(r > 1.01 for r in ratios.values())
    return Finding(
        judged,
        ours=f"loss with/without at the worst setting: {found.text()}",
        ran=f"{described(run, seeds)}. An earlier rule, replaced: one setting, β₂ = .9999 and α = "
        "1e-4, in which Fig. 4a has the uncorrected form lower.",
        measured=f"On the tuning seed the corrected loss is more than 1% higher in {worse} of "
        f"{len(ratios)} settings, at most {max(ratios.values()):.3f} times as high, at β₂ = "
        f"{beta2:g}, α = {lr}. On the judged seeds {sum(with_) / seeds:.2f} nats with the "
        f"correction there, {sum(without) / seeds:.2f} without.",
        numbers={"with": with_, "without": without, "worse": worse, "settings": len(ratios)},
        **if_open(judged, SIZE),
    )
