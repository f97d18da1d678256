"""Co-adaptation, the paper's central argument (§7.1, Fig. 7), and sparsity (§7.2, Fig. 8).

Judged against three nets without dropout. The first is trained to its end. The second is that one
as it was when its test error first came down to that of the net with dropout. The third is trained
to its end with as much weight decay as brings it to the same error.
"""

import base64
from typing import Any

import numpy as np

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, RED
from ..lab.run import Run
from ..lab.statistics import (
    HOLDS,
    UNDECIDED,
    Judgement,
    every,
    interval,
    judge,
    paired,
    ratio,
)  # fmt: skip
from .autoencoders import DEVIATION, FEATURES, decayed, histories, matched
from .data import digit_sets, sets

# Fig. 7's own features, read from the figure: .18 of the squared deviation of a feature without
# dropout lies in its best window of 7 × 7 pixels, .65 with.
FIGURE_7 = (0.179, 0.645)
BETWEEN = "The paper names neither the optimizer, the loss nor the length of training."


OTHERS = ("without", "equal", "decay")


def measure(run: Run) -> dict[str, Any]:
    """Return what the units of each kind of net do, by seed, and what else figures show."""
    seeds = run.seeds(run.pick(test=2, default=3, full=3))
    pairs = [run.trial(histories, seed=seed, deviation=DEVIATION) for seed in seeds]
    error = interval([pair["with"]["end"]["error"] for pair in pairs]).mean
    decay, tried = matched(run, error, run.seed + 1000, DEVIATION)  # not one of the nets judged
    controls = [run.trial(decayed, decay=decay, seed=s, deviation=DEVIATION) for s in seeds]
    return {
        "with": [pair["with"]["end"] for pair in pairs],
        "without": [pair["without"]["end"] for pair in pairs],
        "equal": [pair["equal"] for pair in pairs],
        "decay": [control["end"] for control in controls],
        "history": {k: pairs[0][k]["history"] for k in ("with", "without")},
        "pictures": {k: pairs[0][k].get("pictures", "") for k in ("with", "without")}
        | {"decay": controls[0].get("pictures", "")},
        "activations": {k: pairs[0][k].get("activations") for k in ("with", "without")},
        "chosen": {"decay": decay, "tried": tried},
    }


def values(found: dict[str, Any], what: str) -> dict[str, list[float]]:
    """Return a measure of each kind of net, by seed."""
    return {kind: [net[what] for net in found[kind]] for kind in ("with", *OTHERS)}


def said(found: dict[str, Any], what: str, digits: int | None = None) -> str:
    """Return a measure of each kind of net as text."""
    with_, without, equal, decay = (interval(v).text(digits) for v in values(found, what).values())
    return f"with dropout {with_}, without {without}, at equal error {equal}, with decay {decay}"


def finding(run: Run, found: dict[str, Any], judged: list[Judgement], ours: str,
            measured: str) -> Finding:  # fmt: skip
    """Return the finding of a claim about all three comparisons."""
    whole = every(judged)
    steps = [net.get("step", 0) for net in found["equal"]]
    hidden = run.pick(test=16, default=64, full=256)
    words = {HOLDS: "met", UNDECIDED: "open"}
    each = ", ".join(words.get(judged.verdict, "missed") for judged in judged)
    return Finding(
        whole,
        ours=ours,
        ran=f"Auto-encoders of {hidden} rectifiers and linear outputs on "
        f"{len(sets(run)['train'][0]):,} images of {digit_sets(run)}, squared error, Adam, "
        f"{run.pick(test=2, default=60, full=20)} passes, the rate falling to zero; half of the "
        f"hidden units dropped, or none, or none with a weight decay of "
        f"{found['chosen']['decay']:.2g}, of {len(found['chosen']['tried'])} tried on a seed "
        f"apart; {len(steps)} nets of each kind with the same first weights, normal with a "
        f"deviation of {DEVIATION:g}.",
        measured=f"{measured} Squared error a test pixel: {said(found, 'error', 4)}; without "
        f"dropout it is met after {min(steps):,} to {max(steps):,} updates. The rule's three "
        f"parts (end, equal error, decay): {each}.",
        numbers=found,
        between=BETWEEN,
        would_decide="More nets." if whole.verdict == UNDECIDED else "",
    )


def against(found: dict[str, Any], what: str, below: float) -> list[Judgement]:
    """Judge the ratio of a measure to that of each of the three nets without dropout."""
    ours, *others = values(found, what).values()
    return [judge(ratio(ours, other), below=below, paper_regime=False) for other in others]


