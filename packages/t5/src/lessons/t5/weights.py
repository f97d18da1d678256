"""Weights under Hugging Face's names, both ways: T5 as published, and T5 v1.1.

A tied model's file has one matrix, "shared.weight"; older ones repeat it under the names of the
encoder's and decoder's embeddings and of the output. T5 v1.1 has an output matrix of its own.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .config import T5Config
from .files import check_tensors, filled, matched
from .files import load as load
from .files import save as save
from .model import T5EncoderModel, T5ForConditionalGeneration, T5Model

COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
# Files of 2019 have it: positions for attention to the encoder, which nothing ever read.
UNREAD = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
BIAS = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"


def from_hugging_face(
    state_dict: Mapping[str, Tensor],
    kind: type[T5EncoderModel] | None = None,
    **changes: Any,
) -> Any:
    """Return the model of a state dict with the names that transformers' T5 has.

    Sizes come from the shapes. An output matrix that equals the embeddings is taken for a copy,
    as tied models' files have it.

    Args:
        state_dict: names and tensors, or ``load(path)``.
        kind: the model wanted; a decoder that it has not is then left out. Default: what the names
            say: `T5EncoderModel` without a decoder, else `T5ForConditionalGeneration`.
        changes: other fields of `T5Config`, such as ``dropout_rate``, that shapes do not show.

    Returns:
        The model, in eval mode, with its own copies.

    Raises:
        ValueError: tensors that are missing, left over, or of a wrong shape; says which.
    """
    check_tensors(state_dict)
    state = {name: tensor for name, tensor in state_dict.items() if name != UNREAD}
    for name in (*COPIES, "lm_head.weight"):
        if "shared.weight" not in state and name in state:
            state["shared.weight"] = state[name]
        if name in state and _equal(state[name], state["shared.weight"]):
            del state[name]
    if kind is None:
        decodes = any(name.startswith("decoder.") for name in state)
        kind = T5ForConditionalGeneration if decodes else T5EncoderModel
    if kind is T5EncoderModel:
        state = {n: t for n, t in state.items() if not n.startswith(("decoder.", "lm_head."))}
    elif not issubclass(kind, T5ForConditionalGeneration):
        state.pop("lm_head.weight", None)
    with torch.device("meta"):
        model: Any = kind(_config(state, changes))
    return filled(model, matched(model.state_dict(), state, _hugging_face))


def to_hugging_face(model: T5EncoderModel) -> dict[str, Tensor]:
    """Return a model's weights under transformers' names, for ``load_state_dict``.

    Shared stacks are written twice, as transformers has no such models; it computes the same.

    Raises:
        ValueError: a model with adapters, which transformers' T5 has not.
    """
    if model.config.adapter_dim is not None:
        raise ValueError("model has adapters, which transformers' T5 has not")
    theirs = {_hugging_face(name): tensor for name, tensor in model.state_dict().items()}
    shared = theirs["shared.weight"]
    theirs["encoder.embed_tokens.weight"] = shared
    if isinstance(model, T5Model):
        theirs["decoder.embed_tokens.weight"] = shared
    if isinstance(model, T5ForConditionalGeneration):
        theirs.setdefault("lm_head.weight", shared)
    return theirs


def _equal(a: Tensor, b: Tensor) -> bool:
    """Say whether two tensors hold the same; on the meta device, where nobody can say: no."""
    alike = (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device) and not a.is_meta
    return alike and torch.equal(a, b)


def _hugging_face(name: str) -> str:
    """Return transformers' name of a tensor of ours."""
    name = name.replace("relative_bias.embedding.weight", BIAS)
    name = re.sub(r"^(encoder|decoder)\.norm\.", r"\1.final_layer_norm.", name)
    found = re.match(r"(encoder|decoder)\.blocks\.(\d+)\.(.*)", name)
    if found is None:
        return name
    side, number, rest = found.groups()
    last = 2 if side == "decoder" else 1
    parts = {
        "self_attention": "layer.0.SelfAttention", "norm1": "layer.0.layer_norm",
        "cross_attention": "layer.1.EncDecAttention", "norm2": "layer.1.layer_norm",
        "feed_forward": f"layer.{last}.DenseReluDense", "norm3": f"layer.{last}.layer_norm",
    }  # fmt: skip
    part, _, end = rest.partition(".")
    return f"{side}.block.{number}.{parts.get(part, part)}.{end}"


def _config(state: Mapping[str, Tensor], changes: Mapping[str, Any]) -> T5Config:
    """Return the sizes that the shapes show."""

    def shape(name: str) -> tuple[int, int]:
        if name not in state:
            raise ValueError(f"state_dict has no {name!r}, which tells a size")
        if state[name].dim() != 2 or not state[name].numel():
            raise ValueError(f"{name} must be a matrix, got shape {tuple(state[name].shape)}")
        return state[name].shape[0], state[name].shape[1]

    def layers(side: str) -> int:
        found = (re.match(rf"{side}\.block\.(\d+)\.", name) for name in state)
        return len({match[1] for match in found if match})

    first = "encoder.block.0.layer"
    vocab_size, d_model = shape("shared.weight")
    buckets, heads = shape(f"encoder.{BIAS}")
    gated = f"{first}.1.DenseReluDense.wi_0.weight" in state
    sizes: dict[str, Any] = {
        "vocab_size": vocab_size,
        "d_model": d_model,
        "num_heads": heads,
        "d_kv": max(1, shape(f"{first}.0.SelfAttention.q.weight")[0] // heads),
        "d_ff": shape(f"{first}.1.DenseReluDense.{'wi_0' if gated else 'wi'}.weight")[0],
        "num_layers": max(1, layers("encoder")),
        "num_decoder_layers": layers("decoder") or None,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu" if gated else "relu",
        "tie_word_embeddings": "lm_head.weight" not in state,
        "eos_id": min(1, vocab_size - 1),
    }
    if sizes["num_decoder_layers"] == sizes["num_layers"]:
        sizes["num_decoder_layers"] = None
    return T5Config(**{**sizes, **changes})
