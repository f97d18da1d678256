"""LATER: relatives of dropout, which drop weights, branches, time-constant units or words.

Shapes: B cases, T steps, D features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dropout import Dropout, check_probability, dropout


class DropConnect(nn.Linear):
    """A linear layer whose weights are dropped, one mask per call, kept in scale by 1/(1 − p).

    Wan et al. 2013 draw a mask for each case and approximate the evaluation by Gaussians; this is
    the simple form with one mask for the batch and the mean in evaluation.

    Args:
        in_features, out_features: as in `torch.nn.Linear`.
        p: the probability of dropping a weight (retention = 1 − p).
    """

    def __init__(self, in_features: int, out_features: int, p: float = 0.5, **linear) -> None:
        super().__init__(in_features, out_features, **linear)
        check_probability(p)
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        """Map (…, in_features) to (…, out_features)."""
        return F.linear(input, dropout(self.weight, self.p, self.training), self.bias)


class DropPath(Dropout):
    """Drop a whole branch of a residual net for a case (Huang et al. 2016). As `Dropout`."""

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        """Return (B, 1, …)."""
        return (x.shape[0], *(1,) * (x.ndim - 1))


class LockedDropout(Dropout):
    """One mask for all steps of a sequence (B, T, D) (Gal and Ghahramani 2016). As `Dropout`.

    A fresh mask at each step would erase what a recurrent net remembers.
    """

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        """Return (B, 1, D)."""
        if x.ndim != 3:
            raise ValueError(f"the input must be (B, T, D), its shape is {tuple(x.shape)}")
        return (x.shape[0], 1, x.shape[2])


def embedding_dropout(
    words: Tensor,
    weight: Tensor,
    p: float,
    training: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Look words up, some of the vocabulary dropped everywhere (Gal and Ghahramani 2016).

    Args:
        words: (…), int64.
        weight: (V, D).
        p: the probability of dropping a word (retention = 1 − p).
        training: whether to drop.
        generator: of the mask.

    Returns:
        (…, D).
    """
    shape = (weight.shape[0], 1)
    return F.embedding(words, dropout(weight, p, training, generator=generator, shape=shape))
