"""Use a model: fill in a hidden token."""

import torch

from .heads import RobertaForMaskedLM, RobertaForPreTraining
from .tokenizer import RobertaTokenizer
from .vocabulary import MASK


@torch.no_grad()
def fill_mask(
    model: RobertaForMaskedLM | RobertaForPreTraining,
    tokenizer: RobertaTokenizer,
    text: str,
    k: int = 5,
) -> list[list[tuple[str, float]]]:
    """Return, for each ``<mask>`` in a text, the k likeliest tokens with their probabilities.

    Args:
        model: it computes in eval mode, and is left in the mode it was in.
        tokenizer: of its vocabulary.
        text: with at least one ``<mask>``; a blank before it belongs to what it hides.
        k: how many.

    Raises:
        ValueError: no ``<mask>``, more tokens than positions, or k out of range.
    """
    ids = tokenizer.encode(text, max_length=len(text.encode()) + 3).ids
    if not 1 <= k <= tokenizer.vocab_size:
        raise ValueError(f"k must be 1 to {tokenizer.vocab_size}, got {k}")
    places = [i for i, token in enumerate(ids) if token == tokenizer.mask_id]
    if not places:
        raise ValueError(f"the text has no {MASK}: {text!r}")
    matrix_VH = model.roberta.embeddings.token.weight
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        hidden_BTH = model.roberta(torch.tensor([ids], device=matrix_VH.device)).last_hidden_state
        logits = model.masked_lm(hidden_BTH[:, places], matrix_VH)[0]
    finally:
        for module, training in modes:
            module.training = training
    best = logits.float().softmax(-1).topk(k)
    return [
        [(tokenizer.decode([i]), p) for p, i in zip(values, ids)]
        for values, ids in zip(best.values.tolist(), best.indices.tolist())
    ]
