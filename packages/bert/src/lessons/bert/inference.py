"""Use a model: fill in a hidden word; embed sentences.

Shapes: B batch, T length, H hidden size.
"""

import torch
from torch import Tensor

from .heads import BertForMaskedLM, BertForPreTraining
from .model import BertModel
from .wordpiece import MASK, WordPieceTokenizer


@torch.no_grad()
def fill_mask(
    model: BertForMaskedLM | BertForPreTraining,
    tokenizer: WordPieceTokenizer,
    text: str,
    k: int = 5,
) -> list[list[tuple[str, float]]]:
    """Return, for each [MASK] in a text, the k likeliest pieces with their probabilities.

    Args:
        model: in eval mode.
        tokenizer: of its vocabulary.
        text: with at least one [MASK].
        k: how many.

    Raises:
        ValueError: no [MASK], k out of range, or a model in training mode.
    """
    _check_mode(model)
    encoding = tokenizer.encode(text)
    if not 1 <= k <= tokenizer.vocab_size:
        raise ValueError(f"k must be 1 to {tokenizer.vocab_size}, got {k}")
    places = [i for i, piece in enumerate(encoding.ids) if piece == tokenizer.ids[MASK]]
    if not places:
        raise ValueError(f"the text has no {MASK}: {text!r}")
    device = model.bert.embeddings.token.weight.device
    batch = {name: ids.to(device) for name, ids in tokenizer.batch([encoding]).items()}
    hidden_BTH = model.bert(**batch).last_hidden_state[:, places]
    logits = model.masked_lm(hidden_BTH, model.bert.embeddings.token.weight)[0]
    best = logits.float().softmax(-1).topk(k)
    return [
        [(tokenizer.pieces[i], p) for p, i in zip(values, ids)]
        for values, ids in zip(best.values.tolist(), best.indices.tolist())
    ]


@torch.no_grad()
def embed(
    model: BertModel, tokenizer: WordPieceTokenizer, texts: list[str], max_length: int = 256
) -> Tensor:
    """Return a vector of length 1 for each text: the mean of its hidden states, scaled; (B, H).

    C is "not a meaningful sentence representation without fine-tuning" (footnote 6): this is how
    encoders that were fine-tuned to compare sentences are used (Reimers and Gurevych 2019).

    Raises:
        ValueError: a model in training mode.
    """
    _check_mode(model)
    if not texts:
        return model.embeddings.token.weight.new_zeros(0, model.config.hidden_size)
    batch = tokenizer.batch([tokenizer.encode(text, max_length=max_length) for text in texts])
    device = model.embeddings.token.weight.device
    batch = {name: ids.to(device) for name, ids in batch.items()}
    hidden_BTH = model(**batch).last_hidden_state
    weights_BT1 = batch["attention_mask"][..., None].to(hidden_BTH.dtype)
    mean_BH = (hidden_BTH * weights_BT1).sum(1) / weights_BT1.sum(1)
    return torch.nn.functional.normalize(mean_BH, dim=-1)


def _check_mode(model: torch.nn.Module) -> None:
    """Raise a ValueError in training mode, where dropout makes each answer another."""
    if model.training:
        raise ValueError("model must be in eval mode, got one in training mode: model.eval()")
