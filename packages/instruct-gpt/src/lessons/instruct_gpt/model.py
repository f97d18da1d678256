r"""A decoder that is a policy: token ids in, log-probabilities of the next token out.

Shapes: B batch, T length, M n_embd, H heads, D head dimension, V vocabulary, N new tokens.
"""

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .checks import readable
from .config import PRESETS, GPTConfig


class Cache:
    """Keys and values of the positions read so far, in memory allocated once.

    Args:
        config: of the model. batch: sequences. room: positions. like: gives device and dtype.
    """

    def __init__(self, config: GPTConfig, batch: int, room: int, like: Tensor) -> None:
        head = config.n_embd // config.n_head
        self.kv_LXBHTD = like.new_empty(config.n_layer, 2, batch, config.n_head, room, head)
        self.length = 0


class Attention(nn.Module):
    """Each position attends to itself and to those before it that are no padding."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.n_head, self.layer = config.n_head, layer
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x_BTM: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """Map (B, T, n_embd) to the same shape; mask (B, 1, T, keys), None: plainly causal."""
        query_BHTD, key_BHTD, value_BHTD = (
            part.unflatten(-1, (self.n_head, -1)).transpose(1, 2)
            for part in self.c_attn(x_BTM).chunk(3, -1)
        )
        if cache is not None:
            kept, end = cache.kv_LXBHTD[self.layer], cache.length + x_BTM.shape[1]
            kept[0, :, :, cache.length : end], kept[1, :, :, cache.length : end] = (
                key_BHTD, value_BHTD,
            )  # fmt: skip
            key_BHTD, value_BHTD = kept[0, :, :, :end], kept[1, :, :, :end]
            key_BHTD, value_BHTD = (t.to(query_BHTD.dtype) for t in (key_BHTD, value_BHTD))
        y_BHTD = F.scaled_dot_product_attention(
            query_BHTD, key_BHTD, value_BHTD, mask, is_causal=mask is None
        )
        return self.c_proj(y_BHTD.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x))."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x_BTM: Tensor, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """Map (B, T, n_embd) to the same shape."""
        x_BTM = x_BTM + self.dropout(self.attn(self.ln_1(x_BTM), mask, cache))
        inner = F.gelu(self.c_fc(self.ln_2(x_BTM)), approximate="tanh")
        return x_BTM + self.dropout(self.c_proj(inner))


class GPT(nn.Module):
    """A GPT-2: the policy, its reference, and the trunk of reward and value models.

    Args:
        config: sizes and choices.
        generator: randomness of the initial weights; default: torch's global one.
    """

    def __init__(
        self,
        config: GPTConfig = GPTConfig(),  # noqa: B008  (frozen)
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = nn.Dropout(config.resid_pdrop)
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.reset_parameters(generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> "GPT":
        """Return a new model of a published size; ``changes`` are fields that differ.

        Raises:
            ValueError: an unknown name.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}; got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw new weights as GPT-2 does: sd .02, by 1/√(2L) less where a residual branch ends."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 1:
                parameter.fill_(float("ln_" in name and name.endswith("weight")))
                continue
            std = self.config.initializer_range
            if name.endswith("c_proj.weight"):
                std *= (2 * self.config.n_layer) ** -0.5
            parameter.normal_(std=std, generator=generator)

    def states(
        self, ids_BT: Tensor, mask_BT: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Return the last states (B, T, n_embd).

        Args:
            ids_BT: token ids; with a cache only those not yet in it.
            mask_BT: True or 1 where there is a token, with a cache over all positions so far.
                Positions are counted along the tokens, so that padding on the left changes nothing.
            cache: of `Cache`; these positions are written to it.

        Raises:
            TypeError: ids that are no integers.
            ValueError: ids outside the vocabulary, another shape, too many positions.
        """
        past = 0 if cache is None else cache.length
        self._check(ids_BT, mask_BT, past)
        t = ids_BT.shape[1]
        whole = past + t
        causal_TK = torch.ones(t, whole, dtype=torch.bool, device=ids_BT.device).tril(past)
        if mask_BT is None:
            mask = None if past == 0 else causal_TK
            positions = torch.arange(past, whole, device=ids_BT.device)[None]
        else:
            token_BK = mask_BT.bool()
            # Padding looks at itself, so that no softmax is over nothing.
            own_TK = causal_TK ^ causal_TK.tril(past - 1)
            mask = ((token_BK[:, None] & causal_TK) | own_TK)[:, None]
            positions = token_BK.long().cumsum(-1).sub(1).clamp(min=0)[:, past:]
        x_BTM = self.drop(self.wte(ids_BT) + self.wpe(positions))
        for block in self.h:
            if self.config.gradient_checkpointing and self.training and cache is None:
                x_BTM = checkpoint(block, x_BTM, mask, None, use_reentrant=False)
            else:
                x_BTM = block(x_BTM, mask, cache)
        if cache is not None:
            cache.length += t
        return self.ln_f(x_BTM)

    def logits(self, states_BTM: Tensor) -> Tensor:
        """Return the logits (…, V) of states, divided by the temperature."""
        logits = F.linear(states_BTM, self.wte.weight)
        return logits if self.config.temperature == 1 else logits / self.config.temperature

    def forward(
        self, ids_BT: Tensor, mask_BT: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Return the logits (B, T, V) of the token after each position; see `states`."""
        return self.logits(self.states(ids_BT, mask_BT, cache))

    def _check(self, ids_BT: Tensor, mask_BT: Tensor | None, past: int) -> None:
        if not isinstance(ids_BT, Tensor) or ids_BT.dtype not in (torch.int64, torch.int32):
            got = ids_BT.dtype if isinstance(ids_BT, Tensor) else type(ids_BT).__name__
            raise TypeError(f"ids must be a tensor of int64 or int32, got {got}")
        if ids_BT.dim() != 2:
            raise ValueError(f"ids must have shape (batch, length), got {(*ids_BT.shape,)}")
        b, t = ids_BT.shape
        if past + t > self.config.n_positions:
            raise ValueError(
                f"prompt and response have {past + t} tokens, more than "
                f"n_positions={self.config.n_positions}"
            )
        if mask_BT is not None and mask_BT.shape != (b, past + t):
            raise ValueError(f"mask must have shape {(b, past + t)}, got {(*mask_BT.shape,)}")
        if readable(ids_BT) and ids_BT.numel():
            low, high = (int(bound) for bound in torch.aminmax(ids_BT))
            if low < 0 or high >= self.config.vocab_size:
                worst = low if low < 0 else high
                raise ValueError(f"ids has {worst}, allowed are 0 to {self.config.vocab_size - 1}")
