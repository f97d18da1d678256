"""Real-time recurrent learning (Williams and Zipser 1989, §2): the gradient is carried along.

pᵏᵢⱼ = ∂yₖ/∂wᵢⱼ is kept for every unit k and weight ij and moved on with the net, so nothing of the
past is stored.

Shapes: S nets side by side, N units, Z = N + M lines, R weights (N·Z, or those there are); K, L
units, I and J the ends of a weight.
"""

import torch
from torch import Tensor

from .fully_recurrent import FullyRecurrent, Sizes, sizes

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
            ``change``, and `update` makes them (eq. 7, the weights fixed along the trajectory).
        allow_large: whether to build a net of more than 256 units.
        options: bias, scale, y0, generator, device, dtype, as there.

    Attributes:
        p: (S, N, R), pᵏᵢⱼ, for the weights in the order of their rows.
        change: (S, N, Z), the sum of Δwᵢⱼ since `update` or `reset`.

    Raises:
        ValueError: as for `FullyRecurrent`, or too many units.

    Source: §2.1 (eqs. 7–16), §2.2, §2.3 (eqs. 18, 19), §2.4.
    """

    p: Tensor
    rows: Tensor | None
    change: Tensor

    def __init__(
        self,
        n_units: int | Sizes,
        n_inputs: int | None = None,
        lr: float | Tensor = 1.0,
        teacher_forcing: bool = False,
        seeds: int = 1,
        connectivity: Tensor | None = None,
        *,
        online: bool = True,
        allow_large: bool = False,
        **options,
    ) -> None:
        config = sizes(n_units, n_inputs, teacher_forcing)
        if config.n_units > LARGE and not allow_large:
            n, m = config.n_units, config.n_inputs + options.get("bias", True)
            raise ValueError(
                f"n_units is {n}: n³ + mn² = {n**3 + m * n**2:,} sensitivities for each net, "
                f"renewed at every step; allow_large=True builds it"
            )
        super().__init__(config, None, lr, False, seeds, connectivity, **options)
        self.online = online

    def reset(self, y: Tensor | None = None) -> None:
        """Begin anew: outputs y or y0, no dependence on the weights (eq. 13), no change due."""
        super().reset(y)
        seeds, n, width = self.weight.shape
        there = self.connectivity
        rows = None if there is None else there.nonzero().T  # (2, R): i and j of each row of p
        count = n * width if rows is None else rows.shape[1]
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("p", self.weight.new_zeros(seeds, n, count))
        self.register_buffer("change", torch.zeros_like(self.weight))

    @torch.no_grad()
    def update(self) -> None:
        """Make the changes that were summed up: eq. 7."""
        self.weight += self.change
        self.change.zero_()

    def advance(self, x_TSM: Tensor, targets_TSN: Tensor | None, learn: bool) -> Tensor:
        """Take the steps: outputs, sensitivities, errors, changes of the weights."""
        seeds, n, width = self.weight.shape
        outputs = self.y.new_empty(len(x_TSM), seeds, n)
        weight, p, rows = self.weight, self.p, self.rows
        spare, change = torch.empty_like(p), torch.empty_like(weight)
        for t in range(len(x_TSM)):
            z = self.concatenate(x_TSM[t])
            if self.forced is not None:  # §2.3: "set to zero after they have been used"
                p.masked_fill_(~self.forced.isnan()[:, :, None], 0)
            self.y = y = torch.bmm(weight, z[:, :, None])[:, :, 0].sigmoid_()  # eqs. 2, 3
            torch.bmm(weight[:, :, :n], p, out=spare)  # eqs. 12, 19: Σₗ wₖₗ pˡ, for all weights
            if rows is None:  # δᵢₖ zⱼ: only where unit k is the one that the weight leads to
                spare.view(seeds, n, n, width).diagonal(dim1=1, dim2=2).add_(z[:, :, None])
            else:
                spare[:, rows[0], torch.arange(rows.shape[1], device=z.device)] += z[:, rows[1]]
            spare.mul_((y * (1 - y))[:, :, None])  # eq. 16
            p, spare = spare, p
            self.p = p
            outputs[t] = y
            target = None if targets_TSN is None else targets_TSN[t]
            if target is not None and learn:
                error = (target - y).nan_to_num_(0.0)  # eq. 4
                self.learn(torch.bmm(error[:, None], p), change)
            self.remember(target)
        return outputs

    def learn(self, ascent_S1R: Tensor, change_SNZ: Tensor) -> None:
        """Change the weights by η Σₖ eₖ pᵏᵢⱼ (eq. 15), now or when `update` is called."""
        if self.rows is None:
            change_SNZ = ascent_S1R.view_as(change_SNZ)
        else:
            change_SNZ.zero_()[:, *self.rows.unbind()] = ascent_S1R[:, 0]
        goal = self.weight if self.online else self.change
        goal.addcmul_(change_SNZ, self.lr)
