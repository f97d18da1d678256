"""Gaussian error linear units (Hendrycks and Gimpel 2016)."""

from .activation import GELU, CDFLinearUnit, GatedIdentity, QuickGELU, SiLU, gated, gelu, silu
from .curves import error, gain, largest_error
from .gates import APPROXIMATE, GATES, Gate
from .later import VARIANTS, GatedFeedForward, glu
from .nets import autoencoder, cifar_net, fully_connected, mnist_classifier, unit_norm_rows_
from .released import MODELS, NAMES, by_name
from .stochastic import StochasticZeroIdentity, zero_or_identity

__all__ = [
    "APPROXIMATE",
    "GATES",
    "GELU",
    "MODELS",
    "NAMES",
    "VARIANTS",
    "CDFLinearUnit",
    "Gate",
    "GatedFeedForward",
    "GatedIdentity",
    "QuickGELU",
    "SiLU",
    "StochasticZeroIdentity",
    "autoencoder",
    "by_name",
    "cifar_net",
    "error",
    "fully_connected",
    "gain",
    "gated",
    "gelu",
    "glu",
    "largest_error",
    "mnist_classifier",
    "silu",
    "unit_norm_rows_",
    "zero_or_identity",
]
