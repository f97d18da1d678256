"""The papers' claims, re-tested: what is learned, how often, and how fast.

The chapter does not always say whether weights change after each pattern or after each sweep, and
only once in which range they begin. So claims about rates are measured both ways and at the
chapter's learning rates, and a claim gets the benefit of its best setting.
"""

from .adders import half_of_the_adders_fail, one_extra_unit, only_three_plus_three
from .codes import encoder_invents_codes, levels_of_one_unit, no_other_minima
from .completion import sequences, sequences_with_pauses
from .digits import characters
from .exclusive_or import minima_are_rare, xor_is_learned
from .letters import detectors, t_and_c
from .minima import figure_5, symmetry_breaking
from .parity import parity_units
from .printed import printed_networks
from .relations import family_relations
from .shift_registers import shift_registers
from .sigma_pi import sigma_pi_rule
from .speed import time_and_hidden_units, time_and_learning_rate
from .symmetry import symmetry_by_two_units, symmetry_in_powers_of_two

CLAIMS = [
    printed_networks,
    xor_is_learned,
    minima_are_rare,
    figure_5,
    symmetry_breaking,
    time_and_hidden_units,
    time_and_learning_rate,
    symmetry_by_two_units,
    symmetry_in_powers_of_two,
    half_of_the_adders_fail,
    only_three_plus_three,
    one_extra_unit,
    encoder_invents_codes,
    levels_of_one_unit,
    no_other_minima,
    parity_units,
    family_relations,
    shift_registers,
    sequences,
    sequences_with_pauses,
    detectors,
    t_and_c,
    characters,
    sigma_pi_rule,
]
