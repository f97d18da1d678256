"""The paper's claims, re-tested; then what came later, decoupled decay under Adam."""

from .best_decay import best_decay
from .decoupled import large_gradients, no_gradient, same_under_sgd
from .figure_1 import dramatic_improvement
from .heat_maps import decoupled_choice, decoupled_generalizes
from .hidden_units import hidden_units
from .smallest_vector import smallest_vector
from .trained_network import best_epoch, error_rate, trained_network, tuned_rates

CLAIMS = [
    smallest_vector,
    best_decay,
    dramatic_improvement,
    hidden_units,
    trained_network,
    best_epoch,
    error_rate,
    tuned_rates,
    same_under_sgd,
    no_gradient,
    large_gradients,
    decoupled_choice,
    decoupled_generalizes,
]
