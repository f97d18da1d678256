"""The paper's claims, re-tested, on the net of its Fig. 1 and in closed form.

Nets that differ in settings only train side by side, from the same weights and on the same batches
(`side_by_side`), so differences between them are paired; a trial is one seed.
"""

from .covariate_shift import covariate_shift
from .dropout import regularizes
from .ignored_statistics import blows_up, ignored_mean
from .jacobians import jacobians
from .larger_rates import larger_rates
from .population import population_statistics
from .scale_invariance import scale_invariance
from .sigmoid_nets import faster_and_better, stable_inputs
from .sizes import sizes

CLAIMS = [
    faster_and_better,
    stable_inputs,
    larger_rates,
    scale_invariance,
    ignored_mean,
    blows_up,
    regularizes,
    covariate_shift,
    jacobians,
    population_statistics,
    sizes,
]
