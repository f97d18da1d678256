"""The paper's claims, re-tested: what is run, the most important first."""

from . import (
    ask,
    counted,
    errata,
    gates,
    headline,
    meaning,
    regular,
    rescoring,
    shipped,
    toy,
    units,
)  # fmt: skip

CLAIMS = [
    headline.improves, headline.not_too_correlated, headline.penalty,
    meaning.semantic, meaning.syntactic, meaning.order,
    gates.crucial, gates.meaningless,
    regular.closer, regular.shorter, regular.rare, counted.unlike_counts,
    regular.outside, regular.well_formed,
    units.resets,
    shipped.speller, gates.helped, units.updates, toy.made_up_gates, regular.similar,
    rescoring.noisy, rescoring.cheaper,
    errata.readings, errata.embedded, errata.two_units, errata.three_gates,
]  # fmt: skip
COMMANDS = {"say": ask.main}
