"""LATER: what was made of layer norm, small: group norm, its place in a transformer, conditions."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from .norm import LayerNorm, layer_norm
from .rms import RMSNorm


class GroupNorm(nn.Module):
    """Layer norm over groups of channels and all pixels (Wu and He 2018), as `torch.nn.GroupNorm`.

    Args:
        num_groups: G. One is the paper's layer norm of §6.7 with a gain per channel; as many as
            channels is instance norm.
        num_channels: C.
        eps, affine, device, dtype: as torch has them.
        bias: whether there are biases, if affine.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        for name, there, value in (("weight", affine, 1.0), ("bias", affine and bias, 0.0)):
            full = torch.full((num_channels,), value, device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(full) if there else None)

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, …) to the same shape."""
        traced = isinstance(input, Proxy)  # by torch.fx, which has no shapes
        if not traced and (input.ndim < 2 or input.shape[1] != self.num_channels):
            raise ValueError(
                f"the input should be (B, {self.num_channels}, …), is {tuple(input.shape)}"
            )
        return torch.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class PostNorm(nn.Module):
    """``norm(x + branch(x))``: the transformer of 2017."""

    def __init__(self, norm: nn.Module, branch: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.norm, self.branch = norm, branch

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, H) to (…, H); what is passed on is normalized again at every block."""
        return self.norm(x + self.branch(x))


class PreNorm(PostNorm):
    """``x + branch(norm(x))``: GPT-2 and most since; the identity path stays free."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (…, H) to (…, H)."""
        return x + self.branch(self.norm(x))


class AdaptiveLayerNorm(nn.Module):
    """Layer norm whose gain and bias are computed from a condition.

    It begins as plain layer norm: the map from the condition starts at zero.

    Args:
        hidden_size: H. condition_size: of the condition. eps: added to the variance.
    """

    def __init__(self, hidden_size: int, condition_size: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.affine = nn.Linear(condition_size, 2 * hidden_size)
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map (…, H), with conditions (…, condition_size) that broadcast, to (…, H)."""
        scale, shift = self.affine(condition).chunk(2, dim=-1)
        return layer_norm(x, x.shape[-1:], eps=self.eps) * (1 + scale) + shift


@torch.no_grad()
def fold_affine_(norm: LayerNorm | RMSNorm, linear: nn.Linear) -> None:
    """Move a norm's gains and biases into the linear layer that alone reads its output.

    ``linear(norm(x))`` stays the same, since W(g ⊙ x̂ + b) + c = (W diag(g)) x̂ + (W b + c); the norm
    is then plain. For inference: under training the two parametrizations learn differently.

    Args:
        norm: over the last dimension; afterwards without weight and bias.
        linear: gets new parameters, of its own type: what shares its old weight, as an embedding
            does in a language model, keeps that. Given a bias if it had none and the norm had.

    Raises:
        ValueError: the norm is over other numbers than the layer reads.
    """
    if norm.normalized_shape != (linear.in_features,):
        raise ValueError(
            f"the norm is over {norm.normalized_shape}, but linear reads {linear.in_features}"
        )
    weight, bias, gain = linear.weight, linear.bias, norm.weight
    shift: Tensor | None = getattr(norm, "bias", None)  # RMSNorm has none
    kind = torch.promote_types(weight.dtype, torch.float32)  # a half would be rounded twice
    if shift is not None:
        moved = weight.to(kind) @ shift.to(kind)
        moved = moved if bias is None else moved + bias.to(kind)
        wanted = weight.requires_grad if bias is None else bias.requires_grad
        linear.bias = nn.Parameter(moved.to(weight.dtype), wanted)
        setattr(norm, "bias", None)  # noqa: B010
    if gain is not None:
        scaled = weight.to(kind) * (gain.to(kind) + getattr(norm, "offset", 0.0))
        linear.weight = nn.Parameter(scaled.to(weight.dtype), weight.requires_grad)
        norm.weight = None
    norm.elementwise_affine = False
