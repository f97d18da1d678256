r"""GPT-2: a Transformer decoder, normalised before each sub-block (Radford et al. 2019, §2.3).

Shapes: B batch, T length, M n_embd, V vocabulary.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import Proxy
from torch.utils.checkpoint import checkpoint

from .attention import CausalSelfAttention, KeyValueCache, causal_mask
from .config import PRESETS, GPT2Config
from .loss import IGNORED, next_token_loss


def gelu_new(x: Tensor) -> Tensor:
    r"""$\frac{x}{2}(1 + \tanh(\sqrt{2/π}(x + 0.044715x^3)))$, as in the released code."""
    return F.gelu(x, approximate="tanh")


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": gelu_new, "gelu": F.gelu, "relu": F.relu,
}  # fmt: skip


class MLP(nn.Module):
    """Two linear maps with an activation between, the same at each position."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        inner = config.n_inner or 4 * config.n_embd
        self.c_fc, self.c_proj = nn.Linear(config.n_embd, inner), nn.Linear(inner, config.n_embd)
        self.activation = FUNCTIONS[config.activation]
        self.resid_dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, x_BTM: Tensor) -> Tensor:
        """Map (B, T, n_embd) to the same shape."""
        return self.resid_dropout(self.c_proj(self.activation(self.c_fc(x_BTM))))


