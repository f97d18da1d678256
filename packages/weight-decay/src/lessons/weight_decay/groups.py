"""Which parameters decay: all of them in the paper, the weight matrices in most later practice."""

import warnings
from collections.abc import Iterable
from typing import Any

from torch import nn

from .decay import check_lam

GROUPINGS = ("type", "ndim", "paper")
NORMS = tuple(
    kind for name, kind in vars(nn).items()
    if isinstance(kind, type) and name.endswith(("Norm", "Norm1d", "Norm2d", "Norm3d"))
)  # fmt: skip
KINDS = {"norm": NORMS, "embedding": (nn.Embedding, nn.EmbeddingBag)}


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
        exclude: under "type", what does not decay: "bias" (every parameter of that name), "norm"
            (all of a normalization layer), "embedding", or a part of a parameter's name.
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
            if pattern in KINDS:
                hit = isinstance(modules[path], KINDS[pattern])
            else:
                hit = last == "bias" if pattern == "bias" else pattern in name
            if hit:
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
