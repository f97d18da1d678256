"""Which norm follows which layer, read off the order of computation."""

import inspect
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from torch import fx, nn

Kinds = tuple[type[nn.Module], ...]


def pairs(model: nn.Module, layers: Kinds, norms: Kinds) -> list[tuple[str, str]]:
    """Return the names of each layer whose output goes into a norm, and nowhere else; and the norm.

    Modules are traced symbolically; of one that cannot be traced, the children are. Not among the
    pairs are modules or weights that are used twice, and those with hooks, which would see another
    output.

    Args:
        model: looked at as it is, in training or evaluation.
        layers: types of layers.
        norms: types of norms.
    """
    places = Counter(id(m) for _, m in model.named_modules(remove_duplicate=False))
    weights = Counter(id(p) for m in model.modules() for p in m._parameters.values())

    def alone(module: nn.Module) -> bool:
        hooked = module._forward_hooks or module._forward_pre_hooks
        shared = any(weights[id(p)] > 1 for p in module._parameters.values() if p is not None)
        return places[id(module)] == 1 and not hooked and not shared

    found = []
    for before, here in candidates(model, layers + norms):
        layer, norm = model.get_submodule(before), model.get_submodule(here)
        if isinstance(layer, layers) and isinstance(norm, norms) and alone(layer) and alone(norm):
            found.append((before, here))
    return found


def candidates(module: nn.Module, leaves: Kinds, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield names of modules of which the second alone reads what the first puts out."""
    if not any(True for _ in module.children()):
        return
    graph = trace(module, leaves)
    if graph is not None:
        calls = [node for node in graph.nodes if node.op == "call_module"]
        times = Counter(node.target for node in calls)
        for before in calls:
            node = next(iter(before.users), None)
            if node is None or len(before.users) > 1 or node.args != (before,):
                continue
            if node in calls and times[before.target] == times[node.target] == 1:
                yield f"{prefix}{before.target}", f"{prefix}{node.target}"
        return
    if type(module).forward is nn.Sequential.forward:
        for before, here in pairwise(module._modules):
            yield f"{prefix}{before}", f"{prefix}{here}"
    for name, child in module.named_children():
        yield from candidates(child, leaves, f"{prefix}{name}.")


def trace(module: nn.Module, leaves: Kinds) -> fx.Graph | None:
    """Return the graph of a module's forward, with these types as its nodes; None: it has none."""

    class Tracer(fx.Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return isinstance(m, leaves) or super().is_leaf_module(m, module_qualified_name)

    arguments = inspect.signature(module.forward).parameters.values()
    given = {a.name: a.default for a in arguments if a.default is not inspect.Parameter.empty}
    try:
        return Tracer().trace(module, given or None)
    except Exception:  # whatever a forward raises that is given no numbers
        return None
