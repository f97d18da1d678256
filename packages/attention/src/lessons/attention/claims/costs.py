"""Claim C7: what looking everywhere costs, counted at the paper's sizes."""

from ..config import PRESETS, TranslatorConfig
from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import exact
from .paper import TABLE_2

LENGTHS = (10, 15, 20, 40, 100, 1000, 10_000)
LOOKING = ("keys", "queries", "each pair")  # all that the alignment model adds


def products(c: TranslatorConfig, source: int, target: int, keys_once: bool = True) -> dict:
    """Return the multiplications of one pair's forward pass, by part.

    "each pair" is what grows with the product of the lengths: v_a·tanh and the weighted sum.

    Args:
        c: sizes; one direction means RNNencdec, which looks nowhere.
        source: words of the source.
        target: words of the target.
        keys_once: U_a h_j once for a sentence (A.1.2), or anew for every target word.
    """
    m, n, h, a, wide = (c.embedding_size, c.encoder_size, c.decoder_size, c.alignment_size,
                        c.annotation_size)  # fmt: skip
    looks = c.bidirectional  # RNNencdec has one direction and no alignment model
    return {
        "encoder": source * (1 + looks) * 3 * n * (m + n),
        "decoder": target * 3 * h * (m + h + wide) + n * h,
        "readout": target * (2 * c.maxout_size * (h + m + wide)
                             + c.maxout_size * c.target_vocab_size),
        "keys": looks * source * wide * a * (1 if keys_once else target),
        "queries": looks * target * h * a,
        "each pair": looks * source * target * (a + wide),
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
    "Looking at every word for every word costs little at 15 to 40 words.",
    draw_costs,
    quotes="This drawback is not severe with the task of translation in which most of input and "
    "output sentences are only 15–40 words.",
    asks="Multiplications of a forward pass at the paper's sizes (RNNsearch, 30,000 words), "
    "counted by formula, which the tests hold to torch's counter: the alignment model's (keys, "
    "queries, energies and the weighted mean) as a share of all, at 15, 20 and 40 words. Not "
    "severe: below a tenth.",
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
    looking = {n: sum(percent[str(n)][part] for part in LOOKING) for n in (15, 20, 40)}
    worst = max(looking.values())
    ours, other = (sum(products(PRESETS[name], 40, 40).values())
                   for name in ("rnnsearch-50", "rnnencdec-50"))  # fmt: skip
    hours = {name: hours / updates for name, (updates, _, hours) in TABLE_2.items()}
    slower = {n: hours[f"search-{n}"] / hours[f"encdec-{n}"] for n in (30, 50)}
    return Finding(
        exact(worst < 10),
        ours=f"{worst:.1f}% of the products at 40 words",
        ran="Formulas at the paper's sizes; no network is run. An update's time is Table 2's.",
        measured=f"The alignment model takes {looking[15]:.1f}% of the multiplications at 15 words "
        f"and {looking[40]:.1f}% at 40; of that, what grows with the product of the lengths is "
        f"{percent['40']['each pair']:.2f}% at 40, {percent['1000']['each pair']:.1f}% at 1,000 "
        f"and {percent['10000']['each pair']:.0f}% at 10,000. Keys once a sentence (A.1.2) save "
        f"{100 * (1 - once / anew):.0f}% at 40 words. (A tanh for each pair and hidden unit comes "
        "on top, 1.6 million at 40 words.) With its second encoder and wider context RNNsearch "
        f"multiplies {ours / other:.2f} times as much as RNNencdec; in Table 2 an update took "
        f"{slower[30]:.2f} (-30) and {slower[50]:.2f} times (-50) as long.",
        numbers={
            "percent": percent,
            "saved by keys once, percent": 100 * (1 - once / anew),
            "looking, percent": {str(n): share for n, share in looking.items()},
            "of RNNencdec's products": ours / other,
            "of RNNencdec's time, Table 2": {str(n): t for n, t in slower.items()},
        },
    )
