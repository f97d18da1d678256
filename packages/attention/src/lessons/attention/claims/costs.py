"""Claim C7: what looking everywhere costs, counted at the paper's sizes."""

from ..config import PRESETS, TranslatorConfig
from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import exact

LENGTHS = (10, 15, 20, 40, 100, 1000, 10_000)


def products(c: TranslatorConfig, source: int, target: int, keys_once: bool = True) -> dict:
    """Return the multiplications of one pair's forward pass, by part.

    "each pair" is what grows with the product of the lengths: v_a·tanh and the weighted sum.

    Args:
        c: sizes.
        source: words of the source.
        target: words of the target.
        keys_once: U_a h_j once for a sentence (A.1.2), or anew for every target word.
    """
    m, n, h, a, wide = (c.embedding_size, c.encoder_size, c.decoder_size, c.alignment_size,
                        c.annotation_size)  # fmt: skip
    return {
        "encoder": source * 2 * 3 * n * (m + n),
        "decoder": target * 3 * h * (m + h + wide) + n * h,
        "readout": target * (2 * c.maxout_size * (h + m + wide)
                             + c.maxout_size * c.target_vocab_size),
        "keys": source * wide * a * (1 if keys_once else target),
        "queries": target * h * a,
        "each pair": source * target * (a + wide),
    }  # fmt: skip


def draw_costs(figure, numbers) -> None:
    """Draw the parts' shares of all multiplications against the length."""
    figure.set_size_inches(6.4, 2.8)
    axes = figure.subplots()
    x = [int(n) for n in numbers["percent"]]
    names = {"each pair": RED, "keys": AMBER, "encoder": MUTED, "readout": BLUE}
    for name, color in names.items():
        axes.plot(x, [row[name] for row in numbers["percent"].values()], color=color, label=name)
    axes.axvspan(15, 40, color=MUTED, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set(xlabel="words of source and target (shaded: 15 to 40)", ylabel="% of products")
    axes.legend()


@claim(
    "C7",
    "§6.1",
    "A weight for every pair of words costs little at 15 to 40 words.",
    draw_costs,
    quotes="This drawback is not severe with the task of translation in which most of input and "
    "output sentences are only 15–40 words.",
    asks="Multiplications of a forward pass at the paper's sizes (RNNsearch, 30,000 words), "
    "counted "
    "by formula, which the tests hold to torch's counter: what grows with the product of the "
    "lengths, as a share of all, at 40 words. Not severe: below a tenth.",
    holds_if="the share is below 10% at 15, 20 and 40 words (exact)",
    fails_if="it is not",
)
def not_severe(run: Run) -> Finding:
    """Count the products."""
    c = PRESETS["rnnsearch-50"]
    percent: dict[str, dict[str, float]] = {}
    for n in LENGTHS:
        parts = products(c, n, n)
        percent[str(n)] = {k: 100 * v / sum(parts.values()) for k, v in parts.items()}
    once, anew = (sum(products(c, 40, 40, k).values()) for k in (True, False))
    worst = max(percent[str(n)]["each pair"] for n in (15, 20, 40))
    return Finding(
        exact(worst < 10),
        ours=f"{worst:.2f}% of the products at 40 words",
        ran="Formulas at the paper's sizes; no network is run.",
        measured=f"Pairs of words take {percent['15']['each pair']:.2f}% of the multiplications at "
        f"15 words, {worst:.2f}% at 40, {percent['1000']['each pair']:.1f}% at 1,000 and "
        f"{percent['10000']['each pair']:.0f}% at 10,000. Keys once a sentence (A.1.2) save "
        f"{100 * (1 - once / anew):.0f}% of all products at 40 words. (A tanh for each pair and "
        "hidden unit comes on top, 1.6 million at 40 words.)",
        numbers={"percent": percent, "saved by keys once, percent": 100 * (1 - once / anew)},
    )
