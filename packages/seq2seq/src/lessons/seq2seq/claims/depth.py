"""Claims C4a and C4b: what layers add (§3.4)."""

import math

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE
from ..lab.run import Run
from .contest import BETWEEN, bounds, gap, last, protocol, trend, would_decide
from .reversing import AGREE, TWO

KINDS = {1: "1 layer", 2: "reversed", 4: "4 layers"}
TENTH = (math.log(0.85), math.log(0.95))  # a tenth, give or take half of it


def draw_depth(figure, numbers) -> None:
    """Draw perplexity against the number of layers."""
    axes = figure.subplots()
    mean, low, high = zip(*numbers["nats"].values())
    error = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
    axes.errorbar([int(n) for n in numbers["nats"]], mean, error, fmt="o-", capsize=3, color=BLUE)
    axes.set_xticks([1, 2, 4])
    axes.set(xlabel="layers of each net", ylabel="nats a piece")


def _told(run: Run) -> tuple[dict[str, list[float]], str]:
    values = {str(n): bounds(last(run, kind, "nats")) for n, kind in KINDS.items()}
    return values, ", ".join(f"{v[0]:.3f} with {n}" for n, v in values.items())


@claim(
    "C4a",
    "§2, §3.4",
    "Deep LSTMs significantly outperform shallow ones.",
    draw_depth,
    quotes="We found deep LSTMs to significantly outperform shallow LSTMs, where each additional "
    "layer reduced perplexity by nearly 10%, possibly due to their much larger hidden state.",
    asks="The first clause: log perplexity on unseen pages with four layers less with one, of "
    "equal width, each tuned, three seeds, the same steps.",
    holds_if=TWO.format("below 0", ", paired by seed", "paired "),
    fails_if=AGREE.format("above 0"),
    full_only=True,
)
def deeper(run: Run) -> Finding:
    """Compare four layers with one."""
    found = gap(run, "4 layers", "1 layer", "nats")
    values, told = _told(run)
    bleu = {str(n): bounds(last(run, k, "bleu"))[0] for n, k in KINDS.items()}
    return Finding(
        found.judge(below=0.0),
        ours=f"{found.nets.text(3)} nats a piece",
        ran=protocol(run, *KINDS.values()),
        measured=f"Nats a piece: {told} layers. Four less one: {found.text(3)}; after a quarter, "
        f"a half and the whole of the training {trend(run, 'nats', '4 layers', '1 layer')}. BLEU: "
        + ", ".join(f"{v:.1f} with {n}" for n, v in bleu.items()) + ".",
        numbers={"nats": values, "difference": found.ends(), "bleu": bleu},
        between=BETWEEN + "; deep nets begin more slowly, and three and a half passes end early.",
        would_decide=would_decide(found, 0.0),
    )  # fmt: skip


@claim(
    "C4b",
    "§3.4",
    "Each additional layer reduces perplexity by nearly 10%.",
    quotes="We found deep LSTMs to significantly outperform shallow LSTMs, where each additional "
    "layer reduced perplexity by nearly 10%, possibly due to their much larger hidden state.",
    asks="The second clause: the nets of C4a, log perplexity with four layers less with one, by "
    "three. Nearly 10%: 5 to 15%.",
    holds_if=TWO.format("between log 0.85 and log 0.95", ", paired by seed", "paired "),
    fails_if=AGREE.format("outside"),
    paper="nearly log 0.90 = −0.105 a layer",
    full_only=True,
)
def a_tenth_each(run: Run) -> Finding:
    """Divide what three layers add."""
    three = gap(run, "4 layers", "1 layer", "nats, a third")
    first = gap(run, "reversed", "1 layer", "nats")
    values, told = _told(run)
    line = TENTH[1] if three.mean > sum(TENTH) / 2 else TENTH[0]
    return Finding(
        three.judge(within=TENTH),
        ours=f"{100 * (math.exp(three.mean) - 1):+.1f}% perplexity a layer".replace("-", "−"),
        ran=protocol(run, *KINDS.values()),
        measured=f"Nats a piece: {told} layers; a layer of three {three.text(3)}, the second alone "
        f"{first.nets.text(3)} over nets. Three layers after a quarter, a half and the whole of "
        f"the training: {trend(run, 'nats', '4 layers', '1 layer')}.",
        numbers={"nats": values, "a layer": three.ends(), "the second": first.ends()},
        between=BETWEEN + "; deep nets begin more slowly, and three and a half passes end early.",
        would_decide=would_decide(three, line),
    )
