"""RoBERTa: A Robustly Optimized BERT Pretraining Approach (Liu et al. 2019)."""

from .bpe import ByteLevelBPE
from .config import PRESETS, RobertaConfig, count_parameters
from .heads import RobertaForMaskedLM, RobertaForPreTraining
from .inference import fill_mask
from .inputs import (
    Packed,
    doc_sentences,
    full_sentences,
    segment_pair_nsp,
    sentence_pair_nsp,
    token_batches,
)
from .masking import dynamic_mask, static_masks
from .model import RobertaModel, position_ids
from .tasks import (
    RobertaForMultipleChoice,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    best_span,
    span_loss,
)
from .tokenizer import Encoding, RobertaTokenizer, pad_batch, pair_encode
from .training import (
    FineTuning,
    Part,
    PreTraining,
    accumulate,
    linear_schedule,
    parameter_groups,
)
from .weights import (
    config_from_json,
    from_fairseq,
    from_hugging_face,
    load,
    save,
    to_fairseq,
    to_hugging_face,
)

__all__ = [
    "PRESETS",
    "ByteLevelBPE",
    "Encoding",
    "FineTuning",
    "Packed",
    "Part",
    "PreTraining",
    "RobertaConfig",
    "RobertaForMaskedLM",
    "RobertaForMultipleChoice",
    "RobertaForPreTraining",
    "RobertaForQuestionAnswering",
    "RobertaForSequenceClassification",
    "RobertaForTokenClassification",
    "RobertaModel",
    "RobertaTokenizer",
    "accumulate",
    "best_span",
    "config_from_json",
    "count_parameters",
    "doc_sentences",
    "dynamic_mask",
    "fill_mask",
    "from_fairseq",
    "from_hugging_face",
    "full_sentences",
    "linear_schedule",
    "load",
    "pad_batch",
    "pair_encode",
    "parameter_groups",
    "position_ids",
    "save",
    "segment_pair_nsp",
    "sentence_pair_nsp",
    "span_loss",
    "static_masks",
    "to_fairseq",
    "to_hugging_face",
    "token_batches",
]
