"""Recurrent networks: real-time recurrent learning (Williams and Zipser 1989), and more."""

from .bptt import TruncatedBPTT, gradient, trajectory
from .char import PRESETS as CHAR_PRESETS
from .char import CharConfig, CharRNN
from .elman import PRESETS as ELMAN_PRESETS
from .elman import ElmanConfig, ElmanNet, JordanConfig, JordanNet
from .flow import (
    clip_grad,
    gradient_norms,
    identity_,
    orthogonal_,
    spectral_radius,
    with_radius_,
)
from .fully_recurrent import PRESETS, FullyRecurrent, Sizes
from .recurrence import recurrence, recurrence_reference
from .rnn import RNN, RNNCell
from .rtrl import RTRL, sensitivities_reference
from .through_time import bptt, epochwise, tbptt
from .weights import as_tanh, from_torch, load, save, to_torch

__all__ = [
    "CHAR_PRESETS",
    "ELMAN_PRESETS",
    "PRESETS",
    "RNN",
    "RTRL",
    "CharConfig",
    "CharRNN",
    "ElmanConfig",
    "ElmanNet",
    "FullyRecurrent",
    "JordanConfig",
    "JordanNet",
    "RNNCell",
    "Sizes",
    "TruncatedBPTT",
    "as_tanh",
    "bptt",
    "clip_grad",
    "epochwise",
    "from_torch",
    "gradient",
    "gradient_norms",
    "identity_",
    "load",
    "orthogonal_",
    "recurrence",
    "recurrence_reference",
    "save",
    "sensitivities_reference",
    "spectral_radius",
    "tbptt",
    "to_torch",
    "trajectory",
    "with_radius_",
]
