"""Phrase representations by an RNN Encoder–Decoder, and the gated unit (Cho et al. 2014)."""

from .bleu import bleu
from .config import PRESETS, EncoderDecoderConfig, count_parameters
from .cslm import CSLM, CSLMConfig
from .decoding import Hypotheses, beam_search, greedy, sample
from .gru import GRU, GRUCell
from .loglinear import LogLinear
from .model import Memory, RNNDecoder, RNNEncoder, RNNEncoderDecoder
from .phrases import PhraseTable, Shortlist, score_pairs
from .readout import MaxoutReadout, maxout
from .spelling import letters_to_ids, phones_to_ids, say
from .training import Adadelta, batches_of_one_length, clip_gradient, pad
from .weights import (
    from_g2p,
    from_groundhog,
    from_keras_gru,
    from_torch_gru,
    load,
    save,
    to_g2p,
    to_groundhog,
    to_keras_gru,
    to_torch_gru,
)

__all__ = [
    "CSLM",
    "GRU",
    "PRESETS",
    "Adadelta",
    "CSLMConfig",
    "EncoderDecoderConfig",
    "GRUCell",
    "Hypotheses",
    "LogLinear",
    "MaxoutReadout",
    "Memory",
    "PhraseTable",
    "RNNDecoder",
    "RNNEncoder",
    "RNNEncoderDecoder",
    "Shortlist",
    "batches_of_one_length",
    "beam_search",
    "bleu",
    "clip_gradient",
    "count_parameters",
    "from_g2p",
    "from_groundhog",
    "from_keras_gru",
    "from_torch_gru",
    "greedy",
    "letters_to_ids",
    "load",
    "maxout",
    "pad",
    "phones_to_ids",
    "sample",
    "save",
    "say",
    "score_pairs",
    "to_g2p",
    "to_groundhog",
    "to_keras_gru",
    "to_torch_gru",
]
