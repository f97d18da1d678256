r"""Step 3: reinforcement learning from a reward model (Ouyang et al. 2022, §3.5, appendix C.4).

Shapes: B episodes, P tokens of the prompt, N tokens of the response, V vocabulary.
"""

import copy
import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from .advantages import gae, masked_mean, masked_whiten
from .checks import finite, in_range
from .kl import AdaptiveKL, FixedKL, kl_divergence, per_token_rewards
from .model import GPT
from .ppo import clipped_policy_loss, clipped_share, entropy, penalized_policy_loss, value_loss
from .reward import RewardModel
from .sampling import Responses, joined, response_logits, sample, token_log_probs
from .sft import sft_loss

Score = Callable[[Tensor, Responses], Tensor]


@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """Choices; the defaults are those of InstructGPT (Ouyang §3.5, C.4) where it gives them.

    ``max_norm`` cuts the sum of PPO's gradient and ``ptx`` times the pretraining's, for the
    policy's weights and the value's apart. Where a large ``ptx`` makes the sum longer than that,
    PPO's part shrinks with it: None leaves both as eq. 2 has them.

    Raises:
        ValueError: a number out of its range.
    """

    policy_lr: float = 9e-6  # Ouyang E.9 tried 2.55e-6 to 2.55e-5
    value_lr: float = 9e-6
    minibatch: int = 64  # episodes
    epochs: int = 1  # Ziegler: 4, with one minibatch each
    eps: float = 0.2
    penalty: float | None = None  # in place of the clip: the price of KL[old, new], PPO's eq. 8
    gamma: float = 1.0  # "No discount is applied"
    lam: float = 0.95  # Schulman et al. 2017, Table 3; Ouyang gives none
    ptx: float = 0.0  # γ of eq. 2; 27.8 makes PPO-ptx
    ptx_examples: int = 8  # pretraining examples for each episode
    entropy: float = 0.0  # c2 of PPO's eq. 9
    shared_value: float = 0.1  # c1 of PPO's eq. 9, where policy and value share a trunk
    value_eps: float | None = None  # .2 in OpenAI's code
    whiten: bool = True  # advantages to mean 0, variance 1; OpenAI's code
    warmup: int = 10  # batches, from a tenth of the rate on
    ema: float = 0.992
    max_norm: float | None = 1.0  # of each group's gradient, ptx included; not in the paper

    def __post_init__(self) -> None:
        for name in ("policy_lr", "value_lr", "eps"):
            in_range(name, getattr(self, name), 0, math.inf, open_low=True)
        for name in ("gamma", "lam", "ema"):
            in_range(name, getattr(self, name), 0, 1)
        for name in ("ptx", "entropy", "shared_value"):
            in_range(name, getattr(self, name), 0, math.inf)
        for name in ("minibatch", "epochs", "ptx_examples"):
            in_range(name, getattr(self, name), 1, math.inf)
        in_range("warmup", self.warmup, 0, math.inf)
        if self.penalty is not None:
            in_range("penalty", self.penalty, 0, math.inf)
        for name in ("value_eps", "max_norm"):
            if getattr(self, name) is not None:
                in_range(name, getattr(self, name), 0, math.inf, open_low=True)


