"""An adapter as a state dict and as files: our own, peft's, and those of the paper's loralib."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .config import ALL_LINEAR, LoRAConfig
from .files import fit, load, save
from .injection import (
    Saved,
    adapted_layers,
    adapters,
    check_adapters,
    check_unmerged,
    inject,
    plain_modules,
)
from .layers import LoRAAttention, LoRAConv, LoRAEmbedding, LoRALayer, LoRAPacked, is_conv1d

PREFIX = "base_model.model."
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def lora_state_dict(
    model: nn.Module, adapter: str = "default", bias: str | None = None
) -> dict[str, Tensor]:
    """Return what belongs to an adapter, by name: the few megabytes of a task.

    Args:
        model: with adapters.
        adapter: which.
        bias: which biases are among it, see `LoRAConfig`; None: those that the adapter trains.

    Returns:
        The tensors themselves, detached; names are peft's without its prefix.

    Raises:
        ValueError: no such adapter.
        RuntimeError: an adapter is merged.
    """
    return {name: p.detach() for name, p in _parameters(model, adapter, bias).items()}


def load_lora(model: nn.Module, state_dict: Mapping[str, Tensor], adapter: str = "default") -> None:
    """Copy an adapter's tensors, as `lora_state_dict` returns them, into a model that has it.

    Raises:
        ValueError: no such adapter; names or shapes that differ, the first with both shapes.
        RuntimeError: an adapter is merged.
    """
    wanted = _parameters(model, adapter, None)
    found = fit({name: p.detach() for name, p in wanted.items()}, state_dict, "the adapter")
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(found[name])


def _parameters(model: nn.Module, adapter: str, bias: str | None) -> dict[str, nn.Parameter]:
    """Return an adapter's own parameters by their names in a file."""
    check_adapters(model, [adapter])
    check_unmerged(model)
    bias = adapters(model)[adapter].bias if bias is None else bias
    if bias not in ("none", "all", "lora_only"):
        raise ValueError(f"bias must be none, all or lora_only; got {bias!r}")
    found: dict[str, nn.Parameter] = {}
    for path, layer in adapted_layers(model):
        if adapter not in layer.lora_A:
            continue
        kind, end = ("embedding_", "") if isinstance(layer, LoRAEmbedding) else ("", ".weight")
        found[f"{path}.lora_{kind}A{end}"] = layer.lora_A[adapter]
        found[f"{path}.lora_{kind}B{end}"] = layer.lora_B[adapter]
        if adapter in layer.magnitude:
            found[f"{path}.lora_magnitude_vector"] = layer.magnitude[adapter]
        if bias == "lora_only" and layer.bias is not None:
            found[f"{path}.base_layer.bias"] = layer.bias  # type: ignore
    whole = set()
    for path, module in plain_modules(model):
        if isinstance(module, Saved):
            whole.update(module.modules())
            if adapter in module.copies:
                for name, parameter in module.copies[adapter].named_parameters():
                    found[f"{path}.{name}"] = parameter
    if bias == "all":
        wrapped = {layer.base: path for path, layer in adapted_layers(model)}
        every = [*((p, m) for p, m in plain_modules(model) if m not in wrapped),
                 *((f"{path}.base_layer", base) for base, path in wrapped.items())]  # fmt: skip
        found |= {
            name: parameter
            for path, module in every
            for name, parameter in module.named_parameters(path, recurse=False)
            if module not in whole and name.rpartition(".")[2] in ("bias", "in_proj_bias")
        }
    return found


