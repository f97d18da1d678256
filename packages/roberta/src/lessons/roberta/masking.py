"""Which tokens are hidden: anew each time (dynamic), or once and for all (Liu et al. 2019, §4.1).

Shapes: B batch, T length, C copies.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

IGNORED = -100


def dynamic_mask(
    input_ids: Tensor,
    special_ids: Sequence[int],
    mask_token_id: int,
    vocab_size: int,
    probability: float = 0.15,
    generator: torch.Generator | None = None,
    pad_token_id: int = 1,
) -> tuple[Tensor, Tensor]:
    """Choose tokens to be predicted, and hide them; every call draws anew.

    In each sequence 15% of the tokens that may be chosen are, rounded, at least one. Of those 80%
    become ``<mask>``, 10% stay, 10% become any token that is not special. The released code takes
    15% of all tokens, ``<s>`` and ``</s>`` among them.

    Args:
        input_ids: ids (B, T).
        special_ids: ids that are never chosen, nor drawn in the place of others: ``<s>``,
            ``<pad>``, ``</s>``, ``<unk>``, ``<mask>``. The last, and the padding, need not be here.
        mask_token_id: of ``<mask>``.
        vocab_size: V.
        probability: of a token to be chosen.
        generator: randomness, on the ids' device.
        pad_token_id: of ``<pad>``.

    Returns:
        The ids with some tokens hidden, and the labels: the true id where one was chosen, else
        -100; both (B, T).

    Raises:
        ValueError: ids that are not (B, T), a probability that is not between 0 and 1, a ``<mask>``
            or ``<pad>`` outside the vocabulary, or nothing but special ids.

    Source: §2.3; §4.1, "the masking pattern every time we feed a sequence to the model".
    """
    if input_ids.dim() != 2:
        raise ValueError(f"input_ids must have shape (batch, length), got {tuple(input_ids.shape)}")
    if not 0 < probability < 1:
        raise ValueError(f"probability must lie between 0 and 1, got {probability}")
    if not 0 <= mask_token_id < vocab_size:
        raise ValueError(f"mask_token_id must be 0 to {vocab_size - 1}, got {mask_token_id}")
    if not 0 <= pad_token_id < vocab_size:
        raise ValueError(f"pad_token_id must be 0 to {vocab_size - 1}, got {pad_token_id}")
    device = input_ids.device
    special = torch.tensor(sorted({*special_ids, mask_token_id, pad_token_id}), device=device)
    ordinary = torch.ones(vocab_size, dtype=torch.bool, device=device)
    ordinary[special] = False
    ordinary_ids = ordinary.nonzero().squeeze(1)
    if not len(ordinary_ids):
        raise ValueError(f"special_ids are all {vocab_size} of the vocabulary")

    special_BT = torch.isin(input_ids, special)
    free_B = (~special_BT).sum(-1)
    wanted_B = (free_B * probability).round().clamp(min=1).long().minimum(free_B)
    # The tokens in a random order, specials last: the first ones are chosen.
    order_BT = torch.rand(input_ids.shape, generator=generator, device=device)
    order_BT = order_BT.masked_fill(special_BT, 2.0).argsort(-1).argsort(-1)
    chosen_BT = order_BT < wanted_B[:, None]

    fate_BT = torch.rand(input_ids.shape, generator=generator, device=device)
    draw_BT = torch.randint(len(ordinary_ids), input_ids.shape, generator=generator, device=device)
    hidden_BT = torch.where(
        chosen_BT & (fate_BT >= 0.9), ordinary_ids[draw_BT].to(input_ids.dtype), input_ids
    )
    hidden_BT = hidden_BT.masked_fill(chosen_BT & (fate_BT < 0.8), mask_token_id)
    return hidden_BT, input_ids.masked_fill(~chosen_BT, IGNORED)


def static_masks(
    input_ids: Tensor,
    special_ids: Sequence[int],
    mask_token_id: int,
    vocab_size: int,
    copies: int = 10,
    probability: float = 0.15,
    generator: torch.Generator | None = None,
    pad_token_id: int = 1,
) -> tuple[Tensor, Tensor]:
    """Return the text ``copies`` times, each copy masked once for all: what BERT did.

    Args:
        input_ids: ids (B, T) of the whole text.
        special_ids: as for `dynamic_mask`.
        mask_token_id: as for `dynamic_mask`.
        vocab_size: as for `dynamic_mask`.
        copies: C; pass p through the text reads copy p modulo C.
        probability: as for `dynamic_mask`.
        generator: randomness.
        pad_token_id: as for `dynamic_mask`.

    Returns:
        Hidden ids and labels, (C, B, T).

    Raises:
        ValueError: fewer than one copy; and as for `dynamic_mask`.

    Source: §4.1: ten copies over 40 epochs, each mask seen four times.
    """
    if copies < 1:
        raise ValueError(f"copies must be at least 1, got {copies}")
    made = [
        dynamic_mask(
            input_ids, special_ids, mask_token_id, vocab_size, probability, generator, pad_token_id
        )
        for _ in range(copies)
    ]
    hidden, labels = zip(*made)
    return torch.stack(hidden), torch.stack(labels)
