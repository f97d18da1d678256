"""C5: what the norm of the weights does to gradients and to curvature (§5.2.2)."""

import math

import torch

from ..invariance import normalized_linear
from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED
from .data import gaussian


@claim(
    "C5a",
    "§5.2.2",
    "Under normalization larger weights have smaller gradients, which lowers the learning rate.",
    asks="Under normalization larger weights have smaller gradients, which acts as a lower "
    "learning rate: the norm of the weights controls it.",
)
def smaller_gradients(run):
    """Double and quadruple the weights; and check that plain SGD can only lengthen them."""
    x_BI, weight_OI, target_BO = gaussian(run.seed, 50, 7), gaussian(1, 11, 7), gaussian(2, 50, 11)
    found: dict[str, tuple[list[float], list[float]]] = {}
    for kind in ("batch", "weight", "layer"):
        norms, products = [], []
        for scale in (1.0, 2.0, 4.0):
            weight = (scale * weight_OI).requires_grad_()
            error = normalized_linear(x_BI, weight, kind).tanh() - target_BO
            (gradient,) = torch.autograd.grad(error.square().sum(), weight)
            norms.append(gradient.norm().item())
            products.append(abs((gradient * weight).sum().item()) / weight.norm().item())
        found[kind] = (norms, products)
    ratios = [norms[0] / norms[i] for norms, _ in found.values() for i in (1, 2)]
    error = max(abs(ratio / want - 1) for ratio, want in zip(ratios, 3 * [2, 4]))
    along = max(product for _, products in found.values() for product in products)
    listed = ", ".join(f"{norm:.3f}" for norm in found["layer"][0])
    numbers = {
        kind: {"norms": norms, "along the weights": max(products)}
        for kind, (norms, products) in found.items()
    }
    return Finding(
        HOLDS if error < 1e-9 and along < 1e-9 else REFUTED,
        ran="50 cases, 7 inputs, 11 units, ε = 0, a squared error behind tanh; W times 1, 2 and 4.",
        measured=f"Layer norm: gradient norms {listed}; for all three methods they are as 1 to ½ "
        f"to ¼ within {error:.0e}. The gradient along the weights is {along:.0e}, so that a step "
        "of plain SGD always lengthens them.",
        numbers=numbers,
    )


def fisher(x_BI, weight_OI, kind):
    """Return the Fisher information (O, I, O, I) of the weights under a normalized softmax layer.

    Source: eq. 13 with the covariance of a softmax; the derivatives are exact, also of shared σ.
    """

    def outputs(weight):
        return normalized_linear(x_BI, weight, kind)

    p_BO = outputs(weight_OI).softmax(1)
    covariance_BOP = torch.diag_embed(p_BO) - p_BO[:, :, None] * p_BO[:, None, :]
    jacobian_BOQI = torch.func.jacrev(outputs)(weight_OI)
    return torch.einsum("boqi,bop,bprj->qirj", jacobian_BOQI, covariance_BOP, jacobian_BOQI) / len(
        x_BI
    )


@claim(
    "C5b",
    "§5.2.2",
    "Doubling a weight vector's norm changes the curvature along it by a factor ½.",
    asks="If the norm of a weight vector doubles, the curvature along it changes by a factor of ½.",
)
def curvature(run):
    """Compare the diagonal block of the Fisher information before and after doubling."""
    x_BI, weight_OI = gaussian(run.seed, 30, 4), gaussian(1, 5, 4)
    numbers = {}
    for kind in ("batch", "weight", "layer"):
        doubled = weight_OI.clone()
        doubled[0] *= 2
        before = fisher(x_BI, weight_OI, kind)
        one, all_rows = fisher(x_BI, doubled, kind), fisher(x_BI, 2 * weight_OI, kind)
        direction = weight_OI[0] / weight_OI[0].norm()
        numbers[kind] = {
            "one vector, its block": (one[0, :, 0].norm() / before[0, :, 0].norm()).item(),
            "one vector, off-diagonal": (one[0, :, 1].norm() / before[0, :, 1].norm()).item(),
            "whole matrix": (all_rows[0, :, 0].norm() / before[0, :, 0].norm()).item(),
            "along the vector itself": (direction @ before[0, :, 0] @ direction).item(),
        }
    blocks = [numbers[kind]["one vector, its block"] for kind in ("batch", "weight")]
    off = [numbers[kind]["one vector, off-diagonal"] for kind in ("batch", "weight")]
    quarter = all(math.isclose(block, 0.25, rel_tol=1e-9) for block in blocks)
    return Finding(
        REFUTED if quarter else HOLDS,
        ran="The Fisher information (eq. 13) of a softmax layer of 5 units, 4 inputs, 30 cases, by "
        "automatic differentiation; one weight vector doubled, then all.",
        measured=f"The vector's own block changes by {blocks[0]:.4f} under batch norm and "
        f"{blocks[1]:.4f} under weight norm, since 1/σ enters twice; {off[0]:.4f} and {off[1]:.4f} "
        "is what the blocks beside it do. Under layer norm one vector gives "
        f"{numbers['layer']['one vector, its block']:.3f} (σ is shared, and the output changes), "
        f"the whole matrix {numbers['layer']['whole matrix']:.4f}.",
        numbers=numbers,
    )
