"""BN-Inception (Fig. 5), and the training changes of §4.2.1 that go with it.

Shapes: B pictures, C channels, H and W their height and width, K classes.
"""

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .norm import BatchNorm2d


class Row(NamedTuple):
    """A row of Fig. 5: the widths of a module's branches (0: there is none)."""

    one: int  # 1×1
    reduce: int  # 1×1 before the 3×3
    three: int
    double_reduce: int  # 1×1 before the two 3×3
    double: int  # of both
    pool: str  # "avg" or "max"
    projection: int  # 1×1 after pooling; 0: the pooled input passes through, and stride is 2


ROWS = {
    "3a": Row(64, 64, 64, 64, 96, "avg", 32),
    "3b": Row(64, 64, 96, 64, 96, "avg", 64),
    "3c": Row(0, 128, 160, 64, 96, "max", 0),
    "4a": Row(224, 64, 96, 96, 128, "avg", 128),
    "4b": Row(192, 96, 128, 96, 128, "avg", 128),
    "4c": Row(160, 128, 160, 128, 160, "avg", 128),
    "4d": Row(96, 128, 192, 160, 192, "avg", 128),
    "4e": Row(0, 128, 192, 192, 256, "max", 0),
    "5a": Row(352, 192, 320, 160, 224, "avg", 128),
    "5b": Row(352, 192, 320, 192, 224, "max", 128),
}


@dataclasses.dataclass(frozen=True)
class BNInceptionConfig:
    """The shape of a BN-Inception; the paper's by default.

    Attributes:
        num_classes: K.
        first_conv: "separable", with depth multiplier 8 (appendix), or "full", a plain 7×7.
        projection_4cd: of rows 4c and 4d. Their columns, 128 among them, sum to 608 channels, and
            the output printed beside them is 576; with 96 it would be.
        nonlinearity: "relu" or "sigmoid" (BN-x5-Sigmoid).
        norm: whether there is batch norm; without, convolutions have biases.
    """

    num_classes: int = 1000
    first_conv: str = "separable"
    projection_4cd: int = 128
    nonlinearity: str = "relu"
    norm: bool = True

    def __post_init__(self) -> None:
        for name, known in (
            ("first_conv", ("separable", "full")),
            ("projection_4cd", (128, 96)),
            ("nonlinearity", tuple(NONLINEARITIES)),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        if self.num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {self.num_classes}")


NONLINEARITIES = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}
PRESETS = {
    "bn-inception": BNInceptionConfig(),  # Fig. 5's columns, the appendix' first layer
    "bn-inception-full": BNInceptionConfig(first_conv="full"),
    "bn-inception-576": BNInceptionConfig(first_conv="full", projection_4cd=96),  # Fig. 5's sizes
    "bn-inception-sigmoid": BNInceptionConfig(nonlinearity="sigmoid"),
}


