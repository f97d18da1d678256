"""The paper's claims, re-tested: what is run, the most important first."""

from . import ask, errata, gates, headline, lengths, meaning, regular, rescoring, shipped, units

CLAIMS = [
    headline.improves, headline.not_too_correlated, headline.penalty,
    meaning.semantic, meaning.syntactic, meaning.order,
    gates.crucial, gates.meaningless,
    regular.closer, regular.shorter, regular.rare, regular.outside, regular.well_formed,
    units.resets,
    shipped.speller, lengths.by_length, lengths.by_unknown, gates.made_up_gates, regular.similar,
    rescoring.noisy, rescoring.cheaper, units.updates, gates.as_printed,
    errata.readings, errata.embedded, errata.two_units, errata.three_gates,
]  # fmt: skip
COMMANDS = {"say": ask.main}
