r"""A world so small that all responses can be listed: the optimum, exactly.

Shapes: S all responses, N tokens of each, P tokens of the prompt, V vocabulary.
"""

import torch
from torch import Tensor

from .checks import finite, same_shape
from .model import GPT
from .sampling import token_log_probs


def all_responses(vocab_size: int, length: int) -> Tensor:
    """Return all V**length responses (S, length), in the order of counting.

    Raises:
        ValueError: a size below 1, or more than a million of them.
    """
    if vocab_size < 1 or length < 1:
        raise ValueError(f"vocab_size and length must be at least 1, got {vocab_size}, {length}")
    if (count := vocab_size**length) > 1_000_000:
        raise ValueError(f"{vocab_size}**{length} = {count} responses are too many to list")
    place_N = vocab_size ** torch.arange(length - 1, -1, -1)
    return torch.arange(count)[:, None] // place_N % vocab_size


@torch.no_grad()
def response_log_probs(model: GPT, prompt_P: Tensor, responses_SN: Tensor) -> Tensor:
    """Return log π(y|x) (S,) of all listed responses to one prompt."""
    prompts = prompt_P.expand(len(responses_SN), -1)
    return token_log_probs(model, prompts, responses_SN).sum(-1)


def optimum(ref_log_probs_S: Tensor, rewards_S: Tensor, beta: float) -> Tensor:
    r"""Return $\log\pi^*(y|x) = \log\rho(y|x) + r(x, y)/\beta - \log Z(x)$, (S,).

    Raises:
        ValueError: shapes that differ, a beta that is not positive, rewards that are not finite.

    Source: Ziegler §3.1.1.
    """
    same_shape(ref_log_probs=ref_log_probs_S, rewards=rewards_S)
    if not beta > 0:
        raise ValueError(f"beta must be positive (at 0 the optimum is one response), got {beta}")
    finite(rewards_S, "rewards")
    return (ref_log_probs_S + rewards_S / beta).log_softmax(-1)


def objective(
    log_probs_S: Tensor, ref_log_probs_S: Tensor, rewards_S: Tensor, beta: float
) -> Tensor:
    r"""Return $J(\pi) = E_\pi[r] - \beta\,\mathrm{KL}(\pi, \rho)$, exactly.

    $J(\pi) = \beta\log Z - \beta\,\mathrm{KL}(\pi, \pi^*)$: no policy is above the optimum's
    $\beta \log Z$, and what it lacks is its distance from the optimum.
    """
    same_shape(log_probs=log_probs_S, ref_log_probs=ref_log_probs_S, rewards=rewards_S)
    paid_S = rewards_S - beta * (log_probs_S - ref_log_probs_S)
    return (log_probs_S.exp() * paid_S).sum(-1)


def best_of_n_log_probs(ref_log_probs_S: Tensor, rewards_S: Tensor, n: int) -> Tensor:
    r"""Return the log-probabilities (S,) of the best of n draws, ties broken by a fair draw.

    $P(\text{best} \le r)$ is the n-th power of $P(r(y) \le r)$; responses of equal reward share
    theirs as the reference does.
    """
    same_shape(ref_log_probs=ref_log_probs_S, rewards=rewards_S)
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    levels, index_S = torch.unique(rewards_S, return_inverse=True)
    mass_S = ref_log_probs_S.double().exp()
    level = torch.zeros(len(levels), dtype=torch.float64).scatter_add_(0, index_S, mass_S)
    upto = level.cumsum(0).clamp(max=1)
    below = torch.cat([upto.new_zeros(1), upto[:-1]])
    best = (upto**n - below**n).clamp(min=0)
    return (mass_S / level[index_S] * best[index_S]).log().to(ref_log_probs_S.dtype)
