r"""The generalized delta rule: what each unit of a net has to do with the error, in one pass back.

Shapes: R replicates, P patterns, I inputs, O outputs, J units of a level, K that it listens to.
"""

from typing import NamedTuple

import torch
from torch import Tensor


def logistic(net: Tensor) -> Tensor:
    r"""Return $1/(1+e^{-net})$ of each total input; its slope is $o(1-o)$, at most 1/4.

    Source: eq. 15.
    """
    return torch.sigmoid(net)


class Level(NamedTuple):
    """Units that do not feed each other, so that they can be computed together.

    Attributes:
        size: J.
        sources: which earlier levels it listens to (0: the inputs), and to which part of each.
        output: whether these are outputs. linear: whether they put out their total input.
    """

    size: int
    sources: list[tuple[int, slice]]
    output: bool
    linear: bool = False


# A level's weights: biases (R, 1, J), then a block (R, J, K) for each of its sources.
Weights = list[Tensor]


def propagate(x_RPI: Tensor, levels: list[Level], weights: list[Weights]) -> list[Tensor]:
    """Return the activities of the inputs and of each level, (R, P, J).

    Args:
        x_RPI: the input patterns.
        levels: the levels, in the order of computing.
        weights: those of each level.

    Source: eqs. 7, 8, 15.
    """
    acts = [x_RPI]
    for level, (bias_R1J, *blocks) in zip(levels, weights):
        net_RPJ = bias_R1J.expand(-1, x_RPI.shape[1], -1)
        for (source, part), block_RJK in zip(level.sources, blocks):
            net_RPJ = torch.baddbmm(net_RPJ, acts[source][..., part], block_RJK.mT)  # eq. 7
        acts.append(net_RPJ if level.linear else logistic(net_RPJ))
    return acts


def generalized_delta(
    acts: list[Tensor], levels: list[Level], weights: list[Weights], error_RPO: Tensor
) -> list[Tensor]:
    r"""Return $\delta_j = -\partial E/\partial net_j$ of each level, (R, P, J).

    An output that feeds other units gets both kinds of error, added (p. 328).

    Args:
        acts: the activities, from `propagate`.
        levels: as there.
        weights: as there.
        error_RPO: $t_j - o_j$ of the outputs.

    Source: eqs. 13 and 14.
    """
    errors = iter(error_RPO.split([level.size for level in levels if level.output], -1))
    deltas = [  # at first −∂E/∂o, as far as it is known
        next(errors).clone() if level.output else torch.zeros_like(acts_RPJ)
        for level, acts_RPJ in zip(levels, acts[1:])
    ]
    for n in reversed(range(len(levels))):
        level, (_, *blocks), acts_RPJ = levels[n], weights[n], acts[n + 1]
        if not level.linear:
            deltas[n].mul_(acts_RPJ).mul_(1 - acts_RPJ)  # in place: fresh memory costs more
        for (source, part), block_RJK in zip(level.sources, blocks):
            if source > 0:  # each sender is blamed by as much as it was listened to
                deltas[source - 1][..., part].baddbmm_(deltas[n], block_RJK)
    return deltas


def changes(acts: list[Tensor], levels: list[Level], deltas: list[Tensor]) -> list[Weights]:
    r"""Return $\sum_p \delta_j o_i = -\partial E/\partial w$, laid out as the weights are.

    Args:
        acts: the activities, from `propagate`.
        levels: as there.
        deltas: from `generalized_delta`.

    Source: eq. 11; for the biases, whose unit is always on, the chapter's first footnote.
    """
    return [
        [delta_RPJ.sum(1, keepdim=True)]
        + [delta_RPJ.mT @ acts[source][..., part] for source, part in level.sources]
        for level, delta_RPJ in zip(levels, deltas)
    ]
