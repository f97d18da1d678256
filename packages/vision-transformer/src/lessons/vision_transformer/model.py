r"""The Vision Transformer: patches in, a class out (Dosovitskiy et al. 2021, §3).

Shapes: B batch, C channels, h height, w width, N patches, S sequence (N + 1), D width.
"""

import dataclasses
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .attention import Attention
from .config import PRESETS, Size, ViTConfig, pair
from .positions import PositionEmbedding
from .resnet import Backbone


def patchify(images_BChw: Tensor, patch_size: Size) -> Tensor:
    """Cut pictures into flattened patches, (B, N, C·P·P), in raster order.

    Raises:
        ValueError: the patches do not divide the picture.

    Source: §3.1.
    """
    p, q = pair(patch_size)
    if images_BChw.dim() != 4 or images_BChw.shape[-2] % p or images_BChw.shape[-1] % q:
        raise ValueError(
            f"images must be (B, C, H, W) with H and W divisible by ({p}, {q}), "
            f"got {tuple(images_BChw.shape)}"
        )
    return rearrange(images_BChw, "b c (h p) (w q) -> b (h w) (c p q)", p=p, q=q)


class MLP(nn.Module):
    """Two layers with a GELU between, the same at each token (§3.1, below eq. 4)."""

    def __init__(
        self, hidden_size: int, mlp_dim: int, dropout: float = 0.0, approximate: bool = False
    ) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(hidden_size, mlp_dim), nn.Linear(mlp_dim, hidden_size)
        self.gelu = nn.GELU("tanh" if approximate else "none")
        self.dropout = nn.Dropout(dropout)

    def forward(self, z_BSD: Tensor) -> Tensor:
        """Map (B, S, D) to the same shape."""
        return self.dropout(self.fc2(self.dropout(self.gelu(self.fc1(z_BSD)))))


class DropPath(nn.Module):
    """Leave out a residual branch for some pictures of a batch, in training (later work)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch_BSD: Tensor) -> Tensor:
        """Return the branch with some pictures' rows 0 and the others scaled up."""
        if not self.rate or not self.training:
            return branch_BSD
        kept = torch.rand(branch_BSD.shape[0], 1, 1, device=branch_BSD.device) >= self.rate
        return branch_BSD * (kept / (1 - self.rate)).to(branch_BSD.dtype)


class Block(nn.Module):
    """One layer: attention between the tokens, then the same net on each (eq. 2 and 3)."""

    def __init__(self, config: ViTConfig, drop_path: float = 0.0) -> None:
        super().__init__()
        c = config
        length = c.sequence_length if c.positions == "relative" else None
        self.norm1 = nn.LayerNorm(c.hidden_size, eps=c.norm_eps)
        self.attention = Attention(
            c.hidden_size, c.num_heads, c.dropout, c.attention_dropout, length
        )
        self.norm2 = nn.LayerNorm(c.hidden_size, eps=c.norm_eps)
        self.mlp = MLP(c.hidden_size, c.mlp_dim, c.dropout, c.approximate_gelu)
        self.drop_path = DropPath(drop_path)

    def forward(self, z_BSD: Tensor, maps: list[Tensor] | None = None) -> Tensor:
        """Map (B, S, D) to the same shape."""
        z_BSD = z_BSD + self.drop_path(self.attention(self.norm1(z_BSD), maps))  # eq. 2
        return z_BSD + self.drop_path(self.mlp(self.norm2(z_BSD)))  # eq. 3


