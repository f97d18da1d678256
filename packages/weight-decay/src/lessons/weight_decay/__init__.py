"""A Simple Weight Decay Can Improve Generalization (Krogh and Hertz 1991)."""

from .decay import l2_penalty, weight_decay_
from .groups import param_groups
from .nonlinear import gauss_newton, jacobian_gram
from .optimizer import SGDW, AdamL2, AdamW, WeightDecay, norm_schedule
from .theory import (
    LinearTeacherStudent,
    eigenvalue_errors,
    generalization_error,
    optimal_lambda,
    posterior_mean,
    resolvent,
    ridge,
)

__all__ = [
    "SGDW",
    "AdamL2",
    "AdamW",
    "LinearTeacherStudent",
    "WeightDecay",
    "eigenvalue_errors",
    "gauss_newton",
    "generalization_error",
    "jacobian_gram",
    "l2_penalty",
    "norm_schedule",
    "optimal_lambda",
    "param_groups",
    "posterior_mean",
    "resolvent",
    "ridge",
    "weight_decay_",
]
