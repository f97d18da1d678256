"""Weights of other implementations: Marian's released models and ``torch.nn.Transformer``."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .config import TransformerConfig
from .model import Decoder, Encoder, Transformer

# In order: what stands in a Marian name, what stands in ours. {q,k,v}_proj become one in_proj.
MARIAN = [
    (r"^model\.", ""),
    (r"self_attn_layer_norm", "residual1.norm"),
    (r"encoder_attn_layer_norm", "residual2.norm"),
    (r"^(encoder\..*)final_layer_norm", r"\1residual2.norm"),
    (r"^(decoder\..*)final_layer_norm", r"\1residual3.norm"),
    (r"self_attn", "self_attention"),
    (r"encoder_attn", "cross_attention"),
    (r"fc([12])", r"feed_forward.linear\1"),
]
TORCH = [
    (r"^(encoder|decoder)(.*)\.norm(\d)\.", r"\1\2.residual\3.norm."),
    (r"multihead_attn", "cross_attention"),
    (r"self_attn", "self_attention"),
    (r"in_proj_", "in_proj."),
    (r"\.linear([12])", r".feed_forward.linear\1"),
]


def from_marian(
    state: Mapping[str, Tensor],
    num_heads: int = 8,
    activation: str = "swish",
    pad_id: int | None = None,
    eos_id: int = 0,
) -> Transformer:
    """Return the model of a Marian state dict, such as OPUS-MT's as transformers stores them.

    Sizes come from the shapes. Marian differs from the paper in biases on the projections, swish,
    sines before cosines, a bias on the logits, and a decoder that starts with the padding id.

    Args:
        state: names and tensors of ``MarianMTModel.state_dict()``, or ``load(path)``.
        num_heads: not to be seen in the shapes; 8 in OPUS-MT.
        activation: "swish" in OPUS-MT.
        pad_id: default: the last id, as in OPUS-MT.
        eos_id: 0 in OPUS-MT.

    Returns:
        The model, in eval mode.

    Raises:
        ValueError: names that are missing or unexpected, or wrong shapes, all in one message.

    Source: Junczys-Dowmunt et al. 2018 (Marian); transformers' ``MarianMTModel``.
    """
    if "model.shared.weight" not in state:
        raise ValueError("state has no 'model.shared.weight': not a Marian model with shared ids")
    shared = state["model.shared.weight"]
    pad_id = len(shared) - 1 if pad_id is None else pad_id
    fc1 = state.get("model.encoder.layers.0.fc1.weight", torch.empty(1))
    config = TransformerConfig(
        vocab_size=len(shared), d_model=shared.shape[1], d_ff=len(fc1), num_heads=num_heads,
        num_encoder_layers=_count(state, r"model\.encoder\.layers\.(\d+)\."),
        num_decoder_layers=_count(state, r"model\.decoder\.layers\.(\d+)\."),
        activation=activation, attention_bias=True, output_bias=True,  # type: ignore
        position_layout="concat", pad_id=pad_id, bos_id=pad_id, eos_id=eos_id,
    )  # fmt: skip
    ours = {"output_bias": state.get("final_logits_bias", torch.zeros(len(shared))).flatten()}
    ours["tgt_embedding.weight"] = shared
    known = ("shared", "embed_tokens", "embed_positions", "lm_head", "final_logits_bias")
    for name, tensor in state.items():
        if not any(part in name for part in known):
            ours[_rename(name, MARIAN)] = tensor
    for name in list(ours):
        if ".q_proj." in name:
            parts = [name.replace(".q_proj.", f".{x}_proj.") for x in "qkv"]
            if all(part in ours for part in parts):
                joined = torch.cat([ours.pop(part) for part in parts])
                ours[name.replace(".q_proj.", ".in_proj.")] = joined
    with torch.device("meta"):
        model = Transformer(config)
    return _load(model, ours).eval()


def to_marian(model: Transformer, max_positions: int = 512) -> dict[str, Tensor]:
    """Return a model's weights under Marian's names, for ``MarianMTModel.load_state_dict``.

    Args:
        model: of Marian's form.
        max_positions: rows of the table of sinusoids that Marian stores.

    Raises:
        ValueError: a model that has not Marian's form: one vocabulary, biases, concat sinusoids.
    """
    c = model.config
    form = {
        "share_embeddings": True, "tie_output": True, "attention_bias": True, "norm": "post",
        "output_bias": True, "positions": "sinusoidal", "position_layout": "concat",
        "position_spacing": "paper", "scale_embeddings": True,
    }  # fmt: skip
    wrong = {name: getattr(c, name) for name, want in form.items() if getattr(c, name) != want}
    if wrong or isinstance(model.encoder.norm, nn.LayerNorm):
        raise ValueError(f"model has not Marian's form {form}: {wrong or 'a final norm'}")
    shared = model.tgt_embedding.weight.detach()
    theirs = {f"model.{n}.weight": shared for n in
              ("shared", "encoder.embed_tokens", "decoder.embed_tokens")}  # fmt: skip
    theirs["lm_head.weight"] = shared
    table = model.src_positions(torch.arange(max_positions), torch.float64).to(shared)
    for side in ("encoder", "decoder"):
        theirs[f"model.{side}.embed_positions.weight"] = table
    theirs["final_logits_bias"] = model.state_dict()["output_bias"][None]
    back = {
        "encoder": (("residual1.norm", "self_attn_layer_norm"),
                    ("residual2.norm", "final_layer_norm")),
        "decoder": (("residual1.norm", "self_attn_layer_norm"),
                    ("residual2.norm", "encoder_attn_layer_norm"),
                    ("residual3.norm", "final_layer_norm")),
    }  # fmt: skip
    inner = (("self_attention", "self_attn"), ("cross_attention", "encoder_attn"),
             ("feed_forward.linear", "fc"))  # fmt: skip
    for name, tensor in model.state_dict().items():
        side = name.split(".")[0]
        if side not in back:
            continue
        new = f"model.{name}"
        for ours, marian in (*back[side], *inner):
            new = new.replace(ours, marian)
        if ".in_proj." in name:
            splits = model.get_submodule(name.split(".in_proj")[0]).splits
            for x, part in zip("qkv", tensor.split(splits)):
                theirs[new.replace(".in_proj.", f".{x}_proj.")] = part
        else:
            theirs[new] = tensor
    return theirs


def from_torch_transformer(module: nn.Transformer) -> tuple[Encoder, Decoder]:
    """Return our encoder and decoder with the weights of ``torch.nn.Transformer``.

    That module has no embeddings and no output matrix; it has biases on the projections and,
    unlike the paper, a normalisation after each stack.

    Args:
        module: with ``batch_first=True`` it computes what ours do.

    Raises:
        ValueError: names that are missing or unexpected, or wrong shapes, all in one message.
    """
    layer = module.encoder.layers[0]
    config = TransformerConfig(
        d_model=module.d_model, num_heads=module.nhead, d_ff=layer.linear1.out_features,
        num_encoder_layers=len(module.encoder.layers),
        num_decoder_layers=len(module.decoder.layers),
        dropout=layer.dropout.p, attention_dropout=layer.self_attn.dropout,
        activation_dropout=layer.dropout.p, norm="pre" if layer.norm_first else "post",
        final_norm=module.encoder.norm is not None, norm_eps=layer.norm1.eps,
        attention_bias=layer.self_attn.in_proj_bias is not None,
    )  # fmt: skip
    state = {_rename(name, TORCH): tensor for name, tensor in module.state_dict().items()}
    with torch.device("meta"):
        modules = {"encoder": Encoder(config), "decoder": Decoder(config)}
    both = _load(nn.ModuleDict(modules), state)
    return both["encoder"].train(module.training), both["decoder"].train(module.training)


def to_torch_transformer(encoder: Encoder, decoder: Decoder) -> dict[str, Tensor]:
    """Return the weights under ``torch.nn.Transformer``'s names, for its ``load_state_dict``."""
    theirs = {}
    for side, stack in (("encoder", encoder), ("decoder", decoder)):
        for name, tensor in stack.state_dict().items():
            name = re.sub(r"residual(\d)\.norm", r"norm\1", f"{side}.{name}")
            name = name.replace("self_attention", "self_attn")
            name = name.replace("cross_attention", "multihead_attn")
            theirs[name.replace("in_proj.", "in_proj_").replace("feed_forward.", "")] = tensor
    return theirs


