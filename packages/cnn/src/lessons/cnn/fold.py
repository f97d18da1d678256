r"""A LeNet-5 for reading only: the constants of the squashing function folded into the weights.

With $f(a) = A \tanh(S a)$, a layer between two of these computes
$\tanh(S(W A t + b)) = \tanh((S A W)\, t + S b)$, where t is a tanh: two passes over each map less.
"""

import torch
from torch import nn

from .layers import MapConv2d, PartialConv2d, ScaledTanh, Subsample
from .lenet import LeNet5


@torch.no_grad()
def fold(net: LeNet5) -> nn.Sequential:
    """Return plain layers that give what the net gives, to rounding, for 32 by 32 images.

    Kernels that C3's table leaves out become zeros, C5 and what follows become matrix products.

    Args:
        net: any form; it is not changed.
    """
    layers, gain = net.layers, 1.0
    result: list[nn.Module] = []
    for place, layer in enumerate(layers):
        if isinstance(layer, ScaledTanh):
            last = place == len(layers) - 1  # the state that the codes are compared with
            result.append(layer if last else nn.Tanh())
            gain = layer.A
        elif isinstance(layer, nn.Conv2d | PartialConv2d | Subsample) and list(layer.parameters()):
            slope = next(
                (f.S for f in layers[place + 1 : -1] if isinstance(f, ScaledTanh)), 1.0
            )  # of the squashing function that the sums go through next
            if layer is net.c5:
                result.append(nn.Flatten())
            result.append(_scaled(layer, gain * slope, slope))
            gain = 1.0
        else:
            result.append(layer)
    return nn.Sequential(*result, *([net.head] if net.config.output == "rbf" else []))


def _scaled(layer: nn.Conv2d | PartialConv2d | Subsample, by: float, bias_by: float) -> nn.Module:
    """Return a plain layer with the weights and the biases multiplied."""
    plain: nn.Module
    if isinstance(layer, Subsample):
        plain, name, weight = Subsample(layer.channels), "coef", layer.coef
    elif isinstance(layer, MapConv2d):
        weight = layer.weight.flatten(1)
        plain, name = nn.Linear(weight.shape[1], len(weight)), "weight"
    else:
        weight = layer.dense_weight() if isinstance(layer, PartialConv2d) else layer.weight
        plain, name = nn.Conv2d(weight.shape[1], len(weight), weight.shape[2]), "weight"
    assert layer.bias is not None  # no layer of a LeNet5 is without
    plain.to(weight).load_state_dict({name: weight * by, "bias": layer.bias * bias_by})
    return plain
