"""The tasks of the paper (§3) as endless streams, and the strings of zeros and ones of Elman's.

A stream is drawn piece by piece: ``x, d = stream.draw(steps)``. Row t has the inputs of time t, and
the targets that the outputs are to have at t + 1, when those inputs can first be felt (eq. 3).

Shapes: T steps, S nets (each its own stream), M input lines without the bias, K trained units.
"""

import math
from typing import Protocol

import torch
from torch import Tensor


class Stream(Protocol):
    """What a learner needs to know of a task."""

    n_inputs: int
    n_outputs: int  # the first so many units are trained

    def draw(self, steps: int) -> tuple[Tensor, Tensor]:
        """Return x (T, S, M) and d (T, S, K) of the next steps."""
        ...


class PipelinedXor:
    """Two random bits come in at each step; their XOR is due ``delay`` steps later (§3.1)."""

    n_inputs, n_outputs = 2, 1

    def __init__(self, delay: int, seeds: int, generator: torch.Generator | None = None) -> None:
        if delay < 1:
            raise ValueError(f"delay must be at least 1, got {delay}")
        self.delay, self.seeds, self.generator = delay, seeds, generator
        self.due = torch.zeros(delay - 1, seeds)

    def draw(self, steps: int) -> tuple[Tensor, Tensor]:
        """Return the bits, and XORs of ``delay`` − 1 rows before."""
        x = torch.randint(2, (steps, self.seeds, 2), generator=self.generator).float()
        due = torch.cat([self.due, (x[..., 0] != x[..., 1]).float()])
        self.due = due[steps:]
        return x, due[:steps, :, None]


class SequenceRecognition:
    """One of M lines is on: after an a, the first b is to be told, whatever lies between (§3.2).

    Line 0 is a, line 1 is b, the others distract.
    """

    n_outputs = 1

    def __init__(self, lines: int, seeds: int, generator: torch.Generator | None = None) -> None:
        if lines < 2:
            raise ValueError(f"lines must be at least 2, a and b, got {lines}")
        self.n_inputs, self.seeds, self.generator = lines, seeds, generator
        self.armed = torch.zeros(seeds, dtype=torch.bool)
        self.since, self.longest = torch.zeros(seeds, dtype=torch.long), 0  # steps without a b

    def draw(self, steps: int) -> tuple[Tensor, Tensor]:
        """Return lines, and 1 where a b follows an a."""
        shape = (steps, self.seeds)
        symbols = torch.randint(self.n_inputs, shape, generator=self.generator)
        d, self.armed = self.answers(symbols, self.armed)
        self.since, longest = without(symbols == 1, self.since)
        self.longest = max(self.longest, longest)
        return torch.nn.functional.one_hot(symbols, self.n_inputs).float(), d[..., None]

    @staticmethod
    def answers(symbols_TS: Tensor, armed_S: Tensor) -> tuple[Tensor, Tensor]:
        """Return the targets of symbols (0 is a, 1 is b), and whether an a is left open."""
        t = torch.arange(len(symbols_TS))[:, None].expand_as(symbols_TS)
        start = torch.where(armed_S, -1, -2)[None]  # as if the open a had come just before
        last_a = torch.cat([start, torch.where(symbols_TS == 0, t, -2)]).cummax(0)[0]
        never = torch.full_like(start, -2)
        last_b = torch.cat([never, torch.where(symbols_TS == 1, t, -2)]).cummax(0)[0]
        armed = last_a > last_b
        return ((symbols_TS == 1) & armed[:-1]).float(), armed[-1]


class Nonmatch:
    """Whether the pattern bit differs from the one that was last cued (§3.3), ``delay`` later.

    Line 0 is the pattern, line 1 the cue. A cued bit is compared with itself at once.
    """

    n_inputs, n_outputs = 2, 1

    def __init__(
        self,
        seeds: int,
        generator: torch.Generator | None = None,
        delay: int = 2,
        cue: float = 0.3,
    ) -> None:
        self.seeds, self.generator, self.delay, self.cue = seeds, generator, delay, cue
        self.due, self.bit = torch.zeros(delay - 1, seeds), torch.zeros(seeds)
        self.since, self.longest = torch.zeros(seeds, dtype=torch.long), 0  # steps without a cue

    def draw(self, steps: int) -> tuple[Tensor, Tensor]:
        """Return pattern and cue, and 1 where the pattern is not the cued one."""
        x = torch.rand(steps, self.seeds, 2, generator=self.generator)
        x = (x < torch.tensor([0.5, self.cue])).float()
        bits = self.stored(x, self.bit)
        self.bit = bits[-1] if steps else self.bit
        self.since, longest = without(x[..., 1] > 0, self.since)
        self.longest = max(self.longest, longest)
        due = torch.cat([self.due, (bits != x[..., 0]).float()])
        self.due = due[steps:]
        return x, due[:steps, :, None]

    @staticmethod
    def stored(x_TSM: Tensor, bit_S: Tensor) -> Tensor:
        """Return the bit that is stored after each step, (T, S)."""
        t = torch.arange(len(x_TSM))[:, None]
        last = torch.where(x_TSM[..., 1] > 0, t + 1, 0).cummax(0)[0]  # 0: the one from before
        return torch.cat([bit_S[None], x_TSM[..., 0]]).gather(0, last)


class Oscillation:
    """No input; the trained unit is to repeat a pattern of zeros and ones (§3.5)."""

    n_inputs, n_outputs = 0, 1

    def __init__(self, pattern: str, seeds: int) -> None:
        if not pattern or set(pattern) - set("01"):
            raise ValueError(f"pattern must be zeros and ones, got {pattern!r}")
        self.wave, self.seeds, self.now = torch.tensor([float(c) for c in pattern]), seeds, 0

    def draw(self, steps: int) -> tuple[Tensor, Tensor]:
        """Return no input, and the pattern."""
        t = torch.arange(self.now, self.now + steps) % len(self.wave)
        self.now += steps
        return torch.zeros(steps, 1, 0), self.wave[t][:, None, None]


class Sinusoid(Oscillation):
    """No input; the trained unit is to swing like a sine, within what a logistic unit can do."""

    def __init__(self, seeds: int, period: int = 25, swing: float = 0.4) -> None:
        if period < 2 or not 0 < swing <= 0.5:
            got = f"{period} and {swing}"
            raise ValueError(f"period must be at least 2, swing in (0, 0.5], got {got}")
        angle = 2 * math.pi * torch.arange(period) / period
        self.wave, self.seeds, self.now = 0.5 + swing * angle.sin(), seeds, 0


def without(there_TS: Tensor, since_S: Tensor) -> tuple[Tensor, int]:
    """Return how many steps it is without something, at the end and at most; before: since_S."""
    t = torch.arange(1, len(there_TS) + 1)[:, None]
    last = torch.where(there_TS, t, -since_S).cummax(0)[0]
    gaps = t - last
    return gaps[-1], int(gaps.max())


def temporal_xor(
    triples: int, sequences: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """Return strings whose every third bit is the XOR of the two before it (Elman 1990).

    Args:
        triples: how many times two random bits and their XOR.
        sequences: B.
        generator: of the bits.

    Returns:
        (3 · triples, B), of zeros and ones.
    """
    first, second = torch.randint(2, (2, triples, sequences), generator=generator)
    return torch.stack([first, second, first ^ second], 1).flatten(0, 1).float()
