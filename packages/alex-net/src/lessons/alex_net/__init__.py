"""AlexNet: the two-GPU net of 2012, and those that are called by its name."""

from .augment import (
    ColorPCA,
    center_crop,
    fit_rgb_pca,
    pca_color_augment,
    predict_ten_crop,
    preprocess,
    random_crop_flip,
    ten_crop,
)
from .files import load, save
from .lrn import LocalResponseNorm, local_response_norm_reference
from .net import PRESETS, AlexNet, AlexNetConfig, Conv, change
from .recipe import AlexSGD, PlateauByHand
from .retrieval import Neighbours, conv1_filters, retrieve
from .towers import TwoTowers
from .weights import (
    from_caffe,
    from_torchvision,
    load_caffe,
    load_torchvision,
    to_caffe,
    to_torchvision,
)

__all__ = [
    "PRESETS",
    "AlexNet",
    "AlexNetConfig",
    "AlexSGD",
    "ColorPCA",
    "Conv",
    "LocalResponseNorm",
    "Neighbours",
    "PlateauByHand",
    "TwoTowers",
    "center_crop",
    "change",
    "conv1_filters",
    "fit_rgb_pca",
    "from_caffe",
    "from_torchvision",
    "load",
    "load_caffe",
    "load_torchvision",
    "local_response_norm_reference",
    "pca_color_augment",
    "predict_ten_crop",
    "preprocess",
    "random_crop_flip",
    "retrieve",
    "save",
    "ten_crop",
    "to_caffe",
    "to_torchvision",
]
