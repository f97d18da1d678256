r"""Weights of other implementations: Hugging Face's names, and those of fairseq's checkpoints.

Both cut the product of queries, keys and values in three, which is one here.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .config import RobertaConfig
from .files import check_tensors, filled, matched
from .files import load as load
from .files import save as save
from .heads import RobertaForMaskedLM, RobertaForPreTraining
from .model import RobertaModel, Trunk
from .tasks import (
    RobertaForMultipleChoice,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
)

# In order: what stands in our name, what in Hugging Face's.
HUGGING_FACE = [
    (r"embeddings\.(token|position|segment)\.", r"embeddings.\1_embeddings."),
    (r"embeddings\.token_", "embeddings.word_"),
    (r"embeddings\.segment_", "embeddings.token_type_"),
    (r"embeddings\.norm", "embeddings.LayerNorm"),
    (r"layers\.(\d+)\.", r"encoder.layer.\1."),
    (r"attention\.out_proj", "attention.output.dense"),
    (r"norm1", "attention.output.LayerNorm"),
    (r"linear1", "intermediate.dense"),
    (r"linear2", "output.dense"),
    (r"norm2", "output.LayerNorm"),
    (r"pooler\.", "pooler.dense."),
    (r"^masked_lm\.linear", "lm_head.dense"),
    (r"^masked_lm\.norm", "lm_head.layer_norm"),
    (r"^masked_lm\.bias", "lm_head.bias"),
    (r"^classifier\.linear", "classifier.dense"),
    (r"^span", "qa_outputs"),
]
PARTS = ("query", "key", "value")
# Stored beside the weights: positions 0, 1, …, and a second name of the tied matrix and its bias.
COUNTERS = r"(roberta\.)?embeddings\.(position_ids|token_type_ids)"
TIES = {
    "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
    "lm_head.decoder.bias": "lm_head.bias",
}
HEADS = ("lm_head.", "qa_outputs.", "classifier.", "roberta.pooler.")
# Fairseq's: what stands in Hugging Face's name, what in fairseq's, in both directions.
FAIRSEQ = [
    ("roberta.embeddings.word_embeddings.", "embed_tokens."),
    ("roberta.embeddings.position_embeddings.", "embed_positions."),
    ("roberta.embeddings.LayerNorm.", "emb_layer_norm."),
    ("roberta.encoder.layer.", "layers."),
    (".attention.self.query.", ".self_attn.q_proj."),
    (".attention.self.key.", ".self_attn.k_proj."),
    (".attention.self.value.", ".self_attn.v_proj."),
    (".attention.output.dense.", ".self_attn.out_proj."),
    (".attention.output.LayerNorm.", ".self_attn_layer_norm."),
    (".intermediate.dense.", ".fc1."),
    (".output.dense.", ".fc2."),
    (".output.LayerNorm.", ".final_layer_norm."),
]
ENCODER = "decoder.sentence_encoder."  # so called in the released files
SEGMENT = "roberta.embeddings.token_type_embeddings.weight"


def from_hugging_face(
    state_dict: Mapping[str, Tensor],
    kind: type[Trunk] | None = None,
    num_attention_heads: int | None = None,
    **changes: Any,
) -> Any:
    """Return the model of a state dict with the names that transformers' RoBERTa has.

    Sizes come from the shapes. Names may lack "roberta.", as an encoder's do.

    Args:
        state_dict: names and tensors, or ``load(path)``.
        kind: the model wanted; heads that it has not, and the pooler, are then left out. Default:
            what the names say, and nothing is left out.
        num_attention_heads: not to be seen in the shapes; default: heads of 64 (Table 9).
        changes: other fields of `RobertaConfig` that shapes do not show, such as ``pad_token_id``.

    Returns:
        The model, in eval mode, with its own copies.

    Raises:
        ValueError: tensors that are missing, left over, or of a wrong shape; says which.

    Source: transformers' ``modeling_roberta.py``.
    """
    check_tensors(state_dict)
    state = {}
    for name, tensor in state_dict.items():
        if re.fullmatch(COUNTERS, name):
            continue
        new = f"roberta.{name}" if re.match(r"(embeddings|encoder|pooler)\.", name) else name
        if new in state:
            raise ValueError(f"state_dict has two tensors for {new!r}, one of them {name!r}")
        state[new] = tensor
    for second, first in TIES.items():
        if second in state:
            _check_tie(state, second, first)
            del state[second]
    asked, kind = kind is not None, kind or _kind(state)
    config = _config(state, num_attention_heads, changes)
    options: dict[str, Any] = {}
    if kind is RobertaModel:
        options["add_pooling_layer"] = "roberta.pooler.dense.weight" in state
    if kind in (RobertaForSequenceClassification, RobertaForTokenClassification):
        last = state.get("classifier.out_proj.weight", state.get("classifier.weight"))
        options["num_labels"] = max(1, len(last)) if last is not None and last.dim() else 1
    with torch.device("meta"):
        model: Any = kind(config, **options)
    wanted = dict(model.state_dict())
    names = {name: _hugging_face(name, kind) for name in wanted}
    if asked:
        there = set(names.values())
        state = {n: t for n, t in state.items() if n in there or not n.startswith(HEADS)}
    joined = _joined(state, [their for their in names.values() if "in_proj" in their])
    return filled(model, matched(wanted, joined, names.__getitem__))


def to_hugging_face(model: Trunk) -> dict[str, Tensor]:
    """Return a model's weights under transformers' names, for ``load_state_dict``.

    Those of a `RobertaModel` have no "roberta." before them, as transformers' have none.

    Raises:
        ValueError: a head that transformers' RoBERTa has not: NSP's, SQuAD 2.0's.
    """
    kind = type(model)
    if kind is RobertaForPreTraining or getattr(model, "answerable", None) is not None:
        raise ValueError(f"transformers has no RoBERTa with the heads of this {kind.__name__}")
    theirs = {}
    for name, tensor in model.state_dict().items():
        new = _hugging_face(name, kind)
        if kind is RobertaModel:
            new = new.removeprefix("roberta.")
        if "in_proj" in new:
            for part, piece in zip(PARTS, tensor.chunk(3)):
                theirs[new.replace("in_proj", f"self.{part}")] = piece
        else:
            theirs[new] = tensor
    if kind is RobertaForMaskedLM:
        theirs |= {second: theirs[first] for second, first in TIES.items()}
    return theirs


def from_fairseq(
    state_dict: Mapping[str, Tensor],
    head: str | None = None,
    num_attention_heads: int | None = None,
    **changes: Any,
) -> RobertaForMaskedLM | RobertaForSequenceClassification:
    """Return the model of a checkpoint of fairseq, such as ``roberta.large/model.pt``.

    Args:
        state_dict: names and tensors, or ``load(path)``.
        head: of ``classification_heads`` the one wanted, such as "mnli"; default: the masked LM.
        num_attention_heads: as for `from_hugging_face`.
        changes: as for `from_hugging_face`.

    Raises:
        ValueError: no such head; and as for `from_hugging_face`, in Hugging Face's names.

    Source: fairseq's ``models/roberta/model.py``; names that changed since are read as well.
    """
    check_tensors(state_dict)
    heads = {n.split(".")[1] for n in state_dict if n.startswith("classification_heads.")}
    if head is not None and head not in heads:
        raise ValueError(f"head must be one of {sorted(heads)}, got {head!r}")
    state: dict[str, Tensor] = {}
    for name, tensor in state_dict.items():
        if name.startswith("classification_heads."):
            _, which, rest = name.split(".", 2)
            if which == head:
                state[f"classifier.{rest}"] = tensor
            continue
        new = re.sub(r"^(de|en)coder\.(sentence_encoder\.)?", "", name)
        if new == "version":
            continue
        new = new.replace("layernorm_embedding.", "emb_layer_norm.")
        if new.startswith("lm_head."):
            if head is None:
                state["lm_head.decoder.weight" if new == "lm_head.weight" else new] = tensor
            continue
        for ours, theirs in FAIRSEQ:
            # Only layers' names begin with a dot here: their parts stand behind a number.
            found = theirs in new if theirs.startswith(".") else new.startswith(theirs)
            new = new.replace(theirs, ours, 1) if found else new
        if old := re.fullmatch(r"(.*)\.self_attn\.in_proj_(weight|bias)", new):
            if not tensor.dim() or len(tensor) % 3:
                raise ValueError(f"{name} must be three on top of each other, got {tensor.shape}")
            for part, piece in zip(PARTS, tensor.chunk(3)):
                state[f"{old[1]}.attention.self.{part}.{old[2]}"] = piece
        else:
            state[new] = tensor
    words = state.get("roberta.embeddings.word_embeddings.weight")
    if words is None or words.dim() != 2:
        raise ValueError(f"state_dict has no matrix {ENCODER + 'embed_tokens.weight'!r}")
    state[SEGMENT] = words.new_zeros(1, words.shape[1])  # fairseq's RoBERTa has no segments
    kind = RobertaForMaskedLM if head is None else RobertaForSequenceClassification
    return from_hugging_face(state, kind, num_attention_heads, **changes)


def to_fairseq(
    model: RobertaForMaskedLM | RobertaForSequenceClassification, head: str = "sentence_head"
) -> dict[str, Tensor]:
    """Return a model's weights under the names of fairseq's checkpoints.

    The row for the one segment, which fairseq has not, is added to every position's embedding; so
    is it to padding's, which nobody sees.

    Args:
        model: to convert.
        head: name of the classifier among ``classification_heads``.

    Raises:
        ValueError: a model that fairseq has not, or one with several segments.
    """
    if not isinstance(model, RobertaForMaskedLM | RobertaForSequenceClassification):
        raise ValueError(f"fairseq has no {type(model).__name__}")
    theirs = to_hugging_face(model)
    segment = theirs.pop(SEGMENT)
    if len(segment) != 1:
        raise ValueError(f"fairseq's RoBERTa has no segments, got type_vocab_size {len(segment)}")
    positions = "roberta.embeddings.position_embeddings.weight"
    theirs[positions] = theirs[positions] + segment
    state = {}
    for name, tensor in theirs.items():
        if name.startswith("classifier."):
            state[name.replace("classifier.", f"classification_heads.{head}.")] = tensor
        elif name.startswith("lm_head."):
            if name != "lm_head.decoder.bias":
                state[f"decoder.{name.replace('decoder.', '')}"] = tensor
        else:
            for ours, their in FAIRSEQ:
                name = name.replace(ours, their)
            state[ENCODER + name] = tensor
    return state


def config_from_json(text: str, **changes: Any) -> RobertaConfig:
    """Return the configuration in a ``config.json`` of Hugging Face.

    What ours has not (names of classes, versions) is passed over.

    Raises:
        ValueError: no JSON of an object, an activation or a kind of positions that ours has not.
    """
    try:
        table = json.loads(text)
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from error
    if not isinstance(table, dict):
        raise ValueError(f"a configuration is an object, got {type(table).__name__}")
    table = dict(table)
    if table.get("position_embedding_type", "absolute") != "absolute":
        raise ValueError(f"positions must be absolute, got {table['position_embedding_type']!r}")
    fields = {
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
        "intermediate_size", "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob",
        "max_position_embeddings", "type_vocab_size", "initializer_range", "layer_norm_eps",
        "pad_token_id",
    }  # fmt: skip
    if table.get("intermediate_size") == 4 * table.get("hidden_size", 768):
        del table["intermediate_size"]  # what ours takes without being told
    return RobertaConfig(**{name: table[name] for name in fields & table.keys()} | changes)


def _hugging_face(name: str, kind: type[Trunk]) -> str:
    """Return their name of a tensor of ours; "in_proj" stands for their three."""
    if kind is RobertaModel:
        name = f"roberta.{name}"
    for pattern, new in HUGGING_FACE:
        name = re.sub(pattern, new, name)
    return name


def _joined(state: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """Return a state dict with one stack in place of each three matrices or biases."""
    state = dict(state)
    for name in names:
        parts = [name.replace("in_proj", f"self.{part}") for part in PARTS]
        for part in parts:
            if part not in state:
                raise ValueError(f"state_dict has no {part!r}")
            one, first = state[part], state[parts[0]]
            if one.shape != first.shape or not one.dim():
                shapes = f"{tuple(one.shape)} and {tuple(first.shape)}"
                raise ValueError(f"{part} and {parts[0]} must have one shape, got {shapes}")
            if (one.device, one.dtype) != (first.device, first.dtype):
                raise ValueError(f"{part} is of another device or type than {parts[0]}")
        state[name] = torch.cat([state.pop(part) for part in parts])
    return state


def _check_tie(state: Mapping[str, Tensor], second: str, first: str) -> None:
    """Raise a ValueError where a matrix that is one here is two in the state dict."""
    if first not in state:
        raise ValueError(f"state_dict has no {first!r}")
    one, two = state[first], state[second]
    same = (one.shape, one.device, one.dtype) == (two.shape, two.device, two.dtype)
    if not same or not (one.is_meta or torch.equal(one, two)):
        raise ValueError(f"{second} must equal {first}: the matrix is tied, as in the paper's code")


def _kind(state: Mapping[str, Tensor]) -> type[Trunk]:
    """Return the model whose names these are."""
    if "lm_head.bias" in state:
        return RobertaForMaskedLM
    if "qa_outputs.weight" in state:
        return RobertaForQuestionAnswering
    if "classifier.out_proj.weight" in state:
        return RobertaForSequenceClassification
    if "classifier.weight" in state:
        pooled = "roberta.pooler.dense.weight" in state
        return RobertaForMultipleChoice if pooled else RobertaForTokenClassification
    return RobertaModel


def _config(
    state: Mapping[str, Tensor], num_attention_heads: int | None, changes: dict[str, Any]
) -> RobertaConfig:
    """Return the configuration that the shapes show."""
    sizes = {}
    for name in ("word", "position", "token_type"):
        full = f"roberta.embeddings.{name}_embeddings.weight"
        if full not in state:
            raise ValueError(f"state_dict has no {full!r}")
        if state[full].dim() != 2 or not state[full].numel():
            raise ValueError(f"{full} must be a matrix, got shape {tuple(state[full].shape)}")
        sizes[name] = state[full].shape
    found = (re.match(r"roberta\.encoder\.layer\.(\d+)\.", name) for name in state)
    layers = {match[1] for match in found if match}
    inner = state.get("roberta.encoder.layer.0.intermediate.dense.weight", torch.empty(1, 1))
    hidden = sizes["word"][1]
    if num_attention_heads is None:
        if hidden % 64:
            raise ValueError(f"say num_attention_heads: heads of 64 do not divide {hidden}")
        num_attention_heads = hidden // 64
    width = max(1, len(inner)) if inner.dim() else 1
    return RobertaConfig(
        vocab_size=sizes["word"][0], hidden_size=hidden, num_hidden_layers=max(1, len(layers)),
        num_attention_heads=num_attention_heads,
        intermediate_size=None if width == 4 * hidden else width,
        max_position_embeddings=sizes["position"][0], type_vocab_size=sizes["token_type"][0],
        **changes,
    )  # fmt: skip
