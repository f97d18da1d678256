"""Adam: A Method for Stochastic Optimization (Kingma and Ba 2015)."""

from .adamax import AdaMax, adamax_, adamax_foreach_
from .averaging import ParameterAverage
from .optimizer import Adam, AdamW, snr
from .reference import adam_reference
from .update import adam_, adam_compiled_, adam_foreach_, adam_fused_

__all__ = [
    "AdaMax",
    "Adam",
    "AdamW",
    "ParameterAverage",
    "adam_",
    "adam_compiled_",
    "adam_foreach_",
    "adam_fused_",
    "adam_reference",
    "adamax_",
    "adamax_foreach_",
    "snr",
]
