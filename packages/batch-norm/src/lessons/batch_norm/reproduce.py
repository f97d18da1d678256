"""The paper's claims, re-tested.

Whatever takes longer than a second is a trial: a function of the run and of its settings, whose
value (what JSON can hold) is kept on disk. A claim asks for trials and judges their values.
"""

import torch

from .claims import HOLDS, NOT_SEEN, Finding, claim


def train(run, method, seed):
    """Return the final loss of one training run."""
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


@claim("C1", "§1, Table 1", "Our method ends lower than the baseline.", draw_losses)
def lower_loss(run):
    """Compare the two on the same seeds."""
    numbers = {
        method: [run.trial(train, method=method, seed=seed) for seed in run.seeds(3)]
        for method in ("ours", "baseline")
    }
    ours, baseline = (sum(losses) / len(losses) for losses in numbers.values())
    return Finding(
        verdict=HOLDS if ours < baseline else NOT_SEEN,
        ran="made-up losses, 3 seeds",
        measured=f"{ours:.3f} against {baseline:.3f}",
        numbers=numbers,
        between="the paper trains a network",
    )


CLAIMS = [lower_loss]
