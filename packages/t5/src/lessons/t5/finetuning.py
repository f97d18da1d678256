"""Changing a part of the weights: adapters, gradual unfreezing (Raffel et al. 2020, §3.5.1)."""

import dataclasses
from typing import Any, TypeVar

import torch
from torch import nn

from .language_model import LanguageModel
from .model import T5ForConditionalGeneration
from .stack import T5LayerNorm

Model = TypeVar("Model", T5ForConditionalGeneration, LanguageModel)


def with_adapters(model: Model, dim: int, generator: torch.Generator | None = None) -> Model:
    """Return a copy of a model with a small net after each feed-forward net; only they will learn.

    The adapter is one more sub-layer: norm, dense, ReLU, dense, dropout, sum. Its last matrix
    begins at zero, so that the copy computes what the model does. Layer norms learn as well.

    Args:
        model: pre-trained.
        dim: inner width, 32 to 2,048 in Table 10.
        generator: randomness of the new weights.

    Raises:
        ValueError: a width below 1, or a model that has adapters.

    Source: §3.5.1; Houlsby et al. 2019.
    """
    if model.config.adapter_dim is not None:
        raise ValueError(f"model has adapters already, of width {model.config.adapter_dim}")
    kind: Any = type(model)
    same = {"prefix": model.prefix} if isinstance(model, LanguageModel) else {}
    config = dataclasses.replace(model.config, adapter_dim=dim)
    new = kind(config, generator=generator, **same)
    weight = model.shared.weight
    new.to(weight.device, weight.dtype).train(model.training)
    kept = new.load_state_dict(model.state_dict(), strict=False)
    assert not kept.unexpected_keys
    for name, parameter in new.named_parameters():
        parameter.requires_grad_("adapter" in name)
    for module in new.modules():
        if isinstance(module, T5LayerNorm):
            module.weight.requires_grad_(True)
    return new


def unfreeze(model: T5ForConditionalGeneration | LanguageModel, episode: int) -> None:
    """Let the top ``episode`` blocks of each stack learn, and nothing below them.

    The embeddings, which are the output matrix as well, learn throughout; so do the last norms,
    which stand above all blocks, and the scalars of position, which all blocks use.

    Args:
        model: pre-trained.
        episode: from 1 (the last block of each stack) on. Stacks of unequal heights keep step from
            the top.

    Raises:
        ValueError: an episode below 1, or a model with adapters, whose other weights are to stay.

    Source: §3.5.1, where it rises by one after each twelfth of the steps.
    """
    if episode < 1:
        raise ValueError(f"episode must be at least 1, got {episode}")
    if model.config.adapter_dim is not None:
        raise ValueError("model must have no adapters, beside which nothing else learns")
    model.requires_grad_(True)
    one = isinstance(model, LanguageModel)
    stacks: list[Any] = [model.decoder] if one else [model.encoder, model.decoder]
    for stack in stacks:
        blocks: nn.ModuleList = stack.blocks
        for block in list(blocks)[: max(0, len(blocks) - episode)]:
            block.requires_grad_(False)
    for stack in stacks if model.config.share_stacks else ():
        for block in list(stack.blocks)[-episode:]:
            block.requires_grad_(True)
