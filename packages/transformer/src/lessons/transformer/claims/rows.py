"""Table 3's rows on a small translator of English into French: nets, training, comparison."""

import dataclasses
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..attention import MultiHeadAttention
from ..lab.claim import Finding
from ..lab.run import Run
from ..lab.statistics import distance, interval, judge, paired
from ..positions import LearnedPositionalEmbedding
from .additive import replace_attention
from .race import best_rate, transformer, would_decide
from .translators import (
    DROPOUT,
    SMOOTHING,
    by_length,
    forced,
    scores,
    tensors,
    texts,
    trained,
)

PIECES, WIDTH, LAYERS = 2000, 64, 2
MIDDLE = 2e-3  # of the first grid of learning rates
FEW = 2000  # pairs of which two rows see only these, again and again
ROWS: dict[str, dict[str, Any]] = {  # what differs from the base of these experiments
    "base": {},
    "1 head": {"num_heads": 1},
    "16 heads": {"num_heads": 16},
    "d_k 4": {"d_k": 4, "d_v": 16},
    "1 head, no scale": {"num_heads": 1},
    "1 head, additive": {"num_heads": 1},
    "1 + 1 layers": {"num_encoder_layers": 1, "num_decoder_layers": 1},
    "learned positions": {"positions": "learned", "max_len": 256},
    "no smoothing": {},
    "few": {},
    "few, no dropout": {"dropout": 0.0},
}
# What is not held to the base.
OTHER = {
    "1 head, no scale": "1 head", "1 head, additive": "1 head", "few, no dropout": "few",
}  # fmt: skip
LENGTHS = (125, 250, 500, 1000)  # at which those with few pairs are looked at
KNOWN = 500  # of the pairs trained on, for the loss on them
NEAR = 2.0  # half widths of an interval
SEEDS = 5


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
    if row.endswith("additive"):
        replace_attention(net, torch.Generator().manual_seed(seed))
    if row == "learned positions":  # begin as large as sinusoids are: a root mean square of √½
        for module in (net.src_positions, net.tgt_positions):
            assert isinstance(module, LearnedPositionalEmbedding)
            rms = module.weight.detach().square().mean().sqrt()
            module.weight.data *= 0.5**0.5 / rms
    return net


def steps_of(run: Run, row: str) -> int:
    """Return how long a row is trained."""
    return run.pick(test=2, default=1000 if row.startswith("few") else 2000)


def pairs_of(run: Run, row: str, seed: int) -> list:
    """Return the pairs that a row is trained on."""
    pairs = texts(run, PIECES)["ids"]["train"]
    if not row.startswith("few"):
        return pairs
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
    return [pairs[i] for i in order[:FEW]]


def translates(run: Run, row: str, rate: float, seed: int) -> nn.Module:
    """Return the translator of a row, trained."""
    smoothing = 0.0 if row.endswith("no smoothing") else SMOOTHING
    lengths, pairs = [steps_of(run, row)], pairs_of(run, row, seed)
    ((_, net),) = trained(run, net_of(run, row, seed), rate, lengths, pairs, seed, smoothing)
    return net


def variation(run: Run, row: str, rate: float, seed: int) -> dict[str, float]:
    """Train a row; return BLEU, perplexity's logarithm and accuracy on the test pages.

    Of nets with one head also the mean trace of the softmax's Jacobian, on the dev pages.
    """
    net = translates(run, row, rate, seed)
    found = scores(run, net, PIECES)
    kept = {name: found[name] for name in ("bleu", "nats", "accuracy")}
    return kept | ({"trace": trace(run, net)} if row.startswith("1 head") else {})


def fitting(run: Run, row: str, rate: float, seed: int) -> dict[str, Any]:
    """Train a row with few pairs; return what `variation` does, and losses as training goes on.

    Each length of training has an end of its own. "over" is how much more is lost at the last one
    on unseen pages than on pairs trained on.
    """
    pairs, lengths = pairs_of(run, row, seed), list(run.pick(test=(2, 3), default=LENGTHS))
    found: dict[str, list[float]] = {"train": [], "test": []}
    unseen, last = texts(run, PIECES)["ids"]["test"], {}
    for step, net in trained(run, net_of(run, row, seed), rate, lengths, pairs, seed):
        found["train"].append(forced(run, net, pairs[:KNOWN])[0])
        found["test"].append(forced(run, net, unseen)[0])
        last = scores(run, net, PIECES) if step == lengths[-1] else {}
    kept: dict[str, Any] = {name: last[name] for name in ("bleu", "nats", "accuracy")}
    return kept | found | {"steps": lengths, "over": last["nats"] - found["train"][-1]}


@torch.no_grad()
def trace(run: Run, net: nn.Module) -> float:
    """Return the mean of 1 − Σp² over all attention of a net: all layers, real queries."""
    ids, total, count = texts(run, PIECES)["ids"]["dev"], 0.0, 0
    for chosen in by_length(ids):
        src, tgt = tensors(run, ids, chosen)
        maps = net.attention_maps(src, tgt[:, :-1])  # type: ignore
        for weights, queries in (
            *((w, src) for w in maps.encoder),
            *((w, tgt[:, :-1]) for w in (*maps.decoder, *maps.cross)),
        ):
            each_BQ = (1 - weights.square().sum(-1)).mean(1)
            total += float(each_BQ[queries != 0].sum())
            count += int((queries != 0).sum())
    return total / count


