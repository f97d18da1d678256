"""Released weights under timm's, Hugging Face's and torchvision's names, both ways.

In every layout the numbers are the same; names differ, and Hugging Face keeps query, key and value
apart. Google's own files are read by `google`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .config import PRESETS, Size, ViTConfig
from .files import State, check_tensors, filled, matched
from .files import load as load
from .files import save as save
from .model import VisionTransformer

Rules = list[tuple[str, str | Callable[[re.Match[str]], str]]]
BLOCK = r"^blocks\.(\d+)"
TIMM: Rules = [
    (r"^backbone\.root\.", "patch_embed.backbone.stem.conv."),
    (r"^backbone\.root_norm", "patch_embed.backbone.stem.norm"),
    (r"^backbone\.stages\.(\d+)\.(\d+)", r"patch_embed.backbone.stages.\1.blocks.\2"),
    (r"\.projection_norm", ".downsample.norm"),
    (r"\.projection", ".downsample.conv"),
    (r"^patch_embedding", "patch_embed.proj"),
    (r"^positions\.table", "pos_embed"),
    (r"\.attention\.out", ".attn.proj"),
    (r"\.attention", ".attn"),
    (r"^pre_logits", "pre_logits.fc"),
]
HUGGING_FACE: Rules = [
    (r"^patch_embedding", "embeddings.patch_embeddings.projection"),
    (r"^cls_token", "embeddings.cls_token"),
    (r"^positions\.table", "embeddings.position_embeddings"),
    (rf"{BLOCK}\.norm1", r"encoder.layer.\1.layernorm_before"),
    (rf"{BLOCK}\.norm2", r"encoder.layer.\1.layernorm_after"),
    (rf"{BLOCK}\.attention\.qkv", r"encoder.layer.\1.attention.attention.qkv"),
    (rf"{BLOCK}\.attention\.out", r"encoder.layer.\1.attention.output.dense"),
    (rf"{BLOCK}\.mlp\.fc1", r"encoder.layer.\1.intermediate.dense"),
    (rf"{BLOCK}\.mlp\.fc2", r"encoder.layer.\1.output.dense"),
    (r"^norm", "layernorm"),
    (r"^pre_logits", "pooler.dense"),
    (r"^head", "classifier"),
]
# transformers 5 keeps other names in memory than in its files: these to those.
IN_MEMORY: Rules = [
    (r"^layers\.(\d+)\.attention\.([qkv])_proj", r"encoder.layer.\1.attention.attention.\2"),
    (r"^layers\.(\d+)\.attention\.o_proj", r"encoder.layer.\1.attention.output.dense"),
    (r"^layers\.(\d+)\.mlp\.fc1", r"encoder.layer.\1.intermediate.dense"),
    (r"^layers\.(\d+)\.mlp\.fc2", r"encoder.layer.\1.output.dense"),
    (r"^layers\.", "encoder.layer."),
    (r"\.attention\.q\.", ".attention.query."),
    (r"\.attention\.k\.", ".attention.key."),
    (r"\.attention\.v\.", ".attention.value."),
]
TORCHVISION: Rules = [
    (r"^patch_embedding", "conv_proj"),
    (r"^cls_token", "class_token"),
    (r"^positions\.table", "encoder.pos_embedding"),
    (rf"{BLOCK}\.norm1", r"encoder.layers.encoder_layer_\1.ln_1"),
    (rf"{BLOCK}\.norm2", r"encoder.layers.encoder_layer_\1.ln_2"),
    (rf"{BLOCK}\.attention\.qkv\.", r"encoder.layers.encoder_layer_\1.self_attention.in_proj_"),
    (rf"{BLOCK}\.attention\.out", r"encoder.layers.encoder_layer_\1.self_attention.out_proj"),
    (rf"{BLOCK}\.mlp\.fc1", r"encoder.layers.encoder_layer_\1.mlp.0"),
    (rf"{BLOCK}\.mlp\.fc2", r"encoder.layers.encoder_layer_\1.mlp.3"),
    (r"^norm", "encoder.ln"),
    (r"^(pre_logits|head)", r"heads.\1"),
]
KINDS = ("query", "key", "value")


def from_timm(
    state: Mapping[str, Tensor],
    num_heads: int | None = None,
    image_size: Size | None = None,
    **changes: Any,
) -> VisionTransformer:
    """Return the model of a timm state dict, hybrids included.

    Sizes come from the shapes. A class token is taken for what the head reads, as in all released
    weights of the paper's models: names do not tell whether a model averages beside it.

    Args:
        state: ``timm_model.state_dict()``, or ``load(path)``.
        num_heads: not to be seen in the shapes; default: that of the preset of this width.
        image_size: where it is not square.
        changes: other fields of ``ViTConfig``.

    Returns:
        The model, in eval mode.

    Raises:
        ValueError: names that are missing or too many, a wrong shape, or no ``num_heads`` for a
            width that no preset has.
    """
    check_tensors(state)
    changes = {"backbone_numerics": "timm"} | changes
    return built(state, renamed(TIMM), num_heads, image_size, changes)


def from_hugging_face(
    state: Mapping[str, Tensor],
    num_heads: int | None = None,
    image_size: Size | None = None,
    **changes: Any,
) -> VisionTransformer:
    """Return the model of a Hugging Face state dict: of ``ViTModel`` or of a classifier.

    Both kinds of names are read: those of files, and those that transformers 5 has in memory. Its
    norms have an epsilon of 1e-12. A model with a pooler and no classifier returns the pooler's
    result.

    Args, Returns, Raises: as for `from_timm`.
    """
    check_tensors(state)
    theirs = {name.removeprefix("vit."): tensor for name, tensor in state.items()}
    theirs = {apply(IN_MEMORY, name): tensor for name, tensor in theirs.items()}
    fused: State = {}
    for name, tensor in theirs.items():
        parts = [name.replace(".query.", f".{kind}.") for kind in KINDS]
        if ".query." in name and all(part in theirs for part in parts):
            fused[name.replace(".query.", ".qkv.")] = torch.cat([theirs[part] for part in parts])
        elif not any(f".{kind}." in name for kind in KINDS[1:]):
            fused[name] = tensor
    if "classifier.weight" in fused:  # a classifier reads the class token itself
        fused = {k: v for k, v in fused.items() if not k.startswith("pooler.")}
    changes = {"norm_eps": 1e-12} | changes
    return built(fused, renamed(HUGGING_FACE), num_heads, image_size, changes)


def from_torchvision(
    state: Mapping[str, Tensor],
    num_heads: int | None = None,
    image_size: Size | None = None,
    **changes: Any,
) -> VisionTransformer:
    """Return the model of a torchvision state dict.

    Args, Returns, Raises: as for `from_timm`.
    """
    check_tensors(state)
    return built(state, renamed(TORCHVISION), num_heads, image_size, changes)


def to_timm(model: VisionTransformer, strict: bool = True) -> State:
    """Return the weights under timm's names.

    With ``pool="gap"`` they are for a model made with ``class_token=False, global_pool="avg",
    fc_norm=False``: by default timm normalizes behind the average.

    Args:
        model: whose weights.
        strict: refuse what timm has by an argument only: another epsilon of the norms, GELU by the
            tanh formula, a backbone with Google's numerics.

    Raises:
        ValueError: a choice that timm's model does not have.
    """
    check_plain(model, "timm", strict, backbone=True, gap=True)
    return {apply(TIMM, name): tensor for name, tensor in model.state_dict().items()}


def to_hugging_face(model: VisionTransformer, strict: bool = True) -> State:
    """Return the weights under the names of Hugging Face's files, for ViTForImageClassification.

    Without a head: for ``ViTModel``, whose pooler is our pre-logits layer.

    Args:
        model: whose weights.
        strict: refuse what its configuration has to say: ``layer_norm_eps`` other than 1e-12, GELU
            by the tanh formula.

    Raises:
        ValueError: a choice that its model does not have.
    """
    check_plain(model, "Hugging Face", strict, norm_eps=1e-12)
    if model.head is not None and model.pre_logits is not None:
        raise ValueError("Hugging Face's classifier has no pre-logits layer (representation_size)")
    theirs: State = {}
    for name, tensor in model.state_dict().items():
        other = apply(HUGGING_FACE, name)
        if model.head is not None and not other.startswith("classifier."):
            other = f"vit.{other}"
        if ".qkv." in other:
            for kind, part in zip(KINDS, tensor.chunk(3)):
                theirs[other.replace(".qkv.", f".{kind}.")] = part
        else:
            theirs[other] = tensor
    return theirs


def to_torchvision(model: VisionTransformer, strict: bool = True) -> State:
    """Return the weights under torchvision's names.

    Args:
        model: whose weights.
        strict: refuse another epsilon of the norms, and GELU by the tanh formula.

    Raises:
        ValueError: a choice that its model does not have.
    """
    check_plain(model, "torchvision", strict)
    return {apply(TORCHVISION, name): tensor for name, tensor in model.state_dict().items()}


def apply(rules: Rules, name: str) -> str:
    """Return a name after all rules, in order."""
    for pattern, new in rules:
        name = re.sub(pattern, new, name)
    return name


def renamed(rules: Rules) -> Callable[[str], str]:
    """Return the function from our names to theirs."""
    return lambda name: apply(rules, name)


def check_plain(
    model: VisionTransformer,
    whose: str,
    strict: bool,
    backbone: bool = False,
    gap: bool = False,
    norm_eps: float = 1e-6,
    approximate_gelu: bool = False,
    numerics: str = "timm",
) -> None:
    """Raise a ValueError where their model would compute something else from these weights.

    The last three are what theirs has unless it is told otherwise: looked at if ``strict``.
    """
    c = model.config
    wrong = [f"positions {c.positions!r}"] if c.positions != "1d" else []
    wrong += [f"position_place {c.position_place!r}"] if c.position_place != "stem" else []
    wrong += ["a backbone"] if c.backbone is not None and not backbone else []
    wrong += [f"pool {c.pool!r}"] if c.pool != "cls" and not gap else []
    if wrong:
        raise ValueError(f"{whose}'s model has no {', no '.join(wrong)}")
    theirs: dict[str, Any] = {"norm_eps": norm_eps, "approximate_gelu": approximate_gelu}
    if c.backbone is not None:
        theirs["backbone_numerics"] = numerics
    for name, value in theirs.items() if strict else ():
        if getattr(c, name) != value:
            raise ValueError(
                f"{whose}'s model has {name} {value!r}, this one {getattr(c, name)!r}; "
                f"strict=False writes the weights all the same"
            )


def built(
    state: Mapping[str, Tensor],
    their_name: Callable[[str], str],
    num_heads: int | None,
    image_size: Size | None,
    changes: dict[str, Any],
) -> VisionTransformer:
    """Return the model that a state dict describes, with its tensors, in eval mode."""
    config = described(state, their_name, num_heads, image_size, changes)
    with torch.device("meta"):
        model = VisionTransformer(config)
    found = matched(model.state_dict(), state, their_name, "head")
    filled(model, found)
    return model


def described(
    state: Mapping[str, Tensor],
    their_name: Callable[[str], str],
    num_heads: int | None,
    image_size: Size | None,
    changes: dict[str, Any],
) -> ViTConfig:
    """Return the sizes that a state dict's shapes tell.

    Raises:
        ValueError: no patch embedding or positions, a number of them that is no square, or a
            width whose heads are not known.
    """

    def shape(name: str, dims: int) -> list[int]:
        tensor = state.get(their_name(name))
        if tensor is None or tensor.dim() != dims or not tensor.numel():
            got = None if tensor is None else tuple(tensor.shape)
            theirs = their_name(name)
            raise ValueError(f"state must have {theirs!r}, a tensor of {dims} axes, got {got}")
        return list(tensor.shape)

    def count(name: str) -> int:
        n = 0
        while their_name(name.format(n)) in state:
            n += 1
        return n

    d, channels, *patch = shape("patch_embedding.weight", 4)
    _, length, _ = shape("positions.table", 3)
    pool = "cls" if their_name("cls_token") in state else "gap"
    stages = count("backbone.stages.{}.0.conv1.weight")
    sizes: dict[str, Any] = {"backbone": None}
    reduction = 1
    if stages:
        blocks = (count(f"backbone.stages.{i}.{{}}.conv1.weight") for i in range(stages))
        width, channels, *_ = shape("backbone.root.weight", 4)
        sizes = {"backbone": tuple(blocks), "backbone_width": width}
        reduction = 2 ** (stages + 1)
    if image_size is None:
        side = round((length - (pool == "cls")) ** 0.5)
        if side * side != length - (pool == "cls"):
            raise ValueError(f"{length} positions are no square grid of patches: give image_size")
        image_size = (side * patch[0] * reduction, side * patch[1] * reduction)
    classes, hidden = (
        shape(name, 2)[0] if their_name(name) in state else None
        for name in ("head.weight", "pre_logits.weight")
    )
    known = {preset.hidden_size: preset.num_heads for preset in PRESETS.values()}
    if num_heads is None and d not in known:
        raise ValueError(f"num_heads must be given for a width of {d}; known: {sorted(known)}")
    heads = known[d] if num_heads is None else num_heads
    mlp, _ = shape("blocks.0.mlp.fc1.weight", 2)
    sizes |= {
        "image_size": image_size, "patch_size": tuple(patch), "in_channels": channels,
        "num_classes": classes or 0, "hidden_size": d, "mlp_dim": mlp,
        "num_layers": max(1, count("blocks.{}.norm1.weight")), "num_heads": heads, "pool": pool,
        "representation_size": hidden,
    }  # fmt: skip
    return ViTConfig(**(sizes | changes))