def shown(found: dict[str, Any], what: str) -> str:
    """Return the table's cell: a measure without dropout, with decay instead, and with dropout."""
    a, b, c = (interval(values(found, what)[k]).mean for k in ("without", "decay", "with"))
    return f"{a:.3g}, with decay {b:.3g}; with dropout {c:.3g}"


def draw_features(figure, numbers) -> None:
    """Draw features as Fig. 7 does: without dropout, with decay in its place, and with dropout."""
    figure.set_size_inches(6.4, 2.5)
    titles = {"without": "without dropout", "decay": "weight decay", "with": "with dropout"}
    for axes, (name, title) in zip(figure.subplots(1, 3), titles.items()):
        pixels = np.frombuffer(base64.b64decode(numbers["pictures"][name]), np.uint8)
        side = 28 if pixels.size % 784 == 0 else 8
        count, across = pixels.size // side**2, round(FEATURES**0.5)
        sheet = np.full((across * (side + 1) + 1, across * (side + 1) + 1), 255, np.uint8)
        for i, image in enumerate(pixels.reshape(count, side, side)):
            y, x = (1 + k * (side + 1) for k in divmod(i, across))
            sheet[y : y + side, x : x + side] = image
        axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set(title=title, xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)


def draw_history(figure, numbers, measures: dict[str, str]) -> None:
    """Draw measures against the reconstruction error, over the course of training."""
    figure.set_size_inches(6.4, 2.9)
    for axes, (what, label) in zip(figure.subplots(1, 2), measures.items()):
        for kind, color in (("without", BLUE), ("with", RED)):
            history = numbers["history"][kind][-14:]  # the first steps are off any scale
            error = [h["error"] for h in history]
            axes.plot(error, [h[what] for h in history], color=color, label=f"{kind} dropout")
            axes.plot(error[-1], history[-1][what], "o", color=color, ms=5)
        equal = numbers["equal"][0]
        axes.plot(equal["error"], equal[what], "o", color=BLUE, mfc="none", ms=7,
                  label="without, at equal error")  # fmt: skip
        decay = numbers["decay"][0]
        axes.plot(decay["error"], decay[what], "s", color=AMBER, ms=6, label="with weight decay")
        axes.invert_xaxis()
        axes.set(xscale="log", xlabel="squared error a test pixel", ylabel=label)
        ends = [h["error"] for kind in numbers["history"].values() for h in kind[-14:]]
        ticks = [t for t in (0.1, 0.05, 0.02, 0.01, 0.005, 0.002) if min(ends) < t < max(ends)]
        axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axes.set_xticks([], minor=True)
    axes.legend()


def draw_sparsity(figure, numbers) -> None:
    """Draw the share of active units and the mean activation against the error."""
    draw_history(figure, numbers, {"active": "share of units above 0", "mean": "mean activation"})


def draw_cancelled(figure, numbers) -> None:
    """Draw what units take back from each other, and what one explains alone."""
    draw_history(
        figure,
        numbers,
        {
            "cancelled": "contributions over their sum",
            "alone": "variance explained by a unit alone",
        },
    )


@claim(
    "C2a",
    "§7.1, Fig. 7",
    "With dropout, hidden units detect strokes and spots, each on its own.",
    draw_features,
    quotes="Each hidden unit on its own does not seem to be detecting a meaningful feature. … in "
    "Figure 7b, the hidden units seem to detect edges, strokes and spots",
    asks="The share of a feature's squared weights that lies in its best window of 7 × 7 pixels, "
    "mean over the 256 units. The same share of the paper's own features, read from Fig. 7, is "
    ".18 without dropout and .65 with; asked for is more than half of that distance. (A first pair "
    "of nets had .16 with and .18 without after 20 passes from He et al.'s first weights, which "
    "stay in the pictures wherever a pixel never varies. First weights are small since, and the "
    "net with weight decay has been added.)",
    holds_if="the interval of (with − without) lies above .23 at the end of training, at equal "
    "reconstruction error, and against weight decay of the same error",
    fails_if="one of the three lies below .23",
    paper=".18 → .65 (measured on Fig. 7)",
)
def features(run: Run) -> Finding:
    """Judge how local the features are."""
    found = measure(run)
    ours, *others = values(found, "local").values()
    line = (FIGURE_7[1] - FIGURE_7[0]) / 2
    judged = [judge(paired(ours, v), above=line, paper_regime=False) for v in others]
    measured = f"Share in the best window: {said(found, 'local')}."
    return finding(run, found, judged, shown(found, "local"), measured)


