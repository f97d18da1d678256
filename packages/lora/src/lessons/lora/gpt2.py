"""A host: GPT-2 (Radford et al. 2019) at its smallest, with the names of Hugging Face's weights.

LoRA needs a model to live in. GPT-3's 175 billion are here by their shape, for counting only.
Shapes: B batch, T length, D width, H heads, V vocabulary.
"""

import dataclasses
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


@dataclasses.dataclass(frozen=True)
class GPT2Config:
    """Sizes of a GPT-2."""

    vocab_size: int = 50_257
    n_positions: int = 1_024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd ({self.n_embd}) must be divisible by n_head ({self.n_head})")


GPT2_PRESETS = {
    "gpt2": GPT2Config(),
    "gpt2-medium": GPT2Config(n_embd=1_024, n_layer=24, n_head=16),
    "gpt2-large": GPT2Config(n_embd=1_280, n_layer=36, n_head=20),
    "gpt3-175b": GPT2Config(n_positions=2_048, n_embd=12_288, n_layer=96, n_head=96),
}


class Conv1D(nn.Module):
    """A linear layer whose weight lies as (inputs, outputs), as OpenAI's code had it."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf, self.nx = nf, nx
        self.weight, self.bias = nn.Parameter(torch.empty(nx, nf)), nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, input: Tensor) -> Tensor:
        """Return xW + b."""
        return F.linear(input, self.weight.T, self.bias)


class Attention(nn.Module):
    """Causal self-attention; q, k and v lie in one matrix."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = Conv1D(3 * config.n_embd, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, config.n_embd)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Attend to what came before."""
        heads = self.c_attn(x_BTD).unflatten(-1, (3, self.n_head, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(*heads.unbind(0), is_causal=True)
        return self.c_proj(y.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = Conv1D(4 * config.n_embd, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, 4 * config.n_embd)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map each position by itself."""
        return self.c_proj(F.gelu(self.c_fc(x_BTD), approximate="tanh"))


class Block(nn.Module):
    """Attention and MLP, each behind a normalization, each added to its input."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(config.n_embd), Attention(config)
        self.ln_2, self.mlp = nn.LayerNorm(config.n_embd), MLP(config)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map (B, T, D) to the same."""
        x_BTD = x_BTD + self.attn(self.ln_1(x_BTD))
        return x_BTD + self.mlp(self.ln_2(x_BTD))


class GPT2(nn.Module):
    """The language model; the output layer's weight is the embedding's.

    Args:
        config: sizes. generator: of the first weights.
    """

    def __init__(
        self, config: GPT2Config | None = None, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or GPT2Config()
        d = config.n_embd
        self.transformer: Any = nn.ModuleDict({
            "wte": nn.Embedding(config.vocab_size, d), "wpe": nn.Embedding(config.n_positions, d),
            "h": nn.ModuleList(Block(config) for _ in range(config.n_layer)),
            "ln_f": nn.LayerNorm(d),
        })  # fmt: skip
        self.lm_head = nn.Linear(d, config.vocab_size, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight
        if not self.lm_head.weight.is_meta:
            for name, parameter in self.named_parameters():
                if parameter.dim() == 2:
                    # GPT-2: what is added to the stream is made smaller the more layers add.
                    deep = (2 * config.n_layer) ** -0.5 if name.endswith("c_proj.weight") else 1.0
                    nn.init.normal_(parameter, std=0.02 * deep, generator=generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Build a published size, with changes of its `GPT2Config`.

        Raises:
            ValueError: an unknown name.
        """
        if name not in GPT2_PRESETS:
            raise ValueError(f"name must be one of {', '.join(GPT2_PRESETS)}; got {name!r}")
        return cls(dataclasses.replace(GPT2_PRESETS[name], **changes), generator)

    def embed(self, input_ids: Tensor, prefix_PD: Tensor | None = None) -> Tensor:
        """Return embeddings (B, T, D); those of a prefix stand before the text's.

        Raises:
            ValueError: more positions than there are.
        """
        x_BTD = self.transformer["wte"](input_ids)
        if prefix_PD is not None:
            x_BTD = torch.cat([prefix_PD.expand(len(x_BTD), -1, -1), x_BTD], 1)
        if x_BTD.shape[1] > self.config.n_positions:
            got = f"{x_BTD.shape[1]}, more than n_positions ({self.config.n_positions})"
            raise ValueError(f"input_ids are too long: {got}")
        return x_BTD + self.transformer["wpe"].weight[: x_BTD.shape[1]]

    def forward(self, input_ids: Tensor, prefix_PD: Tensor | None = None) -> Tensor:
        """Return the logits (B, T, V) of each next token; none of a prefix's."""
        x_BTD = self.embed(input_ids, prefix_PD)
        for block in self.transformer["h"]:
            if self.config.gradient_checkpointing and self.training:
                x_BTD = checkpoint(block, x_BTD, use_reentrant=False)
            else:
                x_BTD = block(x_BTD)
        x_BTD = self.transformer["ln_f"](x_BTD)
        return self.lm_head(x_BTD[:, -input_ids.shape[1] :])

    @torch.no_grad()
    def generate(
        self, input_ids: Tensor, n: int, temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return ids (B, T + n), each new one drawn from the model; 0 takes the likeliest.

        Raises:
            ValueError: nothing to go on from, or a negative n or temperature.
        """
        if n < 0 or temperature < 0 or not input_ids.shape[1]:
            got = f"{n}, {temperature} and {input_ids.shape[1]} tokens"
            raise ValueError(f"n and temperature must not be negative, a token is needed: {got}")
        for _ in range(n):
            seen = input_ids[:, -self.config.n_positions :]
            logits_BV = self(seen)[:, -1]
            if temperature:
                shares = (logits_BV / temperature).softmax(-1)
                following = torch.multinomial(shares, 1, generator=generator)
            else:
                following = logits_BV.argmax(-1, keepdim=True)
            input_ids = torch.cat([input_ids, following], 1)
        return input_ids
