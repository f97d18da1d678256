"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import depth, domains, errata, overlaps, tasks, tokens, underfit, world, writing
from .shipped import COMMANDS

__all__ = ["CLAIMS", "COMMANDS"]

CLAIMS = [
    domains.small, domains.large,
    tasks.begins, tasks.log_linear, tasks.essential, underfit.underfits,
    tokens.any_string, tokens.slots, tokens.exception,
    overlaps.own_more, tasks.calibrated,
    world.made_up, depth.depth, writing.writes,
    errata.counts, errata.not_steadily, errata.filtered, errata.factors,
]  # fmt: skip
