"""Sizes and choices, and the paper's four models by name (Radford et al. 2019, Table 2)."""

import dataclasses
from typing import Literal

ACTIVATIONS = ("gelu_new", "gelu", "relu")


@dataclasses.dataclass(frozen=True)
class GPT2Config:
    """Sizes and choices; the defaults are the smallest of the paper's models.

    Raises:
        ValueError: a size below 1, a probability outside [0, 1), an unknown choice, or a width that
            the heads cannot share out.
    """

    vocab_size: int = 50257  # §2.3: 256 bytes, 50,000 merges, <|endoftext|>
    n_positions: int = 1024  # §2.3: "from 512 to 1024 tokens"
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12  # the paper gives none; the released models have heads of 64 numbers
    n_inner: int | None = None  # of the feed-forward net; None: 4 * n_embd
    activation: Literal["gelu_new", "gelu", "relu"] = "gelu_new"  # the released code's tanh form
    embd_pdrop: float = 0.1  # GPT's rates (Radford et al. 2018, §4.1)
    attn_pdrop: float = 0.1
    resid_pdrop: float = 0.1
    layer_norm_epsilon: float = 1e-5  # the released code's
    initializer_range: float = 0.02  # GPT's (Radford et al. 2018, §4.1)
    scale_residual: bool = True  # §2.3: by 1/sqrt(N), N the number of residual layers
    norm: Literal["pre", "post"] = "pre"  # §2.3; "post" as in GPT, without ln_f
    tied: bool = True  # one matrix for embedding and output
    gradient_checkpointing: bool = False  # recompute blocks in the backward pass

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.n_inner is not None and self.n_inner < 1:
            raise ValueError(f"n_inner must be None or at least 1, got {self.n_inner}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd ({self.n_embd}) must be divisible by n_head ({self.n_head})")
        for name in ("embd_pdrop", "attn_pdrop", "resid_pdrop"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("layer_norm_epsilon", "initializer_range"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name, known in (("activation", ACTIVATIONS), ("norm", ("pre", "post"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")

    @property
    def residual_layers(self) -> int:
        """N of §2.3: each block adds to the stream twice."""
        return 2 * self.n_layer


PRESETS = {
    "gpt2": GPT2Config(),
    "gpt2-medium": GPT2Config(n_embd=1024, n_layer=24, n_head=16),
    "gpt2-large": GPT2Config(n_embd=1280, n_layer=36, n_head=20),
    "gpt2-xl": GPT2Config(n_embd=1600, n_layer=48, n_head=25),
    # None of the paper's: small enough to train in minutes, and to ship with this package.
    "nano": GPT2Config(vocab_size=2048, n_positions=128, n_embd=128, n_layer=3, n_head=2),
}

# Table 2's first column, in millions. None is the number of parameters of the model: see GPT_VOCAB.
PRINTED_MILLIONS = {"gpt2": 117, "gpt2-medium": 345, "gpt2-large": 762, "gpt2-xl": 1542}

# With the vocabulary of the released GPT (478 characters, 40,000 merges) and 1,024 positions the
# formula below gives all four printed numbers, rounded: the table was likely counted with it. This
# is an inference; OpenAI's repository says only that the counts were wrong.
GPT_VOCAB = 40478


def count_parameters(config: GPT2Config) -> int:
    r"""Return the number of parameters, from the layers' formulas alone (a tied matrix once).

    With $d_{ff} = 4d$ and tied matrices it is $L(12d^2 + 13d) + 2d + (V + n)d$.
    """
    c = config
    d, inner = c.n_embd, c.n_inner or 4 * c.n_embd
    attention = d * 3 * d + 3 * d + d * d + d
    feed_forward = d * inner + inner + inner * d + d
    norms = 2 * 2 * d
    final = 2 * d if c.norm == "pre" else 0
    matrices = (c.vocab_size * (1 if c.tied else 2) + c.n_positions) * d
    return c.n_layer * (attention + feed_forward + norms) + final + matrices
