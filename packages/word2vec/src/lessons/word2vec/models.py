"""CBOW and skip-gram as modules (2013a, §3): two tables, nothing between them.

Shapes: B cases, C words of a context, D dimensions, V words.
"""

import dataclasses

import torch
from torch import Tensor, nn

GOOGLE_NEWS = 3_000_000  # words and phrases of the released vectors


@dataclasses.dataclass(frozen=True)
class EmbeddingConfig:
    """Sizes of the two tables.

    Attributes:
        vocab_size: words.
        vector_size: dimensions of a vector.
        hierarchical: whether the outputs are the V − 1 inner nodes of a tree instead of the words.
        cbow_mean: CBOW averages its context, as the paper says; the first released code summed.
    """

    vocab_size: int
    vector_size: int = 300
    hierarchical: bool = False
    cbow_mean: bool = True

    def __post_init__(self) -> None:
        """Refuse sizes that make no table."""
        for name in ("vocab_size", "vector_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.hierarchical and self.vocab_size < 2:
            raise ValueError(f"a tree needs two words, got vocab_size = {self.vocab_size}")


PRESETS = {
    # 2013a, whose models "use hierarchical softmax" (§2.1).
    # Table 3: "320M words, 82K vocabulary", vectors of 640.
    "table-3": EmbeddingConfig(82_000, 640, hierarchical=True),
    # Tables 4 and 5: Google News, "1 million most frequent words", vectors of 300 and 600.
    "table-5-300": EmbeddingConfig(1_000_000, 300, hierarchical=True),
    "table-5-600": EmbeddingConfig(1_000_000, 600, hierarchical=True),
    # Table 6.
    "table-6": EmbeddingConfig(1_000_000, 1000, hierarchical=True),
    # 2013b, Table 1: "a vocabulary of size 692K", vectors of 300.
    "news-neg": EmbeddingConfig(692_000, 300),
    "news-hs": EmbeddingConfig(692_000, 300, hierarchical=True),
    # The released vectors; of the model that made them only the first table was released.
    "google-news": EmbeddingConfig(GOOGLE_NEWS, 300),
}


class Embeddings(nn.Module):
    """An input vector for each word, and an output vector for each word or inner node.

    Args:
        config: the sizes.
        generator: of the first weights; None is torch's own.
        device, dtype: as for any torch module.
    """

    def __init__(
        self,
        config: EmbeddingConfig,
        generator: torch.Generator | None = None,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if not isinstance(config, EmbeddingConfig):
            raise TypeError(f"config must be an EmbeddingConfig, got {type(config).__name__}")
        self.config = config
        size, like = config.vector_size, {"device": device, "dtype": dtype}
        rows = config.vocab_size - config.hierarchical
        # Given, so that nn.Embedding draws none of its own for nothing.
        self.input, self.output = (
            nn.Embedding(n, size, _weight=torch.empty(n, size, **like))
            for n in (config.vocab_size, rows)
        )
        self.reset_parameters(generator)

    @classmethod
    def from_preset(cls, name: str, generator: torch.Generator | None = None, **changes):
        """Return the model of one of `PRESETS`.

        Args:
            name: of the preset.
            generator: of the first weights.
            changes: fields of the config to replace; ``device`` and ``dtype`` too.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        like = {key: changes.pop(key) for key in ("device", "dtype") if key in changes}
        return cls(dataclasses.replace(PRESETS[name], **changes), generator, **like)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the inputs from U(−1/2, 1/2)/D and set the outputs to zero, as the code does."""
        if not self.input.weight.is_meta:
            self.input.weight.uniform_(-0.5, 0.5, generator=generator)
            self.input.weight.div_(self.config.vector_size)
            self.output.weight.zero_()

    def extra_repr(self) -> str:
        """Return the config."""
        return repr(self.config)


class SkipGram(Embeddings):
    """Skip-gram (2013a, §3.2): the projection of a word is its vector."""

    def forward(self, input_B: Tensor) -> Tensor:
        """Return the vectors of words of any shape, with D as last dimension."""
        return self.input(input_B)


class CBOW(Embeddings):
    """Continuous bag of words (2013a, §3.1): the projection of a context is its mean vector."""

    def forward(self, input_BC: Tensor, mask_BC: Tensor | None = None) -> Tensor:
        """Return the mean of the vectors of contexts, (…, C) → (…, D).

        Args:
            input_BC: words of the contexts.
            mask_BC: which of them count; a context without any gives zeros. Without a mask and
                without a word the mean is NaN, as torch's is.
        """
        vectors_BCD = self.input(input_BC)
        if mask_BC is None:
            return vectors_BCD.mean(-2) if self.config.cbow_mean else vectors_BCD.sum(-2)
        mask_BC1 = mask_BC.unsqueeze(-1).to(vectors_BCD)
        total_BD = (vectors_BCD * mask_BC1).sum(-2)
        return total_BD / mask_BC1.sum(-2).clamp(min=1) if self.config.cbow_mean else total_BD
