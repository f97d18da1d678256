"""From a state to the next word: a maxout layer, then a softmax (App. A).

Shapes: … any, n states, m embeddings, C context, l pairs, K words.
"""

import torch
from torch import Tensor, nn


class MaxoutReadout(nn.Module):
    r"""The deep output: $s' = O_h h + O_y e(y) + O_c c$, pairs' maxima, softmax.

    Args:
        state_size: n.
        embedding_size: m.
        context_size: C; None: the readout sees no context.
        maxout_size: l, so that the hidden layer has 2l numbers.
        vocab_size: K.
        rank: G as a product G_l G_r through so many numbers; None: one matrix.
        bias: one for the hidden layer and one for the softmax.
        generator: randomness of the initial weights (§4.1.1).
    """

    def __init__(
        self,
        state_size: int,
        embedding_size: int,
        context_size: int | None,
        maxout_size: int,
        vocab_size: int,
        rank: int | None = None,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.state = nn.Linear(state_size, 2 * maxout_size, bias=bias)  # O_h
        self.word = nn.Linear(embedding_size, 2 * maxout_size, bias=False)  # O_y
        self.context = None
        if context_size is not None:
            self.context = nn.Linear(context_size, 2 * maxout_size, bias=False)  # O_c
        self.low = None if rank is None else nn.Linear(maxout_size, rank, bias=False)  # G_r
        self.output = nn.Linear(maxout_size if rank is None else rank, vocab_size, bias=bias)  # G_l
        start_small(self, generator)

    def hidden(self, h: Tensor, word: Tensor, from_context: Tensor | None = None) -> Tensor:
        """Return s (…, l) of states (…, n), embeddings (…, m) and O_c c (…, 2l)."""
        pairs = self.state(h) + self.word(word)
        return maxout(pairs if from_context is None else pairs + from_context)

    def logits(self, s: Tensor) -> Tensor:
        """Return the logits (…, K) of s."""
        return self.output(s if self.low is None else self.low(s))


class LinearReadout(nn.Module):
    """Logits straight from the state, as small released models have them.

    Args:
        state_size: n.
        vocab_size: K.
        rank: G as a product through so many numbers; None: one matrix.
        bias: of the softmax.
        generator: randomness of the initial weights.
    """

    context = None

    def __init__(
        self,
        state_size: int,
        vocab_size: int,
        rank: int | None = None,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.low = None if rank is None else nn.Linear(state_size, rank, bias=False)
        self.output = nn.Linear(state_size if rank is None else rank, vocab_size, bias=bias)
        start_small(self, generator)

    def hidden(self, h: Tensor, word: Tensor, from_context: Tensor | None = None) -> Tensor:
        """Return the state itself: neither word nor context is seen."""
        return h

    def logits(self, s: Tensor) -> Tensor:
        """Return the logits (…, K) of a state."""
        return self.output(s if self.low is None else self.low(s))


def maxout(x: Tensor) -> Tensor:
    """Return the larger of each pair of neighbours: (…, 2l) to (…, l) (App. A).

    Raises:
        ValueError: an odd width.

    Source: Goodfellow et al. 2013.
    """
    if x.shape[-1] % 2:
        raise ValueError(f"maxout takes pairs, and {x.shape[-1]} is odd")
    return torch.maximum(x[..., 0::2], x[..., 1::2])


@torch.no_grad()
def start_small(module: nn.Module, generator: torch.Generator | None) -> None:
    """Fill matrices from N(0, 0.01²) and biases with 0 (§4.1.1)."""
    for parameter in module.parameters():
        if parameter.is_meta:
            return
        if parameter.dim() > 1:
            parameter.normal_(0, 0.01, generator=generator)
        else:
            parameter.zero_()
