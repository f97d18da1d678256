"""Sequence to sequence learning with neural networks (Sutskever, Vinyals and Le 2014)."""

from .bleu import bleu
from .config import PRESETS, Seq2SeqConfig, count_parameters
from .decoding import Ensemble, Hypotheses, beam_search, greedy, rescore, sample, score
from .files import load, save
from .lstm import LSTM
from .model import Seq2Seq
from .parallel import Pipeline
from .reversal import lags, reverse_padded
from .softmax import chunked_cross_entropy, sharded_cross_entropy
from .training import clip_gradient, fit, halving_lr, length_batches, pad
from .vocabulary import Vocabulary
from .weights import (
    from_onnx,
    from_torch,
    from_torch_lstm,
    to_onnx,
    to_torch,
    to_torch_lstm,
)

__all__ = [
    "LSTM",
    "PRESETS",
    "Ensemble",
    "Hypotheses",
    "Pipeline",
    "Seq2Seq",
    "Seq2SeqConfig",
    "Vocabulary",
    "beam_search",
    "bleu",
    "chunked_cross_entropy",
    "clip_gradient",
    "count_parameters",
    "fit",
    "from_onnx",
    "from_torch",
    "from_torch_lstm",
    "greedy",
    "halving_lr",
    "lags",
    "length_batches",
    "load",
    "pad",
    "rescore",
    "reverse_padded",
    "sample",
    "save",
    "score",
    "sharded_cross_entropy",
    "to_onnx",
    "to_torch",
    "to_torch_lstm",
]
