"""The papers' claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import (
    addition,
    amounts,
    architectures,
    ask,
    counting,
    noise,
    objectives,
    paths,
    planted,
    shipped,
    structure,
    subsampling,
)

CLAIMS = [
    architectures.more_accurate, architectures.cheaper,
    architectures.cbow_syntactic, architectures.cbow_semantic,
    architectures.slightly_worse, architectures.still_better, architectures.much_better,
    subsampling.faster, subsampling.rare_words, subsampling.more_accurate,
    objectives.beats_the_tree, objectives.beats_estimation,
    objectives.faster_than_the_tree, objectives.frequent_words,
    planted.phrases, addition.addition, addition.apart,
    noise.neg_unigram, noise.neg_uniform, noise.nce_unigram, noise.nce_uniform,
    amounts.more_dimensions, amounts.any_other_word, amounts.examples,
    paths.paths, amounts.twice_the_text,
    structure.made_up_world, counting.matrix, shipped.vectors,
    paths.three_words,
]  # fmt: skip
COMMANDS = ask.Words(WORD=ask.main)
