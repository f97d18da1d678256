"""The second paper: a clean path through the blocks, and norms before convolutions."""

import torch
from torch import nn

from ..blocks import BasicBlock, PreActBasicBlock
from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN, REFUTED
from .training import setting, trials


@claim(
    "C6a",
    "He et al. 2016b, eqs. 4 and 5",
    says="With identity shortcuts a signal passes any number of blocks unchanged, forward and "
    "backward.",
    asks="With identity shortcuts and nothing after the sum, a signal passes any number of blocks "
    "unchanged but for the residuals added to it, forward and backward.",
)
def identity_mapping(run):
    """Send a signal through 50 blocks whose residual functions are zero."""
    x = torch.randn(4, 8, 6, 6, generator=torch.Generator().manual_seed(run.seed))
    errors = {}
    for kind, make in (("post-activation", BasicBlock), ("pre-activation", PreActBasicBlock)):
        blocks = [make(8, 8).eval() for _ in range(50)]
        for block in blocks:
            nn.init.zeros_(block.bn2.weight if make is BasicBlock else block.conv2.weight)
        start = x.clone().requires_grad_()
        end = nn.Sequential(*blocks)(start)
        (gradient,) = torch.autograd.grad(end.sum(), start)
        errors[kind] = [(end - x).abs().max().item(), (gradient - 1).abs().max().item()]
    exact = errors["pre-activation"] == [0.0, 0.0]
    return Finding(
        HOLDS if exact else REFUTED,
        ran="50 blocks with zero residual functions, normal inputs.",
        measured="Pre-activation: output and gradient equal the input and 1 to the bit. "
        f"Post-activation, the order of 2015: off by up to {errors['post-activation'][0]:.2f}, as "
        "each sum goes through a ReLU; on inputs above zero it is exact too."
        if exact
        else f"Errors {errors}.",
        numbers=errors,
    )


@claim(
    "C6b",
    "He et al. 2016b, Table 2; Fig. 6",
    says="At great depth pre-activation trains better than the original order.",
    asks="At great depth pre-activation trains better than the original order (1,001 layers on "
    "CIFAR-10: 4.92 instead of 7.61% error).",
)
def preactivation(run):
    """Judge the training loss after 60 steps at 56 layers, without a warm-up."""
    post, pre = (
        [r["last_batches"] for r in trials(run, kind, (56,), stop=60)["56"]]
        for kind in ("residual", "preactivation")
    )
    holds = all(a < b for a, b in zip(pre, post))
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"56 layers on {setting(run)}, learning rate .1 from the first step, {len(pre)} pairs "
        "of runs with the same batches.",
        measured="Training loss after 60 steps: pre-activation "
        f"{', '.join(f'{v:.3f}' for v in pre)}, post-activation "
        f"{', '.join(f'{v:.3f}' for v in post)}.",
        numbers={"pre": pre, "post": post},
        between="56 layers are not 1,001; the difference is expected where the identity is "
        "interrupted hundreds of times.",
    )
