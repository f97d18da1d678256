"""Sizes and choices, and the paper's models by name (Vaswani et al. 2017, Table 3 and §6.3)."""

import dataclasses
from typing import Any, Literal

from .positions import Layout, Spacing


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Sizes and choices; the defaults are the paper's base model.

    Raises:
        ValueError: a size below 1, a probability outside [0, 1), an unknown choice, a special id
            outside the vocabulary, or two vocabularies where one matrix is to be shared.
    """

    vocab_size: int = 37000  # §5.1: "about 37000", shared by source and target
    src_vocab_size: int | None = None  # None: the same
    d_model: int = 512
    d_ff: int = 2048
    num_heads: int = 8
    d_k: int | None = None  # None: d_model / num_heads
    d_v: int | None = None  # None: d_k
    num_encoder_layers: int = 6
    num_decoder_layers: int = 6
    dropout: float = 0.1  # of sub-layers' outputs and of the embeddings' sums (§5.4)
    attention_dropout: float = 0.0  # tensor2tensor: 0.1
    activation_dropout: float = 0.0  # tensor2tensor: 0.1
    # The paper: relu. Marian's released models: swish. torch.nn.Transformer also has gelu.
    activation: Literal["relu", "swish", "gelu"] = "relu"
    norm: Literal["post", "pre"] = "post"  # later code moved to "pre"
    final_norm: bool | None = None  # after each stack; None: only where norm is "pre"
    norm_eps: float = 1e-5  # the paper gives none; tensor2tensor: 1e-6
    attention_bias: bool = False  # §3.2.2 has matrices only
    output_bias: bool = False  # Marian: a bias on the logits
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    position_layout: Layout = "interleaved"
    position_spacing: Spacing = "paper"
    max_len: int = 1024  # of a learned table of positions only
    share_embeddings: bool = True  # source and target (§3.4)
    tie_output: bool = True  # target embedding and pre-softmax matrix (§3.4)
    scale_embeddings: bool = True  # by sqrt(d_model) (§3.4)
    pad_vocab_multiple: int = 1  # round vocabularies up to a multiple of it
    pad_id: int = 0
    bos_id: int = 1  # what the decoder starts with; Marian: its pad_id
    eos_id: int = 2
    gradient_checkpointing: bool = False  # recompute layers in the backward pass

    def __post_init__(self) -> None:
        sizes = ("vocab_size", "d_model", "d_ff", "num_heads", "max_len", "pad_vocab_multiple")
        for name in (*sizes, "num_encoder_layers", "num_decoder_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("src_vocab_size", "d_k", "d_v"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be None or at least 1, got {getattr(self, name)}")
        for name in ("pad_id", "bos_id", "eos_id"):
            if not 0 <= getattr(self, name) < self.vocab_size:
                raise ValueError(
                    f"{name} must be in the vocabulary, 0 to {self.vocab_size - 1}, "
                    f"got {getattr(self, name)}"
                )
        for name in ("dropout", "attention_dropout", "activation_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        choices = {
            "activation": ("relu", "swish", "gelu"),
            "norm": ("post", "pre"),
            "positions": ("sinusoidal", "learned"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        if self.share_embeddings and self.src_vocab_size not in (None, self.vocab_size):
            raise ValueError(
                f"share_embeddings needs one vocabulary, got src_vocab_size={self.src_vocab_size} "
                f"and vocab_size={self.vocab_size}"
            )


BASE = TransformerConfig()


def _vary(**changes: Any) -> TransformerConfig:
    return dataclasses.replace(BASE, **changes)


def _layers(n: int) -> TransformerConfig:
    return _vary(num_encoder_layers=n, num_decoder_layers=n)


PRESETS = {
    "base": BASE,
    # (A) the number of heads; h * d_k stays 512
    "A-h1": _vary(num_heads=1),
    "A-h4": _vary(num_heads=4),
    "A-h16": _vary(num_heads=16),
    "A-h32": _vary(num_heads=32),
    # (B) smaller keys; values stay at 64
    "B-dk16": _vary(d_k=16, d_v=64),
    "B-dk32": _vary(d_k=32, d_v=64),
    # (C) size
    "C-N2": _layers(2),
    "C-N4": _layers(4),
    "C-N8": _layers(8),
    "C-d256": _vary(d_model=256, d_k=32),
    "C-d1024": _vary(d_model=1024, d_k=128),
    "C-ff1024": _vary(d_ff=1024),
    "C-ff4096": _vary(d_ff=4096),
    # (D) regularisation. Label smoothing belongs to the loss: "D-ls0" and "D-ls0.2" are base with
    # LabelSmoothingLoss(0.0) and LabelSmoothingLoss(0.2).
    "D-drop0": _vary(dropout=0.0),
    "D-drop0.2": _vary(dropout=0.2),
    "D-ls0": BASE,
    "D-ls0.2": BASE,
    # (E) learned positions
    "E": _vary(positions="learned"),
    "big": _vary(d_model=1024, d_ff=4096, num_heads=16, dropout=0.3),
    # §6.3: "a 4-layer transformer with d_model = 1024", 16K tokens, the rest as in base
    "parsing": dataclasses.replace(_layers(4), d_model=1024, vocab_size=16000),
}

# Table 3's last column, in millions.
PRINTED_MILLIONS = {
    "base": 65, "B-dk16": 58, "B-dk32": 60, "C-N2": 36, "C-N4": 50, "C-N8": 80, "C-d256": 28,
    "C-d1024": 168, "C-ff1024": 53, "C-ff4096": 90, "big": 213,
}  # fmt: skip


def count_parameters(config: TransformerConfig) -> int:
    r"""Return the number of parameters, from the layers' formulas alone (shared matrices once).

    Per attention $2dhd_k + 2dhd_v$, per feed-forward net $2dd_{ff} + d_{ff} + d$, per
    normalisation $2d$, and $Vd$ for each matrix over the vocabulary.
    """
    c = config
    d, dk = c.d_model, c.d_k or c.d_model // c.num_heads
    dv = c.d_v or dk
    attention = 2 * d * c.num_heads * (dk + dv)
    if c.attention_bias:
        attention += c.num_heads * (2 * dk + dv) + d
    feed_forward = 2 * d * c.d_ff + c.d_ff + d
    encoder = attention + feed_forward + 2 * 2 * d
    decoder = 2 * attention + feed_forward + 3 * 2 * d
    final = (c.norm == "pre" if c.final_norm is None else c.final_norm) * 2 * 2 * d
    learned = 2 * c.max_len * d if c.positions == "learned" else 0

    vocabulary = round_up(c.vocab_size, c.pad_vocab_multiple) * (2 - c.tie_output)
    if not c.share_embeddings:
        vocabulary += round_up(c.src_vocab_size or c.vocab_size, c.pad_vocab_multiple)
    layers = c.num_encoder_layers * encoder + c.num_decoder_layers * decoder
    return layers + final + learned + vocabulary * d


def round_up(size: int, multiple: int) -> int:
    """Return the smallest multiple that is not below ``size``."""
    return -(-size // multiple) * multiple
