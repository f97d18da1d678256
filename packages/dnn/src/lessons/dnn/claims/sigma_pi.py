"""The error signal of sigma-pi units, as printed, against central differences."""

import torch

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED


@claim(
    "C10",
    "p. 353",
    says="The printed error signal of sigma-pi units is right.",
    asks="For sigma-pi units, with sums over all i and h and symmetric weights, the error signal "
    "is δ_i = f′(net_i) Σ δ_k w_kij o_j.",
)
def sigma_pi_rule(run):
    """Compare the printed rule with central differences, for both readings of the sum."""
    generator = torch.Generator().manual_seed(run.seed)
    n_in, n_out, patterns = 4, 3, 6
    acts_PI = torch.rand(patterns, n_in, generator=generator, dtype=torch.float64)
    w_KIJ = torch.randn(n_out, n_in, n_in, generator=generator, dtype=torch.float64)
    w_KIJ = (w_KIJ + w_KIJ.mT) / 2
    w_KIJ.diagonal(dim1=1, dim2=2).zero_()  # products of two different units
    truth = torch.rand(patterns, n_out, generator=generator, dtype=torch.float64)

    def energy(acts, factor):
        net = factor * torch.einsum("kij,pi,pj->pk", w_KIJ, acts, acts)
        return 0.5 * (truth - torch.sigmoid(net)).square().sum(1), torch.sigmoid(net)

    ratios = {}
    for reading, factor in (("all i and h", 1.0), ("each pair once", 0.5)):
        out = energy(acts_PI, factor)[1]
        delta = (truth - out) * out * (1 - out)
        printed = torch.einsum("pk,kij,pj->pi", delta, w_KIJ, acts_PI)  # but for f′(net_i)
        step, true = 1e-6, torch.empty_like(printed)
        for i in range(n_in):
            move = torch.zeros(n_in, dtype=torch.float64)
            move[i] = step
            below, above = (energy(acts_PI + s * move, factor)[0] for s in (-1, 1))
            true[:, i] = (below - above) / (2 * step)
        ratios[reading] = ((printed * true).sum() / true.square().sum()).item()
    right = abs(ratios["all i and h"] - 1) < 1e-3
    return Finding(
        HOLDS if right else REFUTED,
        ran=f"{n_out} sigma-pi units over {n_in} inputs, random weights and {patterns} patterns, "
        "double precision, against central differences.",
        measured=f"With the sum as printed, over all i and h, the printed δ is "
        f"{ratios['all i and h']:.4f} of the true one, as every pair is in the sum twice; with "
        f"each pair once it is {ratios['each pair once']:.4f}.",
        numbers=ratios,
    )
