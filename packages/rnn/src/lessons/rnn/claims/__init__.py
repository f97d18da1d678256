"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import (
    costs,
    exact,
    fixed,
    flip_flop,
    indefinite,
    inside,
    memory,
    needs,
    online,
    oscillation,
    rivals,
    settled,
    temporal,
    turing_machine,
    vanishing,
    write,
    writing,
)

CLAIMS = [
    fixed.fixed_length, indefinite.recognition, indefinite.nonmatch,
    oscillation.with_forcing, oscillation.without_forcing, settled.reason,
    turing_machine.fifteen, turing_machine.smallest, turing_machine.any_length,
    exact.gradients, needs.no_interval, needs.nonlocal_rule, costs.fourth_power,
    exact.memory, needs.count,
    inside.multilayer, fixed.more_units, inside.more_layers,
    indefinite.no_delay_line, flip_flop.flip_flop,
    oscillation.free_start,
    memory.single_unit, memory.no_static_pattern,
    online.often_slight, online.nearer, settled.feedback,
    temporal.temporal, vanishing.regimes, writing.writes, rivals.rivals,
    exact.end_of_the_trajectory,
]  # fmt: skip
COMMANDS = {"write": write.main}
