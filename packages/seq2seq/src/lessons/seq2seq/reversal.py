"""Reversing the source (§2, §3.3): what turns "a b c" round, and what it does to the lags.

Shapes: B batch, S source positions.
"""

from collections.abc import Iterable

import torch
from torch import Tensor


def reverse_padded(ids_BS: Tensor, length_B: Tensor) -> Tensor:
    """Turn each sentence round within its own length; padding stays behind it.

    A padded tensor that is simply flipped begins with padding, and a padded sentence with the
    words far from the translation.

    Args:
        ids_BS: (B, S) or (B, S, …), padded on the right.
        length_B: how many of each row are words.

    Raises:
        ValueError: a length below 1 or above S, or not one for each row.
    """
    length_B = checked_lengths(length_B, ids_BS)
    place_S = torch.arange(ids_BS.shape[1], device=ids_BS.device)
    from_BS = length_B[:, None] - 1 - place_S
    from_BS = torch.where(from_BS < 0, place_S, from_BS)
    return _picked(ids_BS, from_BS)


def to_the_end(ids_BS: Tensor, length_B: Tensor) -> Tensor:
    """Move the padding of each row before its words: all sentences end at the last place."""
    size = ids_BS.shape[1]
    place_S = torch.arange(size, device=ids_BS.device)
    return _picked(ids_BS, (place_S + length_B[:, None]) % size)


def to_the_start(ids_BS: Tensor, length_B: Tensor) -> Tensor:
    """Undo `to_the_end`."""
    size = ids_BS.shape[1]
    place_S = torch.arange(size, device=ids_BS.device)
    return _picked(ids_BS, (place_S - length_B[:, None]) % size)


def _picked(x_BS: Tensor, from_BS: Tensor) -> Tensor:
    index = from_BS[(..., *(None,) * (x_BS.dim() - 2))].expand_as(x_BS)
    return x_BS.gather(1, index)


def checked_lengths(length_B: Tensor, ids_BS: Tensor) -> Tensor:
    """Return the lengths, after a look at all that could be wrong with them."""
    length_B = torch.as_tensor(length_B, device=ids_BS.device)
    if length_B.shape != ids_BS.shape[:1]:
        raise ValueError(
            f"lengths must be one for each of {len(ids_BS)} sentences, "
            f"got shape {tuple(length_B.shape)}"
        )
    if length_B.is_floating_point() or length_B.dtype == torch.bool:
        raise TypeError(f"lengths must be integers, got {length_B.dtype}")
    if torch.compiler.is_compiling() or length_B.is_meta:
        return length_B
    wrong = (length_B < 1) | (length_B > ids_BS.shape[1])
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"lengths must lie in 1 … {ids_BS.shape[1]} (the width of {tuple(ids_BS.shape)}), "
            f"got {int(length_B[row])} at row {row}"
        )
    return length_B


def lags(source_length: int, pairs: Iterable[tuple[int, int]], reverse_source: bool) -> list[int]:
    """Return how many words lie between each source word and its counterpart (§3.3).

    Both sentences are read as one, the source first: of "a b c" and "α β γ" each word is 3 words
    behind its counterpart; of "c b a" and "α β γ" they are 1, 3 and 5.

    Args:
        source_length: words of the source.
        pairs: (source word, target word) that correspond, both from 0.
        reverse_source: whether the source is read from its end.
    """
    read = (lambda i: source_length - 1 - i) if reverse_source else (lambda i: i)
    return [source_length + j - read(i) for i, j in pairs]
