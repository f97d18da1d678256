"""The net as it ran: two towers, each with half of the kernels, one on each GPU (§3.2, Fig. 2).

Shapes: B batch, C channels, H height, W width, F features, K classes.
"""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .net import AlexNet, AlexNetConfig, check_images, map_sizes


def halves(config: AlexNetConfig) -> AlexNetConfig:
    """Return the shape of one tower, whose layers all see one input."""
    convs = tuple(dataclasses.replace(c, kernels=c.kernels // 2, groups=1) for c in config.convs)
    hidden = tuple(units // 2 for units in config.hidden)
    return dataclasses.replace(config, convs=convs, hidden=hidden, lrn_groups=1)


class TwoTowers(nn.Module):
    """`AlexNet` with ``lrn_groups=2``, computed by two towers that meet in some layers only.

    They exchange maps before the convolutional layers with one group, but for the first, and units
    before each fully-connected layer. The first tower has the classes.

    Args:
        config: of the net as a whole; every layer's kernels and units are split in two.
        devices: of the two towers.

    Raises:
        ValueError: a layer cannot be split in two, or normalization would reach from one tower
            into the other (``lrn_groups`` is not 2).
    """

    def __init__(self, config: AlexNetConfig, devices: Sequence[str] = ("cpu", "cpu")) -> None:
        super().__init__()
        if any(conv.groups not in (1, 2) or conv.kernels % 2 for conv in config.convs):
            raise ValueError("convs must have 1 or 2 groups and an even number of kernels")
        if any(units % 2 for units in config.hidden):
            raise ValueError(f"hidden must be even numbers of units, got {config.hidden}")
        if config.lrn_groups != 2:
            raise ValueError(f"lrn_groups must be 2 for two towers, got {config.lrn_groups}")
        self.config, self.devices = config, tuple(devices)
        self.first, self.second = (self.tower(i).to(devices[i]) for i in range(2))

    @property
    def towers(self) -> tuple[AlexNet, AlexNet]:
        """Both towers."""
        return self.first, self.second

    def tower(self, index: int) -> AlexNet:
        """Return one tower: a net of half the kernels, its inputs doubled where both are read."""
        net = AlexNet(halves(self.config))
        for i in range(1, len(self.config.convs)):
            if self.reads_both(i):
                own = getattr(net, net.conv_names[i])
                both = nn.Conv2d(
                    2 * own.in_channels, own.out_channels, own.kernel_size, own.stride, own.padding
                )
                setattr(net, net.conv_names[i], both)
        for name in net.fc_names:
            own = getattr(net, name)
            setattr(net, name, nn.Linear(2 * own.in_features, own.out_features))
        if index:
            delattr(net, net.fc_names[-1])
        return net

    def reads_both(self, i: int) -> bool:
        """Say whether a convolutional layer, counted from 0, sees the maps of both towers."""
        return i > 0 and self.config.convs[i].groups == 1

    def exchange(self, parts: list[Tensor]) -> list[Tensor]:
        """Return both towers' maps or units side by side, on each tower's device."""
        return [torch.cat([part.to(device) for part in parts], 1) for device in self.devices]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits (B, K) on the first device."""
        check_images(self.config, x_BCHW)
        parts = [x_BCHW.to(device) for device in self.devices]
        for i in range(len(self.config.convs)):
            parts = self.exchange(parts) if self.reads_both(i) else parts
            parts = [tower.conv_layer(i, part) for tower, part in zip(self.towers, parts)]
        parts = [tower.flat(part) for tower, part in zip(self.towers, parts)]
        for i in range(len(self.config.hidden)):
            parts = self.exchange(parts)
            parts = [tower.fc_layer(i, part) for tower, part in zip(self.towers, parts)]
        return self.first.fc_layer(len(self.config.hidden), self.exchange(parts)[0])

    @torch.no_grad()
    def copy_from(self, model: AlexNet) -> "TwoTowers":
        """Take over the weights of a net of the same shape, and return self.

        Raises:
            ValueError: its shape is another.
        """
        if model.config != self.config:
            raise ValueError(f"model must have the config {self.config}, got {model.config}")
        for index, tower in enumerate(self.towers):
            for name, tensor in tower.state_dict().items():
                theirs = model.state_dict()[name]
                whole = theirs.shape[0] == tensor.shape[0]  # the layer of the classes
                tensor.copy_(theirs if whole else theirs.chunk(2)[index])
        return self

    def exchanged(self) -> int:
        """Return how many numbers each tower sends to the other for one image."""
        sizes = map_sizes(self.config, self.config.in_size, self.config.in_size)
        sent = sum(self.config.hidden) // 2 + self.config.flat_features // 2
        for i in range(1, len(self.config.convs)):
            if self.reads_both(i):
                height, width = sizes[i - 1]
                sent += self.config.convs[i - 1].kernels // 2 * height * width
        return sent
