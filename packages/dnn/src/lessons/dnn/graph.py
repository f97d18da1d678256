"""Nets as graphs: who feeds whom, and which connections have one weight in common."""

import dataclasses
import itertools
import math
import warnings

import torch
from torch import Tensor

from .delta import Level


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """A net without its weights: any graph without cycles, skip connections and all.

    Units are numbered so that each is fed by earlier ones only: inputs, hidden units, outputs.

    Args:
        connections: (N, N); ``connections[j, i]`` says whether unit i feeds unit j. Booleans give
            each connection a weight of its own. Integers number the weights: 0 is no connection,
            and connections of the same number share one (p. 350).
        n_in: how many of the first units are inputs.
        n_out: how many of the last units are outputs; they may feed each other (p. 328).
        biases: (N,), numbered likewise; by default every unit but the inputs has one of its own.

    Raises:
        ValueError: the matrix is not square, makes a cycle, or feeds an input.
    """

    connections: Tensor
    n_in: int
    n_out: int
    biases: Tensor | None = None

    def __post_init__(self) -> None:
        n, shape = len(self.connections), tuple(self.connections.shape)
        if shape != (n, n):
            raise ValueError(f"connections must be square (N, N), got {shape}")
        if self.n_in < 0 or self.n_out < 1 or self.n_in + self.n_out > n:
            raise ValueError(
                f"n_in ({self.n_in}) and n_out ({self.n_out}) do not fit into {n} units"
            )
        if self.biases is not None and tuple(self.biases.shape) != (n,):
            raise ValueError(f"biases must be ({n},), got {tuple(self.biases.shape)}")
        for j, i in self.connections.nonzero().tolist():
            if j <= i:
                raise ValueError(
                    f"units {i}→{j} make a cycle: a unit may feed later units only "
                    "(for cycles there is RecurrentNet)"
                )
            if j < self.n_in:
                raise ValueError(f"units {i}→{j}: unit {j} is an input and cannot be fed")

    def numbered(self) -> tuple[Tensor, int]:
        """Return which weight stands where, (U, U), and how many weights there are.

        U counts one unit more, number 0, which is always on and whose weights are the biases.
        Weights are counted from 0, connections before biases; where there is none, it says how many
        there are.
        """
        n = len(self.connections)
        biases = torch.arange(n) >= self.n_in if self.biases is None else self.biases
        whole = torch.zeros(n + 1, n + 1, dtype=torch.long)
        whole[1:, 1:] = distinct(self.connections)
        own = distinct(biases)
        whole[1:, 0] = torch.where(own > 0, own + whole.max(), 0)
        used, numbers = whole.unique(return_inverse=True)  # the first of them is 0, for none
        return torch.where(whole > 0, numbers - 1, len(used) - 1), len(used) - 1

    def levels(self, linear: bool = False) -> list[Level]:
        """Return the units but for the inputs, in the order of their numbers, level by level.

        Args:
            linear: whether the outputs put out their total input as it is.
        """
        n, first_output = len(self.connections), len(self.connections) - self.n_out
        bounds = [0, self.n_in]
        for j in range(self.n_in + 1, n):
            if self.connections[j, bounds[-1] : j].any() or j == first_output:
                bounds.append(j)
        spans = list(itertools.pairwise([*bounds, n]))
        levels = []
        for start, stop in spans[1:]:
            heard, sources = self.connections[start:stop].any(0), []
            for source, (a, b) in enumerate(spans):
                units = heard[a:b].nonzero().flatten().tolist()
                if units:
                    sources.append((source, slice(units[0], units[-1] + 1)))
            output = start >= first_output
            levels.append(Level(stop - start, sources, output, linear and output))
        return levels


def distinct(numbers: Tensor) -> Tensor:
    """Return the numbers as they are; booleans are counted through from 1."""
    if numbers.dtype != torch.bool:
        return numbers
    return torch.where(numbers, numbers.flatten().cumsum(0).view(numbers.shape), 0)


def layered(*sizes: int, skips: bool = False) -> Graph:
    """Return layers that feed the next one, or, with skips, all later ones.

    Raises:
        ValueError: there are fewer than two layers, or an empty one.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes must be two positive numbers or more, got {sizes}")
    layer = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    gap = layer[:, None] - layer
    return Graph(gap > 0 if skips else gap == 1, sizes[0], sizes[-1])


def encoder_graph(n: int = 8, hidden: int = 3) -> Graph:
    """Return n inputs, a narrow layer and n outputs; warn if its code cannot be binary (p. 336)."""
    if 2**hidden < n:
        needed = f"{n} patterns take {math.ceil(math.log2(n))} hidden units if their code is binary"
        warnings.warn(f"hidden is {hidden}, but {needed}", stacklevel=2)
    return layered(n, hidden, n)


def chained(n_in: int, hidden: int, n_out: int) -> Graph:
    """Return the adder's net: every unit is fed by all inputs and all earlier hidden units.

    The hidden units are a chain, so they are not equals; the outputs do not feed each other.

    Source: p. 343.
    """
    return layered(n_in, *[1] * hidden, n_out, skips=True)


def family_graph() -> Graph:
    """Return the net for family trees: 24 people and 12 relations, each with 6 units of its own.

    Source: Hinton 1986; Rumelhart et al. 1986 (Nature), Fig. 3.
    """
    graph = layered(36, 12, 12, 6, 24)
    connections = graph.connections.clone()
    connections[36:42, 24:36] = False  # the first six see the person only,
    connections[42:48, :24] = False  # the other six the relation only
    return Graph(connections, 36, 24)


def detector_graph(grid: int = 5, field: int = 3) -> Graph:
    """Return one detector, looking through every field × field window, and one output over all.

    Every detector has the same weights, the same bias and the same weight to the output.

    Source: pp. 348-350, Fig. 14.
    """
    side = grid + field - 1
    n_in, n_hidden = side * side, grid * grid
    n = n_in + n_hidden + 1
    connections = torch.zeros(n, n, dtype=torch.long)
    pixels = torch.arange(n_in).view(side, side)
    for unit in range(n_hidden):
        row, column = divmod(unit, grid)
        window = pixels[row : row + field, column : column + field].flatten()
        connections[n_in + unit, window] = torch.arange(1, field * field + 1)
    connections[-1, n_in:-1] = field * field + 1
    biases = torch.zeros(n, dtype=torch.long)
    biases[n_in:] = 1
    biases[-1] = 2
    return Graph(connections, n_in, 1, biases)


# The nets of the chapter and of the letter, by their layers.
PRESETS: dict[str, Graph] = {
    "xor-2-1-1": layered(2, 1, 1, skips=True),  # Fig. 3
    "xor-2-2-1": layered(2, 2, 1),  # Fig. 4
    "parity-4-4-1": layered(4, 4, 1),  # Table 3
    "encoder-8-3-8": encoder_graph(8, 3),  # Table 5
    "levels-2-1-4-4": layered(2, 1, 4, 4),  # Fig. 8
    "symmetry-6-2-1": layered(6, 2, 1),  # Fig. 9
    "addition-4-2-3": chained(4, 2, 3),  # Fig. 10
    "addition-4-3-3": chained(4, 3, 3),  # Fig. 11
    "negation-4-3-3": layered(4, 3, 3, skips=True),  # Fig. 12
    "t-c": detector_graph(),  # Fig. 14
    "family-trees": family_graph(),  # the letter's Fig. 3
}
