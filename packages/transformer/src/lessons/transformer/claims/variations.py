"""Claims C3 and C4: Table 3's rows, on a small translator of English into French."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..attention import MultiHeadAttention
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired, seeds_needed
from .race import best_rate, transformer
from .translators import DROPOUT, SMOOTHING, forced, scores, texts, trained

PIECES, WIDTH, LAYERS = 2000, 64, 2
MIDDLE = 2e-3  # of the first grid of learning rates
FEW = 2000  # pairs of which the rows (D) see only these, again and again
ROWS: dict[str, dict[str, Any]] = {  # what differs from the base of these experiments
    "base": {},
    "1 head": {"num_heads": 1},
    "32 heads": {"num_heads": 32},
    "1 head, no scale": {"num_heads": 1},
    "d_k 4": {"d_k": 4, "d_v": 16},
    "1 + 1 layers": {"num_encoder_layers": 1, "num_decoder_layers": 1},
    "learned positions": {"positions": "learned", "max_len": 256},
    "few": {},
    "few, no dropout": {"dropout": 0.0},
    "few, no smoothing": {},
}


class Unscaled(nn.Module):
    """Multiply the rows of W^Q by the root of d_k, which undoes the scale of eq. 1."""

    def __init__(self, attention: MultiHeadAttention) -> None:
        super().__init__()
        self.rows, self.factor = attention.splits[0], attention.d_k**0.5

    def forward(self, weight: Tensor) -> Tensor:
        """Return the stacked matrices with the queries' part larger."""
        return torch.cat([weight[: self.rows] * self.factor, weight[self.rows :]])


def net_of(run: Run, row: str, seed: int) -> nn.Module:
    """Return the translator of a row."""
    sizes: dict[str, Any] = {"d_model": WIDTH, "d_ff": 4 * WIDTH, "dropout": DROPOUT}
    sizes |= {"num_encoder_layers": LAYERS, "num_decoder_layers": LAYERS} | ROWS[row]
    net = transformer(len(texts(run, PIECES)["pieces"]), seed, **sizes)
    if row.endswith("no scale"):
        for module in list(net.modules()):
            if isinstance(module, MultiHeadAttention):
                parametrize.register_parametrization(module.in_proj, "weight", Unscaled(module))
    return net


def steps_of(run: Run, row: str) -> int:
    """Return how long a row is trained."""
    return run.pick(test=2, default=1000 if row.startswith("few") else 800)


def translates(run: Run, row: str, rate: float, seed: int) -> nn.Module:
    """Return the translator of a row, trained."""
    pairs = texts(run, PIECES)["ids"]["train"]
    if row.startswith("few"):
        order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
        pairs = [pairs[i] for i in order[:FEW]]
    smoothing = 0.0 if row.endswith("no smoothing") else SMOOTHING
    lengths = [steps_of(run, row)]
    ((_, net),) = trained(run, net_of(run, row, seed), rate, lengths, pairs, seed, smoothing)
    return net


def variation(run: Run, row: str, rate: float, seed: int) -> dict[str, float]:
    """Train a row; return BLEU, perplexity's logarithm and accuracy on the test pages."""
    found = scores(run, translates(run, row, rate, seed), PIECES)
    return {name: found[name] for name in ("bleu", "nats", "accuracy")}


def tune_row(run: Run, row: str, rate: float, seed: int) -> float:
    """Return minus the loss per piece of a row on the dev pages: more is better."""
    net = translates(run, row, rate, seed)
    return -forced(run, net, texts(run, PIECES)["ids"]["dev"])[0]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two rows' scores, seed by seed."""

    rows: tuple[str, str]
    ours: list[dict[str, float]]
    theirs: list[dict[str, float]]
    rate: float
    tried: dict[float, float]

    def gap(self, score: str):
        """Return the difference of a score, ours minus theirs, with its interval."""
        return paired([t[score] for t in self.ours], [t[score] for t in self.theirs])


