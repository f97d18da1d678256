"""The paper's claims, re-tested: its exact statements exactly, the others on small images."""

from .ablation import depth, normalization, overlapping, two_gpus, weight_decay
from .neighbours import semantic_neighbours
from .overfitting import colors, dropout_takes_longer, regularization, ten_crops
from .printed import one_percent, printed_colors, printed_crops, printed_input, printed_sizes
from .race import relu_is_faster
from .towers import two_towers

CLAIMS = [
    relu_is_faster,
    two_towers,
    two_gpus,
    normalization,
    overlapping,
    regularization,
    ten_crops,
    colors,
    dropout_takes_longer,
    weight_decay,
    one_percent,
    depth,
    semantic_neighbours,
    printed_sizes,
    printed_input,
    printed_crops,
    printed_colors,
]
