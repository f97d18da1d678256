"""The tasks of the paper that are drawn anew for each sequence (§5.2 to §5.6).

Each returns x, (T, B, …) padded behind each sequence's end, the target at the last step (B, K),
and the lengths (B,). Positions in the paper count from 1, here from 0.

Shapes: T steps, B sequences, K outputs.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Lesson = tuple[Tensor, Tensor, Tensor]
Gen = torch.Generator | None


def adding(minimum: int, sequences: int, generator: Gen = None) -> Lesson:
    """Return pairs of a number in [−1, 1] and a mark; the sum of the two marked is due (§5.4.1).

    The target is 0.5 + (X1 + X2)/4. If the first pair is marked, X1 is 0.
    """
    return marked(minimum, sequences, generator, False)


def multiplication(minimum: int, sequences: int, generator: Gen = None) -> Lesson:
    """Return the same with numbers in [0, 1], whose product is due (§5.5.1); then X1 is 1."""
    return marked(minimum, sequences, generator, True)


def marked(minimum: int, sequences: int, generator: Gen, product: bool) -> Lesson:
    """Return sequences of ``minimum`` to 1.1 ``minimum`` pairs of which two are marked."""
    if minimum < 22:
        raise ValueError(f"minimum must be at least 22, to have room for marks, got {minimum}")
    lengths = integers(minimum, minimum + minimum // 10 + 1, sequences, generator)
    steps, rows = int(lengths.max()) if sequences else minimum, torch.arange(sequences)
    value = torch.rand(steps, sequences, generator=generator)
    value = value if product else 2 * value - 1
    mark = torch.zeros(steps, sequences)
    mark[0], mark[lengths - 1, rows] = -1, -1
    one = integers(0, 10, sequences, generator)
    # "One of the first T/2 − 1 still unmarked pairs": the other is passed over, so that the last
    # possible one is the (T/2)th, and the minimal lag is T/2, as Table 7 has it.
    other = integers(0, minimum // 2 - 1, sequences, generator)
    other = other + (other >= one)
    mark[one, rows], mark[other, rows] = 1, 1
    # If the first pair gets marked, X1 is zero: about one time in ten.
    neutral, first = float(product), (one == 0) | (other == 0)
    value[0] = torch.where(first, neutral, value[0])
    a, b = value[one, rows], value[other, rows]
    target = a * b if product else 0.5 + (a + b) / 4
    beyond = torch.arange(steps)[:, None] >= lengths
    x = torch.stack([value, mark], 2).masked_fill(beyond[..., None], 0)
    return x, target[:, None], lengths


def long_lag(distractors: int, lag: int, sequences: int, generator: Gen = None) -> Lesson:
    """Return symbols b, x or y, then ``lag`` + k others, e, and whether x or y is due (task 2c).

    Symbols 0 … p − 1 distract; p is e, p + 1 b, p + 2 x, p + 3 y. The end comes with probability
    1/10 at each step behind the prefix. Targets are (1, 0) for x and (0, 1) for y.
    """
    if distractors < 1 or lag < 1:
        raise ValueError(f"distractors and lag must be at least 1, got {distractors} and {lag}")
    u = torch.rand(sequences, generator=generator).clamp_min(1e-9)
    more = (u.log() / torch.log(torch.tensor(0.9))).long()  # P(k) = .1 · .9^k
    lengths = lag + more + 3
    steps, rows = int(lengths.max()) if sequences else lag + 3, torch.arange(sequences)
    x = integers(0, distractors, (steps, sequences), generator)
    kind = integers(0, 2, sequences, generator)
    x[0], x[1] = distractors + 1, distractors + 2 + kind
    x[lengths - 1, rows] = distractors
    return x, torch.nn.functional.one_hot(kind, 2).float(), lengths


def predict_last(lag: int, noise: bool, sequences: int, generator: Gen = None) -> Lesson:
    """Return the sequences of tasks 2a and 2b, to be predicted at every step (§5.2.1, §5.2.2).

    x or y, then ``lag`` − 1 others: always the same in task 2a, drawn anew with ``noise``. The
    first symbol comes back at the end. The target is (T, B), the next symbol.
    """
    p = lag
    if p < 2:
        raise ValueError(f"lag must be at least 2, got {lag}")
    kind = p - 1 + integers(0, 2, sequences, generator)  # x is p − 1, y is p
    between = torch.arange(p - 1)[:, None].expand(-1, sequences)
    if noise:
        between = integers(0, p - 1, (p - 1, sequences), generator)
    whole = torch.cat([kind[None], between, kind[None]])
    return whole[:-1], whole[1:], torch.full((sequences,), p)


def temporal_order(marks: int, sequences: int, generator: Gen = None) -> Lesson:
    """Return symbols among which two or three are X or Y; their order is the class (§5.6).

    Symbols: 0 … 3 are a … d, 4 is E, 5 is B, 6 is X, 7 is Y. Targets are one-hot: X, X is class 0.
    """
    if marks not in (2, 3):
        raise ValueError(f"marks must be 2 (task 6a) or 3 (task 6b), got {marks}")
    spans = {2: ((10, 21), (50, 61)), 3: ((10, 21), (33, 44), (66, 77))}[marks]
    lengths, rows = integers(100, 111, sequences, generator), torch.arange(sequences)
    x = integers(0, 4, (int(lengths.max()) if sequences else 100, sequences), generator)
    x[0], x[lengths - 1, rows] = 4, 5
    which = integers(0, 2, (marks, sequences), generator)
    kind = torch.zeros(sequences, dtype=torch.long)
    for mark, (low, high) in zip(which, spans):
        x[integers(low, high, sequences, generator) - 1, rows] = 6 + mark
        kind = 2 * kind + mark
    return x, torch.nn.functional.one_hot(kind, 2**marks).float(), lengths


def two_sequence(
    minimum: int, telling: int, sequences: int, generator: Gen = None, variant: str = "3a",
    clean: bool = False,
) -> Lesson:  # fmt: skip
    """Return numbers of which the first ``telling`` are 1 or −1, the others noise (§5.3).

    Args:
        minimum: T; lengths are T to 1.1 T.
        telling: N, how many tell the class.
        sequences: B.
        generator: of all that is drawn.
        variant: "3a"; "3b", in which the telling ones are noisy; or "3c", in which the targets
            are 0.2 and 0.8 and noisy.
        clean: leave the noise off the targets of 3c, as its test does.
    """
    if variant not in ("3a", "3b", "3c") or not 1 <= telling <= minimum:
        rest = f"telling in 1 … {minimum}"
        raise ValueError(f"variant must be 3a, 3b or 3c, {rest}, got {variant!r} and {telling}")
    lengths = integers(minimum, minimum + minimum // 10 + 1, sequences, generator)
    steps = int(lengths.max()) if sequences else minimum
    x = 0.2**0.5 * torch.randn(steps, sequences, generator=generator)
    one = integers(0, 2, sequences, generator).float()  # class 1 is +1
    if variant == "3b":
        x[:telling] += 2 * one - 1
    else:
        x[:telling] = 2 * one - 1
    target = one
    if variant == "3c":
        noise = 0.1**0.5 * torch.randn(sequences, generator=generator)
        target = 0.8 - 0.6 * one + noise * (not clean)
    x = x.masked_fill(torch.arange(steps)[:, None] >= lengths, 0)
    return x[..., None], target[:, None], lengths


def delayed_xor(minimum: int, sequences: int, generator: Gen = None) -> Lesson:
    """Return task 6a's sequences with the XOR of its two marks as the target (§6.1).

    ``minimum`` is 100 there; the marks stand at a tenth and at the half of it, and up to a tenth
    behind.
    """
    if minimum < 20:  # so that no mark stands in the place of E
        raise ValueError(f"minimum must be at least 20, got {minimum}")
    lengths = integers(minimum, minimum + minimum // 10 + 1, sequences, generator)
    rows = torch.arange(sequences)
    x = integers(0, 4, (int(lengths.max()) if sequences else minimum, sequences), generator)
    x[0], x[lengths - 1, rows] = 4, 5
    tenth = minimum // 10
    which = integers(0, 2, (2, sequences), generator)
    for mark, low in zip(which, (tenth, minimum // 2)):
        x[low + integers(0, tenth + 1, sequences, generator) - 1, rows] = 6 + mark
    return x, (which[0] ^ which[1]).float()[:, None], lengths


def integers(low: int, high: int, shape: int | tuple[int, ...], generator: Gen) -> Tensor:
    """Return integers of low … high − 1."""
    shape = (shape,) if isinstance(shape, int) else shape
    return torch.randint(low, high, shape, generator=generator)


def side_by_side(task: Callable[..., Lesson], seeds: int, sequences: int, *given, **more) -> Lesson:
    """Return a task's sequences for ``seeds`` nets, with that axis before the sequences'."""
    x, target, lengths = task(*given, seeds * sequences, **more)
    return (
        x.unflatten(1, (seeds, sequences)),
        target.unflatten(-2 if target.is_floating_point() else -1, (seeds, sequences)),
        lengths.unflatten(0, (seeds, sequences)),
    )


def one_by_one(
    task: Callable[..., Lesson], seeds: int, *given, at_once: int = 50, **more
) -> Iterator[Lesson]:
    """Yield without end a sequence for each of ``seeds`` nets; ``at_once`` are drawn, to be quick.

    Each is cut behind the longest of its nets.
    """
    while True:
        x, target, lengths = side_by_side(task, at_once, seeds, *given, **more)
        for i in range(at_once):
            steps = int(lengths[i].max())
            due = target[i] if target.is_floating_point() else target[:steps, i]
            yield x[:steps, i], due, lengths[i]
