"""Weights by the names of transformers: GPT2LMHeadModel and GPT2ForSequenceClassification."""

import os
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from . import files
from .config import GPTConfig
from .files import State, filled, matched
from .model import GPT
from .reward import RewardModel

TRANSPOSED = re.compile(r"(c_attn|c_proj|c_fc)\.weight$")  # their Conv1D keeps (in, out)
# Buffers of older checkpoints, which hold no weights.
MASKS = re.compile(r"\.attn\.(bias|masked_bias)$")


def load(path: str | os.PathLike) -> State:
    """Return the state dict in a file; see `files.load`."""
    return files.load(path)


def save(path: str | os.PathLike, state_dict: Mapping[str, Tensor], **metadata: str) -> None:
    """Write a state dict as safetensors, atomically; see `files.save`."""
    files.save(path, state_dict, metadata or None)


def _theirs(name: str) -> str:
    return re.sub(r"^(h\.\d+\.)(c_fc|c_proj)\.", r"\1mlp.\2.", name)


def _config(state: State, n_head: int) -> GPTConfig:
    layers = {int(found[1]) for name in state if (found := re.match(r"h\.(\d+)\.", name))}
    for name in ("wte.weight", "wpe.weight"):
        if name not in state or state[name].dim() != 2:
            raise ValueError(f"state_dict has no matrix {name!r}: is it a GPT-2?")
    (vocab, width), (positions, _) = state["wte.weight"].shape, state["wpe.weight"].shape
    return GPTConfig(vocab, positions, width, len(layers) or 1, n_head)


def _stripped(state_dict: Mapping[str, Tensor]) -> State:
    files.check_tensors(state_dict)
    names = {name.removeprefix("transformer."): t for name, t in state_dict.items()}
    return {
        name: t.mT if TRANSPOSED.search(name) and t.dim() == 2 else t
        for name, t in names.items()
        if not MASKS.search(name)
    }


def from_transformers(state_dict: Mapping[str, Tensor], n_head: int) -> GPT:
    """Return a policy with the weights of transformers' GPT-2, with or without its ``lm_head``.

    Args:
        state_dict: of ``GPT2LMHeadModel`` or ``GPT2Model``.
        n_head: heads; the weights do not tell.

    Raises:
        ValueError: missing, left over, or misshapen tensors; an output matrix of its own.
    """
    state = _stripped(state_dict)
    head = state.pop("lm_head.weight", None)
    if head is not None and not torch.equal(head, state["wte.weight"]):
        raise ValueError("lm_head.weight differs from wte.weight: only tied weights can be read")
    return _filled(state, n_head)


def reward_from_transformers(state_dict: Mapping[str, Tensor], n_head: int) -> RewardModel:
    """Return a reward model with the weights of ``GPT2ForSequenceClassification``, one label.

    Args:
        state_dict: with ``score.weight`` (1, d).
        n_head: heads; the weights do not tell.

    Raises:
        ValueError: missing, left over, or misshapen tensors.
    """
    state = _stripped(state_dict)
    if "score.weight" not in state:
        raise ValueError("state_dict has no 'score.weight': it is no reward model")
    score = state.pop("score.weight")
    if score.shape != (1, state["wte.weight"].shape[1]):
        raise ValueError(f"score.weight must have one row, num_labels=1, got {(*score.shape,)}")
    model = RewardModel(_filled(state, n_head))
    with torch.no_grad():
        model.score.weight.copy_(score)
    return model.eval()


def _filled(state: State, n_head: int) -> GPT:
    with torch.device("meta"):
        model = GPT(_config(state, n_head))
    filled(model, matched(model.state_dict(), state, _theirs))
    return model


def to_transformers(model: GPT) -> State:
    """Return the state dict that ``GPT2LMHeadModel`` loads (its tied head included)."""
    state = {
        f"transformer.{_theirs(name)}": t.mT if TRANSPOSED.search(name) else t
        for name, t in model.state_dict().items()
    }
    return state | {"lm_head.weight": model.wte.weight.detach()}


def reward_to_transformers(model: RewardModel) -> State:
    """Return the state dict that ``GPT2ForSequenceClassification`` loads.

    Raises:
        ValueError: a reward model that was normalized: their layout has no place for the shift.
    """
    if model.shift != 0 or model.scale != 1:
        shown = f"shift {model.shift.item():.4g}, scale {model.scale.item():.4g}"
        raise ValueError(f"transformers' layout has no place for a normalization ({shown})")
    state = to_transformers(model.backbone)
    del state["lm_head.weight"]
    return state | {"score.weight": model.score.weight.detach()}
