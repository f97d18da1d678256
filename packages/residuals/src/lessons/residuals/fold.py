r"""Folding batch norm into the convolution before it, for inference.

With running mean μ and variance σ², batch norm behind a convolution with the kernel w is
$\gamma (w * x - \mu)/s + \beta$ with $s = \sqrt{\sigma^2 + \epsilon}$. That is the convolution with
$w\,\gamma/s$ and the bias $\beta - \mu\gamma/s$: one pass over the map instead of two.
"""

import copy
from collections import Counter
from itertools import pairwise

import torch
from torch import nn


def fuse_conv_bn(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode whose batch norms are folded into their convolutions.

    Args:
        model: a `ResNet` or `CifarResNet`; any module in which a convolution ``convN`` is followed
            by its ``bnN``, or both stand in a row in an `nn.Sequential`. In pre-activation nets the
            norm comes first: those inside a branch are folded, the others stay. So do those of
            subclasses, with hooks, or used in two places, which may do more than they seem to.

    Returns:
        The folded copy; it gives the model's outputs to rounding.

    Raises:
        ValueError: nothing can be folded; or a norm keeps no running statistics.
    """
    fused = copy.deepcopy(model).eval()
    places = Counter(id(m) for _, m in fused.named_modules(remove_duplicate=False))
    weights = Counter(id(p) for m in fused.modules() for p in m._parameters.values())

    def plain(module: nn.Module, kind: type[nn.Module]) -> bool:
        return (
            type(module) is kind
            and not module._forward_hooks
            and not module._forward_pre_hooks
            and places[id(module)] == 1
            and all(weights[id(p)] == 1 for p in module.parameters())
        )

    count = 0
    for module in fused.modules():
        children = dict(module.named_children())
        names = list(children)
        if type(module) is nn.Sequential:
            pairs = list(pairwise(children))
        elif hasattr(module, "branch") and not hasattr(module, "relu"):  # norm before convolution
            pairs = [(f"conv{n}", f"bn{n + 1}") for n in (1, 2)]
        else:
            pairs = [(f"conv{n}", f"bn{n}") for n in (1, 2, 3)]
        for first, second in pairs:
            conv, norm = children.get(first), children.get(second)
            if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
                continue
            if not plain(conv, nn.Conv2d) or not plain(norm, nn.BatchNorm2d):
                continue
            if names.index(first) < names.index(second):  # others' pre-activation: bn1, conv1, …
                setattr(module, first, folded(conv, norm))
                setattr(module, second, nn.Identity())
                count += 1
    if not count:
        raise ValueError(f"{type(model).__name__} has no convN and bnN, or both in a row, to fold")
    return fused


@torch.no_grad()
def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return the convolution that does what ``conv`` and then ``norm`` do in evaluation mode."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("norm keeps no running statistics: it cannot be folded")
    gain = 1.0 if norm.weight is None else norm.weight
    shift = 0.0 if norm.bias is None else norm.bias
    scale = gain / torch.sqrt(variance + norm.eps)
    bias = 0.0 if conv.bias is None else conv.bias
    result, dtype = copy.deepcopy(conv), conv.weight.dtype
    result.weight = nn.Parameter((conv.weight * scale[:, None, None, None]).to(dtype))
    result.bias = nn.Parameter((shift + (bias - mean) * scale).to(dtype))
    return result
