"""The embedded Reber grammar (§5.1, Figures 3 and 4): strings, and what may come next.

A string is B, then T or P, a Reber string, the same T or P again, and E. To predict the symbol
before last, the second one has to be remembered.

Shapes: T steps, B strings, 7 symbols.
"""

import torch
from torch import Tensor

SYMBOLS = "BTPSXVE"
# From each node, what may follow and where it leads; 0 is the beginning, 7 the end.
EDGES = {
    0: {"B": 1},
    1: {"T": 2, "P": 3},
    2: {"S": 2, "X": 4},
    3: {"T": 3, "V": 5},
    4: {"X": 3, "S": 6},
    5: {"P": 4, "V": 6},
    6: {"E": 7},
}


def draw(generator: torch.Generator | None = None) -> str:
    """Return a string of the Reber grammar, each of two ways with probability one half."""
    node, text = 0, ""
    while node != 7:
        ways = list(EDGES[node].items())
        symbol, node = ways[int(torch.randint(len(ways), (), generator=generator))]
        text += symbol
    return text


def draw_embedded(generator: torch.Generator | None = None) -> str:
    """Return a string of the embedded grammar."""
    mark = "TP"[int(torch.randint(2, (), generator=generator))]
    return f"B{mark}{draw(generator)}{mark}E"


def legal(text: str) -> list[str]:
    """Return for each prefix of an embedded string what may come next: one entry a symbol read.

    Raises:
        ValueError: no prefix of the grammar.
    """
    node, found = 0, []
    for i, symbol in enumerate(text):
        if symbol not in (found[-1] if i else "B"):
            raise ValueError(f"{text!r} is not of the grammar: {symbol!r} at {i}")
        if i == 0:
            after = "TP"
        elif i == 1:
            after = "B"
        elif node == 7:  # the second mark, then the end
            after = "E" if found[-1] != "E" else ""
        else:
            node = EDGES[node][symbol]
            after = "".join(EDGES[node]) if node != 7 else text[1]
        found.append(after)
    return found


def split(
    generator: torch.Generator | None = None, train: int = 256, test: int = 256
) -> tuple[list[str], list[str]]:
    """Return training strings and test strings; none of the latter is among the former (§5.1.3)."""
    first = [draw_embedded(generator) for _ in range(train)]
    known, second = set(first), []
    while len(second) < test:
        text = draw_embedded(generator)
        if text not in known:
            second.append(text)
    return first, second


def encode(texts: list[str]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what is read, what follows, what may follow, and the lengths.

    Returns:
        x (T, B) and the next symbols (T, B), numbers, padded with −1 where nothing is due (x with
        0); what is legal, (T, B, 7), of zeros and ones; and how many steps are read, (B,).
    """
    lengths = torch.tensor([len(text) - 1 for text in texts])
    steps = int(lengths.max())
    x = torch.zeros(steps, len(texts), dtype=torch.long)
    after = torch.full_like(x, -1)
    may = torch.zeros(steps, len(texts), 7)
    for b, text in enumerate(texts):
        ids = torch.tensor([SYMBOLS.index(s) for s in text])
        x[: len(text) - 1, b], after[: len(text) - 1, b] = ids[:-1], ids[1:]
        for t, symbols in enumerate(legal(text)[:-1]):
            for symbol in symbols:
                may[t, b, SYMBOLS.index(symbol)] = 1
    return x, after, may, lengths


def predicted(scores: Tensor, may: Tensor, lengths: Tensor) -> Tensor:
    """Return for each string whether every legal symbol outranks every illegal one, at each step.

    Args:
        scores: (T, …, B, 7).
        may: of `encode`.
        lengths: of `encode`.
    """
    may = may.view(len(may), *[1] * (scores.dim() - 3), *may.shape[1:]).expand_as(scores) > 0
    worst = scores.masked_fill(~may, torch.inf).amin(-1)
    best = scores.masked_fill(may, -torch.inf).amax(-1)
    beyond = torch.arange(len(may))[:, None] >= lengths
    beyond = beyond.view(len(may), *[1] * (scores.dim() - 3), -1)
    return ((worst > best) | beyond).all(0)
