"""Long short-term memory as it was published (Hochreiter and Schmidhuber 1997)."""

from .abreast import Abreast
from .carousel import carousel, carousel_reference
from .config import PRESETS, RATES, Config
from .flow import bound, error_flow, gradient_flow
from .network import LSTM1997, LSTM1997Cell
from .online import TruncatedLearner
from .weights import from_keras, from_torch, load, save, to_keras, to_torch

__all__ = [
    "LSTM1997",
    "PRESETS",
    "RATES",
    "Abreast",
    "Config",
    "LSTM1997Cell",
    "TruncatedLearner",
    "bound",
    "carousel",
    "carousel_reference",
    "error_flow",
    "from_keras",
    "from_torch",
    "gradient_flow",
    "load",
    "save",
    "to_keras",
    "to_torch",
]
