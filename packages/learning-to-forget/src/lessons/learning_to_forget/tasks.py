"""The paper's two streams without ends: embedded Reber strings (§4.1), noisy temporal order (§4.6).

Shapes: T steps, B streams or sequences, 7 or 8 symbols.
"""

import numpy as np
import torch
from torch import Tensor

SYMBOLS: str = "BTPSXVE"
NTO_SYMBOLS = "abcdEBXY"
Gen = torch.Generator | None
# From each node of Reber's grammar, what may follow and where it leads; 7 is its end (Figure 3).
EDGES = {
    0: {"B": 1}, 1: {"T": 2, "P": 3}, 2: {"S": 2, "X": 4}, 3: {"T": 3, "V": 5},
    4: {"X": 3, "S": 6}, 5: {"P": 4, "V": 6}, 6: {"E": 7},
}  # fmt: skip


def automaton() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the continual grammar: symbols (20, 2), nodes they lead to (20, 2), legal (20, 7).

    From each node there are two ways of probability one half; where there is no choice they are
    the same. 0 is the beginning, to which the last symbol of a string leads back (the dashed line
    in Figure 3). The mark (T or P) has to be remembered, so all within a string is there twice.
    """
    ways: list[list[tuple[str, int]]] = [[("B", 1)] * 2, [("T", 2), ("P", 11)]]
    for mark, base in (("T", 2), ("P", 11)):
        for node in range(7):
            out = list(EDGES[node].items())
            ways.append([(symbol, base + to) for symbol, to in (out * 2)[:2]])
        ways += [[(mark, base + 8)] * 2, [("E", 0)] * 2]
    symbols = np.array([[SYMBOLS.index(s) for s, _ in pair] for pair in ways])
    nodes = np.array([[to for _, to in pair] for pair in ways])
    legal = np.zeros((len(ways), 7), np.float32)
    for k in (0, 1):
        legal[np.arange(len(ways)), symbols[:, k]] = 1
    return symbols, nodes, legal


NEXT_SYMBOL, NEXT_NODE, LEGAL = automaton()


def legal_next(text: str) -> str:
    """Return which symbols may come next in a stream that begins with ``text``.

    Raises:
        ValueError: no beginning of a stream; says where it leaves the grammar.
    """
    node = 0
    for at, symbol in enumerate(text):
        may = [SYMBOLS[i] for i in NEXT_SYMBOL[node]]
        if symbol not in may:
            want = " or ".join(dict.fromkeys(may))
            raise ValueError(f"{text!r} leaves the grammar at {at}: {symbol!r}, expected {want}")
        node = int(NEXT_NODE[node, may.index(symbol)])
    return "".join(dict.fromkeys(SYMBOLS[i] for i in sorted(NEXT_SYMBOL[node])))


class Cerg:
    """B streams of embedded Reber strings, one string behind the other, without any mark.

    Args:
        streams: B.
        generator: of the choices.

    Attributes:
        node: where in the grammar each stream is, (B,); 0 before a string begins.
    """

    def __init__(self, streams: int, generator: Gen = None) -> None:
        self.node = np.zeros(streams, np.int64)
        self.generator = generator

    def draw(self, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the next symbols.

        Returns:
            Numbers of symbols (T, B); what may follow each, (T, B, 7), zeros and ones; and whether
            it is the first of a string, (T, B).
        """
        shape = (steps, len(self.node))
        bits = torch.randint(2, shape, generator=self.generator).numpy()
        symbols, nodes = np.empty(shape, np.int64), np.empty(shape, np.int64)
        begins = np.empty(shape, bool)
        for t in range(steps):
            begins[t] = self.node == 0
            symbols[t] = NEXT_SYMBOL[self.node, bits[t]]
            nodes[t] = self.node = NEXT_NODE[self.node, bits[t]]
        return torch.from_numpy(symbols), torch.from_numpy(LEGAL[nodes]), torch.from_numpy(begins)


def cerg(steps: int, streams: int = 1, generator: Gen = None) -> tuple[Tensor, Tensor, Tensor]:
    """Return B streams of embedded Reber strings from their beginning; see `Cerg.draw`."""
    return Cerg(streams, generator).draw(steps)


