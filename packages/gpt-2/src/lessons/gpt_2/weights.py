"""Released weights: Hugging Face's and OpenAI's names, to ours and back.

Both keep matrices as (inputs, outputs), to be multiplied from the right: `torch.nn.Linear` has them
transposed.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .config import GPT2Config
from .files import State, check_tensors, filled, load, matched, save
from .model import GPT2

__all__ = ["from_hugging_face", "from_openai", "load", "save", "to_hugging_face", "to_openai"]

PREFIX = "transformer."
# Buffers of older files: the causal mask, and the number that stood for minus infinity.
BUFFERS = re.compile(r"(transformer\.)?h\.\d+\.attn\.(masked_)?bias")
# torch.nn.Linear's weights, which both have the other way round.
MATRIX = re.compile(r"h\.\d+\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight")
D_HEAD = 64  # of all four released models


def from_hugging_face(state_dict: Mapping[str, Tensor], **config: Any) -> GPT2:
    """Return a model with the weights of transformers' GPT2LMHeadModel, or GPT2Model.

    Args:
        state_dict: of the model, or of a file: with "transformer." before the names or without,
            with ``lm_head.weight`` or without, as it is wte's; the buffers of older files are left
            out.
        config: what the tensors' shapes do not say: ``n_head`` (default: heads of 64 numbers), the
            rates of dropout, ``activation``.

    Raises:
        ValueError: names, shapes or types differ; says which first.
    """
    check_tensors(state_dict)
    theirs = {k: v for k, v in state_dict.items() if not BUFFERS.fullmatch(k)}
    prefix = PREFIX if any(name.startswith(PREFIX) for name in theirs) else ""
    embedding, head = theirs.get(f"{prefix}wte.weight"), theirs.get("lm_head.weight")
    if embedding is None and head is not None:  # safetensors keeps one name of a shared tensor
        embedding = theirs[f"{prefix}wte.weight"] = head
    tied = head is None or embedding is None or _same(head, embedding)
    if tied:
        theirs.pop("lm_head.weight", None)

    def name(ours: str) -> str:
        return ours if ours.startswith("lm_head.") else prefix + ours

    return _model(theirs, name, tied, config)


def to_hugging_face(model: GPT2) -> State:
    """Return a model's weights under the names of transformers' GPT2LMHeadModel.

    Raises:
        ValueError: a model without a last norm, which theirs has not.
    """
    state = {f"{PREFIX}{name}": tensor for name, tensor in _theirs(model).items()}
    head = state.pop(f"{PREFIX}lm_head.weight", None)
    state["lm_head.weight"] = state[f"{PREFIX}wte.weight"] if head is None else head
    return state


def from_openai(variables: Mapping[str, Any], **config: Any) -> GPT2:
    """Return a model with the variables of the released TensorFlow code.

    Args:
        variables: arrays or tensors by their names, "model/wte", "model/h0/attn/c_attn/w" and so
            on; the latter have shape (1, inputs, outputs).
        config: as for `from_hugging_face`.

    Raises:
        ValueError: names, shapes or types differ; says which first.
    """
    if not isinstance(variables, Mapping):
        raise ValueError(f"variables is {type(variables).__name__}; expected a mapping of names")
    tensors = {
        name: torch.from_numpy(array.copy()) if isinstance(array, np.ndarray) else array
        for name, array in variables.items()
    }
    check_tensors(tensors, "variables is")
    theirs = {}
    for name, tensor in tensors.items():
        if name.endswith("/w"):
            if tensor.dim() != 3 or tensor.shape[0] != 1:
                shape = (*tensor.shape,)
                raise ValueError(f"{name} must have shape (1, inputs, outputs), got {shape}")
            tensor = tensor[0]
        theirs[name] = tensor
    return _model(theirs, _openai_name, True, config)


def to_openai(model: GPT2) -> State:
    """Return a model's weights under the names of the released TensorFlow code.

    Raises:
        ValueError: an output matrix of its own, or no last norm, which theirs has not.
    """
    if not model.config.tied:
        raise ValueError("the released code has one matrix for input and output; the model has two")
    state = {_openai_name(name): tensor for name, tensor in _theirs(model).items()}
    return {name: t[None] if name.endswith("/w") else t for name, t in state.items()}


def _openai_name(ours: str) -> str:
    """h.0.attn.c_attn.weight -> model/h0/attn/c_attn/w; norms have g and b, embeddings no end."""
    *path, kind = re.sub(r"^h\.(\d+)", r"h\1", ours).split(".")
    if path[-1] in ("wte", "wpe"):
        return f"model/{path[-1]}"
    if path[-1].startswith("ln_"):
        kind = {"weight": "g", "bias": "b"}[kind]
    else:
        kind = {"weight": "w", "bias": "b"}[kind]
    return "/".join(["model", *path, kind])


def _theirs(model: GPT2) -> State:
    if model.config.norm != "pre":
        raise ValueError(f"released layouts have norm='pre', the model {model.config.norm!r}")
    state = model.state_dict()
    return {k: v.T.contiguous() if MATRIX.fullmatch(k) else v for k, v in state.items()}


def _model(theirs: dict[str, Tensor], name, tied: bool, changes: dict[str, Any]) -> GPT2:
    """Build the model that the shapes tell of, and fill it."""

    def shape(ours: str, dims: int) -> tuple[int, ...]:
        tensor = theirs.get(name(ours))
        if tensor is None or tensor.dim() != dims or 0 in tensor.shape:
            got = "none" if tensor is None else f"shape {(*tensor.shape,)}"
            raise ValueError(f"expected a tensor {name(ours)!r} of {dims} dimensions, got {got}")
        return (*tensor.shape,)

    vocab_size, n_embd = shape("wte.weight", 2)
    found: dict[str, Any] = {
        "vocab_size": vocab_size, "n_embd": n_embd, "n_positions": shape("wpe.weight", 2)[0],
        "n_inner": shape("h.0.mlp.c_fc.weight", 2)[1], "tied": tied, "n_layer": 0,
    }  # fmt: skip
    while name(f"h.{found['n_layer']}.ln_1.weight") in theirs:
        found["n_layer"] += 1
    if both := sorted(set(changes) & set(found)):
        raise ValueError(f"{both[0]} is told by the tensors, and not an argument")
    if "n_head" not in changes:
        if n_embd % D_HEAD:
            raise ValueError(f"n_head is needed: n_embd={n_embd} is no multiple of {D_HEAD}")
        changes = changes | {"n_head": n_embd // D_HEAD}
    known = {field.name for field in dataclasses.fields(GPT2Config)}
    if unknown := sorted(set(changes) - known):
        raise TypeError(f"GPT2Config has no {unknown[0]!r}")
    if changes.get("norm", "pre") != "pre":
        raise ValueError(f"norm must be 'pre' with released weights, got {changes['norm']!r}")
    if found["n_inner"] == 4 * n_embd:
        found["n_inner"] = None
    with torch.device("meta"):
        model = GPT2(GPT2Config(**found, **changes))
    for ours in model.state_dict():
        if MATRIX.fullmatch(ours) and (tensor := theirs.get(name(ours))) is not None:
            if tensor.dim() != 2:
                raise ValueError(
                    f"{name(ours)} must have 2 dimensions, got shape {(*tensor.shape,)}"
                )
            theirs[name(ours)] = tensor.T
    filled(model, matched(model.state_dict(), theirs, name))
    return model


def _same(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    return a is b or a.is_meta or torch.equal(a, b)
