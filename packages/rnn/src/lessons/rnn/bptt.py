"""Back-propagation through time for the paper's network: unfold it, and go back over its layers.

`gradient` is the exact one over a whole trajectory; `TruncatedBPTT` learns while the net runs and
goes back over the last steps only (Williams and Peng 1990, BPTT(h; h′)).

Shapes: T steps, S nets side by side, N units, Z = N + M lines (the bias is one).
"""

from typing import Any

import torch
from torch import Tensor

from .fully_recurrent import FullyRecurrent, Sizes


def trajectory(
    weight_SNZ: Tensor, x_TSM: Tensor, y_SN: Tensor, forced_TSN: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run the net from y(0) with fixed weights; autograd may go through it.

    Args:
        weight_SNZ: the weights.
        x_TSM: x(0) … x(T − 1), the bias's ones among them.
        y_SN: y(0).
        forced_TSN: d(1) … d(T), NaN where there is none, to stand in the outputs' place (eq. 17).

    Returns:
        y(1) … y(T), (T, S, N), and z(0) … z(T − 1), (T, S, Z).
    """
    outputs, lines = [], []
    for t in range(len(x_TSM)):
        if forced_TSN is not None and t:
            y_SN = torch.where(forced_TSN[t - 1].isnan(), y_SN, forced_TSN[t - 1])
        lines.append(torch.cat([y_SN, x_TSM[t]], 1))  # eqs. 1, 17
        y_SN = torch.sigmoid((weight_SNZ @ lines[-1][:, :, None])[:, :, 0])  # eqs. 2, 3
        outputs.append(y_SN)
    return torch.stack(outputs), torch.stack(lines)


@torch.no_grad()
def gradient(
    weight_SNZ: Tensor, x_TSM: Tensor, d_TSN: Tensor, y_SN: Tensor, forcing: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Return −∂J/∂W and −∂J/∂y(0) of the total error J over a trajectory (eqs. 5, 6).

    Args:
        weight_SNZ: the weights.
        x_TSM: x(0) … x(T − 1), the bias's ones among them.
        d_TSN: d(1) … d(T), NaN where there is none.
        y_SN: y(0).
        forcing: whether targets stand in the outputs' place in the next step.

    Returns:
        −∂J/∂W (S, N, Z), −∂J/∂y(0) (S, N), and J (S,).
    """
    n = weight_SNZ.shape[1]
    y_TSN, z_TSZ = trajectory(weight_SNZ, x_TSM, y_SN, d_TSN if forcing else None)
    error_TSN = (d_TSN - y_TSN).nan_to_num_(0.0)  # eq. 4
    delta_TSN = torch.empty_like(y_TSN)  # −∂J/∂sₖ
    slope_TSN = y_TSN * (1 - y_TSN)
    back_SNN = weight_SNZ[:, :, :n].transpose(1, 2).contiguous()
    for t in reversed(range(len(y_TSN))):
        blame_SN = error_TSN[t]
        if t + 1 < len(y_TSN):
            later_SN = torch.bmm(back_SNN, delta_TSN[t + 1][:, :, None])[:, :, 0]
            if forcing:  # the output was not used
                later_SN = later_SN * d_TSN[t].isnan()
            blame_SN = blame_SN + later_SN
        torch.mul(blame_SN, slope_TSN[t], out=delta_TSN[t])
    start_SN = torch.bmm(back_SNN, delta_TSN[0][:, :, None])[:, :, 0]
    change_SNZ = torch.einsum("tsn,tsz->snz", delta_TSN, z_TSZ)
    return change_SNZ, start_SN, error_TSN.square().sum((0, 2)) / 2


class TruncatedBPTT(FullyRecurrent):
    """Nets that learn while they run, from errors sent back over the last steps.

    Args:
        n_units, n_inputs, lr, teacher_forcing, seeds, connectivity: as `FullyRecurrent` has them.
        horizon: h, over how many steps an error goes back. 1 reaches the weights into the units
            with targets; 2 also those into units in front of them, which is what Elman's nets do.
        every: h′, after how many steps it does; those steps' errors go back together.
        options: bias, scale, y0, generator, device, dtype, as there.

    The past is no part of the state dict: what is loaded or moved begins without one (`reset`).

    Raises:
        ValueError: as for `FullyRecurrent`, or h′ above h.

    Source: Williams and Peng 1990.
    """

    def __init__(
        self,
        n_units: int | Sizes,
        n_inputs: int | None = None,
        lr: float | Tensor = 1.0,
        teacher_forcing: bool = False,
        seeds: int = 1,
        connectivity: Tensor | None = None,
        *,
        horizon: int = 8,
        every: int = 1,
        **options,
    ) -> None:
        if not 1 <= every <= horizon:
            raise ValueError(f"every must be in 1 … horizon ({horizon}), got {every}")
        self.horizon, self.every = horizon, every
        super().__init__(n_units, n_inputs, lr, teacher_forcing, seeds, connectivity, **options)

    def reset(self, y: Tensor | None = None) -> None:
        """Begin anew: outputs y or y0, and no past."""
        super().reset(y)
        self.past: list[Any] = []  # z, f′, error, free of each of the last steps
        self.since = 0

    def advance(self, x_TSM: Tensor, targets_TSN: Tensor | None, learn: bool) -> Tensor:
        """Take the steps; every h′ of them, go back over the last h."""
        outputs = self.y.new_empty(len(x_TSM), *self.y.shape)
        for t in range(len(x_TSM)):
            z = self.concatenate(x_TSM[t])
            free = None if self.forced is None else self.forced.isnan()
            self.y = y = torch.bmm(self.weight, z[:, :, None])[:, :, 0].sigmoid_()  # eqs. 2, 3
            outputs[t] = y
            target = None if targets_TSN is None or not learn else targets_TSN[t]
            error = None if target is None else (target - y).nan_to_num_(0.0)
            self.past = [*self.past, (z, y * (1 - y), error, free)][-self.horizon :]
            self.since += 1
            if learn and self.since >= self.every:
                self.go_back()
            self.remember(None if targets_TSN is None else targets_TSN[t])
        return outputs

    def go_back(self) -> None:
        """Send the errors of the last h′ steps back over the last h, and change the weights."""
        back = self.weight[:, :, : self.n_units].transpose(1, 2)
        blame, change = torch.zeros_like(self.y), torch.zeros_like(self.weight)
        for age, (z, slope, error, free) in enumerate(reversed(self.past)):
            if error is not None and age < self.since:
                blame = blame + error
            delta = blame * slope
            change.baddbmm_(delta[:, :, None], z[:, None])
            blame = torch.bmm(back, delta[:, :, None])[:, :, 0]
            if free is not None:  # targets stood in z: what is behind them had no part in it
                blame = blame * free
        if self.connectivity is not None:
            change *= self.connectivity
        self.weight.addcmul_(change, self.lr)
        self.since = 0
