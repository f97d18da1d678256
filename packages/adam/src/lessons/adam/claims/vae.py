"""§6.4, Fig. 4: the variational auto-encoder that the correction of §3 is tested on."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from ..optimizer import Adam
from .data import halved, images
from .training import APART, descend

BETA2 = (0.99, 0.999, 0.9999)
RATES = tuple(10 ** (-k / 2) for k in (9, 8, 7, 6, 5, 4))  # the points of Fig. 4
PAPERS_NET = "784-500-50 on MNIST's 60,000 images (the paper's)"


def passes(run, net: str) -> int:
    """Return how many passes over the data a run has."""
    if net == "paper":  # "at first few epochs" (C9)
        return run.pick(test=2, default=10, full=2, paper=10)
    return run.pick(test=2, default=20, full=100)


def train_vae(run, net, lr, beta1, beta2, corrected, seed):
    """Return the loss (nats an image) of a variational auto-encoder in each pass.

    ``net`` is "small" or "paper": at the full scale the paper's, 784-500-50 on all of MNIST.
    """
    x, _ = images(run)
    hidden, latent = run.pick(test=(10, 2), default=(64, 8), full=(100, 20), paper=(500, 50))
    if run.scale == "test":
        x = x[:200]
    elif run.scale == "full" and net == "small":
        x = halved(x[:3000])
    elif run.scale == "full":
        hidden, latent = 500, 50
    encoder = nn.Sequential(
        nn.Linear(x.shape[1], hidden), nn.Softplus(), nn.Linear(hidden, 2 * latent)
    )
    decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Softplus(), nn.Linear(hidden, x.shape[1]))
    model = nn.ModuleList([encoder, decoder]).to(run.device)
    opt = Adam(model.parameters(), lr=lr, betas=(beta1, beta2), bias_correction=corrected)

    def loss(i):
        mean, log_variance = encoder(x[i]).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
        error = F.binary_cross_entropy_with_logits(decoder(code), x[i], reduction="sum")
        return (error + divergence) / len(i)

    count = passes(run, net)
    what = f"α = {lr:.0e}, β₁ {beta1:g}, β₂ {beta2:g}, {'' if corrected else 'un'}corrected"
    curve = descend(run, opt, loss, len(x), run.track(range(count), what), batch=100)
    return [round(value, 3) for value in curve]


def after(curve: list[float], count: int) -> float:
    """Return the loss in a pass, infinite if the run had diverged by then."""
    return curve[count - 1] if len(curve) >= count else math.inf


def name(beta1: float, beta2: float, corrected: bool) -> str:
    """Return a setting as text."""
    return f"{beta1:g}, {beta2:g}, {'corrected' if corrected else 'uncorrected'}"


def grid(run) -> dict[str, dict[str, list[float]]]:
    """Return the curves of Fig. 4 at the tuning seed: "β₁, β₂, corrected" -> α -> curve.

    Its upper row, β₁ = 0, is run at the paper's scale only.
    """
    rates = run.pick(test=RATES[2:4], default=RATES[1:], full=RATES)
    beta1s = run.pick(test=(0.9,), default=(0.9,), paper=(0.9, 0.0))
    settings = [(b1, b2, c) for b1 in beta1s for b2 in BETA2 for c in (True, False)]
    result: dict[str, dict[str, list[float]]] = {}
    for beta1, beta2, corrected in run.track(settings, "Fig. 4's grid"):
        result[name(beta1, beta2, corrected)] = {
            f"{lr:.3g}": small(run, lr, beta1, beta2, corrected, APART + run.seed) for lr in rates
        }
    return result


def point(text: str) -> float:
    """Return the step size of Fig. 4 that a grid's key stands for."""
    return next(lr for lr in RATES if f"{lr:.3g}" == text)


def small(run, lr, beta1, beta2, corrected, seed) -> list[float]:
    """Return the curve of the small net."""
    return run.trial(
        train_vae, net="small", lr=lr, beta1=beta1, beta2=beta2, corrected=corrected, seed=seed
    )


def refined(run, curves, beta2: float, corrected: bool, at: int) -> tuple[float, float]:
    """Return the lowest loss of a setting in pass ``at`` at the tuning seed, and its α.

    On Fig. 4's points, then in factors of 2 around the best of them.
    """
    of = curves[name(0.9, beta2, corrected)]
    ends = {lr: after(of[f"{lr:.3g}"], at) for lr in RATES if f"{lr:.3g}" in of}
    while True:
        best = min(ends, key=ends.__getitem__)
        near = [] if run.scale == "test" else [best / 2, best * 2]
        near = [lr for lr in near if lr not in ends]
        if not near:
            return ends[best], best
        for lr in near:
            ends[lr] = after(small(run, lr, 0.9, beta2, corrected, APART + run.seed), at)
