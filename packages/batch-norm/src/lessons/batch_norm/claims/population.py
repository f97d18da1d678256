"""C8: statistics of the population in place of the batch's (§3.1)."""

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from .averages import error, mean, rounded
from .data import data_of, images
from .side_by_side import Setting, nets, train

SIZES_OF_BATCH, SMALL_RATES = (2, 4, 16, 64), (0.01, 0.03, 0.1)


def small_batches(run, size, seed):
    """Train with batches of one size; return losses by running and by batch statistics."""
    x, y, x_test, y_test = images(run)
    seen = run.pick(test=200, default=8000, full=24_000)
    net = nets([Setting(lr=lr) for lr in SMALL_RATES], "relu", x.shape[1], seed)
    for _ in train(run, net, x, y, seen // size, size, f"batches of {size}, seed {seed}"):
        pass
    tested = x_test[:2000], y_test[:2000]
    running, right = net.evaluate(*tested)
    net.training, parts = True, []
    with torch.no_grad():
        for part, labels in zip(*(t.split(size) for t in tested)):
            if len(part) == size:
                net_logits = net(part.float())[0].log_softmax(2)
                parts.append(-net_logits[torch.arange(size), :, labels].mean(0))
    batch = torch.stack(parts).mean(0)
    return [rounded(running), rounded(batch), rounded(right)]


def draw_c8(figure, numbers):
    """Draw both losses against the size of the batch."""
    axes = figure.subplots()
    for i, (name, color) in enumerate(
        (("by running statistics", BLUE), ("by those of test batches of that size", RED))
    ):
        values = [[pair[i] for pair in numbers["losses"][str(size)]] for size in SIZES_OF_BATCH]
        axes.errorbar(
            SIZES_OF_BATCH, [mean(v) for v in values], [error(v) for v in values], marker="o",
            color=color, label=name, capsize=2,
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="size of the batch", ylabel="test loss (nats)")
    axes.set_xticks(SIZES_OF_BATCH, map(str, SIZES_OF_BATCH))
    axes.minorticks_off()
    axes.set_yticks((0.2, 0.5, 1, 2), ("0.2", "0.5", "1", "2"))
    axes.legend()


@claim(
    "C8",
    "§3.1",
    "At inference population statistics can take the place of the batch's.",
    draw_c8,
    asks="At inference population statistics can take the place of the batch's: normalized values "
    "have the same mean and variance as in training.",
)
def population_statistics(run):
    """Judge test losses by running statistics against those by batch statistics."""
    seeds = run.seeds(run.pick(test=1, default=2, full=3))
    losses, accuracies, rates = {}, {}, {}
    for size in SIZES_OF_BATCH:
        trials = [run.trial(small_batches, size=size, seed=seed) for seed in seeds]
        scores = [[v if v is not None else 99.0 for v in t[0]] for t in trials]
        best = min(range(len(SMALL_RATES)), key=lambda i: mean([s[i] for s in scores]))
        losses[str(size)] = [[t[0][best] or 99.0, t[1][best] or 99.0] for t in trials]
        accuracies[str(size)] = [t[2][best] for t in trials]
        rates[str(size)] = SMALL_RATES[best]
    gaps = {size: [a - b for a, b in pairs] for size, pairs in losses.items()}
    # The population's must serve as well as the batch's, or better, at every size.
    holds = all(mean(g) <= 2 * error(g) for g in gaps.values())
    said = "; ".join(
        f"batches of {size}: {mean([p[0] for p in losses[size]]):.3f} and "
        f"{mean([p[1] for p in losses[size]]):.3f} ({100 * mean(accuracies[size]):.1f}% right)"
        for size in losses
    )
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"The net of Fig. 1 with ReLU on {data_of(run)}, "
        f"{run.pick(test=200, default=8000, full=24000):,} images seen in batches of each size, "
        f"{len(seeds)} seeds, the best of rates {SMALL_RATES} by the first loss.",
        measured=f"Test loss by running statistics, and by those of batches as in training: "
        f"{said}.",
        numbers={"losses": losses, "gaps": gaps, "accuracies": accuracies, "rates": rates},
        between="The paper's batches are 32, and in pictures each channel has thousands of values.",
    )
