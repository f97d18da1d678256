"""GPT-2: a language model, its tokens, and tasks told in words (Radford et al. 2019)."""

from .attention import CausalSelfAttention, KeyValueCache, causal_mask
from .beam import Hypothesis, beam_search
from .bpe import END_OF_TEXT, ByteLevelBPE
from .config import GPT_VOCAB, PRESETS, PRINTED_MILLIONS, GPT2Config, count_parameters
from .generation import Step, greedy, sample, stream, truncate
from .last_word import STOP_WORDS, last_word, next_words
from .loss import next_token_loss
from .memorization import BloomFilter, bloom, exact, ngrams, overlap
from .model import GPT2, MLP, Block, gelu_new
from .parallel import processes, spread
from .pieces import pretokens
from .scoring import bits_per_unit, log_probabilities, perplexity, score_choices
from .token_file import TokenFile, write_tokens
from .training import Progress, learning_rate, param_groups, train
from .weights import from_hugging_face, from_openai, load, save, to_hugging_face, to_openai
from .zero_shot import answer, first_sentences, summarize, translate

__all__ = [
    "END_OF_TEXT",
    "GPT2",
    "GPT_VOCAB",
    "MLP",
    "PRESETS",
    "PRINTED_MILLIONS",
    "STOP_WORDS",
    "Block",
    "BloomFilter",
    "ByteLevelBPE",
    "CausalSelfAttention",
    "GPT2Config",
    "Hypothesis",
    "KeyValueCache",
    "Progress",
    "Step",
    "TokenFile",
    "answer",
    "beam_search",
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
    "last_word",
    "learning_rate",
    "load",
    "log_probabilities",
    "next_token_loss",
    "next_words",
    "ngrams",
    "overlap",
    "param_groups",
    "perplexity",
    "pretokens",
    "processes",
    "sample",
    "save",
    "score_choices",
    "spread",
    "stream",
    "summarize",
    "to_hugging_face",
    "to_openai",
    "train",
    "translate",
    "truncate",
    "write_tokens",
]
