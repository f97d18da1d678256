"""From training to inference (Alg. 2): population statistics, and folding them away."""

import copy
from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .norm import BatchNorm

NORMS = (BatchNorm, _BatchNorm)  # torch's too: what is here works for either
LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def norms_of(model: nn.Module) -> list:
    """Return a model's batch norms; a ValueError says that there are none."""
    norms = [module for module in model.modules() if isinstance(module, NORMS)]
    if not norms:
        raise ValueError("model must have a batch norm, and has none")
    return norms


@torch.no_grad()
def update_bn_statistics(loader: Iterable, model: nn.Module) -> None:
    """Replace the running averages by the population statistics of Algorithm 2, lines 8 to 11.

    E[x] is the mean of the batches' means, Var[x] that of their variances times m/(m − 1). All
    batches weigh the same, so they should have one size. Whatever else differs between training
    and evaluation, as dropout does, is as in evaluation.

    Args:
        loader: batches of inputs, or of tuples of which the input is the first.
        model: its batch norms change in place, and keep mode and momentum.

    Raises:
        ValueError: the loader is empty, or the model has no batch norm.
    """
    norms = norms_of(model)
    before = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # an equal average over all batches
        norm.training = True
    device = next(model.parameters()).device
    batches = 0
    try:
        for batch in loader:
            batch = batch if isinstance(batch, Tensor) else batch[0]
            model(batch.to(device))
            batches += 1
    finally:
        for module, mode in before:
            module.training = mode
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
    if not batches:
        raise ValueError("loader must have at least one batch, and is empty")


def freeze_statistics_(model: nn.Module, frozen: bool = True) -> nn.Module:
    """Let this package's norms use running statistics in training as well (γ and β still learn).

    For fine-tuning with batches too small to normalize by.
    """
    for norm in norms_of(model):
        if not isinstance(norm, BatchNorm):
            raise ValueError(f"model has a {type(norm)}, and only this package's can be frozen")
        norm.frozen = frozen
    return model


@torch.no_grad()
def fold_batch_norm_(layer: nn.Module, norm: nn.Module) -> None:
    """Fold a norm into the linear layer or convolution before it, in place (Alg. 2, line 11).

    The layer then computes what layer and norm did in evaluation: W γ/√(σ² + ε), and the bias
    β + (b − µ) γ/√(σ² + ε).

    Raises:
        ValueError: a layer that is neither, a norm in training or without statistics, or numbers
            of channels that differ.
    """
    if not isinstance(layer, LINEAR):
        raise ValueError(f"layer must be a linear layer or a convolution, got {type(layer)}")
    if not isinstance(norm, NORMS) or norm.running_mean is None or norm.running_var is None:
        raise ValueError(f"norm must be a batch norm with running statistics, got {norm}")
    if norm.training:
        raise ValueError("norm is in training, where its result depends on the batch: eval() first")
    channels = layer.weight.shape[0]
    if channels != norm.num_features:
        raise ValueError(f"layer has {channels} output channels, norm has {norm.num_features}")
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    bias = -norm.running_mean if layer.bias is None else layer.bias - norm.running_mean
    bias = bias * scale if norm.bias is None else norm.bias + bias * scale
    layer.weight.mul_(scale.view(-1, *(1,) * (layer.weight.ndim - 1)).to(layer.weight.dtype))
    layer.bias = nn.Parameter(bias.to(layer.weight.dtype))


def folded(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation in which every pair of layer and norm is one layer.

    Pairs are looked for in `nn.Sequential`, since only there the order is that of computation; the
    norm becomes `nn.Identity`, so names stay.
    """
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            names = list(module._modules)
            for before, here in pairwise(names):
                layer, norm = module._modules[before], module._modules[here]
                if isinstance(layer, LINEAR) and isinstance(norm, NORMS):
                    fold_batch_norm_(layer, norm)
                    module._modules[here] = nn.Identity()
    return model
