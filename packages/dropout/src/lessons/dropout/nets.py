"""The paper's nets: for MNIST (Tables 2 and 9), and for SVHN and CIFAR (B.2, B.3).

Shapes: B cases, C channels, H height, W width.
"""

import dataclasses
from typing import Any

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
    in_chans: int = 3
    classes: int = 10
    # Of dropping; retention .9, .75, .75, .5, .5, .5 from the input on (B.2).
    p: tuple[float, ...] = (0.1, 0.25, 0.25, 0.5, 0.5, 0.5)


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
    "cifar-100": ConvConfig(classes=100),
}


class MLP(nn.Sequential):
    """Dropout on the input and behind each hidden layer (Table 2, Table 9).

    Args:
        config: a preset's, or your own.
    """

    def __init__(self, config: MLPConfig | None = None, **factory: Any) -> None:
        config = config or MLPConfig()
        how: dict[str, Any] = {"mode": config.mode, "noise": config.noise}
        layers: list[nn.Module] = [Dropout(config.p_input, **how)]
        for inputs, outputs in zip(config.widths[:-2], config.widths[1:-1]):
            layers += [nn.Linear(inputs, outputs, **factory), config.unit()]
            layers.append(Dropout(config.p_hidden, **how))
        super().__init__(*layers, nn.Linear(config.widths[-2], config.widths[-1], **factory))


class ConvNet(nn.Sequential):
    """The net for SVHN and CIFAR: images (B, C, H, W) to logits (B, classes).

    The paper gives neither padding nor what a pool does at the border; with a padding of 2 and
    pools that keep partial windows, images of 32 shrink to 16, 8 and 4.

    Args:
        config: a preset's, or your own.

    Source: B.2, B.3.
    """

    def __init__(self, config: ConvConfig | None = None, **factory: Any) -> None:
        config = config or ConvConfig()
        p, inputs, size = iter(config.p), config.in_chans, config.size
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
        super().__init__(*layers, nn.Linear(inputs, config.classes, **factory))


def from_preset(name: str, **factory: Any) -> MLP | ConvNet:
    """Build a published net by its name in `PRESETS`; ``factory``: device, dtype."""
    if name not in PRESETS:
        raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
    config = PRESETS[name]
    if isinstance(config, ConvConfig):
        return ConvNet(config, **factory)
    return MLP(config, **factory)
