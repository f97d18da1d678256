r"""Step 2: a model of what people prefer (Ouyang et al. 2022, §3.5; Ziegler et al. 2019, §2).

Shapes: B prompts, K responses to each, N responses, T length, M n_embd.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import finite, no_empty_row, readable, same_shape
from .model import GPT


class RewardModel(nn.Module):
    """A language model whose output matrix is replaced by one that gives a single number.

    As a reward model it is read at the last token (``forward``), as a value function at each
    (``values``). "The value function is initialized from the RM": ``copy.deepcopy``. A backbone
    that is the policy itself makes a value function that shares its trunk.

    Args:
        backbone: usually a copy of the supervised policy.
        generator: randomness of the head; default: torch's global one.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: GPT, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        width, weight = backbone.config.n_embd, backbone.wte.weight
        self.score = nn.Linear(width, 1, bias=False, device=weight.device, dtype=weight.dtype)
        with torch.no_grad():  # Ziegler §4.2 begins at 0; OpenAI's later code at 1/√(d+1)
            self.score.weight.normal_(std=(width + 1) ** -0.5, generator=generator)
        self.register_buffer("shift", weight.new_zeros(()))
        self.register_buffer("scale", weight.new_ones(()))

    def values(self, ids_NT: Tensor, mask_NT: Tensor | None = None) -> Tensor:
        """Return a number (N, T) after each token."""
        raw_NT = self.score(self.backbone.states(ids_NT, mask_NT))[..., 0]
        return (raw_NT - self.shift) * self.scale

    def forward(self, ids_NT: Tensor, mask_NT: Tensor | None = None) -> Tensor:
        """Return the reward (N,) of prompts with their responses, read at the last real token.

        Args:
            ids_NT: prompt and response.
            mask_NT: True where there is a token, padding on either side; None: everywhere.

        Raises:
            ValueError: a row of padding only.
        """
        values_NT = self.values(ids_NT, mask_NT)
        if mask_NT is None:
            return values_NT[:, -1]
        no_empty_row(mask_NT)
        last_N = mask_NT.long().cumsum(-1).argmax(-1)
        return values_NT.gather(1, last_N[:, None])[:, 0]

    @torch.no_grad()
    def normalize(self, rewards: Tensor, variance: bool = False) -> None:
        """Shift, so that the mean of these rewards of this model becomes 0.

        Args:
            rewards: of the demonstrations (Ouyang §3.5), or of samples of ρ (Ziegler §2).
            variance: also scale, so that their variance becomes 1 (Ziegler).

        Raises:
            ValueError: fewer than two, numbers that are not finite, or no variance to scale.
        """
        if rewards.numel() < 2:
            raise ValueError(f"at least two rewards are needed, got {rewards.numel()}")
        finite(rewards.flatten(), "rewards")
        raw = rewards.double() / self.scale + self.shift
        self.shift.copy_(raw.mean())
        if variance:
            deviation = raw.std(correction=0)
            if not deviation > 0:
                raise ValueError(f"all rewards are {rewards.flatten()[0].item():.4g}: no variance")
            self.scale.copy_(1 / deviation)


def preference_loss(chosen_B: Tensor, rejected_B: Tensor, margin: float | Tensor = 0.0) -> Tensor:
    r"""Return the mean of $-\log\sigma(r_w - r_l - m)$ over pairs.

    Args:
        chosen_B: rewards of the responses that were preferred.
        rejected_B: of the others.
        margin: by how much they should differ; 0 in the paper.

    Raises:
        ValueError: shapes that differ, no pair at all, or rewards that are not finite.
    """
    same_shape(chosen=chosen_B, rejected=rejected_B)
    if not chosen_B.numel():
        raise ValueError(f"chosen must have at least one reward, got shape {(*chosen_B.shape,)}")
    finite(chosen_B.detach(), "chosen")
    finite(rejected_B.detach(), "rejected")
    return -F.logsigmoid(chosen_B - rejected_B - margin).mean()


