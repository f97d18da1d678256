"""The Turing machine of §3.4: does a tape hold balanced parentheses? Its controller is the teacher.

The paper does not print its machine. This is the usual one: run right to the first ")", cross it
out, run left to the first "(", cross it out, and so on; at the right end look whether one is left.

    seek ")"   ( X → right        ) → write X, left, seek "("       $ → left, check
    seek "("   X → left           ( → write X, right, seek ")"      # → reject
    check      X → left           ( → reject                        # → accept
"""

import functools
import random

import numpy as np
import torch
from torch import Tensor

SYMBOLS = "()X#$"  # the last two mark the ends of the tape
SEEK_RIGHT, SEEK_LEFT, CHECK = range(3)
ACTIONS = ("move right", "write X", "accept", "reject")
Actions = tuple[int, int, int, int]


class Machine:
    """A tape with its controller.

    Args:
        text: parentheses.

    Attributes:
        tape: the symbols, with the ends. head: where it stands. state: one of three.
        verdict: True, False, or None as long as it runs.
    """

    def __init__(self, text: str) -> None:
        if set(text) - set("()"):
            raise ValueError(f"text must be parentheses, got {text!r}")
        self.tape, self.head, self.state = [*"#", *text, *"$"], 1, SEEK_RIGHT
        self.verdict: bool | None = None

    def step(self) -> tuple[str, Actions]:
        """Make one move; return the symbol that was read, and what was done (`ACTIONS`)."""
        symbol, state = self.tape[self.head], self.state
        right = write = 0
        if state == SEEK_RIGHT:
            right = int(symbol in "(X")
            write = int(symbol == ")")
            self.state = {")": SEEK_LEFT, "$": CHECK}.get(symbol, state)
        elif state == SEEK_LEFT:
            right = write = int(symbol == "(")
            self.state = SEEK_RIGHT if symbol == "(" else state
            self.verdict = False if symbol == "#" else None
        else:
            self.verdict = {"(": False, "#": True}.get(symbol)
        if write:
            self.tape[self.head] = "X"
        self.head += 1 if right else -1
        return symbol, (right, write, int(self.verdict is True), int(self.verdict is False))


def moves(text: str) -> tuple[list[int], list[Actions]]:
    """Return all that a machine reads on a tape, by place in `SYMBOLS`, and does."""
    machine, seen, done = Machine(text), [], []
    while machine.verdict is None:
        symbol, actions = machine.step()
        seen.append(SYMBOLS.index(symbol))
        done.append(actions)
    return seen, done


@functools.lru_cache(4096)  # short tapes come often
def rows(text: str) -> np.ndarray:
    """Return what `moves` does as a table, (T, 5): the symbol and the actions of each step."""
    symbols, actions = moves(text)
    return np.c_[np.array(symbols, np.float32), np.array(actions, np.float32)]


def balanced(text: str) -> bool:
    """Return whether parentheses are balanced."""
    depth = 0
    for character in text:
        depth += 1 if character == "(" else -1
        if depth < 0:
            return False
    return depth == 0


def matched(pairs: int, dice: random.Random) -> str:
    """Return so many pairs of parentheses, balanced."""
    letters, depth = [], 0
    for left in range(2 * pairs, 0, -1):
        up = depth == 0 or (depth < left and dice.random() < 0.5)
        letters.append("(" if up else ")")
        depth += 1 if up else -1
    return "".join(letters)


def turned(text: str, at: int) -> str:
    """Return parentheses of which the one at a place is turned round."""
    return text[:at] + ("(" if text[at] == ")" else ")") + text[at + 1 :]


def random_tape(pairs: float, dice: random.Random) -> str:
    """Return random parentheses, balanced in one case of two.

    Their number is geometric, with ``pairs`` pairs in the mean; those that are not balanced are
    not empty, and either balanced ones of which one is turned round, or any.
    """
    good, count = dice.random() < 0.5, geometric(pairs, dice)
    while not (good or count):
        count = geometric(pairs, dice)
    text = matched(count, dice)
    if good:
        return text
    if dice.random() < 0.5:
        return turned(text, int(dice.random() * len(text)))
    while balanced(text):
        text = "".join("()"[dice.random() < 0.5] for _ in text)
    return text


def geometric(mean: float, dice: random.Random) -> int:
    """Return 0, 1, 2 …, each less likely than the one before by the same factor."""
    count = 0
    while dice.random() > 1 / (1 + mean):
        count += 1
    return count


class Parentheses:
    """The moves of machines on random tapes, one after another: symbols read, and actions.

    What a machine does follows from the symbol and from its state, which a net has to remember; to
    reject is the exclusive or of the two, in part: at the left end while it seeks "(", but at "("
    while it checks. One layer cannot do that. So actions are due two steps after the symbol, as
    the XOR of §3.1 is: row t has those that belong to the symbol of ``delay`` − 1 rows before.

    Args:
        seeds: S machines.
        pairs: the mean number of pairs of parentheses; lengths are geometric, so none is longest.
        seed: of the tapes.
        delay: after how many steps actions are due.

    Attributes:
        longest: parentheses on the longest tape so far.
    """

    n_inputs, n_outputs = len(SYMBOLS), len(ACTIONS)

    def __init__(self, seeds: int, pairs: float = 3.0, seed: int = 0, delay: int = 2) -> None:
        if pairs <= 0 or delay < 1:
            raise ValueError(f"pairs must be above 0, delay at least 1: got {pairs} and {delay}")
        self.pairs, self.delay, self.longest = pairs, delay, 0
        self.dice = [random.Random(f"{seed}, {i}") for i in range(seeds)]
        self.ahead = [np.zeros((0, 1 + self.n_outputs)) for _ in range(seeds)]  # symbol, actions
        self.due = torch.zeros(delay - 1, seeds, self.n_outputs)

    def draw(self, steps: int) -> tuple[Tensor, Tensor]:
        """Return symbols, (T, S, 5) with one line on, and actions (T, S, 4), when they are due."""
        pieces = []
        for i, dice in enumerate(self.dice):
            parts, count = [self.ahead[i]], len(self.ahead[i])
            while count < steps:
                text = random_tape(self.pairs, dice)
                self.longest = max(self.longest, len(text))
                parts.append(rows(text))
                count += len(parts[-1])
            whole = np.concatenate(parts)
            self.ahead[i] = whole[steps:]
            pieces.append(whole[:steps])
        both = torch.from_numpy(np.stack(pieces, 1)).float()
        x = torch.nn.functional.one_hot(both[..., 0].long(), self.n_inputs).float()
        due = torch.cat([self.due, both[..., 1:]])
        self.due = due[steps:]
        return x, due[:steps]