def compare(run: Run, ours: str, theirs: str) -> Pair:
    """Train two rows from the same seeds, at the rate that is best for the base (as in Table 3)."""
    base, rate, tried = "few" if ours.startswith("few") else "base", MIDDLE, {}
    if run.scale != "test":

        def dev(rate):
            return run.trial(tune_row, row=base, rate=rate, seed=run.seed + 100)

        rate, tried = best_rate(dev, MIDDLE)
    seeds = run.seeds(run.pick(test=2, default=3))
    found = [
        [run.trial(variation, row=row, rate=rate, seed=seed) for seed in seeds]
        for row in (ours, theirs)
    ]
    return Pair((ours, theirs), *found, rate, tried)


DIGITS = {"bleu": 2, "nats": 3, "accuracy": 4}
NAMES = {"bleu": "BLEU", "nats": "log perplexity", "accuracy": "token accuracy"}


def finding(run: Run, pair: Pair, score: str, between: str = "", **side: Any) -> Finding:
    """Judge the difference of one score; tell all of them."""
    gaps = {s: pair.gap(s) for s in DIGITS}
    told = "; ".join(f"{NAMES[s]} {g.text(DIGITS[s])}" for s, g in gaps.items())
    means = {
        row: {s: interval([t[s] for t in trials]).mean for s in DIGITS}
        for row, trials in zip(pair.rows, (pair.ours, pair.theirs))
    }
    few = pair.rows[0].startswith("few")
    steps, count = steps_of(run, pair.rows[0]), len(texts(run, PIECES)["ids"]["train"])
    (line,) = side.values()
    if isinstance(line, tuple):
        line = min(line, key=lambda end: abs(gaps[score].mean - end))
    return Finding(
        judgement=judge(gaps[score], paper_regime=False, **side),
        ours=f"{pair.rows[0]}: {gaps[score].text(DIGITS[score])} {NAMES[score]}",
        ran=f"LibreOffice's manuals, English to French, {FEW if few else count:,} pairs, 2,000 "
        f"byte-pair pieces; a Transformer of {LAYERS} + {LAYERS} layers of width {WIDTH}, 4 heads, "
        f"dropout and smoothing 0.1 but where a row says otherwise; {steps:,} steps of 800 tokens; "
        f"one rate for all rows, as in Table 3, tuned on the first ({pair.rate:g} of "
        f"{len(pair.tried)}); {len(pair.ours)} seeds. The paper: 4.5 million pairs, 6 + 6 layers "
        "of width 512, 100,000 steps.",
        measured=f"“{pair.rows[0]}” minus “{pair.rows[1]}”: {told}. "
        + "; ".join(
            f"{row} {m['bleu']:.1f} BLEU, loss {m['nats']:.3f} nats a piece, accuracy "
            f"{m['accuracy']:.3f}" for row, m in means.items()
        ) + ".",
        numbers={
            "rows": {pair.rows[0]: pair.ours, pair.rows[1]: pair.theirs}, "mean": means,
            "difference": {s: [g.mean, g.low, g.high] for s, g in gaps.items()},
            "rate": pair.rate, "tried": {f"{r:g}": -v for r, v in pair.tried.items()},
        },
        between=between or "A net of a hundredth of the weights, trained on a hundredth of the "
        "pairs for a hundredth of the steps.",
        would_decide=f"About {seeds_needed(gaps[score], line)} seeds.",
    )  # fmt: skip


def draw_rows(figure, numbers):
    """Draw each row's difference to the base, in perplexity and in BLEU."""
    left, right = figure.subplots(1, 2, sharey=True)
    rows = list(numbers["to base"])
    for axes, score, label in ((left, "nats", "log perplexity"), (right, "bleu", "BLEU")):
        for y, row in enumerate(rows):
            mean, low, high = numbers["to base"][row][score]
            axes.errorbar([mean], [y], xerr=[[mean - low], [high - mean]], fmt="o", color=BLUE,
                          markersize=4, capsize=3)  # fmt: skip
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set(xlabel=f"{label}, minus base")
    left.set_yticks(range(len(rows)), rows)
    left.invert_yaxis()


