"""Units, connections, weights and multiply-adds, counted from a built network."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.func import functional_call

from .layers import Subsample
from .output import RBFOutput


@dataclass(frozen=True)
class Count:
    """What one layer has."""

    units: int
    connections: int  # each bias is one
    parameters: int  # that are trained
    multiply_adds: int  # for one image


@torch.no_grad()
def count(net: Any, size: int) -> dict[str, Count]:
    """Return the counts of each layer that has weights, for images of size by size pixels.

    Connections are found, not calculated: an input is connected to a unit if changing this input
    alone changes the unit's sum. What lies outside of a map is input too, as the papers count.

    Args:
        net: a `LeNet5` or `ZipNet`.
        size: height and width of the images.
    """
    names = {id(module): name for name, module in net.named_modules()}
    layers = [*net.layers, net.head] if isinstance(net.head, RBFOutput) else net.layers
    x, counts = torch.zeros(1, 1, size, size), {}
    for layer in layers:
        parameters = dict(layer.named_parameters())
        if parameters or isinstance(layer, RBFOutput):
            ones = {name: torch.ones_like(p, device="cpu") for name, p in parameters.items()}
            each = torch.eye(x.numel()).view(-1, *x.shape[1:])  # one input at a time
            rest = functional_call(layer, ones, torch.zeros_like(x))
            touched = (functional_call(layer, ones, each) != rest).sum().item()
            units, biased = rest.numel(), "bias" in parameters
            # The four inputs of a sub-sampling unit are added, and multiplied once.
            products = units if isinstance(layer, Subsample) else touched
            weights = sum(p.numel() for p in parameters.values())
            connections = touched + units * biased
            counts[names[id(layer)]] = Count(units, connections, weights, products)
        x = layer(x)
    return counts