def load(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read a state dict from a safetensors file, or from one that ``torch.save`` wrote.

    The latter is read with ``weights_only=True``: nothing in it is executed.

    Raises:
        OSError: no such file.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def save(
    path: str | os.PathLike, state: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write a state dict as safetensors, atomically."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    save_file(tensors, temporary, metadata)
    os.replace(temporary, path)


def _rename(name: str, rules: list[tuple[str, str]]) -> str:
    for pattern, new in rules:
        name = re.sub(pattern, new, name)
    return name


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    found = (re.match(pattern, name) for name in state)
    return 1 + max((int(match[1]) for match in found if match), default=0)


def _load(module: Any, state: Mapping[str, Tensor]) -> Any:
    """Load strictly into a module on the meta device; the tensors become its own copies."""
    wanted = module.state_dict()
    wrong = [f"missing {name}" for name in sorted(wanted.keys() - state.keys())]
    wrong += [f"unexpected {name}" for name in sorted(state.keys() - wanted.keys())]
    wrong += [
        f"{name} is {tuple(state[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if wrong:
        raise ValueError(f"state dict does not fit: {'; '.join(wrong)}")
    like = next(iter(state.values()))
    module.to(like.dtype).to_empty(device=like.device)
    module.load_state_dict(state)
    return module
