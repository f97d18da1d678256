r"""Weights of other implementations: Hugging Face's names, and those of Google's checkpoints.

Both cut the product of queries, keys and values in three, which is one here. Google's dense layers
hold the transposed matrix, called kernel; its names have slashes.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .config import BertConfig
from .files import check_tensors, filled, matched
from .files import load as load
from .files import save as save
from .heads import BertForMaskedLM, BertForNextSentencePrediction, BertForPreTraining
from .model import BertModel, Trunk
from .tasks import (
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
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
    (r"^masked_lm\.bias", "cls.predictions.bias"),
    (r"^masked_lm\.linear", "cls.predictions.transform.dense"),
    (r"^masked_lm\.norm", "cls.predictions.transform.LayerNorm"),
    (r"^next_sentence", "cls.seq_relationship"),
    (r"^span", "qa_outputs"),
]
PARTS = ("query", "key", "value")
# Stored beside the weights: positions 0, 1, …, and a second name of the tied matrix and its bias.
COUNTERS = r"(bert\.)?embeddings\.(position_ids|token_type_ids)"
TIES = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
# Of the encoders that Google released, whose heads are all of 64.
WIDTHS = (128, 256, 512, 768, 1024)
HEADS = ("cls.", "qa_outputs.", "classifier.", "bert.pooler.")
# Google's: what stands in Hugging Face's name, what in Google's.
GOOGLE = [
    (r"^classifier\.(weight|bias)$", r"output_\1"),
    (r"^qa_outputs\.", "cls/squad/output_"),
    (r"^cls\.predictions\.bias", "cls/predictions/output_bias"),
    (r"^cls\.seq_relationship\.", "cls/seq_relationship/output_"),
    (r"output_weight$", "output_weights"),
    (r"encoder\.layer\.(\d+)\.", r"encoder.layer_\1."),
    (r"_embeddings\.weight$", "_embeddings"),
    (r"LayerNorm\.weight$", "LayerNorm.gamma"),
    (r"LayerNorm\.bias$", "LayerNorm.beta"),
    (r"(dense|query|key|value)\.weight$", r"\1.kernel"),
    (r"\.", "/"),
]
SLOTS = re.compile(r"(.*/(adam_m|adam_v|Adam|Adam_1)|global_step|beta[12]_power)$")


def from_hugging_face(
    state_dict: Mapping[str, Tensor],
    kind: type[Trunk] | None = None,
    num_attention_heads: int | None = None,
    config: BertConfig | None = None,
    **changes: Any,
) -> Any:
    """Return the model of a state dict with the names that transformers' BERT has.

    Sizes come from the shapes. Names may lack "bert.", as an encoder's do, and normalisations may
    have gamma and beta, as in old files.

    Args:
        state_dict: names and tensors, or ``load(path)``.
        kind: the model wanted; heads that it has not, and the pooler, are then left out. Default:
            what the names say, and nothing is left out; a classifier's file is that of
            `BertForSequenceClassification` if it has a pooler, else that of
            `BertForTokenClassification`.
        num_attention_heads: not to be seen in the shapes; default: the configuration's, else heads
            of 64 where the width is one that Google released.
        config: sizes and choices, such as `config_from_json` gives; default: what shapes show.
        changes: other fields of `BertConfig` that shapes do not show, such as ``hidden_act``.

    Returns:
        The model, in eval mode, with its own copies.

    Raises:
        ValueError: tensors that are missing, left over, or of a wrong shape; says which. No number
            of heads for a width that Google did not release.

    Source: transformers' ``modeling_bert.py``.
    """
    check_tensors(state_dict)
    state = {}
    for name, tensor in state_dict.items():
        new = re.sub(r"LayerNorm\.(gamma|beta)$", _modern, name)
        if re.fullmatch(COUNTERS, new):
            continue
        if re.match(r"(embeddings|encoder|pooler)\.", new):
            new = f"bert.{new}"
        if new in state:
            raise ValueError(f"state_dict has two tensors for {new!r}, one of them {name!r}")
        state[new] = tensor
    for second, first in TIES.items():
        if second in state:
            _check_tie(state, second, first)
            del state[second]
    asked, kind = kind is not None, kind or _kind(state)
    pooler = "bert.pooler.dense.weight" in state
    if config is None:
        config = _config(state, num_attention_heads, changes)
    else:
        heads = {} if num_attention_heads is None else {"num_attention_heads": num_attention_heads}
        config = dataclasses.replace(config, **heads, **changes)
    options: dict[str, Any] = {}
    if kind is BertModel:
        options["add_pooling_layer"] = pooler
    if kind in (BertForSequenceClassification, BertForTokenClassification):
        classifier = state.get("classifier.weight", torch.empty(1, 1))
        options["num_labels"] = max(1, len(classifier)) if classifier.dim() else 1
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

    Those of a `BertModel` have no "bert." before them, as transformers' have none.
    """
    theirs, kind = {}, type(model)
    for name, tensor in model.state_dict().items():
        new = _hugging_face(name, kind)
        if kind is BertModel:
            new = new.removeprefix("bert.")
        if "in_proj" in new:
            for part, piece in zip(PARTS, tensor.chunk(3)):
                theirs[new.replace("in_proj", f"self.{part}")] = piece
        else:
            theirs[new] = tensor
    for second, first in TIES.items():
        if "cls.predictions.bias" in theirs:
            theirs[second] = theirs[first]
    return theirs


