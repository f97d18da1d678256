"""The paper's claims, re-tested: what is run, the most important first."""

from . import (
    alignment,
    ask,
    costs,
    errata,
    hard,
    lengths,
    shipped,
    translation,
    variants,
)

CLAIMS = [
    translation.outperforms, translation.even_with_shorter_sentences,
    translation.more_with_longer, translation.at_any_length,
    lengths.fixed_vector_drops, lengths.more_robust, lengths.no_deterioration,
    lengths.bottleneck,
    alignment.monotonic, alignment.non_monotonic, alignment.each_word, alignment.copied_words,
    hard.soft_beats_hard, hard.focused, costs.not_severe,
    shipped.translator, variants.beyond, variants.orders, variants.scores, variants.beams,
    variants.controls, variants.losses,
    errata.three_readings, errata.not_quite, errata.agreement, errata.passes,
]  # fmt: skip
COMMANDS = {"translate": ask.main}
