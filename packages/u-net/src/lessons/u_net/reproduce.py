"""The paper's claims, re-tested on made-up cells that touch, and on a real image of nuclei."""

from .comparisons import (
    augmentation,
    better_than_windows,
    border_weights,
    copies,
    deformation,
    real_image,
)
from .geometry import (
    even_is_enough,
    fewer_operations,
    initialization,
    seamless,
    unit_variance,
)

CLAIMS = [
    augmentation,
    deformation,
    border_weights,
    copies,
    seamless,
    even_is_enough,
    fewer_operations,
    better_than_windows,
    initialization,
    unit_variance,
    real_image,
]
