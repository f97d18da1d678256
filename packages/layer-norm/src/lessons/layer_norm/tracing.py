"""torch.fx: a function of ours is one node of the graph, as torch's own are."""

from collections.abc import Callable
from typing import Any


def node(function: Callable, x: Any, *args: Any) -> Any:
    """Return the node of a call with x, a proxy: it has no dtype or shape that could be checked."""
    return x.tracer.create_proxy("call_function", function, (x, *args), {})
