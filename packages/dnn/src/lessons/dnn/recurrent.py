"""Nets with cycles: unrolled in time, they are nets without cycles whose weights are shared.

Shapes: R replicates, P patterns, T steps, I inputs, S units of the recurrent net, O outputs.
"""

import torch
from torch import Tensor

from .graph import Graph
from .net import DeltaNet


def unroll(connections: Tensor, n_in: int, steps: int) -> Graph:
    """Return the net without cycles that behaves as one with cycles does for some steps.

    Its units are the inputs of all steps, the S states at the start, both given from outside, and
    the S states after each step, which all count as outputs. Weights and biases are shared by
    the steps.

    Args:
        connections: (S, I + S) booleans: who is fed by the inputs, and by the states a step before.
        n_in: I.
        steps: T.

    Raises:
        ValueError: a shape that does not fit, or no steps.

    Source: pp. 354-356, Fig. 17.
    """
    states = len(connections)
    if tuple(connections.shape) != (states, n_in + states):
        expected = (states, n_in + states)
        raise ValueError(
            f"connections must be (S, I + S) = {expected}, got {tuple(connections.shape)}"
        )
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}")
    numbers = torch.arange(1, connections.numel() + 1).view(connections.shape) * connections
    given, n = steps * n_in + states, steps * n_in + (steps + 1) * states
    whole, biases = torch.zeros(n, n, dtype=torch.long), torch.zeros(n, dtype=torch.long)
    for t in range(steps):
        to = slice(given + t * states, given + (t + 1) * states)
        before = slice(given + (t - 1) * states, given + t * states)
        whole[to, t * n_in : (t + 1) * n_in] = numbers[:, :n_in]
        whole[to, before] = numbers[:, n_in:]
        biases[to] = torch.arange(1, states + 1)
    return Graph(whole, given, steps * states, biases)


class RecurrentNet(DeltaNet):
    """R nets with cycles, run for some steps; trained as the net that `unroll` makes of them.

    By default inputs feed hidden units, hidden units feed all hidden units and outputs, and outputs
    feed all outputs, themselves too (p. 358).

    Args:
        n_in: I.
        n_hidden: hidden units, the first of the states.
        n_out: O, the last of the states.
        steps: T.
        connections: (S, I + S) booleans, instead of the default.
        replicates: R.
        **options: of `DeltaNet`.

    Source: pp. 354-360.
    """

    def __init__(
        self,
        n_in: int,
        n_hidden: int,
        n_out: int,
        steps: int,
        connections: Tensor | None = None,
        replicates: int = 1,
        **options,
    ) -> None:
        self.shape = (n_in, n_hidden + n_out, n_out, steps)
        if connections is None:
            connections = torch.zeros(n_hidden + n_out, n_in + n_hidden + n_out, dtype=torch.bool)
            connections[:n_hidden, : n_in + n_hidden] = True
            connections[n_hidden:, n_in:] = True
        super().__init__(unroll(connections, n_in, steps), replicates, **options)

    def given(self, x_PTI: Tensor, start: Tensor | float = 0.2) -> Tensor:
        """Return the unrolled net's patterns, (P, T I + S).

        Args:
            x_PTI: the inputs at each step; with I = 0, (P, T, 0).
            start: the states before the first step, (P, S), or one number for all (p. 359: .2).
        """
        n_in, states, _, steps = self.shape
        if x_PTI.shape[-2:] != (steps, n_in):
            raise ValueError(f"inputs must be (P, {steps}, {n_in}), got {tuple(x_PTI.shape)}")
        if not isinstance(start, Tensor):
            start = x_PTI.new_full((*x_PTI.shape[:-2], states), start)
        return torch.cat([x_PTI.flatten(-2), start.to(x_PTI.dtype)], -1)

    def wanted(self, truth_PTO: Tensor) -> Tensor:
        """Return the unrolled net's targets, (P, T S): NaN for hidden units.

        Args:
            truth_PTO: the targets after each step; after the last steps only, if there are fewer.

        Raises:
            ValueError: there are more targets than steps.
        """
        _, states, n_out, steps = self.shape
        if truth_PTO.shape[-2] > steps:
            raise ValueError(
                f"there are targets for {truth_PTO.shape[-2]} steps, but {steps} steps"
            )
        whole = truth_PTO.new_full((*truth_PTO.shape[:-2], steps, states), torch.nan)
        whole[..., steps - truth_PTO.shape[-2] :, states - n_out :] = truth_PTO
        return whole.flatten(-2)

    def states(self, given: Tensor) -> Tensor:
        """Return the states after each step, (R, P, T, S), for what `given` returned."""
        return self(given).unflatten(-1, (self.shape[3], self.shape[1]))
