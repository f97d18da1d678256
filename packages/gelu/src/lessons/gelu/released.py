"""Which form released models were trained with, and under which names it goes."""

from collections.abc import Callable

from torch import nn

from .activation import GELU, SiLU

# The names in Hugging Face's configurations. "gelu_fast" is the tanh form, not xσ(1.702 x).
NAMES: dict[str, Callable[[], nn.Module]] = {
    "gelu": GELU,
    "gelu_python": GELU,
    "gelu_new": lambda: GELU("tanh"),
    "gelu_pytorch_tanh": lambda: GELU("tanh"),
    "gelu_python_tanh": lambda: GELU("tanh"),
    "gelu_accurate": lambda: GELU("tanh"),
    "gelu_fast": lambda: GELU("tanh"),
    "quick_gelu": lambda: GELU("sigmoid"),
    "silu": SiLU,
    "swish": SiLU,
}

# Model: the name in its configuration, and whether a second projection is multiplied by it.
MODELS = {
    "bert": ("gelu", False),
    "roberta": ("gelu", False),
    "vit": ("gelu", False),
    "gpt2": ("gelu_new", False),
    "clip": ("quick_gelu", False),
    "t5-v1.1": ("gelu_new", True),
    "gemma": ("gelu_pytorch_tanh", True),
    "llama": ("silu", True),
}


def by_name(name: str) -> nn.Module:
    """Return the layer that a configuration's ``hidden_act`` means.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    return NAMES[name]()
