"""Deep residual learning: ResNet and its plain twins (He et al. 2016)."""

from .blocks import BasicBlock, Bottleneck, PreActBasicBlock, PreActBottleneck, ZeroPadShortcut
from .cifar import CIFAR_PRESETS, CifarResNet, CifarResNetConfig
from .evaluate import evaluate_fully_convolutional, evaluate_ten_crops, ten_crops
from .files import load, save
from .fold import fuse_conv_bn
from .resnet import PRESETS, ResNet, ResNetConfig
from .weights import (
    from_hf,
    from_timm,
    from_torchvision,
    load_hf,
    load_timm,
    load_torchvision,
    to_hf,
    to_timm,
    to_torchvision,
)

__all__ = [
    "CIFAR_PRESETS",
    "PRESETS",
    "BasicBlock",
    "Bottleneck",
    "CifarResNet",
    "CifarResNetConfig",
    "PreActBasicBlock",
    "PreActBottleneck",
    "ResNet",
    "ResNetConfig",
    "ZeroPadShortcut",
    "evaluate_fully_convolutional",
    "evaluate_ten_crops",
    "from_hf",
    "from_timm",
    "from_torchvision",
    "fuse_conv_bn",
    "load",
    "load_hf",
    "load_timm",
    "load_torchvision",
    "save",
    "ten_crops",
    "to_hf",
    "to_timm",
    "to_torchvision",
]