class PPOTrainer:
    """Draws responses, scores them, and moves the policy.

    Args:
        policy: is trained, in place; a copy of the supervised model.
        reference: what it must not leave; the supervised model (or GPT-3, Ouyang §4.2).
        value: expects what will come; a copy of the reward model, or ``RewardModel(policy)``,
            which shares the policy's trunk.
        score: called with prompts (B, P) and `Responses`; returns the reward (B,) of each.
        kl: the price of leaving the reference, `FixedKL` or `AdaptiveKL`.
        config: choices.
        pretrain: called with a number n; returns n rows of token ids of the pretraining text.
            Needed where ``config.ptx`` is not 0.
        generator: randomness, on the models' device.

    Raises:
        ValueError: vocabularies that differ, or ptx without pretraining text.
    """

    def __init__(
        self,
        policy: GPT,
        reference: GPT,
        value: RewardModel,
        score: Score,
        kl: FixedKL | AdaptiveKL,
        config: PPOConfig = PPOConfig(),
        pretrain: Callable[[int], Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        sizes = [m.config.vocab_size for m in (policy, reference, value.backbone)]
        if len(set(sizes)) > 1:
            raise ValueError(f"policy, reference and value have vocabularies of {sizes} tokens")
        if config.ptx and pretrain is None:
            raise ValueError(f"ptx={config.ptx} needs text to pretrain on, got pretrain=None")
        self.policy, self.value, self.score, self.kl = policy, value, score, kl
        self.reference = copy.deepcopy(reference).eval().requires_grad_(False)
        self.config, self.pretrain, self.generator = config, pretrain, generator
        self.shared = value.backbone is policy
        own = list(value.score.parameters()) if self.shared else list(value.parameters())
        groups = [
            {"params": list(policy.parameters()), "lr": config.policy_lr},
            {"params": own, "lr": config.value_lr},
        ]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.95))  # appendix C
        self.batches = 0
        self.averaged = copy.deepcopy(policy).requires_grad_(False)

    def step(
        self, prompt_BP: Tensor, max_new_tokens: int, prompt_mask_BP: Tensor | None = None,
        stop: int | None = None,
    ) -> dict[str, float]:  # fmt: skip
        """Draw a batch of episodes and learn from it; return what was measured.

        Args:
            prompt_BP: prompts, padded on the left.
            max_new_tokens: N.
            prompt_mask_BP: True where there is a token; None: everywhere.
            stop: a response ends with this token; None: with the N-th.

        Returns:
            ``score``, ``kl`` (nats an episode, by k1), ``reward`` (score minus price), ``beta``,
            ``clipped`` (share of ratios outside 1 ± eps in the last epoch), ``value_loss``,
            ``length``, ``ptx_loss``.

        Raises:
            ValueError: a minibatch that does not divide the batch, rewards that are not finite.
        """
        if len(prompt_BP) % self.config.minibatch:
            raise ValueError(f"minibatch ({self.config.minibatch}) must divide the batch "
                             f"({len(prompt_BP)})")  # fmt: skip
        models = (self.value, self.policy)  # in this order: the policy may be the value's trunk
        training = [model.training for model in models]
        try:
            for model in models:
                model.eval()  # no dropout: old, new, reference and values must be comparable
            batch, stats = self.episodes(prompt_BP, max_new_tokens, prompt_mask_BP, stop)
            stats |= self.learn(batch)
        finally:
            for model, mode in zip(models, training):
                model.train(mode)
        self.kl.update(stats["kl"])
        return stats

    @torch.no_grad()
    def episodes(
        self, prompt_BP: Tensor, max_new_tokens: int, prompt_mask_BP: Tensor | None = None,
        stop: int | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, float]]:  # fmt: skip
        """Draw responses, score them, and estimate the advantage of each token."""
        c = self.config
        drawn = sample(self.policy, prompt_BP, max_new_tokens, prompt_mask_BP, stop=stop,
                       generator=self.generator)  # fmt: skip
        mask_BN, old_BN = drawn.mask, drawn.log_probs
        ref_BN = token_log_probs(self.reference, prompt_BP, drawn.ids, prompt_mask_BP)
        ref_BN = ref_BN.masked_fill(~mask_BN, 0.0)
        score_B = self.score(prompt_BP, drawn).float()
        if score_B.shape != mask_BN.shape[:1]:
            raise ValueError(f"score must return {(*mask_BN.shape[:1],)} rewards, "
                             f"got {(*score_B.shape,)}")  # fmt: skip
        finite(score_B, "rewards")
        values_BN = self._values(prompt_BP, drawn.ids, prompt_mask_BP)
        rewards_BN = per_token_rewards(score_B, old_BN, ref_BN, mask_BN, self.kl.beta)
        advantages_BN, returns_BN = gae(rewards_BN, values_BN, mask_BN, gamma=c.gamma, lam=c.lam)
        if c.whiten:
            advantages_BN = masked_whiten(advantages_BN, mask_BN)
        kl_B = (old_BN - ref_BN).sum(-1)
        stats = {
            "score": score_B.mean().item(), "kl": kl_B.mean().item(), "beta": self.kl.beta,
            "reward": (score_B - self.kl.beta * kl_B).mean().item(),
            "length": mask_BN.float().sum(-1).mean().item(),
        }  # fmt: skip
        batch = {
            "prompt": prompt_BP, "ids": drawn.ids, "mask": mask_BN, "old": old_BN,
            "values": values_BN, "advantages": advantages_BN, "returns": returns_BN,
        }  # fmt: skip
        if prompt_mask_BP is not None:
            batch["prompt_mask"] = prompt_mask_BP
        if c.penalty is not None:
            batch["old_logits"] = response_logits(self.policy, prompt_BP, drawn.ids, prompt_mask_BP)
        return batch, stats

    def learn(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """Take the optimizer's steps over a batch of episodes."""
        c, size = self.config, len(batch["ids"])
        warm = min(1.0, 0.1 + 0.9 * self.batches / c.warmup) if c.warmup else 1.0
        for group, lr in zip(self.optimizer.param_groups, (c.policy_lr, c.value_lr)):
            group["lr"] = lr * warm
        seen: dict[str, list[float]] = {"clipped": [], "value_loss": [], "ptx_loss": []}
        for epoch in range(c.epochs):
            where = batch["ids"].device
            order = torch.randperm(size, generator=self.generator, device=where)
            for rows in order.split(c.minibatch):
                part = {name: tensor[rows] for name, tensor in batch.items()}
                self.optimizer.zero_grad(set_to_none=True)
                loss, value_error, clipped = self.losses(part)
                loss.backward()
                if c.ptx and self.pretrain is not None:  # §C.4: "in consecutive steps", accumulated
                    text = self.pretrain(c.ptx_examples * len(rows))
                    ptx_loss = sft_loss(self.policy(text), text)
                    (c.ptx * ptx_loss).backward()
                    seen["ptx_loss"].append(ptx_loss.item())
                if c.max_norm is not None:
                    for group in self.optimizer.param_groups:
                        torch.nn.utils.clip_grad_norm_(group["params"], c.max_norm)
                self.optimizer.step()
                self._average()
                if epoch == c.epochs - 1:
                    seen["clipped"].append(clipped)
                    seen["value_loss"].append(value_error)
        self.batches += 1
        return {name: sum(v) / len(v) for name, v in seen.items() if v}

    def losses(self, part: dict[str, Tensor]) -> tuple[Tensor, float, float]:
        """Return a minibatch's loss, and to be told the value's error and the clipped share."""
        c, mask_BN = self.config, part["mask"]
        logits_BNV = response_logits(
            self.policy, part["prompt"], part["ids"], part.get("prompt_mask")
        )
        log_BNV = logits_BNV.float().log_softmax(-1)
        new_BN = log_BNV.gather(-1, part["ids"][..., None])[..., 0]
        new_BN = new_BN.masked_fill(~mask_BN, 0.0)
        if c.penalty is None:
            loss = clipped_policy_loss(new_BN, part["old"], part["advantages"], mask_BN, c.eps)
        else:
            kl_BN = kl_divergence(part["old_logits"].float(), logits_BNV.float())
            loss = penalized_policy_loss(
                new_BN, part["old"], part["advantages"], kl_BN, c.penalty, mask_BN
            )
        if c.entropy:
            loss = loss - c.entropy * masked_mean(entropy(logits_BNV), mask_BN)
        values_BN = self._values(part["prompt"], part["ids"], part.get("prompt_mask"))
        error = value_loss(values_BN, part["returns"], mask_BN, part["values"], c.value_eps)
        weight = c.shared_value if self.shared else 1.0
        clipped = clipped_share(new_BN, part["old"], mask_BN, c.eps)
        return loss + weight * error, error.item(), clipped

    def _values(self, prompt: Tensor, ids: Tensor, prompt_mask: Tensor | None) -> Tensor:
        """Return what is expected before each token of the response, (B, N)."""
        whole, mask = joined(prompt, ids[:, :-1], prompt_mask)
        return self.value.values(whole, mask)[:, prompt.shape[1] - 1 :].float()

    @torch.no_grad()
    def _average(self) -> None:
        for mean, now in zip(self.averaged.parameters(), self.policy.parameters()):
            mean.lerp_(now, 1 - self.config.ema)
