"""The paper's claims, re-tested: what is run, the most important first."""

from . import (
    additive,
    costs,
    distance,
    errata,
    heads,
    looks,
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
    translation.better_translations, translation.less_time, parallel.chain_costs, parsing.trees,
    costs.terms, costs.whole_layers, parallel.chains,
    distance.constant_paths, distance.path_lengths, distance.learning,
    variations.small_gradients, variations.additive, additive.faster, additive.smaller,
    variations.one_head, variations.one_head_bleu, variations.too_many_heads,
    variations.too_many_heads_bleu, variations.bigger, variations.smaller_keys,
    places.shifts, regularization.learned_positions,
    regularization.smoothing_hurts_perplexity, regularization.smoothing_improves_accuracy,
    regularization.smoothing_improves_bleu, regularization.dropout,
    reading.read_dates, scale.random_products, heads.two_places, places.longer_sentences,
    variations.scale, looks.heads,
    errata.wavelength, errata.parameters, errata.two_scores, errata.convolutions,
]  # fmt: skip
COMMANDS = {"read": read.main}
