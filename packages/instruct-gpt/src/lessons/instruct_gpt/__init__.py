"""InstructGPT: the three steps from preferences to a policy, and what they stand on."""

from .advantages import gae, masked_mean, masked_whiten
from .config import PRESETS, GPTConfig, count_parameters
from .dpo import dpo_loss
from .exact import (
    all_responses,
    best_of_n_log_probs,
    objective,
    optimum,
    response_log_probs,
)
from .kl import (
    AdaptiveKL,
    FixedKL,
    HalvingKL,
    best_of_n_kl,
    kl_divergence,
    kl_estimates,
    per_token_rewards,
)
from .model import GPT, Cache
from .ppo import (
    clipped_policy_loss,
    clipped_share,
    entropy,
    penalized_policy_loss,
    policy_gradient_loss,
    value_loss,
)
from .reward import (
    RewardModel,
    choice_loss,
    draw_ranks,
    preference_loss,
    ranking_loss,
)
from .sampling import (
    Responses,
    best_of_n,
    joined,
    penalize_missing,
    response_logits,
    sample,
    token_log_probs,
)
from .sft import sft_loss
from .trainer import PPOConfig, PPOTrainer
from .weights import (
    from_transformers,
    load,
    reward_from_transformers,
    reward_to_transformers,
    save,
    to_transformers,
)

__all__ = [
    "GPT", "PRESETS", "AdaptiveKL", "Cache", "FixedKL", "GPTConfig",
    "HalvingKL", "PPOConfig", "PPOTrainer", "Responses", "RewardModel", "all_responses",
    "best_of_n", "best_of_n_kl", "best_of_n_log_probs", "choice_loss",
    "clipped_policy_loss", "clipped_share", "count_parameters", "dpo_loss",
    "draw_ranks", "entropy", "from_transformers", "gae", "joined", "kl_divergence", "kl_estimates",
    "load", "masked_mean", "masked_whiten", "objective", "optimum", "penalize_missing",
    "penalized_policy_loss", "per_token_rewards", "policy_gradient_loss", "preference_loss",
    "ranking_loss", "response_log_probs", "response_logits", "reward_from_transformers",
    "reward_to_transformers", "sample", "save", "sft_loss", "to_transformers", "token_log_probs",
    "value_loss",
]  # fmt: skip
