"""What the papers print of their data and training, in their own units."""

import dataclasses
from math import comb

# Ouyang, Table 6: prompts, by split and by who wrote them.
DATASETS = {
    "SFT": {"train": {"labeler": 11_295, "customer": 1_430},
            "valid": {"labeler": 1_550, "customer": 103}},
    "RM": {"train": {"labeler": 6_623, "customer": 26_584},
           "valid": {"labeler": 3_488, "customer": 14_399}},
    "PPO": {"train": {"customer": 31_144}, "valid": {"customer": 16_185}},
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a stage was trained; None: not given, or not of that stage.

    ``batch_size`` counts demonstrations (SFT), prompts (reward model) or episodes (PPO).
    """

    learning_rate: float | None
    batch_size: int
    epochs: int | None = None  # over the data; of PPO: over each batch
    minibatch_size: int | None = None
    episodes: int | None = None
    dropout: float | None = None
    final_lr: float | None = None  # as a share of the first, by a cosine
    beta: float | None = None  # price of KL(policy, reference)
    clip: float | None = None
    ptx: float | None = None
    ema: float | None = None
    temperature: float | None = None


RECIPES = {
    # Ouyang, appendix C.1 to C.4.
    "sft-1.3b": Recipe(9.65e-6, 32, 16, dropout=0.2, final_lr=0.1),
    "sft-6b": Recipe(9.65e-6, 32, 16, dropout=0.2, final_lr=0.1),
    "sft-175b": Recipe(5.03e-6, 8, 16, dropout=0.2, final_lr=0.1),
    "ppo-init-1.3b": Recipe(5e-6, 32, 2, final_lr=0.1),
    "ppo-init-6b": Recipe(1.04e-5, 32, 2, final_lr=0.1),
    "ppo-init-175b": Recipe(2.45e-6, 8, 2, final_lr=0.1),
    "rm-6b": Recipe(9e-6, 64, 1, final_lr=0.1),
    "ppo": Recipe(None, 512, 1, 64, 256_000, beta=0.02, clip=0.2, ptx=0.0, ema=0.992,
                  temperature=1.0),
    "ppo-ptx": Recipe(None, 512, 1, 64, 256_000, beta=0.02, clip=0.2, ptx=27.8, ema=0.992,
                      temperature=1.0),
    # Ziegler §2.1, §2.2, §3: style (24 tokens) and summaries (75 tokens).
    "ziegler-rm-style": Recipe(1.77e-5, 8, 1, dropout=0.0),
    "ziegler-rm-summaries": Recipe(1.77e-5, 32, 1, dropout=0.0),
    "ziegler-style": Recipe(1.41e-5, 1024, 4, 1024, 2_000_000, 0.0, temperature=0.7),
    "ziegler-cnn-dm": Recipe(7.07e-6, 512, 4, 512, 2_000_000, 0.0, beta=0.1, temperature=0.5),
    "ziegler-tldr": Recipe(7.07e-6, 512, 4, 512, 2_000_000, 0.0, beta=0.03, temperature=0.7),
}  # fmt: skip


def prompts(stage: str, split: str) -> int:
    """Return how many prompts a stage had: ``prompts("SFT", "train")`` is 12,725."""
    return sum(DATASETS[stage][split].values())


def comparisons(k: int, batch_size: int = 1) -> int:
    """Return the pairs that K ranked responses give: K = 9 and 64 prompts 2,304.

    Raises:
        ValueError: K below 2.
    """
    if k < 2:
        raise ValueError(f"k must be at least 2, got {k}")
    return batch_size * comb(k, 2)
