"""An Image is Worth 16x16 Words (Dosovitskiy et al. 2021)."""

from .attention import Attention
from .config import PRESETS, ViTConfig, count_operations, count_parameters
from .few_shot import few_shot_linear
from .google import from_google, load_npz, save_npz, to_google
from .inspection import (
    attention_distance,
    attention_rollout,
    embedding_filters,
    position_similarity,
)
from .masked import MaskedPatchPrediction
from .model import MLP, Block, VisionTransformer, patchify, resized
from .positions import PositionEmbedding, interpolate_positions, sincos_2d
from .resnet import Backbone, StandardizedConv
from .training import (
    FINE_TUNING,
    RECIPES,
    Recipe,
    fine_tuning_optimizer,
    pretraining_optimizer,
    rate,
)
from .weights import (
    from_hugging_face,
    from_timm,
    from_torchvision,
    load,
    save,
    to_hugging_face,
    to_timm,
    to_torchvision,
)

__all__ = [
    "FINE_TUNING",
    "MLP",
    "PRESETS",
    "RECIPES",
    "Attention",
    "Backbone",
    "Block",
    "MaskedPatchPrediction",
    "PositionEmbedding",
    "Recipe",
    "StandardizedConv",
    "ViTConfig",
    "VisionTransformer",
    "attention_distance",
    "attention_rollout",
    "count_operations",
    "count_parameters",
    "embedding_filters",
    "few_shot_linear",
    "fine_tuning_optimizer",
    "from_google",
    "from_hugging_face",
    "from_timm",
    "from_torchvision",
    "interpolate_positions",
    "load",
    "load_npz",
    "patchify",
    "position_similarity",
    "pretraining_optimizer",
    "rate",
    "resized",
    "save",
    "save_npz",
    "sincos_2d",
    "to_google",
    "to_hugging_face",
    "to_timm",
    "to_torchvision",
]
