"""Claims C6 and C8: large batches; what Adam's ε and β₂ do (§4.3, Table 3; §3.1)."""

import math
from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import interval, paired
from .contest import finding, held, means, points, protocol, seeds
from .pretraining import FULL, batch_tokens, dev_losses, rate_of

# β₂ = .98 and everything else alike, so that the batch alone changes.
SIZES = {size: FULL.but(batch=size, beta2=0.98, width="narrow") for size in (1, 8, 32)}
TABLE_3 = math.log(3.99 / 3.68)  # nats that Table 3's best batch gains, which §4.3 calls better


def draw_sizes(figure, numbers: dict[str, Any]) -> None:
    """Draw the loss on texts apart by the size of the batch."""
    axes = figure.subplots()
    found = [interval(losses) for losses in numbers["nats"].values()]
    x = [int(size) for size in numbers["nats"]]
    sides = [[f.mean - f.low for f in found], [f.high - f.mean for f in found]]
    axes.errorbar(x, [f.mean for f in found], yerr=sides, fmt="o-", color=BLUE, capsize=3)
    axes.set_xscale("log", base=2)
    axes.set_xticks(x, [f"{size:,}" for size in x])
    axes.set(xlabel="tokens in a step", ylabel="loss on texts apart (nats)")


def best_large(run: Run) -> int:
    """Return which of the two larger batches has the lower mean loss on texts apart."""
    mean = {size: interval(dev_losses(run, SIZES[size], seeds(run))).mean for size in (8, 32)}
    return min(mean, key=mean.__getitem__)


@claim(
    "C6a",
    "§4.3, Table 3",
    "At equal cost a larger batch, its rate tuned, has the lower perplexity.",
    draw_sizes,
    quotes="We observe that training with large batches improves perplexity for the masked "
    "language modeling objective, as well as end-task accuracy.",
    asks="Batches of 1, 8 and 32 times as many tokens, equally many tokens in all, each with a "
    "rate of its own. Of the two larger ones that with the lower mean "
    "counts, as in Table 3; the choice of one of two flatters it a little.",
    holds_if="the 95% interval of the loss on texts apart, better larger − smallest batch, paired, "
    "lies below 0 nats",
    fails_if="it lies above 0",
    paper="perplexity 3.99 → 3.68 (2K), 3.77 (8K)",
    full_only=True,
)
def perplexity(run: Run) -> Finding:
    """Judge the better of the larger batches against the smallest."""
    best = best_large(run)
    losses = {batch_tokens(run, r): dev_losses(run, r, seeds(run)) for r in SIZES.values()}
    small, large = (dev_losses(run, SIZES[size], seeds(run)) for size in (1, best))
    found = paired(large, small)
    each = "; ".join(f"{size:,} tokens {interval(x).text(3)}" for size, x in losses.items())
    largest = "is" if best == 32 else "is not"
    return finding(
        run, held(run, found, below=0.0), "nats",
        f"Loss on texts apart: {each} nats. The largest batch {largest} the best (in the paper it "
        "is not).",
        {"nats": losses, "rates": {size: rate_of(run, r)[0] for size, r in SIZES.items()}},
        protocol(run, *SIZES.values()), digits=3,
    )  # fmt: skip


@claim(
    "C6b",
    "§4.3, Table 3",
    "The larger batch is better on tasks, too.",
    quotes="training with large batches improves perplexity for the masked language modeling "
    "objective, as well as end-task accuracy.",
    asks="The nets of C6a, fine-tuned: the larger batch that has the lower loss against the "
    "smallest, mean accuracy over the tasks.",
    holds_if="the 95% interval of larger − smallest, paired, lies above 0 points",
    fails_if="it lies below 0",
    paper="MNLI 84.7 → 85.2 (2K), 84.6 (8K)",
    full_only=True,
)
def end_tasks(run: Run) -> Finding:
    """Judge the same nets on tasks."""
    best = best_large(run)
    found = points(run, SIZES[best], SIZES[1])
    rows = {size: means(run, recipe, seeds(run)) for size, recipe in SIZES.items()}
    each = "; ".join(f"×{size} {interval(row).text(1)}" for size, row in rows.items())
    return finding(
        run, held(run, found, above=0.0), "points", f"Mean accuracy by batch: {each} %.",
        {"means": rows}, protocol(run, *SIZES.values()),
    )  # fmt: skip


def few(run: Run) -> range:
    """Return C8's seeds."""
    return run.seeds(run.pick(test=2, default=3))


@claim(
    "C8a",
    "§3.1",
    "Training is very sensitive to Adam's ε.",
    quotes="We additionally found training to be very sensitive to the Adam epsilon term",
    asks="At the batch of eight times: ε of 1e-8, 1e-6 and 1e-4, all else alike. “Very sensitive” "
    "is drawn from Table 3: the largest difference among the three must exceed 0.081 nats, the "
    "logarithm of 3.99/3.68, which the paper counts as an improvement. The worst of the three less "
    "1e-6, chosen by its mean.",
    holds_if="the 95% interval of that difference of losses, paired, lies above 0.081 nats",
    fails_if="it lies below 0.081 nats",
    full_only=True,
)
def epsilon(run: Run) -> Finding:
    """Judge the worst ε against the paper's."""
    base = SIZES[8]
    losses = {eps: dev_losses(run, base.but(eps=eps), few(run)) for eps in (1e-8, 1e-6, 1e-4)}
    worst = max((1e-8, 1e-4), key=lambda eps: interval(losses[eps]).mean)
    found = paired(losses[worst], losses[1e-6])
    each = "; ".join(f"{eps:g}: {interval(x).text(3)}" for eps, x in losses.items())
    return finding(
        run, held(run, found, above=TABLE_3), "nats", f"Loss on texts apart by ε: {each} nats.",
        {"nats": {f"{eps:g}": x for eps, x in losses.items()}}, protocol(run, base), digits=3,
    )  # fmt: skip


@claim(
    "C8b",
    "§3.1",
    "With large batches β₂ = .98 is more stable than .999.",
    quotes="Similarly, we found setting β2 = 0.98 to improve stability when training with large "
    "batch sizes.",
    asks="At the largest batch and twice its tuned rate, where training is nearest to breaking: "
    "β₂ = .98 against .999, loss on texts apart; a net that broke counts as knowing nothing.",
    holds_if="the 95% interval of .98 − .999, paired, lies below 0 nats",
    fails_if="it lies above 0",
    full_only=True,
)
def stability(run: Run) -> Finding:
    """Judge both at twice the best rate."""
    base = SIZES[32]
    rate = 2 * rate_of(run, base)[0]
    losses = {b: dev_losses(run, base.but(beta2=b), few(run), rate) for b in (0.98, 0.999)}
    found = paired(losses[0.98], losses[0.999])
    each = "; ".join(f"β₂ = {b}: {interval(x).text(3)}" for b, x in losses.items())
    return finding(
        run, held(run, found, below=0.0), "nats",
        f"Loss on texts apart at the rate {rate:g}: {each} nats.",
        {"nats": {str(b): x for b, x in losses.items()}, "rate": rate}, protocol(run, base),
        digits=3,
    )  # fmt: skip
