"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import (
    costs,
    exact,
    fixed,
    indefinite,
    memory,
    online,
    oscillation,
    temporal,
    turing_machine,
    vanishing,
    write,
    writing,
)

CLAIMS = [
    fixed.fixed_length, indefinite.indefinite_length,
    oscillation.only_with_forcing, turing_machine.always, turing_machine.smallest,
    exact.gradients, exact.memory, exact.count,
    fixed.multilayer, fixed.more_units, fixed.more_layers,
    indefinite.no_delay_line, indefinite.flip_flop,
    oscillation.free_start,
    memory.single_unit, memory.no_static_pattern,
    online.often_slight, online.nearer,
    costs.fourth_power, temporal.temporal, vanishing.regimes, writing.writes,
    exact.end_of_the_trajectory,
]  # fmt: skip
COMMANDS = {"write": write.main}