def from_google(
    variables: Mapping[str, Tensor],
    kind: type[Trunk] | None = None,
    num_attention_heads: int | None = None,
    config: BertConfig | None = None,
    **changes: Any,
) -> Any:
    """Return the model of a checkpoint with the names of Google's code.

    TensorFlow reads such a checkpoint:
    ``{name: torch.tensor(reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}``
    with ``reader = tf.train.load_checkpoint(path)``.

    Args:
        variables: names and tensors; the optimizer's averages and counters are left out.
        kind: as for `from_hugging_face`.
        num_attention_heads: as for `from_hugging_face`.
        config: as for `from_hugging_face`.
        changes: as for `from_hugging_face`.

    Raises:
        ValueError: as for `from_hugging_face`, in Hugging Face's names.

    Source: google-research/bert, ``modeling.py``, ``run_pretraining.py``, ``run_squad.py``.
    """
    check_tensors(variables, "variables are")
    state = {}
    for name, tensor in variables.items():
        if SLOTS.fullmatch(name):
            continue
        new = name.replace("/", ".")
        new = re.sub(r"layer_(\d+)", r"layer.\1", new)
        new = re.sub(r"^output_(weights|bias)$", r"classifier.output_\1", new)
        new = new.replace("cls.squad.", "qa_outputs.")
        new = new.replace("cls.predictions.output_bias", "cls.predictions.bias")
        new = re.sub(r"_embeddings$", "_embeddings.weight", new)
        new = re.sub(r"LayerNorm\.(gamma|beta)$", _modern, new)
        new = new.replace("output_weights", "weight").replace("output_bias", "bias")
        if new.endswith(".kernel"):
            if tensor.dim() != 2:
                raise ValueError(f"{name} must be a matrix, got shape {tuple(tensor.shape)}")
            new, tensor = new.replace(".kernel", ".weight"), tensor.T
        state[new] = tensor
    return from_hugging_face(state, kind, num_attention_heads, config, **changes)


def to_google(model: Trunk) -> dict[str, Tensor]:
    """Return a model's weights under the names of Google's checkpoints.

    Raises:
        ValueError: a model that Google's code has not: it classifies sentences and answers
            questions, and has no heads for tagging and for choices.
    """
    if isinstance(model, BertForTokenClassification | BertForMultipleChoice):
        raise ValueError(f"Google's code has no {type(model).__name__}")
    variables = {}
    for name, tensor in to_hugging_face(model).items():
        if name in TIES:
            continue
        if isinstance(model, BertModel):
            name = f"bert.{name}"
        for pattern, new in GOOGLE:
            name = re.sub(pattern, new, name)
        variables[name] = tensor.T if name.endswith("/kernel") else tensor
    return variables


