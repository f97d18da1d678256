"""Dropout (Srivastava et al. 2014)."""

from .averaging import Prediction, mc_predict, thinned_masks
from .dropout import (
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    GaussianDropout,
    MaskFunction,
    dropout,
    dropout_reference,
    keep_mask,
)
from .later import DropConnect, DropPath, LockedDropout, embedding_dropout
from .marginal import marginal_linear, marginal_loss
from .nets import MLP, PRESETS, ConvConfig, ConvNet, MLPConfig, from_preset
from .rbm import DropoutRBM
from .scaling import MaxNorm, from_pretrained_scale_, max_norm_, to_inference_weights_

__all__ = [
    "MLP",
    "PRESETS",
    "ConvConfig",
    "ConvNet",
    "DropConnect",
    "DropPath",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "DropoutRBM",
    "GaussianDropout",
    "LockedDropout",
    "MLPConfig",
    "MaskFunction",
    "MaxNorm",
    "Prediction",
    "dropout",
    "dropout_reference",
    "embedding_dropout",
    "from_preset",
    "from_pretrained_scale_",
    "keep_mask",
    "marginal_linear",
    "marginal_loss",
    "max_norm_",
    "mc_predict",
    "thinned_masks",
    "to_inference_weights_",
]
