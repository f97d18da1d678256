"""word2vec (Mikolov et al. 2013): CBOW, skip-gram, negative sampling, phrases."""

from .completion import sentence_score
from .config import PRESETS, Word2VecConfig
from .evaluation import Section, read_questions
from .models import CBOW, EmbeddingConfig, SkipGram
from .nnlm import NNLM, NNLMConfig
from .objectives import (
    hierarchical_softmax_loss,
    nce_loss,
    negative_sampling_loss,
    softmax_loss,
)
from .phrases import Phrases, joined
from .training import Word2Vec
from .vectors import KeyedVectors
from .vocabulary import Tree, Vocab, balanced, huffman
from .weights import (
    from_gensim,
    load,
    load_vectors,
    load_word2vec_format,
    save,
    save_vectors,
    save_word2vec_format,
    to_gensim,
)

__all__ = [
    "CBOW",
    "NNLM",
    "PRESETS",
    "EmbeddingConfig",
    "KeyedVectors",
    "NNLMConfig",
    "Phrases",
    "Section",
    "SkipGram",
    "Tree",
    "Vocab",
    "Word2Vec",
    "Word2VecConfig",
    "balanced",
    "from_gensim",
    "hierarchical_softmax_loss",
    "huffman",
    "joined",
    "load",
    "load_vectors",
    "load_word2vec_format",
    "nce_loss",
    "negative_sampling_loss",
    "read_questions",
    "save",
    "save_vectors",
    "save_word2vec_format",
    "sentence_score",
    "softmax_loss",
    "to_gensim",
]
