"""Sizes and choices, and the paper's models by name (Bahdanau et al. 2015, §4.2, A.2.3)."""

import dataclasses
from typing import Any, Literal, get_args

Score = Literal["additive", "dot", "general", "product"]
Which = Literal["previous", "current"]
Code = Literal["ends", "mean"]
Reset = Literal["before", "after"]


@dataclasses.dataclass(frozen=True)
class TranslatorConfig:
    """Sizes and choices; the defaults are the paper's (A.2.3), with the model of its appendix.

    Raises:
        ValueError: a size below 1, a dropout outside [0, 1), an unknown choice, a readout that
            would see the word that it has to predict, or marks that are no ids or not distinct.
    """

    source_vocab_size: int = 30_000  # §4.1: "a shortlist of 30,000 most frequent words"
    target_vocab_size: int = 30_000
    embedding_size: int = 620  # m, of both languages
    encoder_size: int = 1000  # n, of each direction
    decoder_size: int = 1000  # n
    alignment_size: int = 1000  # n′
    maxout_size: int = 500  # l: pairs of the readout's hidden layer
    bidirectional: bool = True  # RNNencdec: False
    score: Score = "additive"  # the others are of Luong et al. 2015 and Shazeer et al. 2017
    # Which state the readout of word i sees: s(i−1) in A.2.2 and the released code, s(i) in eq. 4.
    readout_state: Which = "previous"
    # Which word the update to s(i) sees: y(i−1) in A.2.2 and eq. 4, y(i) in the released code.
    update_word: Which = "previous"
    reset: Reset = "before"  # r ∘ s before the product (A.1.1); torch.nn.GRU: after it
    bias: bool = True  # "we omit bias terms to make the equations less cluttered" (A.1.1)
    output_rank: int | None = None  # the released code factorises W_o: through so many numbers
    code_size: int | None = None  # RNNencdec: the vector's length, None: the encoder's state itself
    # RNNencdec: the last state of each direction (A.2.2), or the mean of all annotations.
    code: Code = "ends"
    dropout: float = 0.0  # of embeddings and of the maxout layer; the paper has none
    pad_id: int = 0
    eos_id: int = 2
    unk_id: int = 3

    def __post_init__(self) -> None:
        sizes = ("embedding_size", "encoder_size", "decoder_size", "alignment_size", "maxout_size")
        for name in ("source_vocab_size", "target_vocab_size", *sizes, "output_rank", "code_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        choices = {
            "score": Score, "readout_state": Which, "update_word": Which, "reset": Reset,
            "code": Code,
        }  # fmt: skip
        for name, kind in choices.items():
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        if self.readout_state == self.update_word == "current":
            raise ValueError(
                "readout_state and update_word cannot both be 'current': "
                "the readout of word i would see word i"
            )
        for name in ("pad_id", "eos_id", "unk_id"):
            if not 0 <= getattr(self, name) < self.target_vocab_size:
                raise ValueError(
                    f"{name} must be an id below target_vocab_size "
                    f"({self.target_vocab_size}), got {getattr(self, name)}"
                )
        if self.pad_id >= self.source_vocab_size:
            raise ValueError(
                f"pad_id must be an id below source_vocab_size ({self.source_vocab_size}), "
                f"got {self.pad_id}"
            )
        if self.pad_id == self.eos_id:
            raise ValueError(
                f"pad_id and eos_id must differ, got {self.pad_id} for both: "
                "padding counts nothing in the loss, so no end would ever be learned"
            )

    @property
    def annotation_size(self) -> int:
        """Width of an annotation: both directions side by side (eq. 7)."""
        return self.encoder_size * (2 if self.bidirectional else 1)


_ENCDEC: dict[str, Any] = {"bidirectional": False}
# GroundHog's search_state: 30,000 words and the end mark, W_o through 620 numbers, y(i) in s(i).
_RELEASED: dict[str, Any] = {
    "source_vocab_size": 30_001, "target_vocab_size": 30_001, "output_rank": 620,
    "update_word": "current", "pad_id": 0, "eos_id": 30_000, "unk_id": 1,
}  # fmt: skip
# -30 and -50 name the longest sentences of their training; the networks are the same (§4.2).
PRESETS = {
    "rnnsearch-30": TranslatorConfig(),
    "rnnsearch-50": TranslatorConfig(),
    "rnnencdec-30": TranslatorConfig(**_ENCDEC),
    "rnnencdec-50": TranslatorConfig(**_ENCDEC),
    "groundhog-search": TranslatorConfig(**_RELEASED),
}


def config_of(name: str, changes: dict[str, Any]) -> TranslatorConfig:
    """Return a preset with changes.

    Raises:
        ValueError: there is no preset of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return dataclasses.replace(PRESETS[name], **changes)


def count_parameters(c: TranslatorConfig, search: bool = True) -> int:
    """Return the number of weights, from the formulas of A.2.

    Args:
        c: sizes.
        search: of RNNsearch; False: of RNNencdec.
    """
    m, n, h, one = c.embedding_size, c.encoder_size, c.decoder_size, int(c.bias)
    width = c.annotation_size if search else (c.code_size or c.annotation_size)
    after = int(c.bias and c.reset == "after")  # a bias within the reset's product, too
    unit = lambda inputs, state, context: (  # noqa: E731
        3 * state * (inputs + state + context + one) + after * state
    )
    total = (c.source_vocab_size + c.target_vocab_size) * m
    total += unit(m, n, 0) * (2 if c.bidirectional else 1)
    total += unit(m, h, width)
    start = n if search or c.code_size is None else c.code_size
    total += h * (start + one)  # W_s
    if search:
        total += {
            "additive": c.alignment_size * (h + width + 1),  # W_a, U_a, v_a
            "product": c.alignment_size * (h + width + 1),
            "general": h * width,
            "dot": 0,
        }[c.score]
    elif c.code_size is not None:
        total += c.annotation_size * c.code_size
    total += 2 * c.maxout_size * (h + m + width + one)  # U_o, V_o, C_o
    rank = c.output_rank
    inner = c.maxout_size if rank is None else rank
    total += 0 if rank is None else c.maxout_size * rank
    return total + c.target_vocab_size * (inner + one)  # W_o
