"""What is adapted, and how (Hu et al. 2021, §4): one frozen dataclass, and the paper's settings."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

ALL_LINEAR = "all-linear"
OUTPUTS = ("lm_head", "classifier", "score", "head")


@dataclasses.dataclass(frozen=True)
class LoRAConfig:
    r"""The choices of one adapter: $h = W_0 x + \frac{\alpha}{r} B A x$ (eq. 3, §4.1).

    Attributes:
        r: rank of the update.
        alpha: the constant over r. None: the module's r itself, so that the factor is 1 at
            first; the paper's "set α to the first r we try".
        target_modules: which modules get an update. Names, of which each matches modules that are
            called so or whose path ends in it ("attn.c_attn"); or one string: a regular expression
            for whole paths, or "all-linear", which is every linear layer
            and W_q, W_k, W_v of nn.MultiheadAttention, but for the output layer: what the model's
            get_output_embeddings returns, or is called as one of OUTPUTS.
        dropout: of the input of the update, in training only. An embedding's input is one 1 among
            zeros, so that an id has its whole update or none.
        bias: which biases are trained: "none", "all", or "lora_only", those of adapted modules.
        modules_to_save: names, as in target_modules, of modules that are trained whole and kept
            with the adapter: a classifier's head.
        rank_pattern, alpha_pattern: other r and alpha, by name or regular expression of a path.
        scaling: "alpha/r", or "alpha/sqrt(r)" (rank-stabilized, Kalajdzievski 2023).
        init: of A. "gaussian": N(0, 1/in); the paper says "random Gaussian" and gives no variance.
            "kaiming": U(±1/√in), which loralib and peft use.
        use_dora: train a length of each row beside its direction (Liu et al. 2024).
        enable: of modules whose output packs several matrices of one shape, which are adapted:
            (True, False, True) for q and v of a packed q‖k‖v. Each gets a pair A, B of its own.
            Of `nn.MultiheadAttention` it says so of W_q, W_k and W_v. None: q and v there, and the
            whole output as one matrix anywhere else.
        tied: what to do with a target whose weight another module has too: "refuse", or "untie",
            which gives the target a copy.

    Raises:
        ValueError: a value that means nothing; says which.
    """

    r: int = 8
    alpha: float | None = None
    target_modules: Sequence[str] | str = ("query", "value")
    dropout: float = 0.0
    bias: Literal["none", "all", "lora_only"] = "none"
    modules_to_save: Sequence[str] = ()
    rank_pattern: Mapping[str, int] = dataclasses.field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = dataclasses.field(default_factory=dict)
    scaling: Literal["alpha/r", "alpha/sqrt(r)"] = "alpha/r"
    init: Literal["gaussian", "kaiming"] = "gaussian"
    use_dora: bool = False
    enable: Sequence[bool] | None = None
    tied: Literal["refuse", "untie"] = "refuse"

    def __post_init__(self) -> None:
        for name in ("target_modules", "modules_to_save"):
            value = getattr(self, name)
            if not isinstance(value, str):
                object.__setattr__(self, name, tuple(value))
            elif name == "modules_to_save":
                raise ValueError(f"modules_to_save must be a list of names, got {value!r}")
        if not self.target_modules:
            raise ValueError("target_modules must name something, got nothing")
        for r in (self.r, *self.rank_pattern.values()):
            if not isinstance(r, int) or isinstance(r, bool) or r < 1:
                raise ValueError(f"r must be a whole number of at least 1, got {r!r}")
        for alpha in (self.alpha, *self.alpha_pattern.values()):
            if alpha is not None and not (alpha > 0 and math.isfinite(alpha)):
                raise ValueError(f"alpha must be above 0, got {alpha!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout!r}")
        choices = {
            "bias": ("none", "all", "lora_only"),
            "scaling": ("alpha/r", "alpha/sqrt(r)"),
            "init": ("gaussian", "kaiming"),
            "tied": ("refuse", "untie"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                got = getattr(self, name)
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {got!r}")
        if self.enable is not None:
            object.__setattr__(self, "enable", tuple(bool(each) for each in self.enable))
            if not any(self.enable):
                raise ValueError(f"enable must enable something, got {self.enable}")

    def rank(self, path: str) -> int:
        """Return r of the module at a path."""
        return _of(path, self.rank_pattern, self.r)

    def alpha_of(self, path: str) -> float:
        """Return α of the module at a path."""
        default = self.rank(path) if self.alpha is None else self.alpha
        return float(_of(path, self.alpha_pattern, default))

    def targets(self, path: str) -> bool:
        """Return whether the module at a path is named; "all-linear" names none."""
        if isinstance(self.target_modules, str):
            return self.target_modules != ALL_LINEAR and bool(
                re.fullmatch(self.target_modules, path)
            )
        return named(path, self.target_modules)


def scale(alpha: float, r: int, kind: str) -> float:
    """Return the factor of BA: α/r (§4.1), or α/√r."""
    return alpha / r if kind == "alpha/r" else alpha / math.sqrt(r)


def named(path: str, names: Sequence[str]) -> bool:
    """Return whether a path is one of the names, or ends in a dot and one of them."""
    return any(path == name or path.endswith(f".{name}") for name in names)


def matches(path: str, key: str) -> bool:
    """Return whether a key of a pattern means the module at a path: it names it, or its end."""
    return named(path, [key]) or bool(re.fullmatch(rf"(.*\.)?({key})", path))


def _of(path: str, pattern: Mapping, default):
    """Return what a pattern says of a path: the first key that names it, or matches its end."""
    for key, value in pattern.items():
        if matches(path, key):
            return value
    return default


# The paper's settings (Tables 9 to 12); names of modules as in Hugging Face's hosts.
PRESETS = {
    "roberta-base": LoRAConfig(8, 8, ("query", "value")),
    "roberta-large": LoRAConfig(8, 16, ("query", "value")),
    "deberta-v2-xxlarge": LoRAConfig(8, 8, ("query_proj", "value_proj")),
    "gpt2-medium": LoRAConfig(4, 32, ("c_attn",), dropout=0.1, enable=(True, False, True)),
    "gpt2-large": LoRAConfig(4, 32, ("c_attn",), dropout=0.1, enable=(True, False, True)),
    "gpt3-4.7m": LoRAConfig(1, None, ("c_attn",), enable=(True, False, True)),
    "gpt3-37.7m": LoRAConfig(8, None, ("c_attn",), enable=(True, False, True)),
}
