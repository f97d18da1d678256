"""The paper's nets: for MNIST (Tables 2 and 9), and for SVHN and CIFAR (B.2, B.3).

Shapes: B cases, C channels, H height, W width.
"""

import dataclasses
from dataclasses import InitVar
from typing import Any

import torch
from torch import nn

from .dropout import Dropout


@dataclasses.dataclass(frozen=True)
class MLPConfig:
    """A net of fully connected layers."""

    widths: tuple[int, ...] = (784, 800, 800, 10)
    unit: type[nn.Module] = nn.ReLU
    p_input: float = 0.2  # of dropping; the paper's .8 is the retention (B.1)
    p_hidden: float = 0.5
    mode: str = "inverted"
    noise: str = "bernoulli"


@dataclasses.dataclass(frozen=True)
class ConvConfig:
    """Convolutions, each behind a pool, and fully connected layers."""

    channels: tuple[int, ...] = (96, 128, 256)
    hidden: tuple[int, ...] = (2048, 2048)
    size: int = 32
    in_channels: int = 3
    num_classes: int = 10
    # Of dropping; retention .9, .75, .75, .5, .5, .5 from the input on (B.2).
    p: tuple[float, ...] = (0.1, 0.25, 0.25, 0.5, 0.5, 0.5)
    in_chans: InitVar[int | None] = None  # the former names of in_channels
    classes: InitVar[int | None] = None  # … and num_classes

    def __post_init__(self, in_chans: int | None, classes: int | None) -> None:
        for name, value in (("in_channels", in_chans), ("num_classes", classes)):
            if value is not None:
                object.__setattr__(self, name, value)


PRESETS: dict[str, MLPConfig | ConvConfig] = {
    "mnist-800-logistic": MLPConfig(unit=nn.Sigmoid),
    "mnist-1024-logistic": MLPConfig((784, 1024, 1024, 1024, 10), nn.Sigmoid),
    "mnist-1024": MLPConfig((784, 1024, 1024, 1024, 10)),
    "mnist-2048": MLPConfig((784, 2048, 2048, 2048, 10)),
    "mnist-2x4096": MLPConfig((784, 4096, 4096, 10)),
    "mnist-2x8192": MLPConfig((784, 8192, 8192, 10)),
    "mnist-table-9": MLPConfig((784, 1024, 1024, 2048, 10)),
    "svhn": ConvConfig(),
    "cifar-10": ConvConfig(),
    "cifar-100": ConvConfig(num_classes=100),
}


def initialize(net: nn.Module, generator: torch.Generator | None) -> None:
    """Draw a net's weights anew as torch draws them, from a generator; None: leave them."""
    for layer in () if generator is None else net.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            bound = layer.weight[0].numel() ** -0.5
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator)


class MLP(nn.Sequential):
    """Dropout on the input and behind each hidden layer (Table 2, Table 9).

    Args:
        config: a preset's, or your own.
        generator: randomness of the first weights (not of the masks); None: torch's own.
        factory: device, dtype.
    """

    def __init__(
        self,
        config: MLPConfig | None = None,
        generator: torch.Generator | None = None,
        **factory: Any,
    ) -> None:
        config = config or MLPConfig()
        how: dict[str, Any] = {"mode": config.mode, "noise": config.noise}
        layers: list[nn.Module] = [Dropout(config.p_input, **how)]
        for inputs, outputs in zip(config.widths[:-2], config.widths[1:-1]):
            layers += [nn.Linear(inputs, outputs, **factory), config.unit()]
            layers.append(Dropout(config.p_hidden, **how))
        super().__init__(*layers, nn.Linear(config.widths[-2], config.widths[-1], **factory))
        initialize(self, generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> "MLP":
        """Build one of the nets for MNIST; arguments and errors as of the function."""
        factory = {key: changes.pop(key) for key in ("device", "dtype") if key in changes}
        return cls(chosen(name, (MLPConfig,), changes), generator, **factory)


class ConvNet(nn.Sequential):
    """The net for SVHN and CIFAR: images (B, C, H, W) to logits (B, classes).

    The paper gives neither padding nor what a pool does at the border; with a padding of 2 and
    pools that keep partial windows, images of 32 shrink to 16, 8 and 4.

    Args:
        config: a preset's, or your own.
        generator: randomness of the first weights (not of the masks); None: torch's own.
        factory: device, dtype.

    Source: B.2, B.3.
    """

    def __init__(
        self,
        config: ConvConfig | None = None,
        generator: torch.Generator | None = None,
        **factory: Any,
    ) -> None:
        config = config or ConvConfig()
        p, inputs, size = iter(config.p), config.in_channels, config.size
        layers: list[nn.Module] = [Dropout(next(p))]
        for outputs in config.channels:
            layers += [nn.Conv2d(inputs, outputs, 5, padding=2, **factory), nn.ReLU()]
            layers += [nn.MaxPool2d(3, 2, ceil_mode=True), Dropout(next(p))]
            inputs, size = outputs, size // 2
        layers.append(nn.Flatten())
        inputs *= size * size
        for outputs in config.hidden:
            layers += [nn.Linear(inputs, outputs, **factory), nn.ReLU(), Dropout(next(p))]
            inputs = outputs
        super().__init__(*layers, nn.Linear(inputs, config.num_classes, **factory))
        initialize(self, generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> "ConvNet":
        """Build one of the nets for SVHN and CIFAR; arguments and errors as of the function."""
        factory = {key: changes.pop(key) for key in ("device", "dtype") if key in changes}
        return cls(chosen(name, (ConvConfig,), changes), generator, **factory)


def chosen(name: str, kinds: tuple[type, ...], changes: dict[str, Any]) -> Any:
    """Return a preset of these kinds, changed; raise a ValueError where there is none."""
    known = [key for key, config in PRESETS.items() if isinstance(config, kinds)]
    if name not in known:
        raise ValueError(f"name must be one of {', '.join(known)}, got {name!r}")
    return dataclasses.replace(PRESETS[name], **changes)


def from_preset(
    name: str, generator: torch.Generator | None = None, **changes: Any
) -> MLP | ConvNet:
    """Build a published net, with random weights.

    Args:
        name: a key of `PRESETS`.
        generator: randomness of the first weights; None: torch's own.
        changes: fields of its config to set otherwise, such as ``num_classes=100``; and device and
            dtype, of the weights.

    Raises:
        ValueError: an unknown name.
    """
    config = chosen(name, (MLPConfig, ConvConfig), {})
    net = MLP if isinstance(config, MLPConfig) else ConvNet
    return net.from_preset(name, generator, **changes)
