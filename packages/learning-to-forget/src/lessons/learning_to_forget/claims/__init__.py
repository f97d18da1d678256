"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import cerg, continual, errata, exact, gates, inside, order, rates, sizes, write, writing
from .device import on_this_device

CLAIMS = [on_this_device(claim) for claim in (
    cerg.all_fail, cerg.gates_solve, inside.growth, inside.cause, cerg.state_decay,
    cerg.weight_decay, cerg.resets_help, gates.closes, gates.stays_open, gates.bounded,
    order.large_bias, order.moderate_bias,
    order.no_problem, rates.biases, rates.falling, rates.no_effect, exact.storage, exact.forgives,
    continual.fails, continual.can,
    sizes.sizes, writing.text_stream, writing.writes, exact.keeps,
    errata.equation_21, errata.complexity, errata.average, errata.shortcuts, errata.same_step,
    errata.numbering, errata.criterion, errata.shortest, errata.almost_one,
)]  # fmt: skip
COMMANDS = {"write": write.main}
