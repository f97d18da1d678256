"""The neural language model that the scores are compared with (§4.1.2; Schwenk 2007).

Shapes: B texts, T words, W windows of n − 1 words, M embedding, V words.
"""

import dataclasses
import itertools
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclasses.dataclass(frozen=True)
class CSLMConfig:
    """Sizes; the defaults are the paper's.

    Raises:
        ValueError: a size below 1, or an order below 2.
    """

    vocab_size: int = 15_000
    order: int = 7  # "7-grams": six words predict the seventh
    embedding_size: int = 512
    hidden_sizes: tuple[int, ...] = (1536, 1024)
    pad_id: int = 0

    def __post_init__(self) -> None:
        if self.order < 2:
            raise ValueError(f"order must be at least 2, got {self.order}")
        for size in (self.vocab_size, self.embedding_size, *self.hidden_sizes):
            if size < 1:
                raise ValueError(f"sizes must be at least 1, got {size}")


class CSLM(nn.Module):
    """A feed-forward language model of n-grams: embeddings side by side, ReLU layers, softmax.

    Args:
        config: sizes.
        generator: randomness of the initial weights, U(−0.01, 0.01); None: torch's own.
    """

    def __init__(self, config: CSLMConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        c = self.config = config
        self.embedding = nn.Embedding(c.vocab_size, c.embedding_size)
        sizes = [(c.order - 1) * c.embedding_size, *c.hidden_sizes]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.output = nn.Linear(sizes[-1], c.vocab_size)
        for parameter in self.parameters():
            if not parameter.is_meta:
                nn.init.uniform_(parameter, -0.01, 0.01, generator=generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Return the paper's model ("paper"), with changes.

        Raises:
            ValueError: another name.
        """
        if name != "paper":
            raise ValueError(f"no preset {name!r}; there is paper")
        return cls(dataclasses.replace(CSLMConfig(), **changes), generator)

    def forward(self, window_WN: Tensor) -> Tensor:
        """Return the logits (…, V) of the word behind each n − 1 words (…, n − 1)."""
        if window_WN.shape[-1] != self.config.order - 1:
            raise ValueError(
                f"windows must have order − 1 ({self.config.order - 1}) words, "
                f"got {window_WN.shape[-1]}"
            )
        x = self.embedding(window_WN).flatten(-2)
        for layer in self.hidden:
            x = layer(x).relu()
        return self.output(x)

    def log_probability(self, text_BT: Tensor) -> Tensor:
        """Return log p of each word given those before it (B, T), 0 at padding, in nats.

        Before the first word stands padding.
        """
        padded = F.pad(text_BT, (self.config.order - 1, 0), value=self.config.pad_id)
        windows_BTN = padded.unfold(1, self.config.order - 1, 1)[:, :-1]
        real_BT = text_BT.ne(self.config.pad_id)
        logits = self(windows_BTN[real_BT])
        found = -F.cross_entropy(logits, text_BT[real_BT], reduction="none")
        return found.new_zeros(text_BT.shape).masked_scatter(real_BT, found)

    def loss(self, text_BT: Tensor) -> Tensor:
        """Return the mean over words of −log p, in nats; perplexity is its exponential."""
        return -self.log_probability(text_BT).sum() / text_BT.ne(self.config.pad_id).sum()
