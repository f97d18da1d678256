"""Real-time recurrent learning (Williams and Zipser 1989, §2): the gradient is carried along.

pᵏᵢⱼ = ∂yₖ/∂wᵢⱼ is kept for every unit k and weight ij and moved on with the net, so nothing of the
past is stored.

Shapes: S nets side by side, N units, Z = N + M lines, R weights (N·Z, or those there are); K, L
units, I and J the ends of a weight.
"""

import torch
from torch import Tensor

from .fully_recurrent import FullyRecurrent

LARGE = 256  # units: 256³ sensitivities and more, 67 MB for a net; 1,024 would be 4.3 GB


def sensitivities_reference(
    weight_SNZ: Tensor, p_SKIJ: Tensor, slope_SK: Tensor, z_SZ: Tensor, forced_SN=None
) -> Tensor:
    """Move the sensitivities on by a step: equation 12, or 19 where units are forced.

    Args:
        weight_SNZ: the weights.
        p_SKIJ: pᵏᵢⱼ(t).
        slope_SK: f′ₖ(sₖ(t)).
        z_SZ: z(t).
        forced_SN: bool, the units whose targets stand in z(t) in their outputs' place.

    Returns:
        pᵏᵢⱼ(t + 1), (S, N, N, Z).
    """
    n = weight_SNZ.shape[1]
    if forced_SN is not None:
        p_SKIJ = p_SKIJ.masked_fill(forced_SN[:, :, None, None], 0)  # ∂d/∂w = 0
    through_units = torch.einsum("skl,slij->skij", weight_SNZ[:, :, :n], p_SKIJ)
    directly = torch.eye(n).to(z_SZ)[:, :, None] * z_SZ[:, None, None, :]  # δᵢₖ zⱼ
    return slope_SK[:, :, None, None] * (through_units + directly)


class RTRL(FullyRecurrent):
    """Nets that learn while they run, by exact sensitivities of N·R numbers.

    Args:
        n_units, n_inputs, lr, teacher_forcing, seeds, connectivity: as `FullyRecurrent` has them.
            Weights that are not there need no row in p: N·R numbers for R weights (§2.4).
        online: whether weights change at every step (§2.2); else changes are summed up in
            ``change``, and `apply` makes them (eq. 7, the weights fixed along the trajectory).
        allow_large: whether to build a net of more than 256 units.
        options: bias, scale, y0, generator, device, dtype, as there.

    Attributes:
        p: (S, N, R), pᵏᵢⱼ, for the weights in the order of their rows.
        change: (S, N, Z), the sum of Δwᵢⱼ since `apply`.

    Raises:
        ValueError: as for `FullyRecurrent`, or too many units.

    Source: §2.1 (eqs. 7–16), §2.2, §2.3 (eqs. 18, 19), §2.4.
    """

    def __init__(
        self,
        n_units: int,
        n_inputs: int,
        lr: float | Tensor = 1.0,
        teacher_forcing: bool = False,
        seeds: int = 1,
        connectivity: Tensor | None = None,
        *,
        online: bool = True,
        allow_large: bool = False,
        **options,
    ) -> None:
        if n_units > LARGE and not allow_large:
            m = n_inputs + options.get("bias", True)
            count = n_units**3 + m * n_units**2
            raise ValueError(
                f"n_units is {n_units}: n³ + mn² = {count:,} sensitivities for each net, renewed "
                f"at every step; allow_large=True builds it"
            )
        self.online, self.rows = online, None
        super().__init__(n_units, n_inputs, lr, teacher_forcing, seeds, connectivity, **options)
        self.change = torch.zeros_like(self.weight)

    def reset(self, y: Tensor | None = None) -> None:
        """Begin anew: outputs y or y0, and no dependence on the weights (eq. 13)."""
        super().reset(y)
        seeds, n, width = self.weight.shape
        if self.connectivity is not None and self.rows is None:
            self.rows = self.connectivity.nonzero(as_tuple=True)  # (i, j) of each row of p
        count = n * width if self.rows is None else len(self.rows[0])
        self.p = self.weight.new_zeros(seeds, n, count)

    def apply(self) -> None:
        """Make the changes that were summed up: eq. 7."""
        self.weight += self.change
        self.change.zero_()

    def advance(self, x_TSM: Tensor, targets_TSN: Tensor | None, learn: bool) -> Tensor:
        """Take the steps: outputs, sensitivities, errors, changes of the weights."""
        seeds, n, width = self.weight.shape
        outputs = self.y.new_empty(len(x_TSM), seeds, n)
        spare, change = torch.empty_like(self.p), torch.empty_like(self.weight)
        for t in range(len(x_TSM)):
            z = self.concatenate(x_TSM[t])
            if self.forced is not None:  # §2.3: "set to zero after they have been used"
                self.p.masked_fill_(~self.forced.isnan()[:, :, None], 0)
            self.y = y = torch.bmm(self.weight, z[:, :, None])[:, :, 0].sigmoid_()  # eqs. 2, 3
            # Equations 12 and 19. One product for all weights; δᵢₖ zⱼ goes onto its diagonal.
            torch.bmm(self.weight[:, :, :n], self.p, out=spare)
            if self.rows is None:
                spare.view(seeds, n, n, width).diagonal(dim1=1, dim2=2).add_(z[:, :, None])
            else:
                i, j = self.rows
                spare[:, i, torch.arange(len(i), device=i.device)] += z[:, j]
            spare.mul_((y * (1 - y))[:, :, None])  # eq. 16
            self.p, spare = spare, self.p
            outputs[t] = y
            target = None if targets_TSN is None else targets_TSN[t]
            if target is not None and learn:
                error = (target - y).nan_to_num_(0.0)  # eq. 4
                self.learn(torch.bmm(error[:, None], self.p), change)
            self.remember(target)
        return outputs

    def learn(self, ascent_S1R: Tensor, change_SNZ: Tensor) -> None:
        """Change the weights by η Σₖ eₖ pᵏᵢⱼ (eq. 15), now or when `apply` is called."""
        if self.rows is None:
            change_SNZ = ascent_S1R.view_as(change_SNZ)
        else:
            change_SNZ.zero_()[:, *self.rows] = ascent_S1R[:, 0]
        goal = self.weight if self.online else self.change
        goal.addcmul_(change_SNZ, self.lr)
