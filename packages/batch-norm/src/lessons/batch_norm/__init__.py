"""Batch normalization (Ioffe and Szegedy 2015), explained, implemented, tested, and re-tested."""

from .formulas import paper_gradients
from .inception import PRESETS, RECIPES, BNInception, BNInceptionConfig, Recipe
from .inference import fold_batch_norm_, folded, freeze_statistics_, update_bn_statistics
from .mlp import mlp_fig1
from .norm import (
    BatchNorm,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    BatchNormFunction,
    batch_norm,
    batch_norm_reference,
)
from .variants import BatchRenorm, GhostBatchNorm, PerActivationBatchNorm, SyncBatchNorm

__all__ = [
    "PRESETS",
    "RECIPES",
    "BNInception",
    "BNInceptionConfig",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BatchNormFunction",
    "BatchRenorm",
    "GhostBatchNorm",
    "PerActivationBatchNorm",
    "Recipe",
    "SyncBatchNorm",
    "batch_norm",
    "batch_norm_reference",
    "fold_batch_norm_",
    "folded",
    "freeze_statistics_",
    "mlp_fig1",
    "paper_gradients",
    "update_bn_statistics",
]
