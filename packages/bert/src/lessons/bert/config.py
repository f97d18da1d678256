"""Sizes and choices, and the paper's and the released models by name (Devlin et al. 2018, §3)."""

import dataclasses
from typing import Any, Literal

Activation = Literal["gelu", "gelu_tanh", "relu"]
Direction = Literal["both", "left_to_right", "right_to_left"]


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """Sizes and choices; the defaults are the paper's base model.

    Raises:
        ValueError: a size below 1, a hidden size that the heads cannot share, a probability outside
            [0, 1), an unknown choice, or a padding id outside the vocabulary.
    """

    vocab_size: int = 30522  # §3: "a 30,000 token vocabulary"; the released uncased file has these
    hidden_size: int = 768  # H
    num_hidden_layers: int = 12  # L
    num_attention_heads: int = 12  # A
    intermediate_size: int | None = None  # None: 4H (footnote 3)
    hidden_act: Activation = "gelu"  # with erf; Google's later code: "gelu_tanh"
    hidden_dropout_prob: float = 0.1  # A.2: "on all layers"
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2  # sentence A and sentence B
    initializer_range: float = 0.02  # the paper gives none; the released code: truncated normal
    layer_norm_eps: float = 1e-12  # the paper gives none; the released code's
    pad_token_id: int = 0
    # What a token may look at. §5.1's "LTR" is "left_to_right": itself and what is on its left.
    direction: Direction = "both"
    drop_padding: bool = False  # compute nothing at padding but attention: see `padding.py`
    gradient_checkpointing: bool = False  # recompute layers in the backward pass

    def __post_init__(self) -> None:
        sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                 "max_position_embeddings", "type_vocab_size")  # fmt: skip
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.intermediate_size is not None and self.intermediate_size < 1:
            raise ValueError(
                f"intermediate_size must be None or at least 1, got {self.intermediate_size}"
            )
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size ({self.hidden_size}) must be divisible by num_attention_heads "
                f"({self.num_attention_heads})"
            )
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("initializer_range", "layer_norm_eps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        choices = {
            "hidden_act": ("gelu", "gelu_tanh", "relu"),
            "direction": ("both", "left_to_right", "right_to_left"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        if not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(
                f"pad_token_id must be in the vocabulary, 0 to {self.vocab_size - 1}, "
                f"got {self.pad_token_id}"
            )

    @property
    def feed_forward_size(self) -> int:
        """Width of the feed-forward net: 4H unless it was given."""
        return self.intermediate_size or 4 * self.hidden_size


BASE = BertConfig()


def _size(layers: int, hidden: int, heads: int, **changes: Any) -> BertConfig:
    return BertConfig(
        num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads, **changes
    )


# The number of word pieces in the files that Google released with the weights.
VOCABULARIES = {
    "uncased": 30522, "cased": 28996, "multilingual-cased": 119547,
    "multilingual-uncased": 105879, "chinese": 21128,
}  # fmt: skip

PRESETS = {
    "base": BASE,  # §3
    "large": _size(24, 1024, 16),
    # What was released: the same sizes, with the vocabularies of their texts.
    "bert-base-uncased": BASE,
    "bert-large-uncased": _size(24, 1024, 16),
    "bert-large-uncased-whole-word-masking": _size(24, 1024, 16),
    "bert-base-cased": _size(12, 768, 12, vocab_size=VOCABULARIES["cased"]),
    "bert-large-cased": _size(24, 1024, 16, vocab_size=VOCABULARIES["cased"]),
    "bert-large-cased-whole-word-masking": _size(24, 1024, 16, vocab_size=VOCABULARIES["cased"]),
    **{
        f"bert-base-{name}": _size(12, 768, 12, vocab_size=VOCABULARIES[name])
        for name in ("multilingual-cased", "multilingual-uncased", "chinese")
    },
    # Table 6, from the top
    "table6-L3-H768-A12": _size(3, 768, 12),
    "table6-L6-H768-A3": _size(6, 768, 3),
    "table6-L6-H768-A12": _size(6, 768, 12),
    "table6-L12-H768-A12": BASE,
    "table6-L12-H1024-A16": _size(12, 1024, 16),
    "table6-L24-H1024-A16": _size(24, 1024, 16),
    # The 24 smaller models that were released later (Turc et al. 2019): heads of 64.
    **{
        f"uncased_L-{layers}_H-{hidden}_A-{hidden // 64}": _size(layers, hidden, hidden // 64)
        for layers in (2, 4, 6, 8, 10, 12)
        for hidden in (128, 256, 512, 768)
    },
    "tiny": _size(2, 128, 2),
    "mini": _size(4, 256, 4),
    "small": _size(4, 512, 8),
    "medium": _size(8, 512, 8),
    # A student of BERT (Wang et al. 2020), fine-tuned to embed sentences (Reimers et al. 2019)
    "minilm-l6": _size(6, 384, 12),
}

# Table 6: held-out perplexity of the masked language model.
TABLE6_PERPLEXITY = {
    "table6-L3-H768-A12": 5.84, "table6-L6-H768-A3": 5.24, "table6-L6-H768-A12": 4.68,
    "table6-L12-H768-A12": 3.99, "table6-L12-H1024-A16": 3.54, "table6-L24-H1024-A16": 3.23,
}  # fmt: skip


def count_parameters(config: BertConfig, pooler: bool = True, pretraining: bool = False) -> int:
    r"""Return the number of parameters, from the layers' formulas alone (the tied matrix once).

    Embeddings $(V + P + S)H + 2H$; a layer $4H^2 + 2HF + 9H + F$; the pooler $H^2 + H$; the heads
    of pre-training $H^2 + 3H + V$ and $2H + 2$.

    Args:
        config: sizes.
        pooler: count the pooler.
        pretraining: count the heads of pre-training.
    """
    c = config
    h, f = c.hidden_size, c.feed_forward_size
    total = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * h + 2 * h
    total += c.num_hidden_layers * (4 * h * h + 2 * h * f + 9 * h + f)
    total += pooler * (h * h + h)
    return total + pretraining * (h * h + 3 * h + c.vocab_size + 2 * h + 2)
