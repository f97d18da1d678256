"""Which tokens are to be predicted, and what stands in their place (Devlin et al. 2018, §3.1, C.2).

Shapes: B batch, T length.
"""

from typing import NamedTuple

import torch
from torch import Tensor

IGNORED = -100


class Strategy(NamedTuple):
    """What a chosen token becomes: each with a probability."""

    mask: float  # [MASK]
    same: float  # what it is
    random: float  # any token of the vocabulary


BERT = Strategy(0.8, 0.1, 0.1)

# Table 8, from the top: mask, same, random.
TABLE8 = {
    "80-10-10": BERT,
    "100-0-0": Strategy(1.0, 0.0, 0.0),
    "80-0-20": Strategy(0.8, 0.0, 0.2),
    "80-20-0": Strategy(0.8, 0.2, 0.0),
    "0-20-80": Strategy(0.0, 0.2, 0.8),
    "0-0-100": Strategy(0.0, 0.0, 1.0),
}


def mask_tokens(
    input_ids: Tensor,
    special_mask: Tensor,
    mask_token_id: int,
    vocab_size: int,
    probability: float = 0.15,
    strategy: Strategy = BERT,
    max_predictions: int | None = None,
    continues: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose tokens to be predicted, and hide them.

    In each sequence 15% of the tokens that may be chosen are, rounded, at least one. The released
    code takes 15% of all tokens, [CLS] and [SEP] among them, which it never chooses either. It
    makes ten copies of the text, each masked once for all; here every call masks anew.

    Args:
        input_ids: ids (B, T).
        special_mask: (B, T), 1 or True where no token may be chosen: specials and padding.
        mask_token_id: of [MASK].
        vocab_size: random tokens are drawn from the whole vocabulary, so that one may be special,
            or the true one, as in the released code.
        probability: of a token to be chosen.
        strategy: what the chosen become; `TABLE8` has those of the paper's ablation.
        max_predictions: no more in a sequence (the released code: 20 of 128).
        continues: (B, T), True at a piece that continues the word before it, such as
            ``tokenizer.inner()[ids]``: whole words are then chosen, in a random order, each if all
            of its pieces still fit into the 15%; what a piece becomes is drawn for each by itself.
            Later than the paper (the released code of May 2019), which gives "no special
            consideration" to parts of words (A.2). None: pieces are chosen one by one.
        generator: randomness, on the ids' device.

    Returns:
        The ids with some tokens hidden, and the labels: the true id where one was chosen, else
        -100; both (B, T).

    Raises:
        ValueError: shapes that differ, probabilities that are none or do not sum to 1, a [MASK]
            outside the vocabulary, or no prediction allowed.

    Source: §3.1, task 1; A.1; C.2 and Table 8; A.2, "a uniform masking rate of 15%".
    """
    if input_ids.dim() != 2 or special_mask.shape != input_ids.shape:
        raise ValueError(
            f"input_ids and special_mask must have one shape (batch, length), got "
            f"{tuple(input_ids.shape)} and {tuple(special_mask.shape)}"
        )
    if not 0 <= probability <= 1:
        raise ValueError(f"probability must be in [0, 1], got {probability}")
    if not all(0 <= p <= 1 for p in strategy) or abs(sum(strategy) - 1) > 1e-6:
        raise ValueError(f"strategy must be probabilities that sum to 1, got {tuple(strategy)}")
    if not 0 <= mask_token_id < vocab_size:
        raise ValueError(f"mask_token_id must be 0 to {vocab_size - 1}, got {mask_token_id}")
    if continues is not None and continues.shape != input_ids.shape:
        raise ValueError(
            f"continues must have the shape of input_ids, {tuple(input_ids.shape)}, "
            f"got {tuple(continues.shape)}"
        )
    if max_predictions is not None and max_predictions < 1:
        raise ValueError(f"max_predictions must be at least 1, got {max_predictions}")
    device, special_BT = input_ids.device, special_mask != 0
    free_B = (~special_BT).sum(-1)
    wanted_B = (free_B * probability).round().clamp(min=float(probability > 0)).long()
    wanted_B = wanted_B.minimum(free_B)
    if max_predictions is not None:
        wanted_B = wanted_B.clamp(max=max_predictions)
    # The tokens in a random order, specials last: the first ones are chosen.
    order_BT = torch.rand(input_ids.shape, generator=generator, device=device)
    order_BT = order_BT.masked_fill(special_BT, 2.0).argsort(-1).argsort(-1)
    if continues is None:
        chosen_BT = order_BT < wanted_B[:, None]
    else:
        chosen_BT = _whole_words(order_BT, continues != 0, special_BT, wanted_B)

    fate_BT = torch.rand(input_ids.shape, generator=generator, device=device)
    random_BT = torch.randint(vocab_size, input_ids.shape, generator=generator, device=device)
    to_mask_BT = chosen_BT & (fate_BT < strategy.mask)
    to_random_BT = chosen_BT & (fate_BT >= strategy.mask + strategy.same)
    hidden_BT = torch.where(to_random_BT, random_BT.to(input_ids.dtype), input_ids)
    hidden_BT = hidden_BT.masked_fill(to_mask_BT, mask_token_id)
    return hidden_BT, input_ids.masked_fill(~chosen_BT, IGNORED)


def _whole_words(
    order_BT: Tensor, continues_BT: Tensor, special_BT: Tensor, wanted_B: Tensor
) -> Tensor:
    """Return the tokens of words that are taken in the order of their first ones, while they fit.

    A word that does not fit is passed over for the next one, so that a sequence may have fewer
    tokens than are wanted, or none. W counts the words of the batch's longest row.
    """
    word_BT = ((~continues_BT | special_BT).cumsum(-1) - 1).clamp(min=0)
    free_BT = ~special_BT
    size_BW = torch.zeros_like(order_BT).scatter_add(1, word_BT, free_BT.to(order_BT.dtype))
    last_BW = torch.full_like(order_BT, order_BT.shape[1])
    first_BW = last_BW.scatter_reduce(1, word_BT, order_BT, "amin")
    turn_BW = first_BW.argsort(-1)
    sorted_BW, taken_BW = size_BW.gather(1, turn_BW), torch.zeros_like(special_BT)
    total_B = torch.zeros_like(wanted_B)
    for w in range(order_BT.shape[1]):
        size_B = sorted_BW[:, w]
        fits_B = (size_B > 0) & (total_B + size_B <= wanted_B)
        total_B = total_B + size_B * fits_B
        taken_BW[:, w] = fits_B
    chosen_BW = torch.zeros_like(taken_BW).scatter(1, turn_BW, taken_BW)
    return chosen_BW.gather(1, word_BT) & free_BT


def next_token_labels(
    input_ids: Tensor, special_mask: Tensor, direction: str = "left_to_right"
) -> Tensor:
    """Return what a one-sided language model predicts: at each place the token beside it.

    Args:
        input_ids: ids (B, T), none of them hidden.
        special_mask: (B, T), True at tokens that are not to be predicted: [CLS] and padding, and
            [SEP] if one likes.
        direction: "left_to_right": the token on the right; "right_to_left": that on the left.

    Returns:
        Labels (B, T), -100 where there is nothing to predict.

    Raises:
        ValueError: another direction, or shapes that differ.

    Source: §5.1, "LTR & No NSP".
    """
    if direction not in ("left_to_right", "right_to_left"):
        raise ValueError(f"direction must be left_to_right or right_to_left, got {direction!r}")
    if special_mask.shape != input_ids.shape:
        raise ValueError(
            f"special_mask must have the shape of input_ids, {tuple(input_ids.shape)}, "
            f"got {tuple(special_mask.shape)}"
        )
    labels_BT = input_ids.masked_fill(special_mask != 0, IGNORED)
    nothing_B1 = labels_BT.new_full((len(labels_BT), 1), IGNORED)
    if direction == "left_to_right":
        return torch.cat([labels_BT[:, 1:], nothing_B1], 1)
    return torch.cat([nothing_B1, labels_BT[:, :-1]], 1)
