"""Rectified linear units in deep networks (Glorot, Bordes and Bengio 2011)."""

from .autoencoder import DenoisingLayer, StackedDenoisingAutoencoder, corrupt, reconstruction_cost
from .diagnostics import (
    activation_pattern,
    count_regions_2d,
    dead_units,
    linear_map,
    recording,
    rescale_,
    sparsity,
)
from .init import glorot_uniform_, he_init_
from .later import LeakyReLU, PReLU, relu6, squared_relu
from .net import (
    PRESETS,
    DeepRectifierNet,
    DeepRectifierNetConfig,
    activation_l1,
    expected_rating,
)
from .rectifier import ReLU, SignedRectifier, relu
from .relatives import RescaledSoftplus, abs_tanh, lif, relu_tanh, softplus

__all__ = [
    "PRESETS",
    "DeepRectifierNet",
    "DeepRectifierNetConfig",
    "DenoisingLayer",
    "LeakyReLU",
    "PReLU",
    "ReLU",
    "RescaledSoftplus",
    "SignedRectifier",
    "StackedDenoisingAutoencoder",
    "abs_tanh",
    "activation_l1",
    "activation_pattern",
    "corrupt",
    "count_regions_2d",
    "dead_units",
    "expected_rating",
    "glorot_uniform_",
    "he_init_",
    "lif",
    "linear_map",
    "reconstruction_cost",
    "recording",
    "relu",
    "relu6",
    "relu_tanh",
    "rescale_",
    "softplus",
    "sparsity",
    "squared_relu",
]
