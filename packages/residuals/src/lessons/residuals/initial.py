"""What the nets begin with."""

import torch
from torch import nn

from .blocks import BasicBlock, Bottleneck, PreActBasicBlock, PreActBottleneck


@torch.no_grad()
def initialize(
    model: nn.Module,
    zero_init_residual: bool = False,
    generator: torch.Generator | None = None,
) -> None:
    """Initialize in place, as the paper's code and torchvision do.

    Args:
        model: convolutions get He's normal initialization with the fan-out, norms weight 1; linear
            layers torch's, with which they come.
        zero_init_residual: each block's last norm gets weight 0, so that the net begins as the
            shortcuts alone (Goyal et al. 2017); in a pre-activation block, which ends in a
            convolution, its last convolution. Later than the paper.
        generator: randomness; None: torch's own, and linear layers are left as they are.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(
                module.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear) and generator is not None:
            for tensor in module.parameters():
                bound = module.in_features**-0.5
                tensor.uniform_(-bound, bound, generator=generator)
    for module in model.modules() if zero_init_residual else ():
        if isinstance(module, BasicBlock):
            nn.init.zeros_(module.bn2.weight)
        elif isinstance(module, Bottleneck):
            nn.init.zeros_(module.bn3.weight)
        elif isinstance(module, PreActBasicBlock):
            nn.init.zeros_(module.conv2.weight)
        elif isinstance(module, PreActBottleneck):
            nn.init.zeros_(module.conv3.weight)