SENTENCE_A = (
    "While single-head attention is 0.9 BLEU worse than the best setting, quality also drops off "
    "with too many heads."
)
PERPLEXITY = (
    "Perplexity (its logarithm, per piece, on unseen pages), Table 3's first measure; BLEU beside."
)


@claim(
    "C3",
    "§3.2.1",
    "Without the scale 1/√d_k wide dot products train worse.",
    quotes="To counteract this effect, we scale the dot products by 1/√dk.",
    asks="Two translators with d_k = 64, the paper's width (one head), with the scale and without, "
    f"the same first weights and batches. {PERPLEXITY}",
    holds_if="the 95% interval of loss(without) − loss(with), paired by seed, lies above 0",
    fails_if="it lies below 0",
    full_only=True,
)
def scale(run: Run) -> Finding:
    """Compare attention without the scale with attention that has it."""
    return finding(run, compare(run, "1 head, no scale", "1 head"), "nats", above=0.0)


@claim(
    "C4a",
    "§6.2, Table 3 (A)",
    "A single head is worse than several.",
    draw_rows,
    quotes=SENTENCE_A,
    asks=f"One head of 64 dimensions against four of 16, the same number of weights. {PERPLEXITY}",
    holds_if="the 95% interval of loss(1 head) − loss(4), paired by seed, lies above 0",
    fails_if="it lies below 0",
    paper="perplexity 5.29 against 4.92",
    full_only=True,
)
def one_head(run: Run) -> Finding:
    """Compare one head with four; draw all rows that share the base."""
    found = finding(run, compare(run, "1 head", "base"), "nats", above=0.0)
    found.numbers["to base"] = {
        row: {
            s: [g.mean, g.low, g.high]
            for s in DIGITS
            for g in [compare(run, row, "few" if row.startswith("few") else "base").gap(s)]
        }
        for row in ROWS
        if row not in ("base", "few")
    }
    return found


@claim(
    "C4b",
    "§6.2, Table 3 (A)",
    "Too many heads are worse again.",
    quotes=SENTENCE_A,
    asks=f"32 heads of two dimensions each against four of 16. {PERPLEXITY}",
    holds_if="the 95% interval of loss(32 heads) − loss(4), paired by seed, lies above 0",
    fails_if="it lies below 0",
    paper="perplexity 5.01 against 4.92",
    full_only=True,
)
def too_many_heads(run: Run) -> Finding:
    """Compare 32 heads with four."""
    return finding(run, compare(run, "32 heads", "base"), "nats", above=0.0)


@claim(
    "C4c",
    "§6.2, Table 3 (B)",
    "Smaller keys hurt.",
    quotes="In Table 3 rows (B), we observe that reducing the attention key size dk hurts model "
    "quality.",
    asks=f"Keys of a quarter, 4 in place of 16, as 16 in place of 64. {PERPLEXITY}",
    holds_if="the 95% interval of loss(d_k = 4) − loss(16), paired by seed, lies above 0",
    fails_if="it lies below 0",
    paper="perplexity 5.16 against 4.92",
    full_only=True,
)
def small_keys(run: Run) -> Finding:
    """Compare a quarter of the key size with all of it."""
    return finding(run, compare(run, "d_k 4", "base"), "nats", above=0.0)


@claim(
    "C4d",
    "§6.2, Table 3 (C)",
    "Bigger models are better.",
    quotes="We further observe in rows (C) and (D) that, as expected, bigger models are better, "
    "and dropout is very helpful in avoiding over-fitting.",
    asks=f"2 + 2 layers against 1 + 1, as 6 + 6 against 2 + 2 and 4 + 4. {PERPLEXITY}",
    holds_if="the 95% interval of loss(1 + 1 layers) − loss(2 + 2), paired by seed, lies above 0",
    fails_if="it lies below 0",
    paper="perplexity 6.11 and 5.19 against 4.92",
    full_only=True,
)
def bigger(run: Run) -> Finding:
    """Compare half of the layers with all of them."""
    return finding(run, compare(run, "1 + 1 layers", "base"), "nats", above=0.0)
