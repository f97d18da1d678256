"""LoRA in any model: inject, switch, mix, merge (Hu et al. 2021, §4)."""

import contextlib
import copy
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .config import ALL_LINEAR, OUTPUTS, LoRAConfig, matches, named
from .layers import QUERY_VALUE, LoRAAttention, LoRALayer, LoRAPacked, adapt, is_conv1d

CONFIGS = "lora_configs"  # the attribute in which a model keeps its adapters' choices


class Saved(nn.Module):
    """A module that is trained whole, a copy for each adapter: a classifier's head.

    Args:
        base: what is used where no adapter is active.
    """

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.copies = nn.ModuleDict()
        self.active: tuple[str, ...] = ()
        self.disabled = False

    def forward(self, *args: Any, **named: Any) -> Any:
        """Call the active adapter's copy, or the base."""
        own = [name for name in self.active if name in self.copies]
        if self.disabled or not own:
            return self.base(*args, **named)
        return self.copies[own[-1]](*args, **named)


def inject(
    model: nn.Module,
    config: LoRAConfig,
    adapter: str = "default",
    generator: torch.Generator | None = None,
) -> nn.Module:
    """Give a model an adapter, in place: everything else is frozen, and the adapter is active.

    Args:
        model: any module.
        config: what is adapted, and how.
        adapter: its name; a model may have several.
        generator: of the first A.

    Returns:
        The same model. Its outputs are what they were, since B is zero.

    Raises:
        ValueError: nothing is matched (the text lists what there is), a name that is taken, a rank
            that is too large, or a target whose weight another module shares.
        TypeError: a matched module that cannot be adapted.
        RuntimeError: an adapter is merged.
    """
    configs: dict[str, LoRAConfig] = getattr(model, CONFIGS, {})
    if adapter in configs:
        raise ValueError(f"the model has an adapter {adapter!r} already; has: {', '.join(configs)}")
    check_unmerged(model)
    targets, saved = _found(model, config)
    # First all layers are made, so that an error leaves the model as it was.
    free = [parameter for parameter in model.parameters() if parameter.requires_grad]
    made: dict[str, LoRALayer] = {}
    untied: list[tuple[nn.Module, str, nn.Parameter]] = []
    whole = (True, True, True) if config.target_modules == ALL_LINEAR else None
    try:
        for path, module in targets.items():
            if isinstance(module, LoRALayer):
                layer, enable = module, config.enable
                if enable is None and isinstance(layer, LoRAAttention):
                    enable = whole or QUERY_VALUE
                there = layer.enable if isinstance(layer, LoRAPacked) else None
                if enable != there:
                    raise ValueError(f"{path} has been adapted with enable {there}, got {enable}")
            else:
                _tied(model, path, module, config.tied, untied)
                attends = isinstance(module, nn.MultiheadAttention)
                layer = adapt(module, config.enable or (whole if attends else None))
            layer.add(adapter, config, path, generator)
            made[path] = layer
    except Exception:
        for layer in made.values():
            layer.remove(adapter)
        for module, name, parameter in untied:
            setattr(module, name, parameter)
        for parameter in free:
            parameter.requires_grad_(True)
        raise
    for path, layer in made.items():
        layer.train(targets[path].training)
        _replace(model, targets[path], layer)
    for module in saved.values():
        layer = module if isinstance(module, Saved) else Saved(module)
        layer.copies[adapter] = copy.deepcopy(layer.base)
        layer.train(module.training)
        _replace(model, module, layer)
    setattr(model, CONFIGS, configs | {adapter: config})
    set_adapter(model, adapter)
    return model


def plain_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield a model's modules with the paths that they have without adapters."""
    plain, wrappers = {"": ""}, set()
    for path, module in model.named_modules():
        holder, _, last = path.rpartition(".")
        if last == "base" and holder in wrappers:
            plain[path] = plain[holder]
            continue
        if path:
            plain[path] = f"{plain[holder]}.{last}" if plain[holder] else last
        if isinstance(module, LoRALayer | Saved):
            wrappers.add(path)
        yield plain[path], module


