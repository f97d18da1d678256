"""The paper's claims, re-tested: what is run, the most important first."""

from . import (
    costs,
    errata,
    heads,
    parsing,
    places,
    read,
    reading,
    regularization,
    scale,
    translation,
)

CLAIMS = [
    translation.equal_operations, translation.equal_time, costs.parallel,
    costs.table_1, costs.whole_layers, costs.path_lengths,
    scale.vanishing, scale.counteracted,
    heads.one_head, heads.averaging, heads.too_many_heads,
    places.shifts, places.learned_positions, places.extrapolation, places.better_than_a_table,
    regularization.smoothing_hurts_perplexity, regularization.smoothing_improves_accuracy,
    regularization.smoothing_improves_bleu, regularization.dropout,
    parsing.constituency_parsing, reading.read_dates,
    errata.wavelength, errata.parameters, errata.two_scores,
]  # fmt: skip
COMMANDS = {"read": read.main}
