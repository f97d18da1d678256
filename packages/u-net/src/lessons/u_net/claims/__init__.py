"""The paper's claims, re-tested on made-up cells that touch, and on a real image of nuclei."""

from .borders import border_weights
from .few_images import augmentation, deformation
from .initial import initialization, unit_variance
from .nuclei import real_image
from .seams import even_is_enough, seamless
from .skips import copies
from .windows import better_than_windows, fewer_operations

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
