"""Which parameters decay: all of them in the paper, the weight matrices in most later practice."""

import re
import warnings
from collections.abc import Iterable
from typing import Any

from torch import nn

from .decay import check_lam

GROUPINGS = ("type", "ndim", "paper")
BIAS = re.compile("(^|_)bias(_|$)")  # also in_proj_bias, bias_ih_l0, bias_k
NORM = re.compile("norm([123]d)?$", re.IGNORECASE)  # ends so; LayerNormLSTM has matrices


def is_bias(name: str, module: nn.Module) -> bool:
    """Return whether a parameter of this name is a bias."""
    return bool(BIAS.search(name))


def is_norm(name: str, module: nn.Module) -> bool:
    """Return whether a module is a normalization layer: torch's, or one that is called so."""
    return any(NORM.search(kind.__name__) for kind in type(module).__mro__)


def is_embedding(name: str, module: nn.Module) -> bool:
    """Return whether a module is an embedding."""
    return isinstance(module, nn.Embedding | nn.EmbeddingBag)


KINDS = {"bias": is_bias, "norm": is_norm, "embedding": is_embedding}


def param_groups(
    model: nn.Module,
    lam: float,
    exclude: Iterable[str] = ("bias", "norm", "embedding"),
    grouping: str = "type",
) -> list[dict[str, Any]]:
    """Return a group that decays and one that does not, for any optimizer of torch or of ours.

    Args:
        model: whose trainable parameters to divide.
        lam: λ of the first group.
        exclude: under "type", what does not decay: "bias" (every parameter with that
            word in its name, as ``in_proj_bias``), "norm" (all of a normalization layer, whose
            class or a base of it ends so, as ``LlamaRMSNorm``), "embedding", or a part of a
            parameter's name.
        grouping: "type"; "ndim": decay what has two dimensions or more (the rule of nanoGPT and
            timm); "paper": decay everything, since there w holds "all free parameters".

    Returns:
        Two dicts of ``params``, ``weight_decay`` and ``names``.

    Raises:
        ValueError: an unknown grouping, a negative λ, or nothing left that would decay.

    An ``exclude`` that matches no parameter gives a warning, except the three of the default.
    """
    check_lam(lam)
    if grouping not in GROUPINGS:
        raise ValueError(f"grouping must be one of {GROUPINGS}, got {grouping!r}")
    default = tuple(exclude) == ("bias", "norm", "embedding")
    patterns = list(exclude) if grouping == "type" else []
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    excluded: set[str] = set()
    if grouping == "ndim":
        excluded = {name for name, param in trainable.items() if param.ndim < 2}
    modules = dict(model.named_modules())
    for pattern in patterns:
        matched = set()
        for name in trainable:
            path, _, last = name.rpartition(".")
            if KINDS[pattern](last, modules[path]) if pattern in KINDS else pattern in name:
                matched.add(name)
        if not matched and not default:
            warnings.warn(f"exclude {pattern!r} matches no parameter", stacklevel=2)
        excluded |= matched
    if not trainable.keys() - excluded:
        raise ValueError(
            f"every parameter is excluded by exclude={tuple(exclude)}, grouping={grouping!r}: "
            "nothing would decay"
        )
    groups = []
    for decays in (True, False):
        names = [name for name in trainable if (name not in excluded) is decays]
        params = [trainable[name] for name in names]
        groups.append({"params": params, "weight_decay": lam if decays else 0.0, "names": names})
    return groups
