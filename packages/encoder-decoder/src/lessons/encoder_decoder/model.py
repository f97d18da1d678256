r"""The RNN Encoder–Decoder (§2.2, App. A): a phrase becomes one vector, the vector a phrase.

The encoder's last state makes the vector, $c = \tanh(V h_N)$. It starts the decoder and enters each
of its steps, and each readout.

Shapes: B batch, K beams, S source positions, T target positions, M embeddings, N hidden units and
the vector c, G = 3N (reset gate, update gate, candidate), l maxout pairs, V target words.
"""

import dataclasses
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import EncoderDecoderConfig, config_of
from .gru import GRU, context_rows, row_bias
from .readout import LinearReadout, MaxoutReadout, start_small
from .unit import step, unroll


class RNNEncoder(nn.Module):
    """What reads: embeddings, gated units, and the vector that their last state makes (A.1).

    Args:
        config: sizes and choices.
        generator: randomness of the initial weights (§4.1.1); None: torch's own.
    """

    def __init__(
        self, config: EncoderDecoderConfig, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        c = self.config = config
        n = c.hidden_size
        self.embedding = nn.Embedding(c.source_vocab_size, c.embedding_size)
        start_small(self.embedding, generator)
        self.gru = GRU(c.embedding_size, n, bias=c.bias, reset=c.encoder_reset, gates=c.gates,
                       generator=generator)  # fmt: skip
        self.code = nn.Linear(n, n, bias=c.bias) if c.code_layer else None  # V
        if self.code is not None:
            start_small(self.code, generator)

    def states(self, src_BS: Tensor, src_len_B: Tensor) -> Tensor:
        """Return h_1 … h_S (S, B, N); behind a phrase's end its last state stands."""
        states_SBN, _ = self.gru(self.embedding(src_BS.T), lengths=src_len_B)
        return states_SBN

    def forward(self, src_BS: Tensor, src_len_B: Tensor) -> Tensor:
        """Return c (B, N): of the state at each phrase's own end."""
        last_BN = self.states(src_BS, src_len_B)[-1]
        return last_BN if self.code is None else self.code(last_BN).tanh()


@dataclasses.dataclass(frozen=True)
class Memory:
    """A source, read: all that the decoder needs of it, computed once for a phrase."""

    c: Tensor  # (B, N)
    start: Tensor  # h'_0 (B, N)
    rows: Tensor | None  # C_r c, C_z c, C c (B, G)
    gated: Tensor | None  # what the reset gate scales beside U' h', (B, N) or (N,)
    read: Tensor | None  # O_c c (B, 2l)
    length: Tensor  # of the source (B,)


class RNNDecoder(nn.Module):
    """What writes: gated units that see the last word and the vector at every step (A.1.1).

    Args:
        config: sizes and choices.
        generator: randomness of the initial weights (§4.1.1); None: torch's own.
    """

    def __init__(
        self, config: EncoderDecoderConfig, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        c = self.config = config
        n, wide = c.hidden_size, c.hidden_size if c.context else None
        self.embedding = nn.Embedding(c.target_vocab_size, c.embedding_size)
        start_small(self.embedding, generator)
        self.start = nn.Linear(n, n, bias=c.bias) if c.start_layer else None  # V'
        if self.start is not None:
            start_small(self.start, generator)
        self.gru = GRU(
            c.embedding_size, n, bias=c.bias, reset=c.decoder_reset, context_size=wide,
            gate_context=c.gate_context, gates=c.gates, generator=generator,
        )  # fmt: skip
        rest = (c.target_vocab_size, c.output_rank, c.bias, generator)
        if c.maxout_size is None:
            self.readout = LinearReadout(n, *rest)
        else:
            self.readout = MaxoutReadout(n, c.embedding_size, wide, c.maxout_size, *rest)

    def read(self, c_BN: Tensor, length_B: Tensor) -> Memory:
        """Return what every step needs of the vector."""
        start_BN = c_BN if self.start is None else self.start(c_BN).tanh()
        rows_BG, gated = context_rows(self.gru, "_l0", c_BN if self.config.context else None)
        read = None if self.readout.context is None else self.readout.context(c_BN)
        return Memory(c_BN, start_BN, rows_BG, gated, read, length_B)

    def words(self, tgt_TB: Tensor) -> Tensor:
        """Return the embedding of the word before each, (T, B, M): e(y_0) … e(y_(T−1))."""
        words_TBM = self.embedding(tgt_TB)
        first_BM = torch.zeros_like(words_TBM[0])
        if self.config.start_id is not None:
            first_BM = first_BM + self.embedding.weight[self.config.start_id]
        return torch.cat([first_BM[None], words_TBM[:-1]])

    def hidden(self, memory: Memory, tgt_BT: Tensor) -> Tensor:
        """Return what the softmax sees of all steps, (T, B, l): the words are known in training."""
        m, c, words_TBM = memory, self.config, self.words(tgt_BT.T)
        x_TBG = self.project(words_TBM if c.first_step else words_TBM[1:], m)
        states_TBN = m.start[None][:0]
        if len(x_TBG):
            weight = self.gru.weight_hh_l0
            states_TBN = unroll(x_TBG, m.start, weight, m.gated, c.decoder_reset, c.gates)  # type: ignore
        if not c.first_step:
            states_TBN = torch.cat([m.start[None], states_TBN])
        return self.readout.hidden(states_TBN, words_TBM, m.read)

    def project(self, words: Tensor, memory: Memory) -> Tensor:
        """Return what words and vector give to gates and candidate."""
        x = F.linear(words, self.gru.weight_ih_l0, row_bias(self.gru, "_l0"))  # type: ignore
        return x if memory.rows is None else x + memory.rows

    def step(
        self, word_BK: Tensor | None, h_BKN: Tensor, memory: Memory
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Take one step of decoding.

        Args:
            word_BK: y_(t−1), the words just written; None at the first step.
            h_BKN: h'_(t−1).
            memory: of the source.

        Returns:
            Logits of y_t (B, K, V), and h'_t.
        """
        c, m = self.config, memory
        if word_BK is None:
            word_BKM = h_BKN.new_zeros(*h_BKN.shape[:2], c.embedding_size)
            if c.start_id is not None:
                word_BKM = word_BKM + self.embedding.weight[c.start_id]
        else:
            word_BKM = self.embedding(word_BK)
        if c.first_step or word_BK is not None:
            wide = {
                name: None if x is None else x if x.dim() == 1 else x[:, None]
                for name, x in (("rows", m.rows), ("gated", m.gated))
            }
            x_BKG = self.project(word_BKM, dataclasses.replace(m, rows=wide["rows"]))
            weight = self.gru.weight_hh_l0
            h_BKN = step(x_BKG, h_BKN, weight, wide["gated"], c.decoder_reset, c.gates)  # type: ignore
        read = None if m.read is None else m.read[:, None]
        return self.readout.logits(self.readout.hidden(h_BKN, word_BKM, read)), h_BKN


class RNNEncoderDecoder(nn.Module):
    """Both, trained together to give the target's probability, given the source (eq. 4).

    Args:
        config: sizes and choices.
        generator: randomness of the initial weights (§4.1.1); None: torch's own.
    """

    def __init__(
        self, config: EncoderDecoderConfig, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = RNNEncoder(config, generator)
        self.decoder = RNNDecoder(config, generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Return a model by its name in `PRESETS`, with changes.

        Raises:
            ValueError: no such preset.
        """
        return cls(config_of(name, changes), generator)

    def encode(self, src_BS: Tensor, src_len_B: Tensor | None = None) -> Tensor:
        """Return c (B, N): all that is kept of a phrase.

        Args:
            src_BS: ids, padded on the right.
            src_len_B: how many of each row are words; None: all that are not ``pad_id``.

        Raises:
            TypeError: ids that are no integers.
            ValueError: no words, an id outside the vocabulary, lengths that do not fit.
        """
        return self.encoder(src_BS, self._checked(src_BS, src_len_B))

    def read(self, src_BS: Tensor, src_len_B: Tensor | None = None) -> Memory:
        """Return a source as the decoder needs it; arguments and errors as `encode`'s."""
        length_B = self._checked(src_BS, src_len_B)
        return self.decoder.read(self.encoder(src_BS, length_B), length_B)

    def forward(self, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor) -> Tensor:
        """Return logits (B, T, V) of each target word, given those before it.

        Args:
            src_BS: ids, padded on the right.
            src_len_B: how many of each row are words; None: all that are not ``pad_id``.
            tgt_BT: ids with the end mark, padded on the right; no start mark.

        Raises:
            TypeError: ids that are no integers.
            ValueError: other batches for source and target, ids outside the vocabulary, lengths
                that do not fit, a target without words.
        """
        hidden_TBL = self._hidden(src_BS, src_len_B, tgt_BT)
        return self.decoder.readout.logits(hidden_TBL).transpose(0, 1)

    def _hidden(self, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor) -> Tensor:
        memory = self.read(src_BS, src_len_B)
        self._check_target(tgt_BT, memory.c.shape[0])
        return self.decoder.hidden(memory, tgt_BT)

    def loss(
        self, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor, reduction: str = "pairs"
    ) -> Tensor:
        """Return −log p(y | x) in nats: eq. 4, the mean over pairs of the sums over words.

        Args:
            src_BS: ids, padded on the right.
            src_len_B: how many of each row are words; None: all that are not ``pad_id``.
            tgt_BT: ids with the end mark, padded on the right. Padding counts nothing.
            reduction: "pairs": eq. 4; "words": the mean over words.

        Raises:
            TypeError, ValueError: as `forward`, or another reduction.
        """
        if reduction not in ("pairs", "words"):
            raise ValueError(f"reduction must be 'pairs' or 'words', got {reduction!r}")
        log_BT = self.log_probability(src_BS, src_len_B, tgt_BT)
        count = tgt_BT.shape[0] if reduction == "pairs" else tgt_BT.ne(self.config.pad_id).sum()
        return -log_BT.sum() / count

    def log_probability(
        self, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor
    ) -> Tensor:  # fmt: skip
        """Return log p(y_t | y_1 … y_(t−1), x) in nats, (B, T); 0 at padding."""
        hidden_TBL = self._hidden(src_BS, src_len_B, tgt_BT)
        real_TB = tgt_BT.T.ne(self.config.pad_id)
        if not torch.compiler.is_compiling() and not real_TB.any(0).all():
            row = int((~real_TB.any(0)).nonzero()[0])
            raise ValueError(f"tgt has no words in row {row}, but padding")
        if torch.compiler.is_compiling():  # a number of words that only a run knows is no shape
            logits = wide(self.decoder.readout.logits(hidden_TBL)).flatten(0, 1)
            found = -F.cross_entropy(logits, tgt_BT.T.flatten().long(), reduction="none")
            return (found.view_as(real_TB) * real_TB).T
        logits = wide(self.decoder.readout.logits(hidden_TBL[real_TB]))  # of real words alone
        found = -F.cross_entropy(logits, tgt_BT.T[real_TB].long(), reduction="none")
        log_TB = found.new_zeros(real_TB.shape).masked_scatter(real_TB, found)
        return log_TB.T

    @torch.no_grad()
    def score(
        self,
        src_BS: Tensor,
        tgt_BT: Tensor,
        src_len_B: Tensor | None = None,
        per_token: bool = False,
    ) -> Tensor:
        """Return log p(y | x) of each pair (B,), in nats: a phrase table's new score (§3.1).

        It is a sum over words (eq. 3): short phrases win, as the paper says, and nothing here
        divides by the length unless that is asked for.

        Args:
            src_BS: ids, padded on the right.
            tgt_BT: ids with the end mark, padded on the right.
            src_len_B: how many of each row are words; None: all that are not ``pad_id``.
            per_token: the mean over words instead.

        Raises:
            TypeError, ValueError: as `forward`.
        """
        log_BT = self.log_probability(src_BS, src_len_B, tgt_BT)
        if per_token:
            return log_BT.sum(-1) / tgt_BT.ne(self.config.pad_id).sum(-1)
        return log_BT.sum(-1)

    def _checked(self, src_BS: Tensor, src_len_B: Tensor | None) -> Tensor:
        """Return the lengths, after a look at all that could be wrong."""
        counted = src_len_B is None
        if src_len_B is None:
            src_len_B = (src_BS != self.config.pad_id).sum(-1)
        if torch.compiler.is_compiling() or src_BS.is_meta:
            return src_len_B
        if src_BS.dim() != 2 or not src_BS.shape[1]:
            raise ValueError(f"src must have shape (batch, length ≥ 1), got {tuple(src_BS.shape)}")
        if counted:
            check_padding("src", src_BS, self.config.pad_id)
        if src_len_B.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"src_len must hold integers, got {src_len_B.dtype}")
        if src_len_B.shape != src_BS.shape[:1]:
            raise ValueError(
                f"src_len must have one length for each of {len(src_BS)} phrases, "
                f"got shape {tuple(src_len_B.shape)}"
            )
        check_ids("src", src_BS, self.config.source_vocab_size)
        wrong = (src_len_B < 1) | (src_len_B > src_BS.shape[1])
        if wrong.any():
            i = int(wrong.nonzero()[0])
            raise ValueError(
                f"src_len must lie in 1 … {src_BS.shape[1]}, got {int(src_len_B[i])} in row {i}"
            )
        return src_len_B

    def _check_target(self, tgt_BT: Tensor, batch: int) -> None:
        if torch.compiler.is_compiling() or tgt_BT.is_meta:
            return
        if tgt_BT.dim() != 2 or not tgt_BT.shape[1]:
            raise ValueError(f"tgt must have shape (batch, length ≥ 1), got {tuple(tgt_BT.shape)}")
        if len(tgt_BT) != batch:
            raise ValueError(f"src has {batch} phrases and tgt {len(tgt_BT)}: one for one")
        check_ids("tgt", tgt_BT, self.config.target_vocab_size)
        check_padding("tgt", tgt_BT, self.config.pad_id)


def wide(logits: Tensor) -> Tensor:
    """Return logits in single precision at least: sums of many logarithms need it."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def check_padding(side: str, ids: Tensor, pad_id: int) -> None:
    """Raise a ValueError that names the row unless padding stands behind all words."""
    real = ids != pad_id
    wrong = (real[:, 1:] & ~real[:, :-1]).any(-1)
    if wrong.any():
        raise ValueError(
            f"{side} must be padded on the right, got padding ({pad_id}) before a word in row "
            f"{int(wrong.nonzero()[0])}"
        )


def check_ids(side: str, ids: Tensor, size: int) -> None:
    """Raise an error that names side, place and id unless all lie in the vocabulary."""
    if ids.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{side} must hold integer ids, got {ids.dtype}")
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= size):
        wrong = ((ids < 0) | (ids >= size)).nonzero()[0].tolist()
        raise ValueError(
            f"{side} must hold ids in 0 … {size - 1}, got {int(ids[tuple(wrong)])} "
            f"at row {wrong[0]}, place {wrong[1]}"
        )
