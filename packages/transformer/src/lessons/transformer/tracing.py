"""torch.fx: a module of ours is one node of the graph, as torch's own are."""

from typing import Any

from torch import nn


def node(module: nn.Module, x: Any, *args: Any) -> Any:
    """Return the node of a call with x, a proxy: it has no shape or dtype that could be looked at.

    Raises:
        ValueError: the module is traced by itself, not in a model.
    """
    path = x.tracer.path_of_module(module)
    if not path:
        raise ValueError(f"{type(module).__name__} is traced as a part of a model only")
    return x.tracer.create_proxy("call_module", path, (x, *args), {})