@claim(
    "C2b",
    "§7.1",
    "Dropout breaks up co-adaptation: units no longer fix up one another's mistakes.",
    draw_cancelled,
    quotes="units may change in a way that they fix up the mistakes of the other units. … This "
    "shows that dropout does break up co-adaptations",
    asks="How much of what hidden units write into the reconstruction others take back: the mean "
    "of Σⱼ‖hⱼwⱼ‖² over that of ‖Σⱼhⱼwⱼ‖², on test images with nothing dropped. It is 1 where "
    "contributions are orthogonal, below where units help each other, above where they cancel. "
    "Dropout's loss contains that sum, which the nets to the other side need not heed; so weight "
    "decay, whose loss does not, stands beside. The paper gives no number: the line of a half is "
    "ours. (The first pair of C2a had 0.30 with, 4.6 without, 1.7 at equal error; the line was "
    "drawn after it, before any net with decay. Three passes of a seed apart, run to find where "
    "the decays begin, had 0.13 with, 1.8 without, 0.9 and 0.17 with decays of 10⁻⁴ and 10⁻³.)",
    holds_if="the interval of the ratio (with / without) lies below ½ at the end of training, at "
    "equal reconstruction error, and against weight decay of the same error",
    fails_if="one of the three lies above ½",
)
def cancellation(run: Run) -> Finding:
    """Judge how much contributions cancel."""
    found = measure(run)
    shares = {kind: percent(v) for kind, v in values(found, "alone").items()}
    measured = (
        f"Contributions over their sum: {said(found, 'cancelled')}. One unit alone explains "
        f"{shares['with']} of the images' variance with dropout, {shares['without']} without, "
        f"{shares['equal']} at equal error, {shares['decay']} with decay."
    )
    judged = against(found, "cancelled", 0.5)
    return finding(run, found, judged, shown(found, "cancelled"), measured)


@claim(
    "C4a",
    "§7.2, Fig. 8",
    "As a side effect of dropout, hidden activations become sparse.",
    draw_sparsity,
    quotes="We found that as a side-effect of doing dropout, the activations of the hidden units "
    "become sparse, even when no sparsity inducing regularizers are present.",
    asks="The share of hidden units above 0, mean over units and test images: unlike the mean "
    "activation it does not depend on the scale, which a rectifier leaves open. In Fig. 8 the bar "
    "at zero has .04 of all activations without dropout and .38 with (read from the pixels), so "
    "the share falls from .96 to .62; asked for is more than half of that factor on a logarithmic "
    "scale, √(.62 / .96) = .80. (An earlier version of C4a and C4b held without asking for equal "
    "errors: mean activation .337 to .038, while the squared error went from .0085 to .0295.)",
    holds_if="the interval of the ratio (with / without) lies below .80 at the end of training, "
    "at equal reconstruction error, and against weight decay of the same error",
    fails_if="one of the three lies above .80",
    paper="96 → 62% (read off Fig. 8)",
)
def sparse(run: Run) -> Finding:
    """Judge the share of active units."""
    found = measure(run)
    judged = against(found, "active", (0.62 / 0.96) ** 0.5)
    measured = f"Share above 0: {said(found, 'active')}."
    return finding(run, found, judged, shown(found, "active"), measured)


@claim(
    "C4b",
    "§7.2, Fig. 8",
    "With dropout, the hidden units' mean activation falls to about a third.",
    None,
    quotes="The overall mean activation of hidden units is close to 2.0 for the autoencoder "
    "without dropout but drops to around 0.7 when dropout is used.",
    asks="The mean activation of the same auto-encoders. Asked for is more than half of the "
    "quoted factor on a logarithmic scale: √(.7 / 2) = .59. (Summed over the bars of Fig. 8 the "
    "two means are 2.2 and 1.1: E3.)",
    holds_if="the interval of the ratio (with / without) lies below .59 at the end of training, "
    "at equal reconstruction error, and against weight decay of the same error",
    fails_if="one of the three lies above .59",
    paper="2.0 → 0.7",
)
def activation(run: Run) -> Finding:
    """Judge the mean activation."""
    found = measure(run)
    measured = f"Mean activation: {said(found, 'mean')}."
    return finding(run, found, against(found, "mean", 0.35**0.5), shown(found, "mean"), measured)


def percent(values: list[float]) -> str:
    """Return the mean of shares as text, in per cent."""
    return f"{100 * sum(values) / len(values):.3g}%"
