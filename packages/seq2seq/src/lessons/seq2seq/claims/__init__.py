"""The paper's claims, re-tested: what is run, the most important first."""

from . import (
    ask,
    beams,
    counterparts,
    depth,
    errata,
    lengths,
    padding,
    rescoring,
    reversing,
    shipped,
    standard,
    vectors,
    why,
)

CLAIMS = [
    beams.outperforms,
    reversing.lower_perplexity, reversing.better_translations, why.short_lags,
    counterparts.same_mean, counterparts.smaller_minimum,
    lengths.no_degradation, lengths.minor_degradation, lengths.long_ones, lengths.rare_words,
    depth.deeper, depth.a_tenth_each,
    beams.a_beam_of_one, beams.a_beam_of_two, beams.ensembles, beams.cheaper,
    rescoring.one_net, rescoring.all_nets,
    vectors.order, vectors.voice,
    standard.not_forward, standard.but_reversed, padding.twice,
    lengths.places, shipped.translator,
    errata.two_numbers,
]  # fmt: skip
COMMANDS = {"translate": ask.main}
