"""U-Net: dense prediction from very few images (Ronneberger et al. 2015)."""

from .augment import elastic_deform, gray_jitter, random_rot90_flip
from .cells import generate, nuclei
from .files import save
from .loss import dice_loss, weighted_cross_entropy
from .metrics import (
    Match,
    boundary_iou,
    components,
    dice,
    iou,
    match_cells,
    pixel_error,
    rand_error,
)
from .sizes import border, output_size, valid_sizes
from .sliding import SlidingWindow
from .tiles import rotations_mean, tile_predict
from .training import Augmentation, Tiles, fit, make_optimizer
from .unet import PRESETS, UNet, UNetConfig, center_crop, initialize
from .weighting import separate, weight_map
from .weights import (
    from_brain,
    from_milesial,
    from_release,
    load,
    load_brain,
    load_milesial,
    load_release,
    to_brain,
    to_milesial,
    to_release,
)

__all__ = [
    "PRESETS",
    "Augmentation",
    "Match",
    "SlidingWindow",
    "Tiles",
    "UNet",
    "UNetConfig",
    "border",
    "boundary_iou",
    "center_crop",
    "components",
    "dice",
    "dice_loss",
    "elastic_deform",
    "fit",
    "from_brain",
    "from_milesial",
    "from_release",
    "generate",
    "gray_jitter",
    "initialize",
    "iou",
    "load",
    "load_brain",
    "load_milesial",
    "load_release",
    "make_optimizer",
    "match_cells",
    "nuclei",
    "output_size",
    "pixel_error",
    "rand_error",
    "random_rot90_flip",
    "rotations_mean",
    "save",
    "separate",
    "tile_predict",
    "to_brain",
    "to_milesial",
    "to_release",
    "valid_sizes",
    "weight_map",
    "weighted_cross_entropy",
]
