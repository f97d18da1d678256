"""T5: Exploring the Limits of Transfer Learning with a Text-to-Text Transformer (2020)."""

from .adafactor import Adafactor, inverse_sqrt_lr
from .attention import Attention
from .config import PRESETS, T5Config, count_parameters
from .decoding import Hypotheses, beam_search, greedy, length_penalty, sample
from .finetuning import unfreeze, with_adapters
from .language_model import LanguageModel
from .masks import causal_mask, prefix_mask, segment_mask
from .model import (
    AttentionMaps,
    T5EncoderModel,
    T5ForConditionalGeneration,
    T5Model,
    cross_entropy,
    shift_right,
)
from .objectives import (
    Example,
    Lengths,
    bert_style,
    deshuffle,
    drop_tokens,
    iid_noise,
    lengths_for,
    mass_style,
    pad,
    prefix_lm_split,
    replace_spans,
    sentinel_ids,
    span_corruption,
    span_noise,
)
from .packing import Packed, pack_sequences
from .positions import RelativeBias, relative_position_bucket
from .stack import T5LayerNorm
from .tasks import TASKS, Task, highlight, mixing_rates, refers, similarity_text
from .unigram import Piece, SentencePieceUnigram, normalize
from .unigram_training import train_unigram
from .weights import from_hugging_face, load, save, to_hugging_face

__all__ = [
    "PRESETS",
    "TASKS",
    "Adafactor",
    "Attention",
    "AttentionMaps",
    "Example",
    "Hypotheses",
    "LanguageModel",
    "Lengths",
    "Packed",
    "Piece",
    "RelativeBias",
    "SentencePieceUnigram",
    "T5Config",
    "T5EncoderModel",
    "T5ForConditionalGeneration",
    "T5LayerNorm",
    "T5Model",
    "Task",
    "beam_search",
    "bert_style",
    "causal_mask",
    "count_parameters",
    "cross_entropy",
    "deshuffle",
    "drop_tokens",
    "from_hugging_face",
    "greedy",
    "highlight",
    "iid_noise",
    "inverse_sqrt_lr",
    "length_penalty",
    "lengths_for",
    "load",
    "mass_style",
    "mixing_rates",
    "normalize",
    "pack_sequences",
    "pad",
    "prefix_lm_split",
    "prefix_mask",
    "refers",
    "relative_position_bucket",
    "replace_spans",
    "sample",
    "save",
    "segment_mask",
    "sentinel_ids",
    "shift_right",
    "similarity_text",
    "span_corruption",
    "span_noise",
    "to_hugging_face",
    "train_unigram",
    "unfreeze",
    "with_adapters",
]
