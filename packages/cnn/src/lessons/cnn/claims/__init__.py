"""The papers' claims, re-tested: what the architecture does for reading digits."""

from .amounts import distortions, more_data
from .codes import collapse
from .counts import multiply_adds, published_counts
from .few_weights import constrained_nets, zip_codes
from .initial_weights import initial_weights
from .inputs import input_statistics
from .larger_images import replication
from .overtraining import no_overtraining
from .rates import insensitive_rates, second_order_rates
from .shifts import shift_robustness

CLAIMS = [
    published_counts,
    multiply_adds,
    input_statistics,
    zip_codes,
    constrained_nets,
    more_data,
    distortions,
    collapse,
    replication,
    no_overtraining,
    shift_robustness,
    insensitive_rates,
    second_order_rates,
    initial_weights,
]