@torch.fx.wrap
def check_images(images: Tensor, channels: int, size: tuple[int, int] | None) -> Tensor:
    """Return the pictures; one node for torch.fx, whose proxies have no shape to look at.

    Raises:
        TypeError: no tensor of floating-point numbers.
        ValueError: another shape than (B, channels, height, width).
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"images must be a tensor of floating-point numbers, got {kind}")
    if images.dim() != 4 or images.shape[1] != channels:
        raise ValueError(f"images must be (B, {channels}, H, W), got {tuple(images.shape)}")
    if size is not None and tuple(images.shape[2:]) != size:
        raise ValueError(
            f"images must be {size} high and wide, got {tuple(images.shape[2:])}; "
            f"resized(model, size) or dynamic_size=True takes others"
        )
    return images


class VisionTransformer(nn.Module):
    """A Transformer encoder over patches of a picture, with a classifier on its class token.

    Args:
        config: sizes and choices; default: ViT-B/16.
        generator: randomness of the initial weights; default: torch's global one.

    Raises:
        ValueError: sizes that do not fit together.

    Source: §3.1, figure 1, eq. 1–4.
    """

    def __init__(
        self,
        config: ViTConfig = ViTConfig(),  # noqa: B008  (frozen)
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = c = config
        self.backbone, channels = None, c.in_channels
        if c.backbone is not None:
            kind = (c.in_channels, c.backbone_width, c.backbone_numerics)
            self.backbone = Backbone(c.backbone, *kind)
            channels = self.backbone.out_channels
        patch = pair(c.patch_size)
        # A convolution whose stride is its size: E of eq. 1 on each flattened patch.
        self.patch_embedding = nn.Conv2d(channels, c.hidden_size, patch, patch)
        self.cls_token = None
        if c.pool == "cls":
            self.cls_token = nn.Parameter(torch.zeros(1, 1, c.hidden_size))
        self.positions = self.layer_positions = None
        if c.positions in ("1d", "2d", "sincos"):
            if c.position_place == "layers":
                tables = (self._position_embedding() for _ in range(c.num_layers))
                self.layer_positions = nn.ModuleList(tables)
            else:
                self.positions = self._position_embedding()
        self.dropout = nn.Dropout(c.dropout)
        rates = [c.drop_path * i / max(c.num_layers - 1, 1) for i in range(c.num_layers)]
        self.blocks = nn.ModuleList(Block(c, rate) for rate in rates)
        self.norm = nn.LayerNorm(c.hidden_size, eps=c.norm_eps)  # eq. 4
        width = c.representation_size or c.hidden_size
        self.pre_logits = nn.Linear(c.hidden_size, width) if c.representation_size else None
        self.head = nn.Linear(width, c.num_classes) if c.num_classes else None
        self.reset_parameters(generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> "VisionTransformer":
        """Return a new model of a published size.

        Args:
            name: one of ``PRESETS``, such as "B/16" or "R50+B/16".
            generator: randomness of the initial weights.
            changes: fields of ``ViTConfig`` that differ, such as ``num_classes``.

        Raises:
            ValueError: an unknown name.

        Source: Table 1; §4.1.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}; got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    def _position_embedding(self) -> PositionEmbedding:
        c = self.config
        how = (int(c.pool == "cls"), c.interpolation, c.antialias)
        return PositionEmbedding(c.positions, c.grid, c.hidden_size, *how)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw new weights, as the released code does; the paper gives no rule.

        Xavier's for the layers (each of query, key and value for itself), LeCun's for the patches,
        N(0, .02²) for positions, zeros for class token and head.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                module.bias.zero_()
            elif isinstance(module, PositionEmbedding):
                module.reset_parameters(generator)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        for module in self.modules():
            if isinstance(module, Attention):
                module.reset_parameters(generator)
        if self.backbone is not None:
            self.backbone.reset_parameters(generator)
        weight = self.patch_embedding.weight
        weight.normal_(std=weight[0].numel() ** -0.5, generator=generator)
        if self.patch_embedding.bias is not None:
            self.patch_embedding.bias.zero_()
        if self.cls_token is not None:
            self.cls_token.zero_()
        if self.head is not None:
            self.head.weight.zero_()

    def forward(self, images_BChw: Tensor) -> Tensor:
        """Return the logits (B, num_classes), or the representation (B, D) where there is no head.

        Args:
            images_BChw: (B, in_channels, height, width), floating point; the released weights
                expect values in [−1, 1].

        Raises:
            TypeError, ValueError: pictures of another kind or shape; says which.

        Source: eq. 1–4.
        """
        return self.forward_head(self.forward_features(images_BChw))

    def forward_features(self, images_BChw: Tensor, maps: list[Tensor] | None = None) -> Tensor:
        """Return all tokens behind the last norm, (B, S, D), the class token first."""
        patches_BND, grid = self.embed(images_BChw), None
        if self.config.dynamic_size:
            grid = self.config.grid_of((images_BChw.shape[2], images_BChw.shape[3]))
        return self.encode(patches_BND, grid, maps)

    def embed(self, images_BChw: Tensor) -> Tensor:
        """Return the embedded patches (B, N, D), before the class token and positions (eq. 1)."""
        c = self.config
        size = None if c.dynamic_size else pair(c.image_size)
        images_BChw = check_images(images_BChw, c.in_channels, size)
        if c.dynamic_size:
            c.grid_of((images_BChw.shape[2], images_BChw.shape[3]))
        if self.backbone is not None:
            images_BChw = self.backbone(images_BChw)
        return self.patch_embedding(images_BChw).flatten(2).transpose(1, 2)

    def encode(
        self,
        patches_BND: Tensor,
        grid: tuple[int, int] | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Send embedded patches (B, N, D) through the encoder; return (B, S, D)."""
        z_BSD = patches_BND
        if self.cls_token is not None:
            cls_B1D = self.cls_token.expand(patches_BND.shape[0], -1, -1)
            z_BSD = torch.cat([cls_B1D.to(patches_BND.dtype), patches_BND], 1)
        shared = self.positions if self.config.position_place == "shared" else None
        if self.positions is not None and shared is None:
            z_BSD = z_BSD + self.positions(grid)
        z_BSD = self.dropout(z_BSD)
        for i, block in enumerate(self.blocks):
            own = shared if self.layer_positions is None else self.layer_positions[i]
            if own is not None:
                z_BSD = z_BSD + own(grid)
            if self.config.gradient_checkpointing and self.training and maps is None:
                z_BSD = checkpoint(block, z_BSD, use_reentrant=False)
            else:
                z_BSD = block(z_BSD, maps)
        return self.norm(z_BSD)

    def forward_head(self, features_BSD: Tensor) -> Tensor:
        """Return what the classifier makes of all tokens: eq. 4, and the layers on it."""
        y_BD = features_BSD.mean(1) if self.cls_token is None else features_BSD[:, 0]
        if self.pre_logits is not None:
            y_BD = self.pre_logits(y_BD).tanh()
        return y_BD if self.head is None else self.head(y_BD)

    @torch.no_grad()
    def attention_maps(self, images_BChw: Tensor) -> list[Tensor]:
        """Return the attention weights of all layers, each (B, H, S, S), as in eval mode."""
        maps: list[Tensor] = []
        training = [module for module in self.modules() if module.training]
        self.eval()
        try:
            self.forward_features(images_BChw, maps)
        finally:
            for module in training:
                module.training = True
        return maps

    def reset_head(self, num_classes: int) -> None:
        """Put one linear layer of zeros in the place of the whole head, for another task.

        Source: §3.2, B.1.1.
        """
        c = dataclasses.replace(self.config, num_classes=num_classes, representation_size=None)
        self.config, self.pre_logits, like = c, None, self.patch_embedding.weight
        self.head = None
        if num_classes:
            self.head = nn.Linear(c.hidden_size, num_classes, device=like.device, dtype=like.dtype)
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)


def resized(model: VisionTransformer, image_size: Size, **changes: Any) -> VisionTransformer:
    """Return a copy of a model for pictures of another size, its positions interpolated.

    What is frozen (``requires_grad``) stays frozen.

    Args:
        model: stays as it is.
        image_size: (height, width), or one number for both.
        changes: ``interpolation`` and ``antialias``, where they are to differ from the model's.

    Raises:
        ValueError: a size that patches do not divide, relative positions (whose offsets count the
            places of one sequence), or another change.

    Source: §3.2.
    """
    if model.config.positions == "relative":
        raise ValueError("relative positions cannot be moved to another grid")
    if set(changes) - {"interpolation", "antialias"}:
        raise ValueError(f"changes may be interpolation and antialias, got {sorted(changes)}")
    config = dataclasses.replace(model.config, image_size=image_size, **changes)
    like = model.patch_embedding.weight
    with torch.device("meta"):
        new = VisionTransformer(config)
    new.to(like.dtype).to_empty(device=like.device)
    state = model.state_dict()
    kept = {name: m for name, m in model.named_modules() if isinstance(m, PositionEmbedding)}
    for name, module in new.named_modules():
        if isinstance(module, PositionEmbedding):
            state |= {f"{name}.{k}": v for k, v in kept[name].moved(module).items()}
    new.load_state_dict(state)
    for name, parameter in model.named_parameters():
        new.get_parameter(name).requires_grad_(parameter.requires_grad)
    return new.train(model.training)
