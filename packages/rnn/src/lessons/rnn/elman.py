"""Elman's and Jordan's networks: a feedforward net with a copy of its past beside its input.

Shapes: T steps, B sequences, I inputs, H hidden units, O outputs.
"""

import dataclasses
from typing import Any, Self

import torch
from torch import Tensor, nn

from .recurrence import ACTIVATE, NONLINEARITIES
from .rnn import RNN


@dataclasses.dataclass(frozen=True)
class ElmanConfig:
    """The sizes of an Elman net, and how far back it asks.

    Attributes:
        input_size, hidden_size, output_size: I, H, O.
        truncate: over how many steps an error goes back. 1 is Elman's: the copy is one more input,
            and nobody asks how it came about. None: over all steps of a call.
        nonlinearity: of the hidden units; the outputs are linear, for a loss to squash.
    """

    input_size: int = 1
    hidden_size: int = 2
    output_size: int = 1
    truncate: int | None = 1
    nonlinearity: str = "logistic"


# As later texts give it: Elman's paper was not at hand.
PRESETS = {"temporal-xor": ElmanConfig()}


class ElmanNet(nn.Module):
    """Hidden units that see the input and a copy of themselves one step ago; linear outputs.

    Args:
        config: a preset's, or your own.
        device, dtype: of the weights.

    Raises:
        ValueError: a size or truncate below 1, an unknown nonlinearity.

    Source: Elman 1990.
    """

    def __init__(self, config: ElmanConfig | None = None, **factory: Any) -> None:
        super().__init__()
        self.config = config = config or ElmanConfig()
        truncate = config.truncate
        if config.output_size < 1 or (truncate is not None and truncate < 1):
            got = f"{config.output_size} and {truncate}"
            raise ValueError(f"output_size and truncate must be at least 1, got {got}")
        sizes = config.input_size, config.hidden_size
        self.hidden = RNN(*sizes, nonlinearity=config.nonlinearity, **factory)
        self.output = nn.Linear(config.hidden_size, config.output_size, **factory)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, *, device=None, dtype=None,
        **changes: Any,
    ) -> Self:  # fmt: skip
        """Build a net by its name in `PRESETS`, with changes of its `ElmanConfig`."""
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        net = cls(dataclasses.replace(PRESETS[name], **changes), device=device, dtype=dtype)
        return draw_(net, generator) if generator is not None else net

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return outputs (T, B, O) for inputs (T, B, I), and the last hidden state (1, B, H)."""
        check_steps(x, self.hidden.input_size)
        hidden, truncate = self.hidden, self.config.truncate
        now = x.new_zeros(1, x.shape[1], hidden.hidden_size) if state is None else state
        pieces = []
        for piece in x.split(truncate or len(x)):
            states, now = hidden(piece, now if truncate is None else now.detach())
            pieces.append(states)
        return self.output(torch.cat(pieces)), now


@dataclasses.dataclass(frozen=True)
class JordanConfig:
    """The sizes of a Jordan net.

    Attributes:
        input_size, hidden_size, output_size: I, H, O.
        decay: α.
        nonlinearity: of hidden and output units.
    """

    input_size: int
    hidden_size: int
    output_size: int
    decay: float = 0.5
    nonlinearity: str = "logistic"


class JordanNet(nn.Module):
    """Hidden units that see the input and a fading memory of the outputs.

    The memory is m(t) = α m(t − 1) + y(t − 1), with the target in the output's place where one is
    given (teacher forcing, which is older than its name).

    Args:
        config: the sizes. No published ones were at hand, hence there is no preset.
        device, dtype: of the weights.

    Raises:
        ValueError: a size below 1, a decay outside [0, 1), an unknown nonlinearity.

    Source: Jordan 1986.
    """

    def __init__(self, config: JordanConfig, **factory: Any) -> None:
        super().__init__()
        self.config = config
        sizes = config.input_size, config.hidden_size, config.output_size
        if min(sizes) < 1:
            raise ValueError(f"sizes must be at least 1, got {', '.join(map(str, sizes))}")
        if not 0 <= config.decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {config.decay}")
        if config.nonlinearity not in NONLINEARITIES:
            got = repr(config.nonlinearity)
            raise ValueError(f"nonlinearity must be one of {NONLINEARITIES}, got {got}")
        self.hidden = nn.Linear(sizes[0] + sizes[2], sizes[1], **factory)
        self.output = nn.Linear(sizes[1], sizes[2], **factory)

    def forward(
        self, x: Tensor, state: Tensor | None = None, targets: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return outputs (T, B, O) for inputs (T, B, I), and the memory (B, O).

        Args:
            x: the inputs.
            state: the memory; zeros by default.
            targets: (T, B, O), to be remembered in the outputs' place.
        """
        config, outputs = self.config, []
        check_steps(x, config.input_size)
        activate = ACTIVATE[config.nonlinearity]
        memory = x.new_zeros(x.shape[1], self.output.out_features) if state is None else state
        for t, x_BI in enumerate(x.unbind(0)):
            hidden = activate(self.hidden(torch.cat([x_BI, memory], 1)))
            outputs.append(activate(self.output(hidden)))
            memory = config.decay * memory + (outputs[-1] if targets is None else targets[t])
        return torch.stack(outputs), memory


def check_steps(x: Tensor, inputs: int) -> None:
    """Raise a ValueError unless x is (T, B, I) with steps."""
    if x.dim() != 3 or x.shape[2] != inputs or not len(x):
        raise ValueError(f"x must be (T, B, I) with T > 0 and I = {inputs}, is {tuple(x.shape)}")


def draw_(net: nn.Module, generator: torch.Generator) -> Any:
    """Draw all weights anew, by a generator, from what the layers draw by default."""
    for layer in net.modules():
        if isinstance(layer, RNN):
            layer.reset_parameters(generator)
        elif isinstance(layer, nn.Linear):  # torch's own: uniform in ±1/√(inputs), bias and all
            for weight in layer.parameters():
                bound = layer.in_features**-0.5
                nn.init.uniform_(weight, -bound, bound, generator=generator)
    return net
