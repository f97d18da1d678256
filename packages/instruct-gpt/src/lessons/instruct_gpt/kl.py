r"""How far a policy has moved, and what it pays for it.

Shapes: B batch, N response tokens, V vocabulary.
"""

import torch
from torch import Tensor

from .checks import in_range, no_empty_row, no_positive, same_shape


def kl_divergence(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    r"""Return $\mathrm{KL}[p, q] = \sum p (\log p - \log q)$ over the last axis, exactly (nats)."""
    same_shape(logits_p=logits_p, logits_q=logits_q)
    log_p, log_q = logits_p.log_softmax(-1), logits_q.log_softmax(-1)
    # What p never does adds nothing: 0 times −inf would be NaN.
    apart = (log_p - log_q).masked_fill(log_p == -torch.inf, 0.0)
    return (log_p.exp() * apart).sum(-1)


def kl_estimates(log_probs: Tensor, ref_log_probs: Tensor) -> dict[str, Tensor]:
    r"""Return three estimates of $\mathrm{KL}(\pi, \rho)$ from tokens that $\pi$ drew.

    With $u = \rho / \pi$: k1 is $-\log u$, without bias, and may be negative; k2 is
    $(\log u)^2 / 2$, biased, never negative; k3 is $u - 1 - \log u$, neither biased nor negative
    (Schulman, *Approximating KL Divergence*, 2020). Clipping k1 at 0 would give it a bias.

    Raises:
        ValueError: shapes that differ, or positive log-probabilities.
    """
    same_shape(log_probs=log_probs, ref_log_probs=ref_log_probs)
    no_positive(log_probs, "log_probs")
    no_positive(ref_log_probs, "ref_log_probs")
    log_u = ref_log_probs - log_probs
    return {"k1": -log_u, "k2": log_u.square() / 2, "k3": log_u.expm1() - log_u}


def per_token_rewards(
    scores_B: Tensor,
    log_probs_BN: Tensor,
    ref_log_probs_BN: Tensor,
    mask_BN: Tensor,
    beta: float,
) -> Tensor:
    r"""Return rewards (B, N): $-\beta \log(\pi/\rho)$ at each token, the score at the last.

    They add up to $R(x, y) = r(x, y) - \beta \log \frac{\pi(y|x)}{\rho(y|x)}$. They are numbers,
    not a loss: no gradient goes through them.

    Args:
        scores_B: of the whole responses.
        log_probs_BN: of the tokens under the policy that drew them.
        ref_log_probs_BN: under the reference.
        mask_BN: True at the tokens of a response.
        beta: what a nat costs.

    Raises:
        ValueError: shapes that differ, a negative beta, positive log-probabilities, an empty row.

    Source: Ziegler eq. 2; Ouyang §3.5, "a per-token KL penalty".
    """
    same_shape(log_probs=log_probs_BN, ref_log_probs=ref_log_probs_BN, mask=mask_BN)
    if scores_B.shape != mask_BN.shape[:1]:
        raise ValueError(
            f"scores must have shape {(*mask_BN.shape[:1],)}, got {(*scores_B.shape,)}"
        )
    if beta < 0:
        raise ValueError(f"beta must not be negative, got {beta}")
    no_positive(log_probs_BN, "log_probs")
    no_positive(ref_log_probs_BN, "ref_log_probs")
    no_empty_row(mask_BN)
    mask_BN = mask_BN.bool()
    paid_BN = -beta * (log_probs_BN - ref_log_probs_BN).detach()
    rewards_BN = paid_BN.masked_fill(~mask_BN, 0.0)
    last_B = mask_BN.long().cumsum(-1).argmax(-1)  # the first place where the count is full
    return rewards_BN.scatter_add(1, last_B[:, None], scores_B.detach()[:, None].to(paid_BN.dtype))


class FixedKL:
    """A price that stays: Ouyang's β = .02, Ziegler's .1 and .03 for summaries."""

    def __init__(self, beta: float) -> None:
        if beta < 0:
            raise ValueError(f"beta must not be negative, got {beta}")
        self.beta = beta

    def update(self, kl: float) -> None:
        """Take note of a batch's KL, and change nothing."""


class AdaptiveKL:
    r"""A price that is moved until the KL is as wanted.

    $e = \mathrm{clip}(\frac{KL - target}{target}, -.2, .2)$, then
    $\beta \leftarrow \beta(1 + K_\beta e)$.

    Args:
        beta: the first price. target: of KL(π, ρ), nats an episode. gain: $K_β$.

    Raises:
        ValueError: a beta, target or gain that is not positive.

    Source: Ziegler §2.2.
    """

    def __init__(self, beta: float, target: float, gain: float = 0.1) -> None:
        for name, value in (("beta", beta), ("target", target), ("gain", gain)):
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        self.beta, self.target, self.gain = beta, target, gain

    def update(self, kl: float) -> None:
        """Move the price after a batch with this mean KL."""
        error = min(max((kl - self.target) / self.target, -0.2), 0.2)
        self.beta *= 1 + self.gain * error


class HalvingKL:
    """The PPO paper's rule for its penalized form: halve or double outside a factor of 1.5.

    Args:
        beta: the first price, "not important in practice". target: $d_{targ}$, nats a step.

    Raises:
        ValueError: a beta or target that is not positive.

    Source: Schulman et al. 2017, §4.
    """

    def __init__(self, beta: float = 1.0, target: float = 0.01) -> None:
        for name, value in (("beta", beta), ("target", target)):
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        self.beta, self.target = beta, target

    def update(self, kl: float) -> None:
        """Move the price after an update that moved the policy so far."""
        if kl < self.target / 1.5:
            self.beta /= 2
        elif kl > self.target * 1.5:
            self.beta *= 2


def best_of_n_kl(n: int) -> float:
    r"""Return $\log n - \frac{n-1}{n}$: an upper bound on KL(best of n, reference), in nats.

    It is reached where no two responses have the same score. (Stiennon et al. 2020, appendix G.3.)
    """
    in_range("n", n, 1, float("inf"))
    return torch.tensor(float(n), dtype=torch.float64).log().item() - (n - 1) / n
