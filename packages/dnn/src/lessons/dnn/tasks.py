"""The chapter's tasks, as inputs and truths of 0s and 1s, every pattern a row."""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor


def bits(n: int) -> Tensor:
    """Return all patterns of n bits, (2^n, n), counting upwards.

    Raises:
        ValueError: n is less than 1.
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more, got {n}")
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)))


def parity(n: int) -> tuple[Tensor, Tensor]:
    """Return all patterns of n bits, and whether their number of 1s is odd (p. 334)."""
    x = bits(n)
    return x, x.sum(1, keepdim=True) % 2


def xor() -> tuple[Tensor, Tensor]:
    """Return exclusive-or, the parity of two bits (Table 1)."""
    return parity(2)


def encoder(n: int = 8) -> tuple[Tensor, Tensor]:
    """Return n patterns with one bit on, each to be reproduced (Table 4)."""
    return torch.eye(n), torch.eye(n)


def levels() -> tuple[Tensor, Tensor]:
    """Return two bits, and which of the four patterns they are (Table 6)."""
    return bits(2), torch.eye(4)


def symmetry(n: int = 6) -> tuple[Tensor, Tensor]:
    """Return all patterns of n bits, and whether each is its own mirror image (p. 340).

    Raises:
        ValueError: n is odd; the middle bit would mean nothing.
    """
    if n % 2:
        raise ValueError(f"n must be even, got {n}")
    x = bits(n)
    return x, (x == x.flip(1)).all(1, keepdim=True).float()


def addition(n: int = 2) -> tuple[Tensor, Tensor]:
    """Return two numbers of n bits each, high bits first, and the bits of their sum (p. 341)."""
    x = bits(2 * n)
    powers = 2.0 ** torch.arange(n, -1, -1)
    total = x[:, :n] @ powers[1:] + x[:, n:] @ powers[1:]
    return x, torch.floor(total[:, None] / powers) % 2


def negation(n: int = 3) -> tuple[Tensor, Tensor]:
    """Return a bit and n others, which are to be put out, negated if the first is on (Table 9)."""
    x = bits(n + 1)
    return x, (x[:, 1:] != x[:, :1]).float()


SHAPES = {"T": ("xxx", ".x.", ".x."), "C": ("xx.", "x..", "xx.")}


def t_c(side: int = 7) -> tuple[Tensor, Tensor]:
    """Return a T and a C in four orientations each, amid a side × side grid; T is 1 (Fig. 13).

    Raises:
        ValueError: the letters do not fit.
    """
    if side < 3:
        raise ValueError(f"side must be 3 or more, got {side}")
    images, at = [], (side - 3) // 2
    for rows in SHAPES.values():
        letter = torch.tensor([[float(c == "x") for c in row] for row in rows])
        for turn in range(4):
            image = torch.zeros(side, side)
            image[at : at + 3, at : at + 3] = letter.rot90(turn)
            images.append(image.flatten())
    return torch.stack(images), torch.tensor([[1.0]] * 4 + [[0.0]] * 4)


def shift_register(n: int = 3) -> tuple[Tensor, Tensor]:
    """Return all patterns of n bits, and each moved round by two places to the left (p. 357)."""
    return bits(n), bits(n).roll(-2, 1)


class Sequences(NamedTuple):
    """Inputs (P, T, 5), truths after the last four steps (P, 4, 3), and names (Table 10)."""

    inputs: Tensor
    truths: Tensor
    names: list[str]


SPELLED = {"A": "12", "B": "23", "C": "31", "D": "21", "E": "13"}
NOVEL = ("AD", "BE", "CA", "DB", "EC")  # the five that the network was tested on, Table 11


def sequence_completion(variations: bool = False) -> Sequences:
    """Return 25 sequences: two letters, each of which stands for two of the digits to come.

    After one letter at each of the first two steps there is no input; the digits are due after
    steps 2 to 5. A state is of the step after its input, so these are the chapter's times 3 to 6.

    Args:
        variations: the letters at any two of four steps, six ways each, and the digits after
            steps 4 to 7: 150 sequences, for which a delay line is not enough (Table 12).
    """
    steps, due = (7, 4) if variations else (5, 2)
    inputs, truths, names = [], [], []
    for letters in itertools.product(SPELLED, repeat=2):
        for at in itertools.combinations(range(due), 2):
            x = torch.zeros(steps, len(SPELLED))
            for step, letter in zip(at, letters):
                x[step, list(SPELLED).index(letter)] = 1
            digits = [int(digit) - 1 for letter in letters for digit in SPELLED[letter]]
            inputs.append(x)
            truths.append(torch.eye(3)[digits])
            shown = dict(zip(at, letters))
            names.append("".join(shown.get(step, "-") for step in range(due)))
    return Sequences(torch.stack(inputs), torch.stack(truths), names)
