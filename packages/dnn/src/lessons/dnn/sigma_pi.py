"""Units that multiply: sigma-pi units, and their delta rule.

Shapes: P patterns, I inputs, J units, C conjuncts, K elements of the longest conjunct.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .delta import logistic


class SigmaPi(nn.Module):
    r"""J logistic units, each a weighted sum of products of inputs.

    $$ o_j = f\Big(\sum_c w_{jc} \prod_{i \in c} o_i\Big) $$

    Args:
        n_in: I.
        n_out: J.
        conjuncts: what is multiplied: ``(0, 2)`` is o₀o₂, ``(1,)`` a direct connection, ``()`` the
            bias. Each appears once: the chapter's sum over all i and h has every pair twice.
        scale: weights start uniformly between −scale and scale.
        generator: where the random numbers come from.

    Raises:
        ValueError: a conjunct that names no input, or a conjunct twice.

    Source: eq. 17.
    """

    elements: Tensor

    def __init__(
        self,
        n_in: int,
        n_out: int,
        conjuncts: Sequence[tuple[int, ...]],
        scale: float = 0.5,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if len({tuple(sorted(c)) for c in conjuncts}) != len(conjuncts):
            raise ValueError(f"conjuncts must differ from each other, got {list(conjuncts)}")
        for conjunct in conjuncts:
            if any(not 0 <= i < n_in for i in conjunct):
                raise ValueError(f"conjunct {conjunct} names an input that is not in 0…{n_in - 1}")
        longest = max((len(c) for c in conjuncts), default=0)
        padded = [[*c, *[n_in] * (longest - len(c))] for c in conjuncts]  # n_in: always on
        elements = torch.tensor(padded, dtype=torch.long).view(len(conjuncts), longest)
        self.register_buffer("elements", elements, persistent=False)
        weight = torch.empty(n_out, len(conjuncts), dtype=dtype)
        self.weight = nn.Parameter(weight.uniform_(-scale, scale, generator=generator))
        self.n_in = n_in

    def factors(self, x_PI: Tensor) -> Tensor:
        """Return the elements of each conjunct, (P, C, K), filled up with ones."""
        if x_PI.shape[-1] != self.n_in:
            raise ValueError(f"patterns must be (P, {self.n_in}), got {tuple(x_PI.shape)}")
        ones = x_PI.new_ones(*x_PI.shape[:-1], 1)
        return torch.cat([x_PI, ones], -1)[..., self.elements]

    def forward(self, x_PI: Tensor) -> Tensor:
        """Return the activities, (P, J)."""
        return logistic(self.factors(x_PI).prod(-1) @ self.weight.mT)

    @torch.no_grad()
    def backpropagate(self, x_PI: Tensor, acts_PJ: Tensor, blame_PJ: Tensor) -> Tensor:
        r"""Set ``weight.grad``; return $-\partial E/\partial o$ of the inputs, (P, I).

        Args:
            x_PI: the inputs.
            acts_PJ: the activities, from `forward`.
            blame_PJ: $-\partial E/\partial o$ of these units: $t - o$ if they are outputs.

        Source: p. 353; $\delta_i = f'(net_i) \sum_{j,k} \delta_k w_{kij} o_j$ for pairs.
        """
        factors_PCK = self.factors(x_PI)
        delta_PJ = acts_PJ * (1 - acts_PJ) * blame_PJ
        self.weight.grad = -delta_PJ.mT @ factors_PCK.prod(-1)  # Δw = δ_k o_i o_j
        wanted_PC = delta_PJ @ self.weight
        blame = x_PI.new_zeros(*x_PI.shape[:-1], self.n_in + 1)
        for k in range(factors_PCK.shape[-1]):  # an input matters as much as its partners are on
            others = factors_PCK.clone()
            others[..., k] = 1
            index = self.elements[:, k].expand(*x_PI.shape[:-1], -1)
            blame.scatter_add_(-1, index, wanted_PC * others.prod(-1))
        return blame[..., : self.n_in]
