"""GPT-2: a language model, its tokens, and tasks told in words (Radford et al. 2019)."""

from .attention import CausalSelfAttention, KeyValueCache, causal_mask
from .bpe import END_OF_TEXT, ByteLevelBPE, pretokens
from .config import GPT_VOCAB, PRESETS, PRINTED_MILLIONS, GPT2Config, count_parameters
from .generation import Step, greedy, sample, stream, truncate
from .loss import next_token_loss
from .memorization import BloomFilter, bloom, exact, ngrams, overlap
from .model import GPT2, MLP, Block, gelu_new
from .scoring import bits_per_unit, log_probabilities, perplexity, score_choices
from .training import Progress, TokenFile, learning_rate, param_groups, train, write_tokens
from .weights import from_hugging_face, from_openai, load, save, to_hugging_face, to_openai
from .zero_shot import answer, first_sentences, summarize, translate

__all__ = [
    "END_OF_TEXT",
    "GPT2",
    "GPT_VOCAB",
    "MLP",
    "PRESETS",
    "PRINTED_MILLIONS",
    "Block",
    "BloomFilter",
    "ByteLevelBPE",
    "CausalSelfAttention",
    "GPT2Config",
    "KeyValueCache",
    "Progress",
    "Step",
    "TokenFile",
    "answer",
    "bits_per_unit",
    "bloom",
    "causal_mask",
    "count_parameters",
    "exact",
    "first_sentences",
    "from_hugging_face",
    "from_openai",
    "gelu_new",
    "greedy",
    "learning_rate",
    "load",
    "log_probabilities",
    "next_token_loss",
    "ngrams",
    "overlap",
    "param_groups",
    "perplexity",
    "pretokens",
    "sample",
    "save",
    "score_choices",
    "stream",
    "summarize",
    "to_hugging_face",
    "to_openai",
    "train",
    "translate",
    "truncate",
    "write_tokens",
]
