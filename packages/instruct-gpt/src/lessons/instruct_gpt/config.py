"""Sizes of the policies, reward models and value functions, by name."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class GPTConfig:
    """Sizes and choices of a decoder such as GPT-2 and GPT-3.

    Raises:
        ValueError: a size below 1, a number out of its range, or a width that the heads cannot
            share out.
    """

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    resid_pdrop: float = 0.0  # Ouyang §3.5: .2 for the supervised stage; Ziegler §2.2: none in PPO
    temperature: float = 1.0  # Ziegler §2.1: logits are divided by it, sampling is then at T = 1
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    gradient_checkpointing: bool = False  # recompute blocks in the backward pass

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd ({self.n_embd}) must be divisible by n_head ({self.n_head})")
        if not 0 <= self.resid_pdrop < 1:
            raise ValueError(f"resid_pdrop must be in [0, 1), got {self.resid_pdrop}")
        for name in ("temperature", "layer_norm_epsilon", "initializer_range"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


# Ziegler §2.1, §3: GPT-2's sizes. Ouyang §3.5, appendix C: GPT-3's architecture with 2,048
# positions, of which the paper gives the total only; layers, widths and heads are those that Brown
# et al. (2020, Table 2.1) give for 1.3, 6.7 and 175 billion (that table's 24 heads of 128 are more
# than a width of 2,048 holds: 16 here), every layer dense.
PRESETS = {
    "ziegler-124m": GPTConfig(),
    "ziegler-774m": GPTConfig(n_embd=1280, n_layer=36, n_head=20),
    "instructgpt-1.3b": GPTConfig(n_positions=2048, n_embd=2048, n_layer=24, n_head=16),
    "instructgpt-6b": GPTConfig(n_positions=2048, n_embd=4096, n_layer=32, n_head=32),
    "instructgpt-175b": GPTConfig(n_positions=2048, n_embd=12288, n_layer=96, n_head=96),
}


def count_parameters(config: GPTConfig) -> int:
    r"""Return the number of parameters from the layers' formulas: $L(12d^2+13d)+2d+(V+n)d$."""
    d = config.n_embd
    matrices = (config.vocab_size + config.n_positions) * d
    return config.n_layer * (12 * d * d + 13 * d) + 2 * d + matrices
