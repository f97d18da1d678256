"""Drop padding: compute only what stands for a token (no part of the paper; the results are equal).

Shapes: B batch, T length, N tokens of the whole batch that are no padding, H hidden size.

Sentences of unequal length are filled up to the longest one of the batch, and a plain encoder
computes all of it. Here the rows (N, H) that stand for tokens are taken out, and every matrix of
the encoder sees only those; attention, for which a sequence must be whole, gets them back at their
places, with zeros between.
"""

import torch
from torch import Tensor


class Packing:
    """Where the tokens of a padded batch stand.

    Args:
        mask_BT: bool, True at tokens, False at padding, which may stand anywhere.
    """

    def __init__(self, mask_BT: Tensor) -> None:
        self.shape = mask_BT.shape
        self.where_N = mask_BT.flatten().nonzero().squeeze(1)

    def pack(self, x_BTH: Tensor) -> Tensor:
        """Return the rows at tokens: (B, T, …) -> (N, …)."""
        return x_BTH.flatten(0, 1).index_select(0, self.where_N)

    def unpack(self, x_NH: Tensor) -> Tensor:
        """Return rows to their places, with zeros at padding: (N, …) -> (B, T, …)."""
        b, t = self.shape
        empty = x_NH.new_zeros(b * t, *x_NH.shape[1:])
        return empty.index_copy(0, self.where_N, x_NH).unflatten(0, (b, t))


def visible(mask_BT: Tensor | None, direction: str, x_BTH: Tensor) -> Tensor | None:
    """Return what each query may look at, broadcastable to (B, heads, T, T); None: everything.

    Args:
        mask_BT: bool, False at padding, which nobody looks at.
        direction: "both"; "left_to_right": itself and what is on its left; "right_to_left".
        x_BTH: of the length T, on the device that is wanted.
    """
    seen = None if mask_BT is None else mask_BT[:, None, None, :]
    if direction != "both":
        length = x_BTH.shape[1]
        square_QK = x_BTH.new_ones(length, length, dtype=torch.bool)
        sided_QK = square_QK.tril() if direction == "left_to_right" else square_QK.triu()
        seen = sided_QK if seen is None else seen & sided_QK
    return seen
