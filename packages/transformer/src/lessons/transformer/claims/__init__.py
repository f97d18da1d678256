"""The paper's claims, re-tested: what is run, the most important first."""

from . import (
    costs,
    distance,
    errata,
    heads,
    parallel,
    parsing,
    places,
    read,
    reading,
    regularization,
    scale,
    translation,
    variations,
)

CLAIMS = [
    translation.better_translations, translation.less_time, parallel.chain_costs,
    distance.learning,
    variations.small_gradients, variations.scale,
    variations.one_head, variations.too_many_heads, variations.bigger,
    places.shifts, regularization.learned_positions,
    regularization.smoothing_hurts_perplexity, regularization.smoothing_improves_accuracy,
    regularization.smoothing_improves_bleu, regularization.dropout,
    reading.read_dates, costs.table_1, costs.whole_layers, parallel.chains, distance.path_lengths,
    scale.random_products, heads.two_places, places.longer_sentences, parsing.trees,
    errata.wavelength, errata.parameters, errata.two_scores,
]  # fmt: skip
COMMANDS = {"read": read.main}
