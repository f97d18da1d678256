"""Back-propagation: the generalized delta rule of 1986, and all that the chapter taught it."""

from .counting import wilson
from .delta import generalized_delta, logistic, propagate
from .families import FamilyTrees, family_trees
from .graph import (
    PRESETS,
    Graph,
    chained,
    detector_graph,
    encoder_graph,
    family_graph,
    layered,
)
from .mlp import ACTIVATIONS, MLP
from .net import DeltaNet, gradient_check
from .published import DETECTORS, PUBLISHED
from .recurrent import RecurrentNet, unroll
from .rule import DeltaRule, train, within
from .sigma_pi import SigmaPi
from .tasks import (
    addition,
    encoder,
    levels,
    negation,
    parity,
    sequence_completion,
    shift_register,
    symmetry,
    t_c,
    xor,
)

__all__ = [
    "ACTIVATIONS", "DETECTORS", "MLP", "PRESETS", "PUBLISHED", "DeltaNet", "DeltaRule",
    "FamilyTrees", "Graph", "RecurrentNet", "SigmaPi", "addition", "chained", "detector_graph",
    "encoder", "encoder_graph", "family_graph", "family_trees", "generalized_delta",
    "gradient_check", "layered", "levels", "logistic", "negation", "parity", "propagate",
    "sequence_completion", "shift_register", "symmetry", "t_c", "train", "unroll", "wilson",
    "within", "xor",
]  # fmt: skip
