r"""LeNet-5, as published in 1998 and as everybody builds it today.

Shapes: B batch, H, W height and width; K classes; Y, X places on a larger image.
"""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import MapConv2d, MaxPool, PartialConv2d, ScaledTanh, Subsample, init_lecun, init_torch
from .output import DIGIT_CODES, RBFOutput

# Table I: for each of the 16 maps of C3, the maps of S2 that it sees.
C3_TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip

ACTIVATIONS = {"scaled_tanh": ScaledTanh, "tanh": nn.Tanh, "relu": nn.ReLU}


@dataclass(frozen=True)
class LeNet5Config:
    """The parts of a `LeNet5`; the defaults are the paper's.

    Raises:
        ValueError: a part that there is not, RBF outputs for other than 10 classes, or centers to
            be learned without them.
    """

    c3: str = "table"  # or "full": every map of C3 sees every map of S2
    subsample: str = "trainable"  # or "avg", "max": no coefficients, and nothing squashed after
    output: str = "rbf"  # or "linear": scores instead of penalties
    activation: str = "scaled_tanh"  # or "tanh", "relu"
    learnable_centers: bool = False  # of the RBF units (§II-C)
    num_classes: int = 10

    def __post_init__(self) -> None:
        for name, known in (
            ("c3", ("table", "full")),
            ("subsample", ("trainable", "avg", "max")),
            ("output", ("rbf", "linear")),
            ("activation", tuple(ACTIVATIONS)),
        ):
            if getattr(self, name) not in known:
                got = getattr(self, name)
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {got!r}")
        if self.output == "rbf" and self.num_classes != 10:
            raise ValueError(f"num_classes must be 10 with rbf outputs, got {self.num_classes}")
        if self.learnable_centers and self.output != "rbf":
            raise ValueError(f"learnable_centers needs output='rbf', got {self.output!r}")


PRESETS = {
    "lenet5": LeNet5Config(),
    "lenet5_modern": LeNet5Config("full", "max", "linear", "relu"),
}


class LeNet5(nn.Module):
    """LeNet-5 for images of 32 by 32 pixels, background −0.1 and ink 1.175 (see `normalize`).

    C1, S2, C3, S4, C5, F6, each followed by the squashing function, then the output.

    Args:
        config: the parts.
        generator: randomness of the first weights; None: torch's own.

    Source: 1998, §II-B and Fig. 2. The modern form has ReLUs, max-pooling, a full C3, linear
    outputs, and torch's initialization; see `init_lecun` for the paper's.
    """

    def __init__(
        self, config: LeNet5Config = LeNet5Config(), generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = _subsample(config, 6)
        if config.c3 == "full":
            self.c3: nn.Module = nn.Conv2d(6, 16, 5)
        else:
            self.c3 = PartialConv2d(6, C3_TABLE)
        self.s4 = _subsample(config, 16)
        self.c5 = MapConv2d(16, 120, 5)
        self.f6 = MapConv2d(120, 84, 1)
        self.squash = ACTIVATIONS[config.activation]()
        if config.output == "linear":
            self.out = MapConv2d(84, config.num_classes, 1)
        else:
            self.rbf = RBFOutput(DIGIT_CODES, config.learnable_centers)
        if config.activation != "relu":
            # ±2.4/√F. With ±2.4/F, as App. A prints it, the sums of F6 are a thousand times too
            # small, and training with the paper's learning rates ends with every unit saturated.
            init_lecun(self, generator, sqrt=True)
        elif generator is not None:
            init_torch(self, generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes
    ) -> "LeNet5":
        """Return a named form, with random weights.

        Args:
            name: a key of `PRESETS`, "lenet5" or "lenet5_modern".
            generator: randomness of the first weights; None: torch's own.
            changes: fields of `LeNet5Config` to set otherwise.

        Raises:
            ValueError: an unknown name or part.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    @property
    def layers(self) -> list[nn.Module]:
        """What maps an image to the last state, in order."""
        f = self.squash
        if self.config.subsample == "trainable":
            first = [self.c1, f, self.s2, f, self.c3, f, self.s4, f]
        elif self.config.subsample == "avg":
            first = [self.c1, f, self.s2, self.c3, f, self.s4]
        else:  # the largest of four squashed values is the largest one, squashed: a quarter of f
            first = [self.c1, self.s2, f, self.c3, self.s4, f]
        last = [self.out] if self.config.output == "linear" else []
        return [*first, self.c5, f, self.f6, f, *last]

    @property
    def head(self) -> nn.Module:
        """What maps the last state to the result: the RBF units, or nothing."""
        return self.rbf if self.config.output == "rbf" else nn.Identity()

    def dense(self, x_B1HW: Tensor) -> Tensor:
        """Return the results (B, K, Y, X) at every place of a larger image, 4 pixels apart.

        All places share the maps that they have in common (§VII).

        Args:
            x_B1HW: images of 32 + 4Y − 4 by 32 + 4X − 4 pixels.

        Raises:
            ValueError: another shape.
            TypeError: the images hold integers.
        """
        check_images(x_B1HW)
        height, width = x_B1HW.shape[-2:]
        if min(height, width) < 32 or (height - 32) % 4 or (width - 32) % 4:
            raise ValueError(
                f"x must be 32, 36, 40, … pixels high and wide, got {height} by {width}"
            )
        result = self._run(x_B1HW)
        return result if result.ndim == 4 else result[:, :, None, None]

    def forward(self, x_B1HW: Tensor) -> Tensor:
        """Return penalties (B, K), least for the winner; with linear outputs, scores.

        Args:
            x_B1HW: images (B, 1, 32, 32).

        Raises:
            ValueError: another shape.
            TypeError: the images hold integers.
        """
        if x_B1HW.shape[1:] != (1, 32, 32):
            hint = "; a larger image goes to sdnn(net)" if x_B1HW.ndim == 4 else ""
            got = tuple(x_B1HW.shape)
            raise ValueError(f"x must be of shape (batch, 1, 32, 32), got {got}{hint}")
        check_images(x_B1HW)
        return self._run(x_B1HW)

    def _run(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


class SDNN(nn.Module):
    """A `LeNet5` replicated over an image: a space displacement neural network.

    Args:
        net: whose weights it shares.

    Source: 1998, §VII.
    """

    def __init__(self, net: LeNet5) -> None:
        super().__init__()
        self.net = net

    def forward(self, x_B1HW: Tensor) -> Tensor:
        """Return the results (B, K, Y, X); see `LeNet5.dense`."""
        return self.net.dense(x_B1HW)


def sdnn(net: LeNet5) -> SDNN:
    """Return the net replicated: it reads images of 32 + 4n pixels, at every fourth place."""
    return SDNN(net)


def check_images(x: Tensor) -> None:
    """Raise an error if these are no images (B, 1, H, W) of floating-point numbers."""
    if not torch.is_floating_point(x):
        raise TypeError(f"x must hold floats, got {x.dtype}: scale to [-0.1, 1.175] first")
    if x.ndim != 4 or x.shape[1] != 1:
        raise ValueError(f"x must be of shape (batch, 1, height, width), got {tuple(x.shape)}")


def _subsample(config: LeNet5Config, channels: int) -> nn.Module:
    if config.subsample == "max":
        return MaxPool()
    return Subsample(channels, trainable=config.subsample == "trainable")
