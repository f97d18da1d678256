"""Sizes and choices, and the paper's models by name (§2, §3.4)."""

import dataclasses
from typing import Any, get_args

from .lstm import Cell


@dataclasses.dataclass(frozen=True)
class Seq2SeqConfig:
    """Sizes and choices; the defaults are the paper's (§3.4).

    "We use the LSTM formulation from Graves" (§2), which has peepholes and biases. The paper counts
    "384M parameters": without both they are 384,000,000, with both 384,136,000.

    Raises:
        ValueError: a size below 1, an id outside the vocabulary, or choices that do not fit.
    """

    source_vocab_size: int = 160_000
    target_vocab_size: int = 80_000
    embedding_size: int = 1000
    hidden_size: int = 1000
    num_layers: int = 4  # of each of the two nets
    reverse_source: bool = True  # §3.3
    peephole: bool = True  # Graves 2013, eqs. 7, 8, 10; torch's LSTM has none
    bias: bool = True  # of gates, and of the softmax
    cell: Cell = "lstm"  # "tanh": the standard recurrent net that §5 speaks of
    tie: bool = False  # the softmax's matrix is the target's embedding
    # Fig. 1's one net reads <EOS> before it writes. With two, it is what the decoder reads first;
    # True: the encoder also reads it, after the last word, which reversed is the first.
    eos_in_encoder: bool = False
    # §3.4: all weights uniform in ± 0.08, which suits 1000 units. None: recurrent nets ± 1/√units,
    # embeddings N(0, 1), as torch begins.
    init: float | None = 0.08
    pad_id: int = 0
    eos_id: int = 2
    unk_id: int = 3

    def __post_init__(self) -> None:
        for name in ("source_vocab_size", "target_vocab_size", "embedding_size", "hidden_size",
                     "num_layers"):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.cell not in get_args(Cell):
            known = ", ".join(get_args(Cell))
            raise ValueError(f"cell must be one of {known}, got {self.cell!r}")
        if self.cell == "tanh" and self.peephole:
            raise ValueError("peephole=True needs cell='lstm': 'tanh' has no gates")
        if self.tie and self.embedding_size != self.hidden_size:
            raise ValueError(
                f"tie=True needs embedding_size ({self.embedding_size}) to be hidden_size "
                f"({self.hidden_size})"
            )
        if self.init is not None and not self.init > 0:
            raise ValueError(f"init must be positive or None, got {self.init}")
        for name in ("pad_id", "eos_id", "unk_id"):
            if not 0 <= getattr(self, name) < self.target_vocab_size:
                raise ValueError(
                    f"{name} must be an id below target_vocab_size "
                    f"({self.target_vocab_size}), got {getattr(self, name)}"
                )
        if self.pad_id == self.eos_id:
            raise ValueError(f"pad_id and eos_id must differ, both are {self.pad_id}")

    @property
    def vector_size(self) -> int:
        """Numbers that represent a sentence: the state of all layers, 8,000 in the paper."""
        return self.num_layers * self.hidden_size * (2 if self.cell == "lstm" else 1)


PRESETS = {
    "paper": Seq2SeqConfig(),
    "paper-forward": Seq2SeqConfig(reverse_source=False),
    # What trains on one core in minutes, in torch's form of the LSTM.
    "desk": Seq2SeqConfig(
        source_vocab_size=2000, target_vocab_size=2000, embedding_size=64, hidden_size=96,
        num_layers=2, peephole=False, init=None,
    ),
}  # fmt: skip


def config_of(name: str, changes: dict[str, Any]) -> Seq2SeqConfig:
    """Return a preset with changes.

    Raises:
        ValueError: there is no preset of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return dataclasses.replace(PRESETS[name], **changes)


def count_parameters(c: Seq2SeqConfig) -> dict[str, int]:
    """Return the number of weights of each part, by formula; "total" is their sum.

    "Pure recurrent connections" (§3.4) are what the paper calls the two nets, of which half joins
    layers and words to states.
    """
    h, gates, one = c.hidden_size, 4 if c.cell == "lstm" else 1, int(c.bias)
    inputs = c.embedding_size + (c.num_layers - 1) * h
    net = gates * h * (inputs + c.num_layers * h + one * c.num_layers)
    net += 3 * h * c.num_layers * c.peephole
    parts = {
        "source embedding": c.source_vocab_size * c.embedding_size,
        "target embedding": c.target_vocab_size * c.embedding_size,
        "encoder": net,
        "decoder": net,
        "softmax": c.target_vocab_size * (h * (not c.tie) + one),
    }
    return parts | {"total": sum(parts.values())}
