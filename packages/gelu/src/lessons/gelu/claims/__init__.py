"""The paper's claims, re-tested.

The nets of one kind are trained side by side, one for each seed (`replicates`); initial weights
and the order of the images are the same for all activations, so that differences are paired.
"""

from .autoencoder import autoencoding
from .classifier import noisy_accuracy, noisy_loss, with_dropout, without_dropout
from .exact import cauchy, closeness, curvature, expectation, limit
from .gates import other_gates
from .mask import mask_alone

CLAIMS = [
    without_dropout,
    with_dropout,
    noisy_accuracy,
    noisy_loss,
    autoencoding,
    mask_alone,
    expectation,
    limit,
    cauchy,
    curvature,
    closeness,
    other_gates,
]
