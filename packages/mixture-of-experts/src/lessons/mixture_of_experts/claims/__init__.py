"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import (
    amounts,
    ask,
    balance,
    clusters,
    contest,
    efficiency,
    errata,
    exact,
    rivals,
    shipped,
    specialized,
)

CLAIMS = [
    contest.capacity, contest.continued, contest.always_active, contest.cheaper,
    amounts.more_data, amounts.too_many, amounts.diminishing,
    balance.collapse, balance.reinforcing, balance.similar, balance.much_worse, balance.busiest,
    specialized.specialized,
    exact.thousandfold, efficiency.minor_losses, exact.equal_cost, exact.estimator,
    clusters.clusters, rivals.rivals, rivals.rates, clusters.variants, shipped.small_model,
    errata.eighteen, errata.not_monotonic, errata.rounded, errata.indices,
]  # fmt: skip
COMMANDS = {"route": ask.main}