def ranking_loss(rewards_BK: Tensor, ranks_BK: Tensor, mask_BK: Tensor | None = None) -> Tensor:
    r"""Return the loss of all pairs among K responses: each prompt is one element of the batch.

    $-\frac{1}{\binom K2} \sum_{w, l} \log\sigma(r_w - r_l)$, the mean over prompts. Ties are
    dropped, and a prompt's mean is over the pairs that are left.

    Args:
        rewards_BK: of the responses to each prompt, from *one* forward pass of each.
        ranks_BK: 0 is the best; equal ranks are ties.
        mask_BK: True where there is a response, for prompts with fewer than K; None: all.

    Raises:
        ValueError: shapes that differ, no prompt, K below 2, rewards that are not finite, ranks
            that are negative or leave a place empty, a prompt without a pair.

    Source: Ouyang eq. 1; appendix C.2, "Ties were dropped".
    """
    same_shape(rewards=rewards_BK, ranks=ranks_BK, mask=mask_BK)
    _check_groups(rewards_BK)
    there_BK = torch.ones_like(ranks_BK, dtype=torch.bool) if mask_BK is None else mask_BK.bool()
    finite(rewards_BK.detach().masked_fill(~there_BK, 0.0), "rewards")
    _check_ranks(ranks_BK, there_BK)
    better_BKK = ranks_BK[:, :, None] < ranks_BK[:, None, :]  # row w before column l
    better_BKK = better_BKK & there_BK[:, :, None] & there_BK[:, None, :]
    no_empty_row(better_BKK.flatten(1), "pairs that are no ties")
    margins_BKK = rewards_BK[:, :, None] - rewards_BK[:, None, :]
    losses_BKK = -F.logsigmoid(margins_BKK.masked_fill(~better_BKK, 0.0)) * better_BKK
    return (losses_BKK.sum((1, 2)) / better_BKK.sum((1, 2))).mean()


def _check_groups(rewards_BK: Tensor) -> None:
    if rewards_BK.dim() != 2 or rewards_BK.shape[0] < 1 or rewards_BK.shape[1] < 2:
        raise ValueError(
            f"rewards must have shape (B, K), B at least 1 and K at least 2, "
            f"got {(*rewards_BK.shape,)}"
        )


def _check_ranks(ranks_BK: Tensor, there_BK: Tensor) -> None:
    if ranks_BK.is_floating_point() or ranks_BK.dtype == torch.bool:
        raise ValueError(f"ranks must be integers, got {ranks_BK.dtype}")
    if not readable(ranks_BK):
        return
    for row, (ranks, there) in enumerate(zip(ranks_BK.tolist(), there_BK.tolist())):
        given = sorted(rank for rank, is_there in zip(ranks, there) if is_there)
        # 0, 1, 2, …; or with ties the competition's (0, 0, 2) or the dense (0, 0, 1) ranks.
        dense = sorted(set(given)) == list(range(len(set(given))))
        competition = all(rank == given.index(rank) for rank in given)
        if not (dense or competition):
            raise ValueError(f"ranks must be 0 (the best), 1, 2, …, got {ranks} in row {row}")


def choice_loss(rewards_BK: Tensor, choice_B: Tensor) -> Tensor:
    r"""Return the mean of $-\log \frac{e^{r_b}}{\sum_i e^{r_i}}$: one of K (Ziegler: 4) was chosen.

    Args:
        rewards_BK: of the responses.
        choice_B: which was chosen, 0 to K − 1.

    Raises:
        ValueError: no prompt, K below 2, a choice out of range, rewards that are not finite.

    Source: Ziegler eq. 1, where the minus sign is missing (E4).
    """
    _check_groups(rewards_BK)
    if choice_B.shape != rewards_BK.shape[:1]:
        raise ValueError(f"choice must have shape {(*rewards_BK.shape[:1],)}, "
                         f"got {(*choice_B.shape,)}")  # fmt: skip
    finite(rewards_BK.detach(), "rewards")
    if readable(choice_B) and ((choice_B < 0) | (choice_B >= rewards_BK.shape[1])).any():
        row = int(((choice_B < 0) | (choice_B >= rewards_BK.shape[1])).nonzero()[0, 0])
        raise ValueError(f"choice must be 0 to {rewards_BK.shape[1] - 1}, "
                         f"got {int(choice_B[row])} in row {row}")  # fmt: skip
    return F.cross_entropy(rewards_BK, choice_B.long())


def draw_ranks(
    utilities_BK: Tensor, temperature: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    r"""Return ranks (B, K) as a labeller gives whose every pair is a Bradley-Terry choice.

    Noise of Gumbel's distribution is added to utility/temperature, and the sums are sorted. Then
    $P(i \text{ before } j) = \sigma((u_i - u_j)/\text{temperature})$, and the first place falls
    as a softmax over all (Plackett, Luce).

    Raises:
        ValueError: a temperature that is negative (0: without noise).
    """
    if temperature < 0:
        raise ValueError(f"temperature must not be negative, got {temperature}")
    noise_BK = torch.empty_like(utilities_BK).exponential_(generator=generator).log().neg()
    noisy_BK = utilities_BK + temperature * noise_BK
    return noisy_BK.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
