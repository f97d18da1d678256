"""Convolutional networks: the zip-code net and LeNet-5 (LeCun et al. 1989; 1998)."""

from .convolution import conv2d, conv2d_gradients, windows
from .count import Count, count
from .files import load, save
from .fold import fold
from .images import distort, fill, normalize, shift
from .layers import MapConv2d, MaxPool, PartialConv2d, ScaledTanh, Subsample, init_lecun
from .lenet import C3_TABLE, PRESETS, SDNN, LeNet5, LeNet5Config, sdnn
from .output import DIGIT_CODES, RBFOutput, reject_at, rejection_curve
from .second_order import SCHEDULE, StochasticDiagonalLM, diagonal_curvature, falling
from .train import Pass, fit, predict
from .weights import from_conv_stack, to_conv_stack
from .zip_net import BLOCKS, ZipNet, loss_signs

__all__ = [
    "BLOCKS",
    "C3_TABLE",
    "DIGIT_CODES",
    "PRESETS",
    "SCHEDULE",
    "SDNN",
    "Count",
    "LeNet5",
    "LeNet5Config",
    "MapConv2d",
    "MaxPool",
    "PartialConv2d",
    "Pass",
    "RBFOutput",
    "ScaledTanh",
    "StochasticDiagonalLM",
    "Subsample",
    "ZipNet",
    "conv2d",
    "conv2d_gradients",
    "count",
    "diagonal_curvature",
    "distort",
    "falling",
    "fill",
    "fit",
    "fold",
    "from_conv_stack",
    "init_lecun",
    "load",
    "loss_signs",
    "normalize",
    "predict",
    "reject_at",
    "rejection_curve",
    "save",
    "sdnn",
    "shift",
    "to_conv_stack",
    "windows",
]
