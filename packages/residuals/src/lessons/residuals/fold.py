r"""Folding batch norm into the convolution before it, for inference.

With running mean μ and variance σ², batch norm behind a convolution with the kernel w is
$\gamma (w * x - \mu)/s + \beta$ with $s = \sqrt{\sigma^2 + \epsilon}$. That is the convolution with
$w\,\gamma/s$ and the bias $\beta - \mu\gamma/s$: one pass over the map instead of two.
"""

import copy
from itertools import pairwise

import torch
from torch import nn


def fuse_conv_bn(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode whose batch norms are folded into their convolutions.

    Args:
        model: a `ResNet` or `CifarResNet`; any module whose convolution ``convN`` is followed by
            its ``bnN``, or both stand in a row in an `nn.Sequential`. In pre-activation nets the
            norm comes first: those inside a branch are folded, the others stay.

    Returns:
        The folded copy; it gives the model's outputs to rounding.
    """
    fused = copy.deepcopy(model).eval()
    for module in fused.modules():
        children = dict(module.named_children())
        if isinstance(module, nn.Sequential):
            pairs = list(pairwise(children))
        elif hasattr(module, "branch") and not hasattr(module, "relu"):  # norm before convolution
            pairs = [(f"conv{n}", f"bn{n + 1}") for n in (1, 2)]
        else:
            pairs = [(f"conv{n}", f"bn{n}") for n in (1, 2, 3)]
        for first, second in pairs:
            conv, norm = children.get(first), children.get(second)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, first, folded(conv, norm))
                setattr(module, second, nn.Identity())
    return fused


@torch.no_grad()
def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return the convolution that does what ``conv`` and then ``norm`` do in evaluation mode."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("norm keeps no running statistics: it cannot be folded")
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    result = copy.deepcopy(conv)
    result.weight = nn.Parameter(conv.weight * scale[:, None, None, None])
    bias = 0.0 if conv.bias is None else conv.bias
    result.bias = nn.Parameter(norm.bias + (bias - mean) * scale)
    return result
