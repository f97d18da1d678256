r"""Sizes and choices, and the paper's models by name (Dosovitskiy et al. 2021, Table 1, §4.1)."""

import dataclasses
import math
from numbers import Integral
from typing import Any, Literal

Size = int | tuple[int, int]
CHOICES = {
    "pool": ("cls", "gap"),
    "positions": ("1d", "2d", "relative", "sincos", "none"),
    "position_place": ("stem", "layers", "shared"),
    "interpolation": ("corners", "bilinear", "bicubic"),
    "backbone_numerics": ("google", "timm"),
}


def pair(size: Size) -> tuple[int, int]:
    """Return (height, width) of a size that may be one number."""
    height, width = size if isinstance(size, tuple | list) else (size, size)
    return int(height), int(width)


@dataclasses.dataclass(frozen=True)
class ViTConfig:
    """Sizes and choices; the defaults are ViT-B/16 at 224 pixels with ImageNet's 1,000 classes.

    Raises:
        ValueError: a size below 1 or no whole number, a picture that patches do not divide, a width
            that heads do not divide, a probability outside [0, 1), or an unknown choice.
    """

    image_size: Size = 224  # (height, width), or one number for both
    patch_size: Size = 16  # with a backbone: on its feature map
    in_channels: int = 3
    num_classes: int = 1000  # 0: no head, the result is the representation y of eq. 4
    hidden_size: int = 768  # D
    mlp_dim: int = 3072
    num_layers: int = 12  # L
    num_heads: int = 12  # k in eq. 8
    pool: Literal["cls", "gap"] = "cls"  # gap: no class token, the patches' mean (D.3)
    representation_size: int | None = None  # §3.1: in pre-training, a hidden layer with tanh (D.3)
    positions: Literal["1d", "2d", "relative", "sincos", "none"] = "1d"  # D.4; sincos is later work
    position_place: Literal["stem", "layers", "shared"] = "stem"  # D.4: where they are added
    dropout: float = 0.0  # B.1: after dense layers except qkv's, and after adding positions
    attention_dropout: float = 0.0  # of the weights; the paper has none
    drop_path: float = 0.0  # later work; the rate grows linearly to this at the last layer
    norm_eps: float = 1e-6  # as in the released code; Hugging Face: 1e-12
    approximate_gelu: bool = False  # the released code's GELU is the tanh formula
    backbone: tuple[int, ...] | None = None  # hybrid: blocks in each stage of its ResNet
    backbone_width: int = 64  # channels of its first layer; a stage's output has 4, 8, 16 … times
    backbone_numerics: Literal["google", "timm"] = "google"  # where their epsilons stand
    dynamic_size: bool = False  # take pictures of other sizes, and interpolate the positions
    interpolation: Literal["corners", "bilinear", "bicubic"] = "corners"  # the released code's
    antialias: bool = False  # when the grid shrinks or bicubic enlarges it; timm: True
    gradient_checkpointing: bool = False  # recompute layers in the backward pass

    def __post_init__(self) -> None:
        for name in ("image_size", "patch_size"):
            size = getattr(self, name)
            parts = size if isinstance(size, tuple | list) else (size, size)
            if len(parts) != 2 or not all(isinstance(part, Integral) for part in parts):
                raise ValueError(f"{name} must be a whole number or (height, width), got {size!r}")
            if min(pair(size)) < 1:
                raise ValueError(f"{name} must be at least 1, got {size!r}")
        sizes = ("in_channels", "hidden_size", "mlp_dim", "num_layers", "num_heads")
        for name in (*sizes, "backbone_width"):
            if not isinstance(getattr(self, name), Integral):
                raise ValueError(f"{name} must be a whole number, got {getattr(self, name)!r}")
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_classes < 0:
            raise ValueError(f"num_classes must not be negative, got {self.num_classes}")
        if self.representation_size is not None and self.representation_size < 1:
            raise ValueError(
                f"representation_size must be None or at least 1, got {self.representation_size}"
            )
        for name in ("dropout", "attention_dropout", "drop_path"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        self._check_fit()

    def _check_fit(self) -> None:
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size ({self.hidden_size}) must be divisible by "
                f"num_heads ({self.num_heads})"
            )
        part = {"2d": 2, "sincos": 4}.get(self.positions, 1)
        if self.hidden_size % part:
            raise ValueError(
                f"positions {self.positions!r} need a hidden_size divisible by {part}, "
                f"got {self.hidden_size}"
            )
        if self.position_place != "stem" and self.positions in ("relative", "none"):
            raise ValueError(
                f"position_place {self.position_place!r} needs positions that are added, "
                f"got {self.positions!r}"
            )
        if self.dynamic_size and self.positions == "relative":
            raise ValueError("dynamic_size needs positions other than 'relative'")
        if self.backbone is not None:
            if not self.backbone or min(self.backbone) < 1:
                raise ValueError(f"backbone must have blocks in each stage, got {self.backbone}")
            if self.backbone_width % 32 and 32 % self.backbone_width:
                raise ValueError(
                    f"backbone_width must divide 32 or be divisible by it (group norm), "
                    f"got {self.backbone_width}"
                )
        self.grid_of(pair(self.image_size))

    def grid_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the rows and columns of patches in a picture of (height, width).

        Raises:
            ValueError: the patches do not divide it (§3.1: N = HW/P²).
        """
        inner = size
        for _ in range(0 if self.backbone is None else len(self.backbone) + 1):
            inner = (math.ceil(inner[0] / 2), math.ceil(inner[1] / 2))  # root: 4, stages: 1, 2, 2 …
        patch = pair(self.patch_size)
        if inner[0] % patch[0] or inner[1] % patch[1]:
            what = "" if self.backbone is None else f", {inner} behind the backbone,"
            raise ValueError(f"an image of {size}{what} is not divisible by patches of {patch}")
        return inner[0] // patch[0], inner[1] // patch[1]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.grid_of(pair(self.image_size))

    @property
    def num_patches(self) -> int:
        """N of eq. 1."""
        return math.prod(self.grid)

    @property
    def sequence_length(self) -> int:
        """Patches, and the class token if there is one."""
        return self.num_patches + (self.pool == "cls")


def _size(d: int, mlp: int, layers: int, heads: int, patch: int, **more: Any) -> ViTConfig:
    return ViTConfig(
        patch_size=patch, hidden_size=d, mlp_dim=mlp, num_layers=layers, num_heads=heads, **more
    )


TINY, SMALL = (192, 768, 12, 3), (384, 1536, 12, 6)  # of DeiT and of Steiner et al. 2021
BASE, LARGE, HUGE = (768, 3072, 12, 12), (1024, 4096, 24, 16), (1280, 5120, 32, 16)
R26, R50, R50_LONG = (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 9)  # §4.1: stage 4's layers, in stage 3
PRESETS = {
    "Ti/16": _size(*TINY, 16),
    "S/16": _size(*SMALL, 16),
    "S/32": _size(*SMALL, 32),
    "B/8": _size(*BASE, 8),
    "B/16": _size(*BASE, 16),
    "B/32": _size(*BASE, 32),
    "L/16": _size(*LARGE, 16),
    "L/32": _size(*LARGE, 32),
    "H/14": _size(*HUGE, 14),
    "B/16-384": _size(*BASE, 16, image_size=384),
    "B/32-384": _size(*BASE, 32, image_size=384),
    "L/16-384": _size(*LARGE, 16, image_size=384),
    "L/32-384": _size(*LARGE, 32, image_size=384),
    "L/16-512": _size(*LARGE, 16, image_size=512),  # Table 2
    "H/14-518": _size(*HUGE, 14, image_size=518),  # Table 2
    # Hybrids: the number is the total reduction; patches are one "pixel" of the feature map (§4.1).
    "R26+S/32": _size(*SMALL, 1, backbone=R26),
    "R50+B/16": _size(*BASE, 1, backbone=R50_LONG),
    "R50+B/32": _size(*BASE, 1, backbone=R50),
    "R50+L/16": _size(*LARGE, 1, backbone=R50_LONG),
    "R50+L/32": _size(*LARGE, 1, backbone=R50),
}


def count_parameters(config: ViTConfig) -> int:
    r"""Return the number of parameters without a backbone, from the layers' formulas alone.

    A layer has $4D^2 + 2DM$ weights and $9D + M$ biases and gains; the embedding $P^2CD + D$, the
    positions $(N+1)D$.

    Raises:
        ValueError: a hybrid, or positions other than the paper's default.
    """
    c = config
    if c.backbone is not None or c.positions != "1d" or c.position_place != "stem":
        raise ValueError("count_parameters is for the plain model with 1-D positions at the stem")
    d, m, patch = c.hidden_size, c.mlp_dim, math.prod(pair(c.patch_size)) * c.in_channels
    layer = 4 * d * d + 2 * d * m + 9 * d + m
    stem = patch * d + d + c.sequence_length * d + (d if c.pool == "cls" else 0)
    width = c.representation_size or d
    head = (d + 1) * width if c.representation_size else 0
    head += (width + 1) * c.num_classes
    return stem + c.num_layers * layer + 2 * d + head


def count_operations(config: ViTConfig) -> int:
    r"""Return multiplications and additions of one picture's forward pass, without a backbone.

    Matrix products alone, as usual: $2N P^2C D$ for the patches, and for each layer
    $2S(4D^2 + 2DM) + 4S^2D$ with S tokens.

    Raises:
        ValueError: a hybrid.
    """
    c = config
    if c.backbone is not None:
        raise ValueError("count_operations is for models without a backbone")
    d, s = c.hidden_size, c.sequence_length
    patch = math.prod(pair(c.patch_size)) * c.in_channels
    layer = s * (4 * d * d + 2 * d * c.mlp_dim) + 2 * s * s * d
    relative = s * s * d if c.positions == "relative" else 0
    width = c.representation_size or d
    head = d * width * bool(c.representation_size) + width * c.num_classes
    return 2 * (c.num_patches * patch * d + c.num_layers * (layer + relative) + head)
