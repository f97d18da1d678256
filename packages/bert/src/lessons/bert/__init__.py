"""BERT: Pre-training of Deep Bidirectional Transformers (Devlin et al. 2018)."""

from .config import PRESETS, BertConfig, count_parameters
from .features import TABLE7, FeatureTagger
from .heads import BertForMaskedLM, BertForNextSentencePrediction, BertForPreTraining
from .inference import embed, fill_mask
from .masking import TABLE8, Strategy, mask_tokens, next_token_labels
from .model import BertModel
from .one_sided import OneSidedModel
from .pairs import Pair, make_pairs
from .spans import best_span, span_loss
from .tasks import (
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from .training import BertAdam, FineTuning, PreTraining, linear_schedule, parameter_groups
from .weights import (
    config_from_json,
    from_google,
    from_hugging_face,
    load,
    save,
    to_google,
    to_hugging_face,
)
from .wordpiece import Encoding, WordPieceTokenizer, first_pieces
from .wordpiece_training import train

__all__ = [
    "PRESETS",
    "TABLE7",
    "TABLE8",
    "BertAdam",
    "BertConfig",
    "BertForMaskedLM",
    "BertForMultipleChoice",
    "BertForNextSentencePrediction",
    "BertForPreTraining",
    "BertForQuestionAnswering",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertModel",
    "Encoding",
    "FeatureTagger",
    "FineTuning",
    "OneSidedModel",
    "Pair",
    "PreTraining",
    "Strategy",
    "WordPieceTokenizer",
    "best_span",
    "config_from_json",
    "count_parameters",
    "embed",
    "fill_mask",
    "first_pieces",
    "from_google",
    "from_hugging_face",
    "linear_schedule",
    "load",
    "make_pairs",
    "mask_tokens",
    "next_token_labels",
    "parameter_groups",
    "save",
    "span_loss",
    "to_google",
    "to_hugging_face",
    "train",
]
