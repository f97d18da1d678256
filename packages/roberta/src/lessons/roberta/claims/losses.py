"""Where training ends, with the paper's method and with the baseline.

Whatever takes longer than a second is a trial: a function of the run and of its settings, whose
value (what JSON can hold) is kept on disk. A claim asks for trials and judges their values.
"""

import torch

from ..lab.claim import Finding, claim
from ..lab.statistics import judge, paired


def train(run, method, seed):
    """Return the final loss (nats) of one training run."""
    generator = torch.Generator(run.device).manual_seed(seed)
    loss = torch.rand((), generator=generator, device=run.device)
    for _ in run.track(range(run.pick(test=1, default=10, full=100)), f"{method}, seed {seed}"):
        loss = loss * (0.9 if method == "ours" else 0.99)
    return loss.item()


def draw_losses(figure, numbers):
    """Draw the losses that ``numbers`` of the finding holds."""
    axes = figure.subplots()
    for method, losses in numbers.items():
        axes.plot(losses, "o", label=method)
    axes.set(xlabel="seed", ylabel="final loss (nats)")
    axes.legend()


@claim(
    "C1",
    "§1, Table 1",
    quotes="Our method usually reaches a lower loss than the baseline.",
    says="Our method ends lower than the baseline.",
    asks="The loss after training, with both methods from the same weights on the same data.",
    holds_if="the 95% interval of (ours − baseline) lies below 0 nats",
    fails_if="it lies above",
    paper="0.1 against 0.2 nats",
    draw=draw_losses,
)
def lower_loss(run):
    """Compare the two on the same seeds."""
    numbers = {
        method: [run.trial(train, method=method, seed=seed) for seed in run.seeds(5)]
        for method in ("ours", "baseline")
    }
    difference = paired(numbers["ours"], numbers["baseline"])
    return Finding(
        judge(difference, below=0, paper_regime=False),
        ours=difference.text(unit="nats"),
        ran="made-up losses, 5 seeds, where the paper trains a network",
        measured=f"The loss differs by {difference.text(unit='nats')}.",
        numbers=numbers,
        between="the paper trains a network",
        would_decide="about 20 seeds",
    )