def adapted_layers(model: nn.Module) -> Iterator[tuple[str, LoRALayer]]:
    """Yield a model's adapted layers with their paths, as they are without adapters."""
    yield from ((p, m) for p, m in plain_modules(model) if isinstance(m, LoRALayer))


def adapters(model: nn.Module) -> dict[str, LoRAConfig]:
    """Return a model's adapters by name."""
    return dict(getattr(model, CONFIGS, {}))


def check_adapters(model: nn.Module, names: Sequence[str]) -> None:
    """Raise unless a model has all these adapters.

    Raises:
        ValueError: an unknown name; lists those that there are.
    """
    known = adapters(model)
    for name in names:
        if name not in known:
            there = ", ".join(known) or "none"
            raise ValueError(f"no adapter {name!r}; the model has: {there}")


def set_adapter(model: nn.Module, names: str | Sequence[str]) -> None:
    """Make these adapters act, and be trained; several add up, () is the model without any.

    Raises:
        ValueError: an unknown name. RuntimeError: an adapter is merged.
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    check_adapters(model, names)
    check_unmerged(model)
    for module in model.modules():
        if isinstance(module, LoRALayer | Saved):
            module.active = names
    mark_only_lora_as_trainable(model)


def mark_only_lora_as_trainable(model: nn.Module) -> None:
    """Let the active adapters learn, the modules saved with them and the biases that they name.

    Everything else is frozen.
    """
    model.requires_grad_(False)
    kinds = {config.bias for name, config in adapters(model).items() if name in _active(model)}
    if "all" in kinds:
        for path, parameter in model.named_parameters():
            if path.rpartition(".")[2] in ("bias", "in_proj_bias"):
                parameter.requires_grad_(True)
    for module in model.modules():
        if isinstance(module, Saved):
            module.requires_grad_(False)  # a frozen head's bias is no bias of the model
            for name in module.active:
                if name in module.copies:
                    module.copies[name].requires_grad_(True)
        if isinstance(module, LoRALayer):
            if "lora_only" in kinds and module.bias is not None:
                module.bias.requires_grad_(True)
            for each in (module.lora_A, module.lora_B, module.magnitude):
                for name, parameter in each.items():
                    parameter.requires_grad_(name in module.active)


@contextlib.contextmanager
def disable_adapters(model: nn.Module) -> Generator[None]:
    """Let the model be what it was before, as long as this lasts.

    Raises:
        RuntimeError: an adapter is merged.
    """
    check_unmerged(model)
    held = [m for m in model.modules() if isinstance(m, LoRALayer | Saved)]
    before = [module.disabled for module in held]
    try:
        for module in held:
            module.disabled = True
        yield
    finally:
        for module, was in zip(held, before):
            module.disabled = was


@contextlib.contextmanager
def adapter_per_sample(model: nn.Module, adapter_ids: Sequence[str | None]) -> Generator[None]:
    """Give each sample of a batch an adapter of its own, or None, as long as this lasts.

    The batch must be the first axis everywhere in the model. Modules saved with adapters cannot
    be mixed.

    Raises:
        ValueError: an unknown name; at the call of the model, a batch of another size.
        RuntimeError: an adapter is merged.
    """
    check_adapters(model, [name for name in adapter_ids if name is not None])
    check_unmerged(model)
    if any(isinstance(module, Saved) for module in model.modules()):
        raise ValueError("modules_to_save are whole modules: they cannot differ within a batch")
    try:
        for _, layer in adapted_layers(model):
            layer.route = tuple(adapter_ids)
        yield
    finally:
        for _, layer in adapted_layers(model):
            layer.route = None


def merge(model: nn.Module, keep: bool = False) -> None:
    """Add the active adapters to the weights; see `LoRALayer.merge`.

    Raises:
        RuntimeError: merged already, or in training with dropout.
    """
    check_unmerged(model)
    done: list[LoRALayer] = []
    try:
        for _, layer in adapted_layers(model):
            layer.merge(keep)
            done.append(layer)
    except Exception:
        for layer in done:
            if layer.merged:
                layer.unmerge()
        raise


def unmerge(model: nn.Module) -> None:
    """Take the merged adapters out of the weights again.

    Raises:
        RuntimeError: nothing is merged.
    """
    merged = [layer for _, layer in adapted_layers(model) if layer.merged]
    if not merged:
        raise RuntimeError("nothing is merged")
    for layer in merged:
        layer.unmerge()


def unload(model: nn.Module) -> nn.Module:
    """Return the model as it was before `inject`; the adapters are gone. Weights stay frozen.

    Raises:
        RuntimeError: an adapter is merged.
    """
    check_unmerged(model)
    return _stripped(model, saved=False)


def merge_and_unload(model: nn.Module) -> nn.Module:
    """Return the plain model with the active adapters in its weights, and names as at first.

    Its weights stay frozen: ``model.requires_grad_()`` lets it learn on.

    Raises:
        RuntimeError: in training with dropout.
    """
    if not any(layer.merged for _, layer in adapted_layers(model)):
        merge(model)
    return _stripped(model, saved=True)


def add_weighted_adapter(
    model: nn.Module,
    weights: Mapping[str, float],
    adapter: str,
    rank: int | None = None,
) -> None:
    """Add an adapter whose change of each weight is a weighted sum of others'.

    Exactly: the A's are stacked, and the B's beside each other, so that the ranks add up. With
    ``rank`` the sum is cut to that rank, which is the nearest there is (Eckart and Young 1936).

    Args:
        model: with adapters.
        weights: a number for each adapter, by name.
        adapter: the new one's name, which becomes active.
        rank: of the new one.

    Raises:
        ValueError: an unknown name or one that is taken, DoRA or packed layers, no weights, or
            adapters that differ in what is saved or which biases are trained.
    """
    check_adapters(model, list(weights))
    known = adapters(model)
    if adapter in known:
        raise ValueError(f"the model has an adapter {adapter!r} already; has: {', '.join(known)}")
    if not weights:
        raise ValueError("weights must name an adapter, got none")
    if any(known[name].use_dora or known[name].modules_to_save for name in weights):
        raise ValueError("DoRA and modules_to_save have no weighted sum")
    ranks, factors = {}, {}
    for path, layer in adapted_layers(model):
        own = [name for name in weights if name in layer.lora_A]
        if not own:
            continue
        with torch.no_grad():
            A = torch.cat([layer.lora_A[name] for name in own], -2)
            B = torch.cat([weights[n] * layer.scaling[n] * layer.lora_B[n] for n in own], -1)
            if rank is not None:
                A, B = cut(A, B, rank)
        ranks[path], factors[path] = A.shape[-2], (A, B)
    first = known[next(iter(weights))]
    # Each layer's own rank, with α equal to it: B has the scaling already.
    config = LoRAConfig(
        r=max(ranks.values()), target_modules=tuple(ranks), rank_pattern=ranks,
        alpha_pattern={path: float(r) for path, r in ranks.items()}, bias=first.bias,
    )  # fmt: skip
    for path, layer in adapted_layers(model):
        if path in factors:
            for store, value in zip((layer.lora_A, layer.lora_B), factors[path]):
                store[adapter] = nn.Parameter(value.clone())
            layer.scaling[adapter], layer.dropout[adapter] = 1.0, 0.0
    setattr(model, CONFIGS, known | {adapter: config})
    set_adapter(model, adapter)


def cut(A: Tensor, B: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return A and B of a smaller rank, whose product is nearest to BA in the Frobenius norm."""
    rank = min(rank, A.shape[-2])
    U, S, V = torch.linalg.svd(B @ A, full_matrices=False)
    root = S[..., :rank].sqrt()
    return root[..., :, None] * V[..., :rank, :], U[..., :rank] * root[..., None, :]


