"""The activations that are compared: layers, names and colours."""

from typing import Any

from torch import nn

from ..activation import GELU, SiLU
from ..lab.figures import AMBER, BLUE, GREEN, MUTED, PURPLE, RED, TEAL
from ..stochastic import StochasticZeroIdentity

LAYERS: dict[str, Any] = {
    "gelu": GELU,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "silu": SiLU,
    "tanh": lambda: GELU("tanh"),
    "sigmoid": lambda: GELU("sigmoid"),
    "mask": StochasticZeroIdentity,
    "linear": nn.Identity,
}
NAMES = {"gelu": "GELU", "relu": "ReLU", "elu": "ELU", "silu": "SiLU", "tanh": "GELU, tanh form",
         "sigmoid": "GELU, sigmoid form", "mask": "mask Bernoulli(Φ(x))",
         "linear": "dropout 0.5, linear"}  # fmt: skip
COLORS = {"gelu": RED, "relu": BLUE, "elu": GREEN, "silu": PURPLE, "tanh": TEAL, "sigmoid": AMBER,
          "mask": TEAL, "linear": MUTED}  # fmt: skip
PAPER = ("gelu", "relu", "elu")