class Block(nn.Module):
    """x + Attention(LN(x)), then x + MLP(LN(x)).

    §2.3: "moved to the input of each sub-block"; ``norm="post"``: LN(x + Attention(x)), as GPT had.
    """

    def __init__(self, config: GPT2Config, layer: int = 0) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = CausalSelfAttention(config, layer)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(
        self,
        x_BTM: Tensor,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Map (B, T, n_embd) to the same shape; arguments as for `CausalSelfAttention`."""
        if self.pre:
            x_BTM = x_BTM + self.attn(self.ln_1(x_BTM), mask, cache, maps)
            return x_BTM + self.mlp(self.ln_2(x_BTM))
        x_BTM = self.ln_1(x_BTM + self.attn(x_BTM, mask, cache, maps))
        return self.ln_2(x_BTM + self.mlp(x_BTM))


class GPT2(nn.Module):
    """A language model: token and position embeddings, blocks, a last norm, the output matrix.

    Args:
        config: sizes and choices; default: the smallest of the paper's models.
        generator: randomness of the initial weights; default: torch's global one.

    Source: §2.3.
    """

    def __init__(
        self,
        config: GPT2Config = GPT2Config(),  # noqa: B008  (frozen)
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = c = config
        self.wte = nn.Embedding(c.vocab_size, c.n_embd)
        self.wpe = nn.Embedding(c.n_positions, c.n_embd)
        self.drop = nn.Dropout(c.embd_pdrop)
        self.h = nn.ModuleList(Block(c, layer) for layer in range(c.n_layer))
        final = nn.LayerNorm(c.n_embd, eps=c.layer_norm_epsilon)
        self.ln_f = final if c.norm == "pre" else nn.Identity()
        # A tied matrix is wte's own: there is no tie to lose when the model is moved or copied.
        self.lm_head = None if c.tied else nn.Linear(c.n_embd, c.vocab_size, bias=False)
        self.reset_parameters(generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> "GPT2":
        """Return a new model of a published size.

        Args:
            name: one of ``PRESETS``.
            generator: randomness of the initial weights.
            changes: fields of `GPT2Config` that differ, such as ``vocab_size``.

        Raises:
            ValueError: an unknown name.

        Source: Table 2.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}; got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        r"""Draw new weights from $N(0, 0.02^2)$, those that end a residual layer times $1/\sqrt N$.

        §2.3: "We scale the weights of residual layers at initialization by a factor of 1/√N". Each
        of the N = 2L sub-blocks then adds 1/N of the variance that one alone would.
        """
        c = self.config
        for name, parameter in self.named_parameters():
            if parameter.dim() == 1:
                parameter.fill_(float("ln_" in name and name.endswith("weight")))
                continue
            std = c.initializer_range
            if c.scale_residual and name.endswith("c_proj.weight"):
                std *= c.residual_layers**-0.5
            parameter.normal_(std=std, generator=generator)

    def forward(
        self,
        input_ids_BT: Tensor,
        attention_mask_BT: Tensor | None = None,
        position_ids_BT: Tensor | None = None,
        cache: KeyValueCache | None = None,
        labels_BT: Tensor | None = None,
        chunk: int | None = None,
    ) -> Tensor:
        """Return the logits (B, T, V) of the token after each position, or with labels the loss.

        Args:
            input_ids_BT: token ids; with a cache only those not yet in it.
            attention_mask_BT: True or 1 where there is a token, False or 0 where there is padding,
                on either side; with a cache over all positions so far. Results at padding mean
                nothing.
            position_ids_BT: default: 0, 1, … along the tokens, padding not counted.
            cache: of ``start_cache``; these positions are written to it.
            labels_BT: the ids themselves, with -100 where nothing is to be predicted; label t is
                compared with the logits at t - 1. The result is then the mean loss in nats, at
                padding left out.
            chunk: logits held at a time for the loss; None: all.

        Raises:
            TypeError: ids or mask of another type.
            ValueError: ids outside the vocabulary, a wrong shape, more positions than
                ``n_positions``, labels with a cache, or a full cache.
        """
        if labels_BT is not None and cache is not None:
            raise ValueError("labels_BT are for whole sequences: give no cache with them")
        x_BTM = self.states(input_ids_BT, attention_mask_BT, position_ids_BT, cache)
        if labels_BT is None:
            return self.project(x_BTM)
        if labels_BT.shape != input_ids_BT.shape:
            raise ValueError(
                f"labels_BT must have the ids' shape {tuple(input_ids_BT.shape)}, "
                f"got {tuple(labels_BT.shape)}"
            )
        labels_BT = labels_BT[:, 1:]
        if attention_mask_BT is not None:  # neither padding nor what only padding precedes
            token_BT = attention_mask_BT.bool()
            labels_BT = labels_BT.masked_fill(~(token_BT[:, 1:] & token_BT[:, :-1]), IGNORED)
        return next_token_loss(x_BTM[:, :-1], self.output_weight, labels_BT, chunk)

    def states(
        self,
        input_ids_BT: Tensor,
        attention_mask_BT: Tensor | None = None,
        position_ids_BT: Tensor | None = None,
        cache: KeyValueCache | None = None,
        states: list[Tensor] | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Return the last states (B, T, n_embd); ``project`` makes logits of them.

        Args:
            input_ids_BT: and what follows: as for ``forward``.
            attention_mask_BT: as for ``forward``.
            position_ids_BT: as for ``forward``.
            cache: as for ``forward``.
            states: a list, to which the stream before the first block, after each but the last, and
                the result are appended: L + 1 tensors.
            maps: a list, to which each block's attention weights (B, H, T, K) are appended.
        """
        past = 0 if cache is None else cache.length
        self._check(input_ids_BT, attention_mask_BT, position_ids_BT, cache)
        t = input_ids_BT.shape[1]
        mask = None
        if attention_mask_BT is not None:
            attention_mask_BT = attention_mask_BT.bool()
            if position_ids_BT is None:
                position_ids_BT = attention_mask_BT.long().cumsum(-1).sub(1).clamp(min=0)[:, past:]
            causal_TK = causal_mask(t, past + t, input_ids_BT.device)
            own_TK = causal_TK ^ causal_TK.tril(past - 1)
            # Padding looks at itself, so that no softmax is over nothing.
            mask = ((attention_mask_BT[:, None] & causal_TK) | own_TK)[:, None]
        if position_ids_BT is None:
            position = self.wpe.weight[past : past + t]
        else:
            position = self.wpe(position_ids_BT)
        x_BTM = self.drop(self.wte(input_ids_BT) + position)
        for block in self.h:
            if states is not None:
                states.append(x_BTM)
            if (
                self.config.gradient_checkpointing
                and self.training
                and cache is None
                and maps is None
            ):
                x_BTM = checkpoint(block, x_BTM, mask, use_reentrant=False)
            else:
                x_BTM = block(x_BTM, mask, cache, maps)
        if cache is not None:
            cache.advance(t)
        x_BTM = self.ln_f(x_BTM)
        if states is not None:
            states.append(x_BTM)
        return x_BTM

    @property
    def output_weight(self) -> Tensor:
        """The output matrix (V, n_embd): the embedding's own where they are tied."""
        return self.wte.weight if self.lm_head is None else self.lm_head.weight

    def project(self, states_BTM: Tensor) -> Tensor:
        """Return the logits (…, V) of states (…, n_embd)."""
        return F.linear(states_BTM, self.output_weight)

    def start_cache(self, batch: int, max_len: int | None = None) -> KeyValueCache:
        """Return an empty cache for a batch, with room for ``max_len`` positions (default: all)."""
        weight, room = self.wte.weight, max_len or self.config.n_positions
        return KeyValueCache(self.config, batch, room, weight.device, weight.dtype)

    def _check(self, ids_BT, mask_BT, position_ids_BT, cache) -> None:
        c, past = self.config, 0 if cache is None else cache.length
        if isinstance(ids_BT, Proxy):  # traced: there is nothing to look at
            return
        if not isinstance(ids_BT, Tensor):
            raise TypeError(f"input_ids must be a tensor of ids, got {type(ids_BT).__name__}")
        for name, ids in (("input_ids", ids_BT), ("position_ids", position_ids_BT)):
            if ids is not None and ids.dtype not in (torch.int64, torch.int32):
                raise TypeError(f"{name} must hold int64 or int32, got {ids.dtype}")
        if ids_BT.dim() != 2:
            raise ValueError(f"input_ids must have shape (batch, length), got {(*ids_BT.shape,)}")
        b, t = ids_BT.shape
        if past + t > c.n_positions:
            raise ValueError(
                f"input_ids end at position {past + t}, the model has n_positions={c.n_positions}"
            )
        if cache is not None:
            cache.check(c, b, t)
        if mask_BT is not None:
            if mask_BT.is_floating_point() or mask_BT.is_complex():
                raise TypeError(f"attention_mask must be bool or 0 and 1, got {mask_BT.dtype}")
            if mask_BT.dim() != 2 or mask_BT.shape[0] != b or mask_BT.shape[1] != past + t:
                raise ValueError(
                    f"attention_mask must have shape {(b, past + t)}, the positions in the cache "
                    f"included; got {(*mask_BT.shape,)}"
                )
        # What depends on data cannot be compiled or mapped (torch.func), and costs a GPU a pause.
        traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
        if traced or ids_BT.device.type != "cpu":
            return
        limits = (
            ("input_ids", ids_BT, c.vocab_size),
            ("position_ids", position_ids_BT, c.n_positions),
        )
        for name, ids, size in limits:
            if ids is None or not ids.numel():
                continue
            low, high = (int(bound) for bound in torch.aminmax(ids))
            if low < 0 or high >= size:
                worst = low if low < 0 else high
                raise ValueError(f"{name} has {worst}, allowed are 0 to {size - 1}")