def enable_input_require_grads(model: nn.Module) -> Any:
    """Let gradients flow from the first embedding on, though it is frozen; return the hook.

    Reentrant checkpointing has no gradients at all where no input needs one.

    Raises:
        ValueError: the model has no embedding.
    """
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            return module.register_forward_hook(lambda m, args, out: out.requires_grad_(True))
    raise ValueError("the model has no embedding whose output could need a gradient")


def _active(model: nn.Module) -> set[str]:
    return {n for m in model.modules() if isinstance(m, LoRALayer | Saved) for n in m.active}


def check_unmerged(model: nn.Module) -> None:
    """Raise a RuntimeError if an adapter is merged."""
    for path, layer in adapted_layers(model):
        if layer.merged:
            raise RuntimeError(f"{', '.join(layer.merged)} is merged at {path}: unmerge first")


def _found(
    model: nn.Module, config: LoRAConfig
) -> tuple[dict[str, nn.Module], dict[str, nn.Module]]:
    """Return targets and modules to save, by path.

    Raises:
        ValueError: nothing is matched.
    """
    output = getattr(model, "get_output_embeddings", lambda: None)()
    if isinstance(output, LoRALayer):
        output = output.base
    inner = set()  # what lies in modules that are trained whole
    targets: dict[str, nn.Module] = {}
    saved: dict[str, nn.Module] = {}
    for path, module in plain_modules(model):
        if module in inner or not path:
            continue
        if isinstance(module, Saved) or named(path, config.modules_to_save):
            inner.update(module.modules())
            if named(path, config.modules_to_save):
                saved[path] = module
            continue
        base = module.base if isinstance(module, LoRALayer) else module
        linear = isinstance(base, nn.Linear | nn.MultiheadAttention) or is_conv1d(base)
        linear = linear and base is not output and not named(path, OUTPUTS)
        if config.targets(path) or (config.target_modules == ALL_LINEAR and linear):
            targets[path] = module
    if not targets and (isinstance(model, nn.Linear | nn.Embedding) or is_conv1d(model)):
        raise ValueError(
            f"the model is itself one {type(model).__name__}, which cannot be replaced in place: "
            "wrap it in nn.Sequential, or use adapt"
        )
    if not targets:
        there = sorted({
            path.rpartition(".")[2] for path, module in plain_modules(model)
            if isinstance(module, nn.Linear | nn.Embedding) or is_conv1d(module)
        })  # fmt: skip
        raise ValueError(
            f"target_modules {config.target_modules!r} match nothing; there are: "
            f"{', '.join(there) or 'no layers that could be adapted'}"
        )
    for name in ("rank_pattern", "alpha_pattern"):
        for key in getattr(config, name):
            if not any(matches(path, key) for path in targets):
                raise ValueError(
                    f"{name}: no target is called {key!r}; they are: {', '.join(targets)}"
                )
    missing = [n for n in config.modules_to_save if not any(named(p, [n]) for p in saved)]
    if missing:
        raise ValueError(f"modules_to_save: the model has no {', '.join(missing)}")
    return targets, saved


