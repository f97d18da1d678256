r"""Several examples in one row, so that little is padding (Raffel et al. 2020, §3.1.2).

Shapes: B rows, S input length, T target length.
"""

import dataclasses
from collections.abc import Sequence

from torch import Tensor

from .model import IGNORED
from .objectives import Example, pad


@dataclasses.dataclass(frozen=True)
class Packed:
    """Rows of several examples each; `model.loss(**vars(packed))` counts every target once.

    Offsets within an example are what they were, and relative positions need nothing else: what
    has to be told are the examples' numbers, so that none looks into another.
    """

    input_ids: Tensor
    labels: Tensor  # -100 at padding
    attention_mask: Tensor  # number of the example, from 1; 0 at padding
    decoder_attention_mask: Tensor


def pack_sequences(
    examples: Sequence[Example], max_len: int = 512, max_target_len: int | None = None
) -> Packed:
    """Put each example into the first row that has room for it.

    Args:
        examples: what to pack.
        max_len: most input tokens of a row.
        max_target_len: most target tokens of a row; None: as many.

    Raises:
        ValueError: an example that is longer than a row, or an empty one.

    Source: §3.1.2, footnote 10.
    """
    most = max_len if max_target_len is None else max_target_len
    rows: list[list[Example]] = []
    room: list[tuple[int, int]] = []
    for i, example in enumerate(examples):
        s, t = len(example.inputs), len(example.targets)
        if not s or not t or s > max_len or t > most:
            raise ValueError(
                f"examples[{i}] has {s} input and {t} target tokens; a row takes 1 to {max_len} "
                f"and 1 to {most}"
            )
        fitting = (r for r, (a, b) in enumerate(room) if a >= s and b >= t)
        row = next(fitting, None)
        if row is None:
            row = len(rows)
            rows.append([])
            room.append((max_len, most))
        rows[row].append(example)
        room[row] = room[row][0] - s, room[row][1] - t

    def numbers(side: str) -> list[list[int]]:
        return [
            [n for n, e in enumerate(row, 1) for _ in getattr(e, side)] for row in rows
        ]  # fmt: skip

    return Packed(
        pad([[t for e in row for t in e.inputs] for row in rows]),
        pad([[t for e in row for t in e.targets] for row in rows], IGNORED),
        pad(numbers("inputs")),
        pad(numbers("targets")),
    )