def save_peft(model: nn.Module, folder: str | os.PathLike, adapter: str = "default") -> None:
    """Write an adapter as peft does: ``adapter_config.json`` and ``adapter_model.safetensors``.

    Packed matrices' pairs become one of rank G·R, whose B is zero outside the blocks: peft computes
    the same with it.

    Raises:
        ValueError: no such adapter, or a layer that peft has otherwise.
        OSError: the files cannot be written.
    """
    state, config = lora_state_dict(model, adapter), adapters(model)[adapter]
    ranks, alphas = {}, {}  # whole paths, which stand before the patterns: the first counts
    paths, transposed = [], []
    for path, layer in adapted_layers(model):
        if adapter not in layer.lora_A:
            continue
        paths.append(path)
        transposed.append(is_conv1d(layer.base))
        if isinstance(layer, LoRAAttention):
            raise ValueError(f"{path}: peft adapts nn.MultiheadAttention otherwise")
        if isinstance(layer, LoRAConv):
            if layer.base.groups > 1:
                raise ValueError(f"{path}: peft adapts convolutions of groups otherwise")
            A, B = (f"{path}.lora_{each}.weight" for each in "AB")
            state[A] = state[A].unflatten(1, layer.frozen.shape[1:])
            state[B] = state[B][(...,) + (None,) * (layer.frozen.dim() - 2)]
        if isinstance(layer, LoRAPacked):
            A, B, r = blocks(layer, adapter)
            state[f"{path}.lora_A.weight"], state[f"{path}.lora_B.weight"] = A, B
            # α/r is to stay: both grow, α/√r by the root.
            times = len(A) / r if config.scaling == "alpha/r" else (len(A) / r) ** 0.5
            ranks[path], alphas[path] = len(A), config.alpha_of(path) * times
        elif config.alpha is None and config.rank(path) != config.r:
            alphas[path] = config.alpha_of(path)
    ranks = {**ranks, **{k: v for k, v in config.rank_pattern.items() if k not in ranks}}
    alphas = {**alphas, **{k: v for k, v in config.alpha_pattern.items() if k not in alphas}}
    names = config.target_modules
    known = {
        "peft_type": "LORA", "r": config.r, "bias": config.bias, "use_dora": config.use_dora,
        "lora_alpha": config.r if config.alpha is None else config.alpha,
        "lora_dropout": config.dropout, "use_rslora": config.scaling != "alpha/r",
        "target_modules": paths if names == ALL_LINEAR else names if isinstance(names, str)
        else list(names),
        "modules_to_save": list(config.modules_to_save) or None,
        "rank_pattern": ranks, "alpha_pattern": alphas, "fan_in_fan_out": all(transposed),
        "init_lora_weights": "gaussian" if config.init == "gaussian" else True,
        "inference_mode": True, "task_type": None, "base_model_name_or_path": None,
    }  # fmt: skip
    folder = Path(folder)
    save(folder / WEIGHTS, {PREFIX + name: t for name, t in state.items()}, {"format": "pt"})
    temporary = folder / f".{CONFIG}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(known, indent=2), encoding="utf-8")
        os.replace(temporary, folder / CONFIG)
    finally:
        temporary.unlink(missing_ok=True)


def blocks(layer: LoRAPacked, adapter: str) -> tuple[Tensor, Tensor, int]:
    """Return A (G·R, I) and B (O, G·R) with zeros outside the blocks, and R."""
    A_GRI, B_GOR = layer.lora_A[adapter].detach(), layer.lora_B[adapter].detach()
    group, r, _ = A_GRI.shape
    rows = B_GOR.shape[1]
    B = B_GOR.new_zeros(rows * len(layer.enable), group * r)
    for g, place in enumerate(i for i, on in enumerate(layer.enable) if on):
        B[place * rows : (place + 1) * rows, g * r : (g + 1) * r] = B_GOR[g]
    return A_GRI.flatten(0, 1), B, r


# Fields of peft's that, if they are set, change what an adapter computes, and are not here.
UNKNOWN = (
    "alora_invocation_tokens", "layer_replication", "lora_bias", "trainable_token_indices",
    "target_parameters", "use_qalora", "use_bdlora", "exclude_modules", "layers_to_transform",
    "arrow_config", "kasa_config", "velora_config",
)  # fmt: skip


def config_from_peft(known: Mapping[str, Any]) -> LoRAConfig:
    """Return the choices in a peft ``adapter_config.json``.

    Raises:
        ValueError: it is no LoRA's, or asks for what is not here; says what.
    """
    if known.get("peft_type") != "LORA":
        raise ValueError(f"peft_type must be LORA, got {known.get('peft_type')!r}")
    if asked := [name for name in UNKNOWN if known.get(name)]:
        raise ValueError(f"the adapter asks for {asked[0]}, which is not here")
    try:
        return LoRAConfig(
            r=known["r"], alpha=known["lora_alpha"], target_modules=known["target_modules"],
            dropout=known.get("lora_dropout") or 0.0, bias=known.get("bias") or "none",
            modules_to_save=known.get("modules_to_save") or (),
            rank_pattern=known.get("rank_pattern") or {},
            alpha_pattern=known.get("alpha_pattern") or {},
            scaling="alpha/sqrt(r)" if known.get("use_rslora") else "alpha/r",
            init="gaussian" if known.get("init_lora_weights") == "gaussian" else "kaiming",
            use_dora=bool(known.get("use_dora")),
        )  # fmt: skip
    except KeyError as error:
        raise ValueError(f"adapter_config.json lacks {error.args[0]}") from error


