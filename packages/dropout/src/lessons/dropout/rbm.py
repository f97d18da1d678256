"""A restricted Boltzmann machine whose hidden units are dropped (§8).

Shapes: B cases, V visible units, H hidden units.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dropout import check_probability, keep_mask


class DropoutRBM(nn.Module):
    """P(v, h | r) ∝ exp(vᵀWᵀh + bᵀh + aᵀv), with h_j = 0 where r_j = 0.

    Args:
        visible: V. hidden: H.
        p: the probability that a hidden unit is dropped (retention P(r_j = 1) = 1 − p).
        generator: of weights, masks and samples.

    Source: §8.1 (where W is transposed and the sums have a and b the wrong way round).
    """

    def __init__(
        self,
        visible: int,
        hidden: int,
        p: float = 0.5,
        generator: torch.Generator | None = None,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        check_probability(p)
        self.p, self.generator = p, generator
        weight = torch.empty(hidden, visible, device=device, dtype=dtype)
        self.weight = nn.Parameter(weight.normal_(0, 0.01, generator=generator))
        self.visible_bias = nn.Parameter(torch.zeros(visible, device=device, dtype=dtype))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden, device=device, dtype=dtype))

    def hidden_probability(self, v_BV: Tensor, keep_BH: Tensor | None = None) -> Tensor:
        """Return P(h = 1 | v, r), (B, H); keep_BH is r, by default all ones."""
        probability_BH = torch.sigmoid(F.linear(v_BV, self.weight, self.hidden_bias))
        return probability_BH if keep_BH is None else probability_BH * keep_BH

    def visible_probability(self, h_BH: Tensor) -> Tensor:
        """Return P(v = 1 | h), (B, V)."""
        return torch.sigmoid(h_BH @ self.weight + self.visible_bias)

    def free_energy(self, v_BV: Tensor, keep_BH: Tensor | None = None) -> Tensor:
        """Return F with P(v | r) ∝ exp(−F), (B,): the sum over all h that r allows is done."""
        self.check(v_BV)
        gain_BH = F.softplus(F.linear(v_BV, self.weight, self.hidden_bias))
        gain_BH = gain_BH if keep_BH is None else gain_BH * keep_BH
        return -(v_BV @ self.visible_bias) - gain_BH.sum(1)

    @torch.no_grad()
    def contrastive_divergence(self, v_BV: Tensor, k: int = 1) -> Tensor:
        """Set the parameters' gradients by CD-k; return the mean squared reconstruction error.

        A mask is drawn for each case and kept through its chain (§8.2).

        Args:
            v_BV: (B, V), in [0, 1].
            k: steps of Gibbs sampling.

        Raises:
            ValueError: v_BV is not of V columns in [0, 1], or k below 1.
        """
        self.check(v_BV)
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        size = (len(v_BV), len(self.hidden_bias))
        keep_BH = keep_mask(size, self.p, v_BV.device, self.generator)
        data_BH = self.hidden_probability(v_BV, keep_BH)
        now_BH = data_BH
        for _ in range(k):
            h_BH = torch.bernoulli(now_BH, generator=self.generator)
            model_BV = self.visible_probability(h_BH)
            now_BH = self.hidden_probability(model_BV, keep_BH)
        self.weight.grad = (now_BH.T @ model_BV - data_BH.T @ v_BV) / len(v_BV)
        self.visible_bias.grad = (model_BV - v_BV).mean(0)
        self.hidden_bias.grad = (now_BH - data_BH).mean(0)
        return (model_BV - v_BV).square().mean()

    def check(self, v_BV: Tensor) -> None:
        """Raise a ValueError where visible units are not what they should be."""
        visible = self.weight.shape[1]
        if v_BV.ndim != 2 or v_BV.shape[1] != visible:
            raise ValueError(f"v should be (B, {visible}), is {tuple(v_BV.shape)}")
        if len(v_BV) and not (v_BV.min() >= 0 and v_BV.max() <= 1):
            raise ValueError("v must lie in [0, 1]: visible units are binary")
