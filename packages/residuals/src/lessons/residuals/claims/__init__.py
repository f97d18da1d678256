"""The paper's claims, re-tested with the recipe of its §4.2 on images of digits.

Depth is what is tested, so the nets are those of §4.2, 8 to 56 layers deep; half as wide as in the
paper, since the images are small and have one colour.
"""

from .depth import degradation, depth_pays, residual_beats_plain
from .early import early_convergence
from .identity import identity_mapping, preactivation
from .responses import layer_responses
from .shortcuts import every_option_works, no_extra_cost

CLAIMS = [
    degradation,
    residual_beats_plain,
    depth_pays,
    no_extra_cost,
    every_option_works,
    early_convergence,
    layer_responses,
    identity_mapping,
    preactivation,
]