def tune_row(run: Run, row: str, rate: float, seed: int) -> float:
    """Return minus the loss per piece of a row on the dev pages: more is better."""
    net = translates(run, row, rate, seed)
    return -forced(run, net, texts(run, PIECES)["ids"]["dev"])[0]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two rows' scores, seed by seed; by row, its rate and the losses of those that were tried."""

    rows: tuple[str, str]
    ours: list[dict[str, Any]]
    theirs: list[dict[str, Any]]
    rates: dict[str, float]
    tried: dict[str, dict[float, float]]

    def gap(self, score: str):
        """Return the difference of a score, ours minus theirs, with its interval."""
        return paired([t[score] for t in self.ours], [t[score] for t in self.theirs])


def compare(
    run: Run,
    ours: str,
    own: bool = False,
    other: str | None = None,
    measure: FunctionType = variation,
    count: int = SEEDS,
) -> Pair:
    """Train a row and the one it is held to, from the same seeds.

    As in Table 3 all rows have one rate, the base's best; or each its own best one.
    """
    rows = (ours, other or OTHER.get(ours, "base"))
    rates, tried = dict.fromkeys(rows, MIDDLE), {}
    if run.scale != "test":

        def best(row, middle):
            return best_rate(
                lambda r: run.trial(tune_row, row=row, rate=r, seed=run.seed + 100), middle
            )

        rate, tried["base"] = best("base", MIDDLE)
        rates = dict.fromkeys(rows, rate)
        for row in rows if own else ():
            rates[row], tried[row] = best(row, rate)
    seeds = run.seeds(run.pick(test=2, default=count))
    found = [
        [run.trial(measure, row=row, rate=rates[row], seed=seed) for seed in seeds] for row in rows
    ]
    return Pair(rows, *found, rates, tried)


DIGITS = {"bleu": 2, "nats": 3, "accuracy": 4}
NAMES = {"bleu": "BLEU", "nats": "log perplexity", "accuracy": "token accuracy"}
BETWEEN = (
    "A net of a hundredth of the weights, trained on a hundredth of the pairs for a fiftieth of "
    "the steps: 2,000, which stop where the loss still falls steeply, so that rows differ in how "
    "fast they learn as much as in how well."
)


def finding(
    run: Run,
    ours: str,
    score: str,
    between: str = BETWEEN,
    own: bool = False,
    other: str | None = None,
    measure: FunctionType = variation,
    count: int = SEEDS,
    **side: Any,
) -> Finding:
    """Judge the difference of one score to the other row; tell all of them."""
    pair = compare(run, ours, own, other, measure, count)
    at_one = compare(run, ours, False, other, measure, count).gap(score)
    if not own and distance(judge(at_one, paper_regime=False, **side)) < NEAR:
        pair, own = compare(run, ours, True, other, measure, count), True
    gaps = {s: pair.gap(s) for s in DIGITS}
    told = "; ".join(f"{NAMES[s]} {g.text(DIGITS[s])}" for s, g in gaps.items())
    means = {
        row: {s: interval([t[s] for t in trials]).mean for s in DIGITS}
        for row, trials in zip(pair.rows, (pair.ours, pair.theirs))
    }
    few = ours.startswith("few")
    steps, known = steps_of(run, ours), len(texts(run, PIECES)["ids"]["train"])
    (line,) = side.values()
    if isinstance(line, tuple):
        line = min(line, key=lambda end: abs(gaps[score].mean - end))
    return Finding(
        judgement=judge(gaps[score], paper_regime=False, **side),
        ours=f"{ours}: {gaps[score].text(DIGITS[score])} {NAMES[score]}",
        ran=f"LibreOffice's manuals, English to French, {FEW if few else known:,} pairs, 2,000 "
        f"byte-pair pieces; a Transformer of {LAYERS} + {LAYERS} layers of width {WIDTH}, 4 heads, "
        f"dropout and smoothing 0.1 but where a row says otherwise; {steps:,} steps of 800 tokens; "
        f"{'each row at its own best rate' if own else 'one rate for all rows, as in Table 3'}, "
        f"tuned by loss on other pages: {pair.rates[ours]:g} and {pair.rates[pair.rows[1]]:g} "
        f"({', '.join(f'{len(f)} runs for “{row}”' for row, f in pair.tried.items())}); "
        f"greedy decoding, {len(pair.ours)} seeds. The paper: 4.5 million pairs, 6 + 6 layers "
        "of width 512, 100,000 steps.",
        measured=f"“{ours}” minus “{pair.rows[1]}”: {told}. "
        + "; ".join(
            f"{row} {m['bleu']:.1f} BLEU, loss {m['nats']:.3f} nats a piece, accuracy "
            f"{m['accuracy']:.3f}" for row, m in means.items()
        ) + f". At the base's rate for both: {at_one.text(DIGITS[score])}.",
        numbers={
            "rows": {pair.rows[0]: pair.ours, pair.rows[1]: pair.theirs}, "mean": means,
            "difference": {s: [g.mean, g.low, g.high] for s, g in gaps.items()},
            "rates": pair.rates,
            "tried": {n: {f"{r:g}": -v for r, v in t.items()} for n, t in pair.tried.items()},
        },
        between=between,
        would_decide=would_decide(gaps[score], line),
    )  # fmt: skip
