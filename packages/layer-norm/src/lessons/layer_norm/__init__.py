"""Layer Normalization (Ba, Kiros and Hinton 2016)."""

from .invariance import TABLE_1, effective_lr, normalized_linear, table_1
from .later import AdaptiveLayerNorm, GroupNorm, PostNorm, PreNorm, fold_affine_
from .norm import EPS, LayerNorm, LayerNorm2d, LayerNormFunction, layer_norm, layer_norm_reference
from .recurrent import (
    LayerNormGRU,
    LayerNormGRUCell,
    LayerNormLSTM,
    LayerNormLSTMCell,
    LayerNormRNN,
    LayerNormRNNCell,
)
from .rms import RMSNorm, RMSNormFunction, rms_norm, rms_norm_reference

__all__ = [
    "EPS",
    "TABLE_1",
    "AdaptiveLayerNorm",
    "GroupNorm",
    "LayerNorm",
    "LayerNorm2d",
    "LayerNormFunction",
    "LayerNormGRU",
    "LayerNormGRUCell",
    "LayerNormLSTM",
    "LayerNormLSTMCell",
    "LayerNormRNN",
    "LayerNormRNNCell",
    "PostNorm",
    "PreNorm",
    "RMSNorm",
    "RMSNormFunction",
    "effective_lr",
    "fold_affine_",
    "layer_norm",
    "layer_norm_reference",
    "normalized_linear",
    "rms_norm",
    "rms_norm_reference",
    "table_1",
]
