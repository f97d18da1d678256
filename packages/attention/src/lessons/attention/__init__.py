"""Neural machine translation by jointly learning to align and translate (Bahdanau et al. 2015)."""

from .attention import AdditiveAttention
from .config import PRESETS, TranslatorConfig, count_parameters
from .decoding import Hypotheses, align, beam_search, greedy, sample, score
from .encoder import Encoder
from .gated import GatedUnit
from .model import Memory, RNNencdec, RNNsearch, State
from .readout import MaxoutReadout, maxout
from .training import Adadelta, batches_of_one_length, clip_gradient, pad
from .weights import (
    from_groundhog,
    from_keras_gru,
    from_torch_gru,
    load,
    save,
    to_groundhog,
    to_keras_gru,
    to_torch_gru,
)

__all__ = [
    "PRESETS",
    "Adadelta",
    "AdditiveAttention",
    "Encoder",
    "GatedUnit",
    "Hypotheses",
    "MaxoutReadout",
    "Memory",
    "RNNencdec",
    "RNNsearch",
    "State",
    "TranslatorConfig",
    "align",
    "batches_of_one_length",
    "beam_search",
    "clip_gradient",
    "count_parameters",
    "from_groundhog",
    "from_keras_gru",
    "from_torch_gru",
    "greedy",
    "load",
    "maxout",
    "pad",
    "sample",
    "save",
    "score",
    "to_groundhog",
    "to_keras_gru",
    "to_torch_gru",
]
