"""Attention Is All You Need (Vaswani et al. 2017)."""

from .attention import (
    MultiHeadAttention,
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
)
from .config import PRESETS, TransformerConfig, count_parameters
from .decoding import beam_search, greedy, sample
from .model import Decoder, Encoder, PositionwiseFeedForward, Transformer
from .positions import LearnedPositionalEmbedding, SinusoidalPositionalEncoding, shift_matrix
from .training import (
    LabelSmoothingLoss,
    average_checkpoints,
    batch_by_tokens,
    noam_lr,
    noam_schedule,
)
from .weights import (
    from_marian,
    from_torch_transformer,
    load,
    save,
    to_marian,
    to_torch_transformer,
)

__all__ = [
    "PRESETS",
    "Decoder",
    "Encoder",
    "LabelSmoothingLoss",
    "LearnedPositionalEmbedding",
    "MultiHeadAttention",
    "PositionwiseFeedForward",
    "SinusoidalPositionalEncoding",
    "Transformer",
    "TransformerConfig",
    "average_checkpoints",
    "batch_by_tokens",
    "beam_search",
    "causal_mask",
    "count_parameters",
    "from_marian",
    "from_torch_transformer",
    "greedy",
    "load",
    "noam_lr",
    "noam_schedule",
    "padding_mask",
    "sample",
    "save",
    "scaled_dot_product_attention",
    "shift_matrix",
    "to_marian",
    "to_torch_transformer",
]
