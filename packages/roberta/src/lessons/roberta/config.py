"""Sizes and choices, and the released models by name (Liu et al. 2019, §2.2, Table 9)."""

import dataclasses
from typing import Literal

Activation = Literal["gelu", "relu"]


@dataclasses.dataclass(frozen=True)
class RobertaConfig:
    """Sizes and choices; the defaults are the paper's base model with its byte-level vocabulary.

    Raises:
        ValueError: a size below 1, a hidden size that the heads cannot share, a probability outside
            [0, 1), an unknown activation, a padding id outside the vocabulary, or no position left
            behind those that padding takes.
    """

    vocab_size: int = 50265  # §4.4: "50K"; 50,257 of GPT-2, 4 specials, 3 that fill up, <mask>
    hidden_size: int = 768  # H
    num_hidden_layers: int = 12  # L
    num_attention_heads: int = 12  # A
    intermediate_size: int | None = None  # None: 4H (Table 9)
    hidden_act: Activation = "gelu"  # §2.4; with erf
    hidden_dropout_prob: float = 0.1  # Table 9
    attention_probs_dropout_prob: float = 0.1  # Table 9
    # 512 tokens (§3.1), and the rows 0 … pad_token_id of which no token has one.
    max_position_embeddings: int = 514
    # BERT's two segments are gone; one row is left, which files of Hugging Face hold as zeros.
    type_vocab_size: int = 1
    initializer_range: float = 0.02  # the paper gives none; the released code: normal
    layer_norm_eps: float = 1e-5  # the paper gives none; the released code's
    pad_token_id: int = 1
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
        if self.hidden_act not in ("gelu", "relu"):
            raise ValueError(f"hidden_act must be gelu or relu, got {self.hidden_act!r}")
        if not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(
                f"pad_token_id must be in the vocabulary, 0 to {self.vocab_size - 1}, "
                f"got {self.pad_token_id}"
            )
        if self.max_length < 1:
            raise ValueError(
                f"max_position_embeddings must be above pad_token_id + 1 = {self.pad_token_id + 1},"
                f" got {self.max_position_embeddings}"
            )

    @property
    def feed_forward_size(self) -> int:
        """Width of the feed-forward net: 4H unless it was given."""
        return self.intermediate_size or 4 * self.hidden_size

    @property
    def max_length(self) -> int:
        """Tokens of the longest sequence: 512 of 514 positions, as the first two are padding's."""
        return self.max_position_embeddings - self.pad_token_id - 1


BASE = RobertaConfig()
LARGE = RobertaConfig(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16)

PRESETS = {
    "roberta-base": BASE,  # Table 9
    "roberta-large": LARGE,  # §5, Table 9
    "roberta-large-mnli": LARGE,  # released fine-tuned; num_labels=3
    # §4's nets of the ablations, before §4.4 takes the larger vocabulary: "110M params".
    "ablation-base": dataclasses.replace(BASE, vocab_size=30522),
    "ablation-large": dataclasses.replace(LARGE, vocab_size=30522),
}


def count_parameters(config: RobertaConfig, pooler: bool = False, lm_head: bool = False) -> int:
    r"""Return the number of parameters, from the layers' formulas alone (the tied matrix once).

    Embeddings $(V + P + S)H + 2H$; a layer $4H^2 + 2HF + 9H + F$; the pooler $H^2 + H$; the head of
    the masked language model $H^2 + 3H + V$.

    Args:
        config: sizes.
        pooler: count the pooler that Hugging Face's model has.
        lm_head: count the head of the masked language model.
    """
    c = config
    h, f = c.hidden_size, c.feed_forward_size
    total = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * h + 2 * h
    total += c.num_hidden_layers * (4 * h * h + 2 * h * f + 9 * h + f)
    return total + pooler * (h * h + h) + lm_head * (h * h + 3 * h + c.vocab_size)
