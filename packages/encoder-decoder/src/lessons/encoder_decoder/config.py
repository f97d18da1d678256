"""Sizes and choices, and the paper's models by name (Cho et al. 2014, §4.1.1, App. A)."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Literal, get_args

Reset = Literal["before", "after"]
GATES = ("reset", "update")


@dataclasses.dataclass(frozen=True)
class EncoderDecoderConfig:
    """Sizes and choices; the defaults are §4.1.1's sizes in the wiring of App. A, units as eq. 8.

    Raises:
        ValueError: a size below 1, an unknown choice or gate, ids outside the vocabulary, a context
            that a reset gate before the product cannot scale.
    """

    source_vocab_size: int = 15_000  # §4.1: "the most frequent 15,000 words"
    target_vocab_size: int = 15_000
    embedding_size: int = 100  # m: "rank-100 matrices" (§4.1.1); 500 in App. A
    hidden_size: int = 1000  # n, of encoder and decoder
    maxout_size: int | None = 500  # "500 maxout units each pooling 2"; None: logits from the state
    output_rank: int | None = 100  # G as a product through so many numbers; None: one matrix
    gates: tuple[str, ...] = GATES  # which of them there are; none: the tanh unit
    encoder_reset: Reset = "before"  # r ⊙ h before the product with U (eq. 8), or "after" it
    decoder_reset: Reset = "before"  # App. A prints "after" for the decoder alone
    gate_context: bool = False  # App. A: the decoder's reset gate scales C c, too
    code_layer: bool = True  # c = tanh(V h_N); False: h_N itself, as in the released code
    start_layer: bool = True  # h'_0 = tanh(V' c); False: c itself
    context: bool = True  # c enters every step and the readout; False: it is only h'_0
    # Whether the decoder takes a step before the first word; the released code takes none.
    first_step: bool = True
    bias: bool = True  # "To make the equations uncluttered, we omit biases" (A.1)
    start_id: int | None = None  # a word before the first; None: e(y_0) is zero, as in the paper
    pad_id: int = 0
    eos_id: int = 2  # of the target; a source has whatever mark its ids end with
    unk_id: int = 1

    def __post_init__(self) -> None:
        sizes = ("source_vocab_size", "target_vocab_size", "embedding_size", "hidden_size")
        for name in (*sizes, "maxout_size", "output_rank"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        object.__setattr__(self, "gates", order_gates(self.gates))
        for name in ("encoder_reset", "decoder_reset"):
            check_reset(getattr(self, name), name)
        if self.gate_context and (self.decoder_reset != "after" or not self.context):
            raise ValueError(
                "gate_context needs decoder_reset='after' and a context: "
                "a reset gate before the product scales the state alone"
            )
        for name in ("pad_id", "eos_id", "unk_id", "start_id"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < self.target_vocab_size:
                raise ValueError(
                    f"{name} must be an id below target_vocab_size "
                    f"({self.target_vocab_size}), got {value}"
                )


def order_gates(gates: Iterable[str]) -> tuple[str, ...]:
    """Return gates in the order of their rows; a ValueError names one that does not exist."""
    gates = tuple(gates)
    for name in gates:
        if name not in GATES:
            raise ValueError(f"gates must be among {', '.join(GATES)}, got {name!r}")
    return tuple(name for name in GATES if name in gates)


def check_reset(reset: str, name: str = "reset") -> None:
    """Raise a ValueError unless it says where the reset gate acts."""
    if reset not in get_args(Reset):
        raise ValueError(f"{name} must be 'before' or 'after', got {reset!r}")


PRESETS = {
    "paper": EncoderDecoderConfig(),
    # App. A: embeddings of 500, its decoder's unit, G = G_l G_r with G_r read as 500 × 500.
    "appendix": EncoderDecoderConfig(
        embedding_size=500, output_rank=500, decoder_reset="after", gate_context=True
    ),
    # GroundHog's prototype_phrase_state: 15,000 words and the end mark, c = h_N.
    "groundhog": EncoderDecoderConfig(
        source_vocab_size=15_001, target_vocab_size=15_001, code_layer=False, first_step=False,
        eos_id=15_000,
    ),
    # g2p_en 2.1: letters to phones by torch's GRUs; its one vector is the decoder's first state.
    "g2p": EncoderDecoderConfig(
        source_vocab_size=29, target_vocab_size=74, embedding_size=256, hidden_size=256,
        maxout_size=None, output_rank=None, encoder_reset="after", decoder_reset="after",
        code_layer=False, start_layer=False, context=False, start_id=2, eos_id=3,
    ),
}  # fmt: skip


def config_of(name: str, changes: dict[str, Any]) -> EncoderDecoderConfig:
    """Return a preset with changes.

    Raises:
        ValueError: there is no preset of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return dataclasses.replace(PRESETS[name], **changes)


def count_parameters(c: EncoderDecoderConfig) -> int:
    """Return the number of weights, from the formulas of App. A."""
    m, n, rows, one = c.embedding_size, c.hidden_size, 1 + len(c.gates), int(c.bias)

    def unit(reset: Reset, context: int) -> int:
        biases = rows * n * (2 if reset == "after" else 1)  # torch's two, of which one would do
        return rows * n * (m + n + context) + one * biases

    wide = n if c.context else 0
    total = (c.source_vocab_size + c.target_vocab_size) * m
    total += unit(c.encoder_reset, 0) + unit(c.decoder_reset, wide)
    total += (int(c.code_layer) + int(c.start_layer)) * n * (n + one)  # V, V'
    inner = n
    if c.maxout_size is not None:
        total += 2 * c.maxout_size * (n + m + wide + one)  # O_h, O_y, O_c
        inner = c.maxout_size
    if c.output_rank is not None:
        total += inner * c.output_rank  # G_r
        inner = c.output_rank
    return total + c.target_vocab_size * (inner + one)  # G or G_l
