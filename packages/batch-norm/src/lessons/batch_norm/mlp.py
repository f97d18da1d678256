"""The net of Fig. 1 (784-100-100-100-10, §4.1)."""

from itertools import pairwise

from torch import nn

from .norm import BatchNorm1d

SIZES = (784, 100, 100, 100, 10)


def mlp_fig1(bn: bool = True, sizes: tuple[int, ...] = SIZES, std: float = 0.1) -> nn.Sequential:
    """Return Fig. 1's net, with batch norm before each sigmoid or without.

    Args:
        bn: with it, hidden layers have no bias, which the norm would take away (§3.2).
        sizes: units of each layer.
        std: of the weights, which are normal; the paper says "small".
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers.append(nn.Linear(inputs, outputs, bias=not bn))
        layers += [BatchNorm1d(outputs), nn.Sigmoid()] if bn else [nn.Sigmoid()]
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
