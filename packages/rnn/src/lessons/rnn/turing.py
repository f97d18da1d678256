"""The Turing machine of §3.4: does a tape hold balanced parentheses? Its controller is the teacher.

The paper does not print its machine. This is the usual one: run right to the first ")", cross it
out, run left to the first "(", cross it out, and so on; at the right end look whether one is left.

    seek ")"   ( X → right        ) → write X, left, seek "("       $ → left, check
    seek "("   X → left           ( → write X, right, seek ")"      # → reject
    check      X → left           ( → reject                        # → accept
"""

import torch
from torch import Tensor

SYMBOLS = "()X#$"  # the last two mark the ends of the tape
SEEK_RIGHT, SEEK_LEFT, CHECK = range(3)
ACTIONS = ("move right", "write X", "accept", "reject")


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

    def step(self) -> tuple[str, tuple[int, int, int, int]]:
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


def balanced(text: str) -> bool:
    """Return whether parentheses are balanced."""
    depth = 0
    for character in text:
        depth += 1 if character == "(" else -1
        if depth < 0:
            return False
    return depth == 0


class Parentheses:
    """The moves of machines on random tapes, one after another: symbols read, and actions.

    Half of the tapes are balanced; the others are such with one parenthesis turned round, or any.

    Args:
        seeds: S machines.
        pairs: the mean number of pairs of parentheses; lengths are geometric, so none is longest.
        seed: of the tapes.
    """

    n_inputs, n_outputs = len(SYMBOLS), len(ACTIONS)

    def __init__(self, seeds: int, pairs: float = 3.0, seed: int = 0) -> None:
        if pairs <= 0:
            raise ValueError(f"pairs must be above 0, got {pairs}")
        self.generator = torch.Generator().manual_seed(seed)
        self.stop, self.dice, self.longest = 1 / (1 + pairs), iter(()), 0
        self.machines = [self.fresh() for _ in range(seeds)]

    def roll(self) -> float:
        """Return a random number from 0 to 1."""
        for number in self.dice:
            return number
        self.dice = iter(torch.rand(4096, generator=self.generator).tolist())
        return next(self.dice)

    def text(self) -> str:
        """Return random parentheses, of which half are balanced."""
        pairs = 0
        while self.roll() > self.stop:
            pairs += 1
        letters, depth = [], 0
        for left in range(2 * pairs, 0, -1):
            up = depth == 0 or (depth < left and self.roll() < 0.5)
            letters.append("(" if up else ")")
            depth += 1 if up else -1
        kind = self.roll()
        if kind < 0.25 and letters:
            at = int(self.roll() * len(letters))
            letters[at] = "(" if letters[at] == ")" else ")"
        elif kind < 0.5:
            letters = ["()"[self.roll() < 0.5] for _ in letters]
        self.longest = max(self.longest, len(letters))
        return "".join(letters)

    def fresh(self) -> Machine:
        """Return a machine on a new tape."""
        return Machine(self.text())

    def draw(self, steps: int) -> tuple[Tensor, Tensor]:
        """Return symbols, (T, S, 5) with one line on, and actions (T, S, 4)."""
        seen, done = [], []
        for _ in range(steps):
            for i, machine in enumerate(self.machines):
                symbol, actions = machine.step()
                seen.append(SYMBOLS.index(symbol))
                done.append(actions)
                if machine.verdict is not None:
                    self.machines[i] = self.fresh()
        shape = (steps, len(self.machines))
        symbols = torch.nn.functional.one_hot(torch.tensor(seen).view(shape), self.n_inputs)
        return symbols.float(), torch.tensor(done).view(*shape, 4).float()
