"""From a state to the next word: a maxout layer, then a softmax (A.2.2).

Shapes: … any, n states, m embeddings, 2n contexts, l pairs, K_y words.
"""

import torch
from torch import Tensor, nn


class MaxoutReadout(nn.Module):
    r"""The deep output (A.2.2): $\tilde t = U_o s + V_o E y + C_o c$, pairs' maxima, softmax.

    Args:
        state_size: n.
        embedding_size: m.
        context_size: 2n.
        maxout_size: l, so that the hidden layer has 2l numbers.
        vocab_size: K_y.
        rank: factorise W_o through so many numbers, as the released code; None: as the paper.
        bias: one for the hidden layer and one for the softmax.
        dropout: of the pairs' maxima.
        generator: randomness of the initial weights (B.1).
    """

    def __init__(
        self,
        state_size: int,
        embedding_size: int,
        context_size: int,
        maxout_size: int,
        vocab_size: int,
        rank: int | None = None,
        bias: bool = True,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.state = nn.Linear(state_size, 2 * maxout_size, bias=bias)  # U_o
        self.word = nn.Linear(embedding_size, 2 * maxout_size, bias=False)  # V_o
        self.context = nn.Linear(context_size, 2 * maxout_size, bias=False)  # C_o
        self.dropout = nn.Dropout(dropout)
        self.low = None if rank is None else nn.Linear(maxout_size, rank, bias=False)
        self.output = nn.Linear(maxout_size if rank is None else rank, vocab_size, bias=bias)  # W_o
        self.reset_parameters(generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Start as B.1: N(0, 0.01²), biases 0."""
        start_small(self, generator)

    def hidden(self, s: Tensor, word: Tensor, c: Tensor) -> Tensor:
        """Return t_i (…, l) of states (…, n), embeddings (…, m) and contexts (…, 2n)."""
        return maxout(self.state(s) + self.word(word) + self.context(c))

    def forward(self, s: Tensor, word: Tensor, c: Tensor) -> Tensor:
        """Return the logits (…, K_y)."""
        return self.logits(self.hidden(s, word, c))

    def logits(self, t: Tensor) -> Tensor:
        """Return the logits (…, K_y) of t_i."""
        t = self.dropout(t)
        return self.output(t if self.low is None else self.low(t))


def maxout(x: Tensor) -> Tensor:
    """Return the larger of each pair of neighbours: (…, 2l) to (…, l) (A.2.2).

    Raises:
        ValueError: an odd width.

    Source: Goodfellow et al. 2013.
    """
    if x.shape[-1] % 2:
        raise ValueError(f"maxout takes pairs, and {x.shape[-1]} is odd")
    return torch.maximum(x[..., 0::2], x[..., 1::2])


@torch.no_grad()
def start_small(module: nn.Module, generator: torch.Generator | None) -> None:
    """Fill matrices from N(0, 0.01²) and biases with 0 (B.1)."""
    for parameter in module.parameters():
        if parameter.is_meta:
            return
        if parameter.dim() > 1:
            parameter.normal_(0, 0.01, generator=generator)
        else:
            parameter.zero_()
