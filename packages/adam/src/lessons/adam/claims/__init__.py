"""The paper's claims, re-tested: what a reader of the abstract would ask for comes first.

Not among them is the sum-of-functions optimizer of §6.2 and Fig. 2b, left out for effort: what is
said of its time per step is said of its authors' program.
"""

from .bias_correction import best_settings, instability, never_worse, towards_the_end
from .convolutional import adagrad_is_slow, marginal_improvement, rapid_at_first
from .defaults import annealing, little_tuning
from .dropout_network import averaging, best_of_five
from .first_moment import first_moment_helps, more_in_cnns
from .logistic import faster_than_adagrad, faster_than_plain_adagrad, similar_to_sgd
from .sparse import adagrad_beats_sgd, adam_beats_sgd, adam_keeps_up
from .steps import (
    adamax_bound,
    rarely_exceeded,
    scale_invariance,
    stated_bound_otherwise,
    stated_bound_sparse,
    usual_step,
)
from .theorem import small_or_near_one, theorem, wrong_beta
from .vanishing import vanishing

CLAIMS = [
    best_of_five,  # C1
    similar_to_sgd,
    faster_than_adagrad,
    faster_than_plain_adagrad,
    adagrad_beats_sgd,
    adam_keeps_up,  # C5a
    adam_beats_sgd,
    rapid_at_first,  # C6a
    adagrad_is_slow,
    marginal_improvement,
    vanishing,  # C8
    instability,
    best_settings,  # C10a
    towards_the_end,
    never_worse,
    little_tuning,  # C12
    theorem,
    scale_invariance,
    rarely_exceeded,  # C15a
    usual_step,
    stated_bound_sparse,  # C16a
    stated_bound_otherwise,
    adamax_bound,
    annealing,
    averaging,  # C19
    first_moment_helps,
    more_in_cnns,
    wrong_beta,
    small_or_near_one,
]
