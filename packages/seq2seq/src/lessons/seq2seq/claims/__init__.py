"""The paper's claims, re-tested: what is run, the most important first."""

from . import (
    ask,
    beams,
    depth,
    errata,
    lengths,
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
    why.same_mean, why.smaller_minimum,
    lengths.no_degradation, lengths.minor_degradation, lengths.long_ones,
    depth.deeper, depth.a_tenth_each,
    beams.a_beam_of_one, beams.a_beam_of_two, beams.ensembles, beams.cheaper,
    rescoring.one_net, rescoring.all_nets,
    vectors.order, vectors.voice,
    standard.not_forward, standard.but_reversed,
    lengths.places, shipped.translator,
    errata.two_numbers, errata.not_their_best, errata.pure_recurrent,
]  # fmt: skip
COMMANDS = {"translate": ask.main}