class BNInception(nn.Module):
    """The network of Fig. 5: pictures (B, 3, 224, 224) to logits (B, K).

    Args:
        config: the shape; `BNInception.from_preset` has the published ones.
        generator: randomness of the first weights, which are as torch's layers begin; None: torch's
            own.
    """

    def __init__(
        self,
        config: BNInceptionConfig = PRESETS["bn-inception"],
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        if config.first_conv == "full":
            first = conv(config, 3, 64, 7, 2)
        else:
            # Eight filters for each colour, mixed at once: no norm or nonlinearity between.
            depthwise = nn.Conv2d(3, 24, 7, 2, 3, groups=3, bias=False)
            first = nn.Sequential(depthwise, *conv(config, 24, 64, 1))
        self.stem = nn.Sequential(
            first, nn.MaxPool2d(3, 2, ceil_mode=True),
            conv(config, 64, 64, 1), conv(config, 64, 192, 3), nn.MaxPool2d(3, 2, ceil_mode=True),
        )  # fmt: skip
        self.inception = nn.ModuleDict()
        channels = 192
        for name, row in ROWS.items():
            if name in ("4c", "4d"):
                row = row._replace(projection=config.projection_4cd)
            self.inception[name] = InceptionModule(config, channels, row)
            channels = row.one + row.three + row.double + (row.projection or channels)
        self.fc = nn.Linear(channels, config.num_classes)
        if generator is not None:
            initialize(self, generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes
    ) -> "BNInception":
        """Return an untrained net of a published size.

        Args:
            name: a key of `PRESETS`.
            generator: randomness of the first weights; None: torch's own.
            changes: fields of `BNInceptionConfig` to set otherwise, such as ``num_classes=10``.

        Raises:
            ValueError: an unknown name, or a value that is none.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    def features(self, x_BCHW: Tensor) -> dict[str, Tensor]:
        """Return what comes out of the stem and of each module, by its name in Fig. 5."""
        if x_BCHW.ndim != 4 or x_BCHW.shape[1] != 3:
            raise ValueError(f"the input should be (B, 3, H, W), is {tuple(x_BCHW.shape)}")
        outputs = {"stem": self.stem(x_BCHW)}
        last = outputs["stem"]
        for name, module in self.inception.items():
            outputs[name] = last = module(last)
        return outputs

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map pictures (B, 3, H, W) to logits (B, K)."""
        return self.fc(self.features(x_BCHW)["5b"].mean((2, 3)))


class InceptionModule(nn.Module):
    """Four branches side by side, their channels put together."""

    def __init__(self, config: BNInceptionConfig, channels: int, row: Row) -> None:
        super().__init__()
        stride = 1 if row.projection else 2
        self.one = conv(config, channels, row.one, 1) if row.one else None
        self.three = nn.Sequential(
            conv(config, channels, row.reduce, 1), conv(config, row.reduce, row.three, 3, stride)
        )
        self.three_three = nn.Sequential(
            conv(config, channels, row.double_reduce, 1),
            conv(config, row.double_reduce, row.double, 3),
            conv(config, row.double, row.double, 3, stride),
        )
        if not row.projection:
            self.pool = nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True))
        else:
            pool = nn.AvgPool2d if row.pool == "avg" else nn.MaxPool2d
            self.pool = nn.Sequential(pool(3, 1, 1), conv(config, channels, row.projection, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to the branches' channels; half the size where nothing is projected."""
        branches = (self.one, self.three, self.three_three, self.pool)
        return torch.cat([branch(x_BCHW) for branch in branches if branch is not None], 1)


@torch.no_grad()
def initialize(model: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of convolutions and linear layers as torch does: uniformly from ±1/√F."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = layer.weight[0].numel() ** -0.5
            for tensor in layer.parameters():
                tensor.uniform_(-bound, bound, generator=generator)


def conv(config: BNInceptionConfig, channels: int, out: int, size: int, stride: int = 1):
    """Return g(BN(Wu)) (§3.2): the bias would be taken away with the mean, so there is none."""
    layer = nn.Conv2d(channels, out, size, stride, size // 2, bias=not config.norm)
    norm = [BatchNorm2d(out)] if config.norm else []
    return nn.Sequential(layer, *norm, NONLINEARITIES[config.nonlinearity]())


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network of §4.2.2 was trained, on ImageNet in batches of 32, and what came of it.

    Attributes:
        lr: the first learning rate.
        l2: the weight of the L2 loss, and
        decay_speed: how fast the learning rate falls, both relative to Inception's, which the
            paper does not give.
        dropout: on the last layer; the paper gives Inception's in §4.2.3.
        response_norm: whether local response normalization is kept.
        steps: to Inception's best accuracy, 72.2%; None: never.
        accuracy: the best, top-1, of a single crop.
    """

    lr: float
    l2: float = 0.2
    decay_speed: float = 6.0
    dropout: float = 0.0
    response_norm: bool = False
    nonlinearity: str = "relu"
    norm: bool = True
    steps: float | None = None
    accuracy: float = 0.0


RECIPES = {
    "inception": Recipe(0.0015, 1, 1, 0.4, True, norm=False, steps=31.0e6, accuracy=0.722),
    "bn-baseline": Recipe(0.0015, 1, 1, 0.4, True, steps=13.3e6, accuracy=0.727),
    "bn-x5": Recipe(0.0075, steps=2.1e6, accuracy=0.730),
    "bn-x30": Recipe(0.045, steps=2.7e6, accuracy=0.748),
    "bn-x5-sigmoid": Recipe(0.0075, nonlinearity="sigmoid", accuracy=0.698),
}
