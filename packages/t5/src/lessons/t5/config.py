"""Sizes and choices, and the released models by name (Raffel et al. 2020, §3.1.1, §3.7)."""

import dataclasses
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class T5Config:
    """Sizes and choices; the defaults are the paper's baseline, "base".

    Raises:
        ValueError: a size below 1, a dropout outside [0, 1), an unknown feed-forward net, or
            buckets that do not fit their distance.
    """

    vocab_size: int = 32128  # 32,000 pieces, 100 sentinels, and 28 rows that pad to a multiple
    d_model: int = 768
    d_kv: int = 64  # of a head; num_heads * d_kv need not be d_model
    d_ff: int = 3072
    num_layers: int = 12  # of the encoder; of a language model, all it has
    num_decoder_layers: int | None = None  # None: num_layers
    num_heads: int = 12
    relative_attention_num_buckets: int = 32  # §2.1
    relative_attention_max_distance: int = 128  # §2.1
    dropout_rate: float = 0.1  # §3.1.1: everywhere
    layer_norm_epsilon: float = 1e-6  # the paper gives none; the released code's
    feed_forward_proj: Literal["relu", "gated-gelu"] = "relu"  # T5 v1.1: gated-gelu
    tie_word_embeddings: bool = True  # §2.1; T5 v1.1: an output matrix of its own
    share_stacks: bool = False  # Table 2, "shared": one set of weights for encoder and decoder
    adapter_dim: int | None = None  # §3.5.1: a net of this width after each feed-forward net
    pad_id: int = 0  # which is also what the decoder starts with
    eos_id: int = 1
    gradient_checkpointing: bool = False  # recompute layers in the backward pass

    def __post_init__(self) -> None:
        for name in ("vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("num_decoder_layers", "adapter_dim"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be None or at least 1, got {getattr(self, name)}")
        if not 0 <= self.dropout_rate < 1:
            raise ValueError(f"dropout_rate must be in [0, 1), got {self.dropout_rate}")
        if not self.layer_norm_epsilon > 0:
            raise ValueError(f"layer_norm_epsilon must be positive, got {self.layer_norm_epsilon}")
        if self.feed_forward_proj not in ("relu", "gated-gelu"):
            raise ValueError(
                f"feed_forward_proj must be 'relu' or 'gated-gelu', got {self.feed_forward_proj!r}"
            )
        for name in ("pad_id", "eos_id"):
            if not 0 <= getattr(self, name) < self.vocab_size:
                last, got = self.vocab_size - 1, getattr(self, name)
                raise ValueError(f"{name} must be in the vocabulary, 0 to {last}, got {got}")
        if self.share_stacks and self.decoder_layers != self.num_layers:
            raise ValueError(
                f"share_stacks needs stacks of one height, got num_layers={self.num_layers} "
                f"and num_decoder_layers={self.num_decoder_layers}"
            )
        check_buckets(self.relative_attention_num_buckets, self.relative_attention_max_distance)

    @property
    def decoder_layers(self) -> int:
        """Layers of the decoder."""
        return self.num_layers if self.num_decoder_layers is None else self.num_decoder_layers


def check_buckets(num_buckets: int, max_distance: int) -> None:
    """Raise a ValueError unless both kinds of attention can cut max_distance into the buckets."""
    if num_buckets < 4 or num_buckets % 2:
        raise ValueError(f"num_buckets must be even and at least 4, got {num_buckets}")
    if max_distance <= num_buckets // 2:
        raise ValueError(
            f"max_distance must be larger than num_buckets / 2 = {num_buckets // 2}, "
            f"got {max_distance}"
        )


def _size(d_model: int, d_ff: int, layers: int, heads: int, d_kv: int = 64) -> T5Config:
    return T5Config(
        d_model=d_model, d_ff=d_ff, num_layers=layers, num_heads=heads, d_kv=d_kv
    )  # fmt: skip


def _v1_1(d_model: int, d_ff: int, layers: int, heads: int) -> T5Config:
    new: dict[str, Any] = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    return dataclasses.replace(_size(d_model, d_ff, layers, heads), **new)


PRESETS = {
    # §3.7
    "t5-small": _size(512, 2048, 6, 8),
    "t5-base": T5Config(),
    "t5-large": _size(1024, 4096, 24, 16),
    "t5-3b": _size(1024, 16384, 24, 32, d_kv=128),
    "t5-11b": _size(1024, 65536, 24, 128, d_kv=128),
    # Table 2
    "shared": T5Config(share_stacks=True),
    "6-layers": _size(768, 3072, 6, 12),
    # Released a year later, pre-trained on C4 alone and without dropout, which fine-tuning turns on
    "t5-v1_1-small": _v1_1(512, 1024, 8, 6),
    "t5-v1_1-base": _v1_1(768, 2048, 12, 12),
    "t5-v1_1-large": _v1_1(1024, 2816, 24, 16),
    "t5-v1_1-xl": _v1_1(2048, 5120, 24, 32),
    "t5-v1_1-xxl": _v1_1(4096, 10240, 24, 64),
}


def count_parameters(config: T5Config) -> int:
    r"""Return the number of parameters of an encoder-decoder, from the layers' formulas alone.

    Per attention $4\,d\,h\,d_{kv}$, per feed-forward net $2\,d\,d_{ff}$ (gated: 3), per
    normalisation $d$, per stack $32h$ scalars of position, and $Vd$ for each matrix over the
    vocabulary.
    """
    c = config
    attention = 4 * c.d_model * c.num_heads * c.d_kv + c.d_model
    gated = c.feed_forward_proj == "gated-gelu"
    feed_forward = (2 + gated) * c.d_model * c.d_ff + c.d_model
    if c.adapter_dim is not None:
        feed_forward += 2 * c.d_model * c.adapter_dim + c.d_model
    stack = c.d_model + c.relative_attention_num_buckets * c.num_heads  # final norm, bias
    encoder = c.num_layers * (attention + feed_forward)
    decoder = c.decoder_layers * attention  # to the encoder
    if not c.share_stacks:
        decoder += c.decoder_layers * (attention + feed_forward)
    matrices = (2 - c.tie_word_embeddings) * c.vocab_size * c.d_model
    return matrices + encoder + decoder + 2 * stack