def _tied(
    model: nn.Module, path: str, module: nn.Module, what: str,
    untied: list[tuple[nn.Module, str, nn.Parameter]],
) -> None:  # fmt: skip
    """Refuse a target whose weight another module has too, or give it a copy.

    What is untied is added to a list, so that it can be undone.
    """
    own = dict(module.named_parameters(recurse=False))
    for name, parameter in own.items():
        others = [
            f"{other}.{key}" for other, holder in model.named_modules() if holder is not module
            for key, value in holder.named_parameters(recurse=False) if value is parameter
        ]  # fmt: skip
        if others and what == "refuse":
            raise ValueError(
                f"{path}.{name} is {', '.join(others)} as well: merging an adapter would change "
                'both; tied="untie" gives the target a copy'
            )
        if others:
            untied.append((module, name, parameter))
            setattr(module, name, nn.Parameter(parameter.detach().clone(), requires_grad=False))


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in another's place, wherever that stands."""
    if old is new:
        return
    inside = set(new.modules())
    for holder in list(model.modules()):
        if holder not in inside:
            for name in [n for n, child in holder._modules.items() if child is old]:
                setattr(holder, name, new)


def _stripped(model: nn.Module, saved: bool) -> nn.Module:
    for module in [m for m in model.modules() if isinstance(m, LoRALayer)]:
        _replace(model, module, module.base)
    for module in [m for m in model.modules() if isinstance(m, Saved)]:
        own = [name for name in module.active if name in module.copies]
        _replace(model, module, module.copies[own[-1]] if saved and own else module.base)
    if hasattr(model, CONFIGS):
        delattr(model, CONFIGS)
    return model
