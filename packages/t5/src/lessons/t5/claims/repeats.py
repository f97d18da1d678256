"""C6: what repeating the text does (§3.4.2, Table 9, Figure 6)."""

from typing import Any

from ..lab.claim import claim
from ..lab.figures import AMBER, BLUE
from ..lab.statistics import Interval, paired
from .architectures import FEW
from .contest import against_base, base, finding, judged, noise, scores, trials

MANY = 1_024


def draw_repeats(figure: Any, numbers: Any) -> None:
    """Draw score and loss against how often the text is seen."""
    left, right = figure.subplots(1, 2)
    for axes, key, color, label in (
        (left, "scores", BLUE, "mean score"), (right, "losses", AMBER, "loss of pre-training"),
    ):  # fmt: skip
        for name, values in numbers[key].items():
            axes.plot([int(name) or 1] * len(values), values, "o", color=color)
        axes.set_xscale("log", base=4)
        axes.set_xlabel("times each text is seen (1: all texts)")
        axes.set_title(label)


def losses(found) -> list[float]:
    """Return the losses at the end of pre-training."""
    return [trial["loss"] for trial in found]


@claim(
    "C6a",
    "§3.4.2, Table 9",
    says="Reading few texts again and again transfers less.",
    quotes="As expected, performance degrades as the data set size shrinks.",
    asks="The score after reading so few texts that each is seen 1,024 times, less the baseline's, "
    "which reads all there are, for as many steps.",
    holds_if="the 95% interval lies below 0",
    fails_if="it lies above 0",
    paper="GLUE 79.55 against 83.28",
    draw=draw_repeats,
    full_only=True,
)
def degrades(run):
    """Compare."""
    both = against_base(run, repeats=MANY)
    gap = both.gap()
    found = finding(run, gap, judged(run, gap, below=0.0), both)
    some = trials(run, FEW, repeats=64)
    rows = {"0": base(run), "64": some, str(MANY): both.ours}
    found.numbers["scores"] = {name: scores(row) for name, row in rows.items()}
    found.numbers["losses"] = {name: losses(row) for name, row in rows.items()}
    return found


@claim(
    "C6b",
    "§3.4.2",
    says="Repeated text is learned to a smaller loss.",
    quotes="Indeed, the model attains significantly smaller training losses as the size of the "
    "pre-training data set shrinks, suggesting possible memorization.",
    asks="The loss over the last tenth of pre-training, each text seen 1,024 times, less the "
    "baseline's, in nats a token.",
    holds_if="the 95% interval lies below 0 nats",
    fails_if="it lies above 0",
    paper="Figure 6",
    full_only=True,
)
def memorized(run):
    """Compare the losses."""
    both = against_base(run, repeats=MANY)
    gap: Interval = paired(losses(both.ours), losses(both.theirs))
    return finding(
        run, gap, judged(run, gap, below=0.0), both, ours=f"{gap.text(2)} nats",
        measured=f"The loss differs by {gap.text(2)} nats a token.",
    )  # fmt: skip


@claim(
    "C6c",
    "§3.4.2",
    says="Seen 64 times, texts do nearly as well.",
    quotes="We note that these effects are limited when the pre-training data set is repeated "
    "only 64 times.",
    asks="The score after reading each text 64 times, less the baseline's.",
    holds_if="the lower end of the 95% interval lies above −2σ of the baseline",
    fails_if="the whole interval lies below",
    paper="GLUE 82.87 against 83.28",
    full_only=True,
)
def limited(run):
    """Compare."""
    both = against_base(run, FEW, repeats=64)
    gap = both.gap()
    return finding(run, gap, judged(run, gap, above=-2 * noise(run) - 1e-6), both)