def load_peft(model: nn.Module, folder: str | os.PathLike, adapter: str = "default") -> nn.Module:
    """Give a model an adapter from a folder that peft, or `save_peft`, wrote.

    Returns:
        The same model.

    Raises:
        OSError: a file is missing.
        ValueError: see `config_from_peft`, `inject` and `load_lora`.
    """
    folder = Path(folder)
    text = (folder / CONFIG).read_text(encoding="utf-8")
    try:
        known = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG} is no JSON: {error}") from error
    path = folder / WEIGHTS
    state = load(path if path.exists() else folder / "adapter_model.bin")
    config = config_from_peft(known)
    if strange := [name for name in state if not name.startswith(PREFIX)]:
        raise ValueError(f"names must begin with {PREFIX!r}, got {strange[0]!r}")
    state = {name.removeprefix(PREFIX): tensor for name, tensor in state.items()}
    if config.bias == "all":  # peft writes the biases inside saved modules twice
        state = {k: v for k, v in state.items()
                 if not re.search(r"\.(original_module|modules_to_save)\.", k)}  # fmt: skip
    inject(model, config, adapter)
    for where, layer in adapted_layers(model):
        if isinstance(layer, LoRAConv) and adapter in layer.lora_A:
            for each in "AB":
                name = f"{where}.lora_{each}.weight"
                if name in state:
                    state[name] = state[name].flatten(1)
    try:
        load_lora(model, state, adapter)
    except ValueError:
        _forget(model, adapter)
        raise
    return model


def _forget(model: nn.Module, adapter: str) -> None:
    """Take an adapter away whose tensors did not fit."""
    for module in model.modules():
        if isinstance(module, LoRALayer):
            module.remove(adapter)
        if isinstance(module, Saved) and adapter in module.copies:
            del module.copies[adapter]
            module.active = ()
    adapters_left = {k: v for k, v in adapters(model).items() if k != adapter}
    model.lora_configs = adapters_left  # type: ignore


def to_loralib(model: nn.Module, adapter: str = "default") -> dict[str, Tensor]:
    """Return an adapter as the paper's own loralib names it: ``….lora_A``, ``….lora_B``.

    Raises:
        ValueError: a layer that loralib has otherwise, or DoRA.
    """
    state = lora_state_dict(model, adapter)
    for path, layer in adapted_layers(model):
        if adapter not in layer.lora_A:
            continue
        if isinstance(layer, LoRAConv | LoRAAttention) or adapter in layer.magnitude:
            raise ValueError(f"{path}: loralib has {type(layer).__name__} otherwise, or not")
        if isinstance(layer, LoRAPacked):
            for each in "AB":
                name = f"{path}.lora_{each}.weight"
                state[name] = state[name].flatten(0, 1)
    return {_loralib(name): tensor for name, tensor in state.items()}


def from_loralib(
    model: nn.Module, state_dict: Mapping[str, Tensor], adapter: str = "default"
) -> None:
    """Copy a loralib state dict into a model that has an adapter of this shape.

    The file does not say α, dropout and which matrices are adapted: `inject` said so.

    Raises:
        ValueError: names or shapes that differ.
    """
    ours, found = to_loralib(model, adapter), {}
    known = fit(ours, {k: v for k, v in state_dict.items() if k in ours or "lora_" in k},
                "the adapter")  # fmt: skip
    for name, tensor in lora_state_dict(model, adapter).items():
        found[name] = known[_loralib(name)].view_as(tensor)
    load_lora(model, found, adapter)


def _loralib(name: str) -> str:
    """Return loralib's name of a tensor."""
    name = name.replace("lora_embedding_", "lora_").replace(".base_layer.", ".")
    return re.sub(r"\.(lora_[AB])\.weight$", r".\1", name)
