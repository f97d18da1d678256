"""C3b: the scale of the weights behind a norm (§3.3)."""

import torch

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED
from ..norm import batch_norm


@claim(
    "C3b",
    "§3.3",
    "Behind batch norm the scale of weights changes neither output nor the input's gradient.",
    asks="BN((aW)u) = BN(Wu) for a scalar a; the gradient by u stays the same, and that by aW is "
    "1/a of that by W.",
)
def scale_invariance(run):
    """Compare outputs and gradients in float64, with ε = 0 up to rounding."""
    generator = torch.Generator().manual_seed(run.seed)
    u = torch.randn(50, 30, generator=generator, dtype=torch.float64, requires_grad=True)
    w = torch.randn(30, 20, generator=generator, dtype=torch.float64)
    dy = torch.randn(50, 20, generator=generator, dtype=torch.float64)

    def look(a, eps):
        aw = (a * w).requires_grad_()
        y = batch_norm(u @ aw, training=True, eps=eps)
        du, daw = torch.autograd.grad((y * dy).sum(), (u, aw))
        return y, du, a * daw

    worst, with_eps = 0.0, {}
    base, base_eps = look(1.0, 1e-300), look(1.0, 1e-5)
    for a in (1e-3, 0.1, 10.0, 1e3):
        pairs = zip(look(a, 1e-300), base)
        worst = max(worst, *((p - q).norm().item() / q.norm().item() for p, q in pairs))
        y, y1 = look(a, 1e-5)[0], base_eps[0]
        with_eps[f"{a:g}"] = (y - y1).norm().item() / y1.norm().item()
    return Finding(
        HOLDS if worst < 1e-12 else REFUTED,
        ran="A linear layer of 30 by 20, 50 examples, float64, a from 0.001 to 1000, ε = 1e-300.",
        measured=f"Largest relative difference of outputs and both gradients {worst:.1e}. With "
        f"ε = 1e-5 and a = .001 the outputs differ by {with_eps['0.001']:.1e}.",
        numbers={"worst": worst, "with_eps": with_eps},
    )