def outranked(scores: Tensor, legal: Tensor) -> Tensor:
    """Return (…) whether every legal symbol outranks every illegal one; scores (…, 7)."""
    worst = scores.masked_fill(legal == 0, torch.inf).amin(-1)
    return worst > scores.masked_fill(legal > 0, -torch.inf).amax(-1)


def within(outputs: Tensor, legal: Tensor, off: float = 0.49) -> Tensor:
    """Return (…) whether all outputs are nearer to their targets than .49, the paper's criterion.

    It speaks of a mean squared error; with two legal symbols that would let one of them be missed.
    """
    return ((outputs - legal).abs() < off).all(-1)


def nto(sequences: int, generator: Gen = None, divide: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Return noisy temporal order sequences (§4.6; task 6b of 1997).

    Args:
        sequences: B.
        generator: of all that is drawn.
        divide: lengths and places are divided by this.

    Returns:
        Numbers of symbols (T, B), filled up with a; classes (B,), X, X, X is 0; lengths (B,).
    """
    if not 1 <= divide <= 5:
        raise ValueError(f"divide must be in 1 … 5, got {divide}")

    def integers(low: int, high: int, shape) -> Tensor:
        return torch.randint(low // divide, high // divide + 1, shape, generator=generator)

    lengths, rows = integers(100, 110, (sequences,)), torch.arange(sequences)
    steps = int(lengths.max()) if sequences else 100 // divide
    x = torch.randint(4, (steps, sequences), generator=generator)
    x = x.masked_fill(torch.arange(steps)[:, None] >= lengths, 0)
    x[0], x[lengths - 1, rows] = 4, 5
    kind = torch.zeros(sequences, dtype=torch.long)
    for low, high in ((10, 20), (33, 43), (66, 76)):
        mark = torch.randint(2, (sequences,), generator=generator)
        x[integers(low, high, (sequences,)) - 1, rows] = 6 + mark
        kind = 2 * kind + mark
    return x, kind, lengths


def cnto(
    sequences: int, streams: int = 1, generator: Gen = None, divide: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """Return B streams of ``sequences`` noisy temporal order sequences each, joined (§4.6).

    Returns:
        Numbers of symbols (T, B), cut at the end of the shortest; the class due at each step, −1
        where none is, (T, B); and whether a sequence begins, (T, B).
    """
    x, kind, lengths = nto(sequences * streams, generator, divide)
    lengths = lengths.view(streams, sequences)
    steps = int(lengths.sum(1).min())
    counts = torch.arange(len(x)) < lengths.flatten()[:, None]
    parts = x.T[counts].split(lengths.sum(1).tolist())  # a stream's sequences, one behind the other
    symbols = torch.stack([part[:steps] for part in parts], 1)
    ends = lengths.cumsum(1)
    due, begins = torch.full_like(symbols, -1), torch.zeros(steps, streams, dtype=torch.bool)
    for b in range(streams):
        full = ends[b] <= steps
        due[ends[b][full] - 1, b] = kind.view(streams, sequences)[b][full]
        begins[(ends[b] - lengths[b])[ends[b] - lengths[b] < steps], b] = True
    return symbols, due, begins


def adding(steps: int, sequences: int, generator: Gen = None) -> tuple[Tensor, Tensor]:
    """Return numbers with two of them marked (T, B, 2), and their sums (B, 1) (1997, task 4).

    Raises:
        ValueError: less than two steps.
    """
    if steps < 2:
        raise ValueError(f"steps must be at least 2, one for each mark, got {steps}")
    x = torch.zeros(steps, sequences, 2)
    x[..., 0] = 2 * torch.rand(steps, sequences, generator=generator) - 1
    rows = torch.arange(sequences)
    one = torch.randint(0, steps // 2, (sequences,), generator=generator)
    two = torch.randint(steps // 2, steps, (sequences,), generator=generator)
    x[one, rows, 1] = x[two, rows, 1] = 1
    return x, (x[one, rows, 0] + x[two, rows, 0])[:, None]
