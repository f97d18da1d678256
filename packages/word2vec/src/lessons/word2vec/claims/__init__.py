"""The papers' claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import amounts, architectures, ask, counting, objectives, paths, planted, shipped, structure

CLAIMS = [
    architectures.more_accurate, architectures.cheaper,
    architectures.cbow_syntactic, architectures.cbow_semantic,
    architectures.slightly_worse, architectures.still_better, architectures.much_better,
    objectives.faster, objectives.rare_words,
    objectives.beats_the_tree, objectives.beats_estimation,
    planted.phrases, structure.addition,
    objectives.neg_unigram, objectives.neg_uniform, objectives.nce_unigram, objectives.nce_uniform,
    amounts.more_dimensions, amounts.more_text, amounts.twice_the_text, amounts.examples,
    paths.paths,
    structure.made_up_world, counting.matrix, shipped.vectors,
    paths.a_day, paths.three_words,
]  # fmt: skip
COMMANDS = ask.Words(WORD=ask.main)
