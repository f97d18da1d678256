"""The paper's claims, re-tested.

Where several seeds are trained they stand side by side on a leading axis R: calling torch costs
more than the arithmetic of such small nets.
"""

from .batch_sizes import all_layers, small_batches
from .convolutional import convolutional
from .curvature import curvature, smaller_gradients
from .dynamics import dynamics
from .invariances import feature_shift, invariances
from .recurrent import faster_readers, initial_gain, who_benefits

CLAIMS = [
    invariances,
    feature_shift,
    dynamics,
    smaller_gradients,
    curvature,
    small_batches,
    all_layers,
    faster_readers,
    who_benefits,
    convolutional,
    initial_gain,
]
