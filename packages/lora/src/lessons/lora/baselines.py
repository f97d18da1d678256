"""What LoRA is compared with (Hu et al. 2021, §5.1): other ways to adapt a frozen model.

Each takes a host in place and returns what is to be called and trained.
Shapes: B batch, T length, P prefix, D width.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .bert import Layer
from .gpt2 import Block


def full(model: nn.Module) -> nn.Module:
    """Train everything (FT)."""
    return model.requires_grad_(True)


def bitfit(model: nn.Module) -> nn.Module:
    """Train the biases only (BitFit, Ben Zaken et al. 2022)."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.rpartition(".")[2] in ("bias", "in_proj_bias"))
    return model


def top_layers(model: nn.Module, n: int = 2) -> nn.Module:
    """Train the last n layers only (FT^Top2).

    Raises:
        ValueError: n below 1, or more layers than there are.
    """
    found = host_layers(model)
    if not 1 <= n <= len(found):
        raise ValueError(f"n must be 1 to {len(found)}, got {n}")
    model.requires_grad_(False)
    for layer in found[-n:]:
        layer.requires_grad_(True)
    return model


def host_layers(model: nn.Module) -> list[Any]:
    """Return the Transformer layers of one of this package's hosts.

    Raises:
        TypeError: it has none.
    """
    found: list[Any] = [m for m in model.modules() if isinstance(m, Layer | Block)]
    if not found:
        raise TypeError(f"{type(model).__name__} has no layer of this package's hosts")
    return found


class Adapter(nn.Module):
    """Down to r, a nonlinearity, up again, added to what came in; biases in both layers.

    It begins as the identity: the upper layer is zero.

    Args:
        d_model: width. r: the bottleneck. norm: have a LayerNorm of its own before (Lin et al.).
        generator: of the first weights.
    """

    def __init__(
        self, d_model: int, r: int, norm: bool = False, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if r < 1:
            raise ValueError(f"r must be at least 1, got {r}")
        self.norm = nn.LayerNorm(d_model) if norm else None
        self.down, self.up = nn.Linear(d_model, r), nn.Linear(r, d_model)
        if not self.down.weight.is_meta:
            nn.init.normal_(self.down.weight, std=d_model**-0.5, generator=generator)
            for zero in (self.down.bias, self.up.weight, self.up.bias):
                nn.init.zeros_(zero)

    def forward(self, input: Tensor) -> Tensor:
        """Map (…, D) to the same."""
        inner = input if self.norm is None else self.norm(input)
        return input + self.up(torch.relu(self.down(inner)))


class Followed(nn.Module):
    """A layer of the host with an adapter behind it."""

    def __init__(self, base: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.base, self.adapter = base, adapter

    def forward(self, input: Tensor) -> Tensor:
        """Return what the adapter makes of the layer's output."""
        return self.adapter(self.base(input))


def adapters_h(model: nn.Module, r: int, generator: torch.Generator | None = None) -> nn.Module:
    """Put adapters behind attention and MLP, before the residual sum (Houlsby et al. 2019)."""
    return _followed(model, lambda d: Adapter(d, r, False, generator), attention=True)


def adapters_l(model: nn.Module, r: int, generator: torch.Generator | None = None) -> nn.Module:
    """Put an adapter with a LayerNorm behind the MLP only (Lin et al. 2020; Pfeiffer et al.)."""
    return _followed(model, lambda d: Adapter(d, r, True, generator), attention=False)


def adapters_p(model: nn.Module, r: int, generator: torch.Generator | None = None) -> nn.Module:
    """Put an adapter behind the MLP only (Pfeiffer et al. 2021), without a norm of its own."""
    return _followed(model, lambda d: Adapter(d, r, False, generator), attention=False)


def _followed(model: nn.Module, make: Callable[[int], Adapter], attention: bool) -> nn.Module:
    model.requires_grad_(False)
    for layer in host_layers(model):
        pair: list[tuple[Any, str]]
        if isinstance(layer, Layer):
            pair = [(layer.attention.output, "dense"), (layer.output, "dense")]
            width = layer.output.LayerNorm.normalized_shape[0]
        else:
            pair = [(layer.attn, "c_proj"), (layer.mlp, "c_proj")]
            width = layer.ln_1.normalized_shape[0]
        like = next(layer.parameters())
        for holder, name in pair if attention else pair[1:]:
            adapter = make(width).to(like.device, like.dtype)
            setattr(holder, name, Followed(getattr(holder, name), adapter))
    return model


class PrefixEmbedding(nn.Module):
    """Trainable embeddings of tokens that no vocabulary has, before the text (PreEmbed).

    Args:
        host: `GPT2`, `Bert` or `Classifier`; frozen. d_model: its width.
        length: l_p. generator: of the first embeddings, N(0, .02²).
    """

    def __init__(
        self, host: nn.Module, d_model: int, length: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if length < 1:
            raise ValueError(f"length must be at least 1, got {length}")
        self.host = host.requires_grad_(False)
        like = next(host.parameters())
        self.prefix = nn.Parameter(like.new_empty(length, d_model))
        nn.init.normal_(self.prefix, std=0.02, generator=generator)

    def forward(self, input_ids: Tensor, *args: Any, **named: Any) -> Tensor:
        """Call the host with the prefix."""
        return self.host(input_ids, *args, prefix_PD=self.prefix, **named)


class PrefixLayer(PrefixEmbedding):
    """As `PrefixEmbedding`, and the prefix's state after every layer is a trained one (PreLayer).

    The states that the layers compute there are thrown away: L vectors for each place, those after
    the embedding layer and after all layers but the last, which nobody reads.

    Args:
        See `PrefixEmbedding`.
    """

    def __init__(
        self, host: nn.Module, d_model: int, length: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(host, d_model, length, generator)
        found = host_layers(host)
        self.states = nn.Parameter(self.prefix.new_empty(len(found) - 1, length, d_model))
        nn.init.normal_(self.states, std=0.02, generator=generator)
        self.start = 1 if isinstance(found[0], Layer) else 0  # behind [CLS]
        for i, layer in enumerate(found[:-1]):
            layer.register_forward_hook(self._put(i))

    def _put(self, i: int) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def put(layer: nn.Module, args: Any, x_BTD: Tensor) -> Tensor:
            start, end = self.start, self.start + self.states.shape[1]
            state = self.states[i].expand(len(x_BTD), -1, -1)
            return torch.cat([x_BTD[:, :start], state, x_BTD[:, end:]], 1)

        return put
