"""The networks that the chapter prints: their weights, read off the figures.

Units count from 1, inputs first, as in `DeltaNet.matrix`; 0 is always on, its weights the biases.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .tasks import addition, negation, symmetry, xor


class Published(NamedTuple):
    """A printed network: its preset, its weights by (to, from), its task, which rows it fails."""

    net: str
    weights: dict[tuple[int, int], float]
    task: tuple[Tensor, Tensor]
    fails: tuple[int, ...] = ()

    def matrix(self) -> Tensor:
        """Return the weights in the layout of `DeltaNet.matrix`, in double precision."""
        units = 1 + max(to for to, _ in self.weights)
        matrix = torch.zeros(units, units, dtype=torch.float64)
        for (to, source), weight in self.weights.items():
            matrix[to, source] = weight
        return matrix


def unit(to: int, bias: float, **sources: float) -> dict[tuple[int, int], float]:
    """Return one unit's weights: ``unit(3, 2.2, u1=-6.4, u2=-6.4)``."""
    return {(to, 0): bias} | {(to, int(name[1:])): weight for name, weight in sources.items()}


PUBLISHED = {
    "Fig. 3": Published(
        "xor-2-1-1",
        unit(3, 2.2, u1=-6.4, u2=-6.4) | unit(4, 6.3, u1=-4.2, u2=-4.2, u3=-9.4),
        xor(),
    ),
    "Fig. 5": Published(  # the local minimum: rows 01 and 11 give .5
        "xor-2-2-1",
        unit(3, 2.0, u1=-2.0, u2=9.2) | unit(4, -0.1, u1=4.3, u2=8.8)
        | unit(5, -0.8, u3=-4.5, u4=5.3),
        xor(),
        fails=(1, 3),
    ),
    "Fig. 9": Published(
        "symmetry-6-2-1",
        unit(7, -1.0, u1=-3.18, u2=6.32, u3=-12.56, u4=12.56, u5=-6.33, u6=3.17)
        | unit(8, -1.0, u1=3.16, u2=-6.34, u3=12.52, u4=-12.51, u5=6.31, u6=-3.17)
        | unit(9, 6.89, u7=-9.44, u8=-9.44),
        symmetry(6),
    ),
    "Fig. 11": Published(
        # Of 11D's weights from the inputs, the numbers (+2) and the lines (dashed: negative) do
        # not agree. With the numbers the network adds; with the lines it does not.
        "addition-4-3-3",
        unit(5, 3, u2=-7, u4=-7)
        | unit(6, 11, u1=-5, u2=-5, u3=-5, u4=-5, u5=-2)
        | unit(7, 0, u1=-8, u2=-4, u3=-8, u4=-4, u6=5)
        | unit(8, -3, u1=2, u2=2, u3=2, u4=2, u5=4, u6=-4)
        | unit(9, -16, u1=5, u2=5, u3=5, u4=5, u6=14, u7=-7)
        | unit(10, 7, u2=-5, u4=-5, u5=-10),
        addition(2),
    ),
    "Fig. 12": Published(
        "negation-4-3-3",
        unit(5, -8, u1=6, u2=6) | unit(6, 2, u1=-6, u3=-6) | unit(7, 2, u1=-6, u4=-6)
        | unit(8, -1, u1=4, u2=4, u5=-10) | unit(9, 6, u1=-4, u3=-4, u6=-10)
        | unit(10, 6, u1=-4, u4=-4, u7=-10),
        negation(3),
    ),
}  # fmt: skip
# The receptive fields of Fig. 15. D has all weights −2: what it overlaps at all, it turns off.
DETECTORS = {
    "A": [[-1, -1, -1], [-1, 2, -1], [-1, -1, -1]],
    "B": [[-1, 1, -1], [-1, 1, -1], [-1, 1, -1]],
    "C": [[-1, -1, 1], [-1, 2, -1], [1, -1, -1]],
    "D": [[-2, -2, -2], [-2, -2, -2], [-2, -2, -2]],
}
