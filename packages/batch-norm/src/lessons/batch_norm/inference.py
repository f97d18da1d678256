"""From training to inference (Alg. 2): population statistics, and folding them away."""

import copy
import itertools
import warnings
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .norm import BatchNorm
from .pairs import pairs
from .variants import BatchRenorm, GhostBatchNorm, SyncBatchNorm

NORMS = (BatchNorm, _BatchNorm)  # torch's too: what is here works for either
LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# Subclasses with a forward of their own may standardize the weight, or end in an activation.
PLAIN = {kind.forward for kind in (*LINEAR, *NORMS, nn.SyncBatchNorm, BatchRenorm, GhostBatchNorm,
                                   SyncBatchNorm)}  # fmt: skip


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
        model: its batch norms change in place, frozen ones too, and keep mode and momentum. Those
            without running statistics are left alone. If anything fails, all is as it was.

    Raises:
        ValueError: the loader is empty, or no batch norm of the model keeps running statistics.
    """
    norms = [n for n in norms_of(model) if n.track_running_stats and n.running_mean is not None]
    if not norms:
        raise ValueError("model must have a batch norm with running statistics, and has none")
    modes = [(module, module.training) for module in model.modules()]
    before = [(n, n.momentum, getattr(n, "frozen", False)) for n in norms]
    statistics = [buffer for norm in norms for buffer in norm.buffers()]
    copies = [buffer.clone() for buffer in statistics]
    device = next(itertools.chain(model.parameters(), model.buffers())).device
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # an equal average over all batches
        norm.training = True
        if isinstance(norm, BatchNorm):
            norm.frozen = False
    batches = 0
    try:
        for batch in loader:
            batch = batch if isinstance(batch, Tensor) else batch[0]
            model(batch.to(device))
            batches += 1
        if not batches:
            raise ValueError("loader must have at least one batch, and is empty")
    except BaseException:
        for buffer, copied in zip(statistics, copies):
            buffer.copy_(copied)
        raise
    finally:
        for module, mode in modes:
            module.training = mode
        for norm, momentum, frozen in before:
            norm.momentum = momentum
            if isinstance(norm, BatchNorm):
                norm.frozen = frozen


def freeze_statistics_(model: nn.Module, frozen: bool = True) -> nn.Module:
    """Let this package's norms use running statistics in training as well (γ and β still learn).

    For fine-tuning with batches too small to normalize by.

    Raises:
        ValueError: a norm is of another package, or has no running statistics to use; then none is
            changed.
    """
    norms = norms_of(model)
    for norm in norms:
        if not isinstance(norm, BatchNorm):
            raise ValueError(f"model has a {type(norm)}, and only this package's can be frozen")
        if frozen and norm.running_mean is None:
            raise ValueError(f"norms must have running statistics to be frozen, got {norm}")
    for norm in norms:
        norm.frozen = frozen
    return model


@torch.no_grad()
def fold_batch_norm_(layer: nn.Module, norm: nn.Module) -> None:
    """Fold a norm into the linear layer or convolution before it, in place (Alg. 2, line 11).

    The layer then computes what layer and norm did in evaluation: W γ/√(σ² + ε), and the bias
    β + (b − µ) γ/√(σ² + ε). A linear layer's features must be what the norm counts as channels.

    Raises:
        ValueError: a layer that is neither, or computes something else with its weight; a norm in
            training, without statistics, or that does more than normalize; or numbers of channels
            that differ.
    """
    if not isinstance(layer, LINEAR) or type(layer).forward not in PLAIN:
        raise ValueError(f"layer must be a linear layer or a convolution, got {type(layer)}")
    if layer._parameters.get("weight") is None:
        raise ValueError(f"layer must have a weight that is not computed from others, got {layer}")
    if not isinstance(norm, NORMS) or norm.running_mean is None or norm.running_var is None:
        raise ValueError(f"norm must be a batch norm with running statistics, got {norm}")
    if type(norm).forward not in PLAIN:
        raise ValueError(f"norm must only normalize, and {type(norm)} has a forward of its own")
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

    The pairs are read off the order of computation (`pairs`); the norm becomes `nn.Identity`, so
    names stay. A warning names the norms that stay as they are: no layer before them is known, or
    it is used elsewhere too, has hooks, or cannot be folded into (see `fold_batch_norm_`).
    """
    model = copy.deepcopy(model).eval()
    for before, here in pairs(model, LINEAR, NORMS):
        layer, norm = model.get_submodule(before), model.get_submodule(here)
        try:
            fold_batch_norm_(layer, norm)
        except ValueError:
            continue
        parent, _, name = here.rpartition(".")
        setattr(model.get_submodule(parent), name, nn.Identity())
    left = [name for name, module in model.named_modules() if isinstance(module, NORMS)]
    if left:
        some = ", ".join(map(repr, left[:5])) + (", …" if len(left) > 5 else "")
        warnings.warn(f"{len(left)} batch norms are not folded: {some}", stacklevel=2)
    return model