def config_from_json(text: str, **changes: Any) -> BertConfig:
    """Return the configuration in a ``config.json`` (Hugging Face) or ``bert_config.json``.

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
    names = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}
    if "hidden_act" in table:
        table["hidden_act"] = names.get(table["hidden_act"], table["hidden_act"])
    fields = {
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
        "intermediate_size", "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob",
        "max_position_embeddings", "type_vocab_size", "initializer_range", "layer_norm_eps",
        "pad_token_id",
    }  # fmt: skip
    if table.get("intermediate_size") == 4 * table.get("hidden_size", 768):
        del table["intermediate_size"]  # what ours takes without being told
    return BertConfig(**{name: table[name] for name in fields & table.keys()} | changes)


def _modern(match: re.Match[str]) -> str:
    return f"LayerNorm.{'weight' if match[1] == 'gamma' else 'bias'}"


def _hugging_face(name: str, kind: type[Trunk]) -> str:
    """Return their name of a tensor of ours; "in_proj" stands for their three."""
    if kind is BertModel:
        name = f"bert.{name}"
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
            if state[part].shape != state[parts[0]].shape or not state[part].dim():
                shapes = f"{tuple(state[part].shape)} and {tuple(state[parts[0]].shape)}"
                raise ValueError(f"{part} and {parts[0]} must have one shape, got {shapes}")
            if state[part].device != state[parts[0]].device:
                raise ValueError(f"{part} is on another device than {parts[0]}")
            if state[part].dtype != state[parts[0]].dtype:
                raise ValueError(f"{part} is of another type than {parts[0]}")
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
    lm, nsp = (f"cls.{head}" for head in ("predictions.bias", "seq_relationship.weight"))
    if lm in state:
        return BertForPreTraining if nsp in state else BertForMaskedLM
    if nsp in state:
        return BertForNextSentencePrediction
    if "qa_outputs.weight" in state:
        return BertForQuestionAnswering
    if "classifier.weight" in state:
        pooled = "bert.pooler.dense.weight" in state
        return BertForSequenceClassification if pooled else BertForTokenClassification
    return BertModel


def _config(
    state: Mapping[str, Tensor], num_attention_heads: int | None, changes: dict[str, Any]
) -> BertConfig:
    """Return the configuration that the shapes show."""
    sizes = {}
    for name in ("word", "position", "token_type"):
        full = f"bert.embeddings.{name}_embeddings.weight"
        if full not in state:
            raise ValueError(f"state_dict has no {full!r}")
        if state[full].dim() != 2 or not state[full].numel():
            raise ValueError(f"{full} must be a matrix, got shape {tuple(state[full].shape)}")
        sizes[name] = state[full].shape
    found = (re.match(r"bert\.encoder\.layer\.(\d+)\.", name) for name in state)
    layers = {match[1] for match in found if match}
    inner = state.get("bert.encoder.layer.0.intermediate.dense.weight", torch.empty(1, 1))
    hidden = sizes["word"][1]
    if num_attention_heads is None:
        if hidden not in WIDTHS:
            raise ValueError(
                f"num_attention_heads or config must be given: shapes do not show the heads of a "
                f"net of width {hidden}"
            )
        num_attention_heads = hidden // 64
    width = max(1, len(inner)) if inner.dim() else 1
    return BertConfig(
        vocab_size=sizes["word"][0], hidden_size=hidden, num_hidden_layers=max(1, len(layers)),
        num_attention_heads=num_attention_heads,
        intermediate_size=None if width == 4 * hidden else width,
        max_position_embeddings=sizes["position"][0], type_vocab_size=sizes["token_type"][0],
        **changes,
    )  # fmt: skip
