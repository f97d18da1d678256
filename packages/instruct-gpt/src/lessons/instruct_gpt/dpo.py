r"""The later way without a reward model and without sampling (Rafailov et al. 2023). An option.

Shapes: B pairs.
"""

import torch.nn.functional as F
from torch import Tensor

from .checks import no_positive, same_shape


def dpo_loss(
    chosen_B: Tensor,
    rejected_B: Tensor,
    ref_chosen_B: Tensor,
    ref_rejected_B: Tensor,
    beta: float = 0.1,
) -> Tensor:
    r"""Return the mean of $-\log\sigma(\beta[\log(\pi_w/\rho_w) - \log(\pi_l/\rho_l)])$.

    The optimum of RLHF solved for the reward, $r = \beta\log\frac{\pi}{\rho} + \beta\log Z(x)$, put
    into the Bradley-Terry loss: $Z(x)$ is the same for both responses and cancels.

    Args:
        chosen_B: log-probabilities of the preferred responses, summed over their tokens.
        rejected_B: of the others.
        ref_chosen_B: of both under the reference.
        ref_rejected_B: likewise.
        beta: the price of a nat.

    Raises:
        ValueError: shapes that differ or are not (B,), no pair at all, positive
            log-probabilities, a beta that is not positive.
    """
    if not beta > 0:
        raise ValueError(f"beta must be positive, got {beta}")
    given = {"chosen": chosen_B, "rejected": rejected_B, "ref_chosen": ref_chosen_B,
             "ref_rejected": ref_rejected_B}  # fmt: skip
    same_shape(**given)
    if chosen_B.dim() != 1 or not len(chosen_B):
        raise ValueError("chosen must have shape (B,), B at least 1, of sums over tokens, "
                         f"got {(*chosen_B.shape,)}")  # fmt: skip
    for name, tensor in given.items():
        no_positive(tensor.detach(), name)
    return -F.logsigmoid(beta * (chosen_B - ref_chosen_B - rejected_B + ref_rejected_B)).mean()
