"""The paper's claims, re-tested: rectifiers against tanh and softplus, on images and on words.

As in the paper: three hidden layers, plain SGD with batches of 10 and a constant rate, which each
kind of net chooses by its error on images that it neither learns from nor is judged by. The nets
are narrower and learn from fewer images for fewer steps.
"""

from .exact import any_factor, linear_by_parts, rescaling
from .gradients import gradients_flow
from .pretraining import few_labels, rectifiers_need_none
from .reviews import words
from .sharpness import sharper_is_better
from .units import better_than_softplus, better_than_tanh
from .zeros import half_are_zero, sparse_at_no_cost

CLAIMS = [
    better_than_tanh,
    better_than_softplus,
    sharper_is_better,
    half_are_zero,
    sparse_at_no_cost,
    gradients_flow,
    rescaling,
    any_factor,
    linear_by_parts,
    rectifiers_need_none,
    few_labels,
    words,
]
