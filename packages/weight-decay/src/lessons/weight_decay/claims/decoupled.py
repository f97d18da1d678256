"""C6a to C6c, later: where the penalty and the decay part ways, exactly.

Loshchilov and Hutter 2019.
"""

from typing import Any

import torch

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED
from ..optimizer import SGDW, AdamL2, AdamW, WeightDecay


def quadratic(make, steps: int = 200, scale: float = 1.0) -> torch.Tensor:
    """Return the weights after steps on ½(w − c)'H(w − c), whose first gradient is scaled."""
    generator = torch.Generator().manual_seed(0)
    draw: dict[str, Any] = {"generator": generator, "dtype": torch.float64}
    curvature = torch.rand(10, **draw) * 2 + 0.1
    centre = torch.randn(10, **draw)
    w = torch.randn(10, **draw).requires_grad_()
    optimizer = make([w])
    scales = torch.ones(10, dtype=torch.float64)
    scales[0] = scale
    for _ in range(steps):
        w.grad = scales * curvature * (w.detach() - centre)
        optimizer.step()
    return w.detach()


@claim(
    "C6a",
    "later: Loshchilov and Hutter 2019, abstract",
    "Penalty and decoupled decay are the same under plain SGD, not with momentum.",
    asks="Under plain gradient descent an L2 penalty and decoupled decay are the same; with "
    "momentum they are not.",
)
def same_under_sgd(run):
    """Compare the weights after 200 steps on a quadratic function."""
    gaps = {}
    for momentum in (0.0, 0.9):
        l2 = quadratic(
            lambda p, m=momentum: WeightDecay(torch.optim.SGD(p, 0.05, momentum=m), 0.5), 20
        )
        own = quadratic(lambda p, m=momentum: SGDW(p, 0.05, momentum=m, weight_decay=0.5), 20)
        gaps[momentum] = (l2 - own).abs().max().item()
    # A few roundings in float64, against a difference of the weights' own size.
    return Finding(
        HOLDS if gaps[0.0] < 1e-14 and gaps[0.9] > 0.01 else REFUTED,
        ran="A quadratic function of 10 weights in float64, η = 0.05, λ = 0.5, 20 steps.",
        measured=f"The largest difference is {gaps[0.0]:.1e} without momentum and {gaps[0.9]:.2f} "
        "with momentum 0.9.",
        numbers={str(momentum): gap for momentum, gap in gaps.items()},
    )


@claim(
    "C6b",
    "later: a consequence of Adam's step",
    "Where the loss is flat, Adam with L2 shrinks weights alike, whatever λ is.",
    asks="Where the loss has no gradient, Adam with L2 shrinks every weight by about η a step "
    "whatever λ is; decoupled decay shrinks it by the factor 1 − ηλ.",
)
def no_gradient(run):
    """Take 100 steps with the loss's gradient 0."""
    generator = torch.Generator().manual_seed(run.seed)
    start = torch.randn(1000, generator=generator, dtype=torch.float64)
    far = start.abs() > 0.1  # cannot reach 0 in 100 steps of 0.001
    shrunk = {}
    for lam in (1e-2, 1e-4, 1e-6):
        w = start.clone().requires_grad_()
        optimizer = AdamL2([w], 1e-3, weight_decay=lam)
        for _ in range(100):
            w.grad = torch.zeros_like(w)
            optimizer.step()
        shrunk[lam] = (start.abs() - w.detach().abs())[far].mean().item()
    w = start.clone().requires_grad_()
    optimizer = AdamW([w], 1e-3, weight_decay=1e-2)
    for _ in range(100):
        w.grad = torch.zeros_like(w)
        optimizer.step()
    factor = (w.detach() / start).mean().item()
    steps = [value / 0.1 for value in shrunk.values()]  # in units of 100 η
    holds = all(0.9 < step < 1.1 for step in steps) and abs(factor - 0.99999**100) < 1e-12
    return Finding(
        HOLDS if holds else REFUTED,
        ran="1,000 normal weights, 100 steps of η = 0.001 with gradient 0; those above 0.1.",
        measured="Adam with L2: a mean of "
        + ", ".join(f"{step:.3f} η a step at λ = {lam:g}" for lam, step in zip(shrunk, steps))
        + f". Decoupled, λ = 0.01: a factor of {factor:.8f}, which is (1 − ηλ)¹⁰⁰.",
        numbers={"steps": steps, "factor": factor},
    )


@claim(
    "C6c",
    "later: Loshchilov and Hutter 2019",
    "Under Adam with L2 large gradients lessen the decay; decoupled decay treats weights alike.",
    asks="Under Adam with L2 a weight with large gradients decays less; under decoupled decay all "
    "weights decay alike.",
)
def large_gradients(run):
    """Measure what the decay does to two weights whose noisy gradients differ a hundredfold."""
    decays = {}
    for name, make in (("l2", AdamL2), ("decoupled", AdamW)):
        ends = []
        for lam in (0.0, 0.1):
            generator = torch.Generator().manual_seed(run.seed)
            w = torch.ones(200, dtype=torch.float64, requires_grad=True)
            size = torch.ones(200, dtype=torch.float64)
            size[100:] = 100.0
            optimizer = make([w], 1e-3, weight_decay=lam)
            for _ in range(200):
                noise = torch.randn(200, generator=generator, dtype=torch.float64)
                noise[100:] = noise[:100]  # the same noise for both halves
                w.grad = size * noise
                optimizer.step()
            ends.append(w.detach())
        lost = ends[0] - ends[1]
        decays[name] = lost[:100].mean().item() / lost[100:].mean().item()
    holds = decays["l2"] > 50 and abs(decays["decoupled"] - 1) < 0.01
    return Finding(
        HOLDS if holds else REFUTED,
        ran="200 weights with gradients of noise, for half of them times 100; 200 steps of "
        "η = 0.001, λ = 0.1, against λ = 0 on the same noise.",
        measured="The decay of the small-gradient half over that of the other: "
        f"{decays['l2']:.1f} with L2, {decays['decoupled']:.4f} decoupled.",
        numbers=decays,
    )
