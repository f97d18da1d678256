"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import cost, digits, directions, domains, errata, headline, matrices, scaling, steps, write

CLAIMS = [
    headline.on_par, headline.few, matrices.alone, matrices.best, matrices.small_rank,
    directions.shared, directions.seeds_agree, directions.correlated, directions.not_top,
    directions.amplified, cost.numbers_kept, cost.memory, cost.merged, cost.adapters_pay,
    cost.mitigated, steps.speedup, scaling.prefixes, scaling.scalable, scaling.portable,
    digits.near, digits.far, domains.domains,
    errata.rte, errata.gpt2, errata.deberta, errata.prelayer, errata.wide, errata.quotient,
    errata.letter, errata.faster,
]  # fmt: skip
COMMANDS = {"write": write.main}
