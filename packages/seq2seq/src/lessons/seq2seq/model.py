"""Two deep LSTMs: one reads a sentence into a vector, the other writes from it (§2, Fig. 1).

Shapes: B batch, S source positions, T target positions, E embedding, H hidden, L layers, V target
words, N words to predict.
"""

from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Seq2SeqConfig, config_of
from .lstm import LSTM, State
from .reversal import checked_lengths, reverse_padded, to_the_end
from .scan import fast
from .softmax import CHUNK, chunked_cross_entropy

Reduction = Literal["sentence", "token", "none"]


class Seq2Seq(nn.Module):
    """An encoder whose last state, of all layers, is the decoder's first.

    Args:
        config: sizes and choices.
        generator: randomness of the first weights.
    """

    def __init__(self, config: Seq2SeqConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        c = self.config = config
        net: tuple[Any, ...] = (
            c.embedding_size, c.hidden_size, c.num_layers, c.peephole, c.bias, c.cell, "auto",
            c.init, generator,
        )  # fmt: skip
        self.source_embedding = nn.Embedding(c.source_vocab_size, c.embedding_size)
        self.encoder = LSTM(*net)
        self.target_embedding = nn.Embedding(c.target_vocab_size, c.embedding_size)
        self.decoder = LSTM(*net)
        self.output = nn.Linear(c.hidden_size, c.target_vocab_size, bias=c.bias)
        self._start(generator)
        if c.tie:
            self.output.weight = self.target_embedding.weight

    @torch.no_grad()
    def _start(self, generator: torch.Generator | None) -> None:
        c = self.config
        for module in (self.source_embedding, self.target_embedding, self.output):
            for parameter in module.parameters():
                if parameter.is_meta:
                    continue
                if c.init is not None:  # §3.4: all of the parameters
                    parameter.uniform_(-c.init, c.init, generator=generator)
                elif isinstance(module, nn.Embedding):
                    parameter.normal_(generator=generator)
                else:
                    spread = c.hidden_size**-0.5
                    parameter.uniform_(-spread, spread, generator=generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Return a model of the paper by its name in `PRESETS`, with changes.

        Raises:
            ValueError: no such preset, or choices that do not fit.
        """
        return cls(config_of(name, changes), generator)

    def encode(self, src_BS: Tensor, src_len_B: Tensor | None = None) -> State:
        """Read the source; return the state of all layers at its end, each part (L, B, H).

        Args:
            src_BS: ids, padded on the right, without an end mark; in their natural order, whether
                or not the net reads them reversed.
            src_len_B: how many of each row are words; None: all that are not ``pad_id``.

        Raises:
            ValueError: no words, an id outside the vocabulary, lengths that do not fit, or, without
                lengths, padding before a word.
            TypeError: ids or lengths that are no integers.
        """
        c = self.config
        ids_BS, length_B = self._checked(src_BS, src_len_B)
        if c.reverse_source:
            ids_BS = reverse_padded(ids_BS, length_B)
        # Padding goes before the words: behind them it would part them from the translation.
        ids_BS = to_the_end(ids_BS, length_B)
        if c.eos_in_encoder:
            ids_BS = torch.cat([ids_BS, torch.full_like(ids_BS[:, :1], c.eos_id)], 1)
            length_B = length_B + 1
        size = ids_BS.shape[1]
        words_SBE = self.source_embedding(ids_BS.T)
        real_SB = torch.arange(size, device=ids_BS.device)[:, None] >= size - length_B
        return self.encoder.unroll(words_SBE, None, real_SB)[1]

    def sentence_vector(self, src_BS: Tensor, src_len_B: Tensor | None = None) -> Tensor:
        """Return what represents each sentence, (B, 2·L·H): h and c of all layers (§3.4, §3.8)."""
        return torch.cat([layer for part in self.encode(src_BS, src_len_B) for layer in part], -1)

    def decode(self, tgt_in_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the logits (B, T, V) after each input word, and the state after the last.

        Args:
            tgt_in_BT: what the decoder reads: the end mark first, then the translation's words.
            state: from `encode`, or from the step before.
        """
        self.decoder.check_state(state, tgt_in_BT.shape[0])
        hidden_TBH, state = self.decoder.unroll(self.target_embedding(tgt_in_BT.T), state)
        return self.output(hidden_TBH).transpose(0, 1), state

    def step(self, word_B: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the logits of the next word (B, V) after one word each, and the next state."""
        hidden_1BH, state = self.decoder.unroll(self.target_embedding(word_B)[None], state)
        return self.output(hidden_1BH[0]), state

    def hidden(self, state: State, tgt_BT: Tensor) -> Tensor:
        """Return the decoder's states (T, B, H), from each of which a target word is read."""
        first_B1 = torch.full_like(tgt_BT[:, :1], self.config.eos_id)  # Fig. 1
        before_BT = torch.cat([first_B1, tgt_BT[:, :-1]], 1)
        return self.decoder.unroll(self.target_embedding(before_BT.T), state)[0]

    def forward(self, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor) -> Tensor:
        """Return logits (B, T, V) of each target word, given the source and the words before it.

        Args:
            src_BS: ids, padded on the right, without an end mark.
            src_len_B: how many of each row are words; None: all that are not ``pad_id``.
            tgt_BT: ids with the end mark, padded on the right; no start mark.

        Raises:
            ValueError: as `encode`; a target that is empty or has no end mark; other batches.
        """
        state = self.encode(src_BS, src_len_B)
        self.check_target(tgt_BT, src_BS.shape[0])
        return self.output(self.hidden(state, tgt_BT)).transpose(0, 1)

    def log_prob(self, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor) -> Tensor:
        """Return log p(T|S) of each pair (B,), in nats: the sum over the words, end mark included.

        Source: eq. 1.
        """
        return -self.loss(src_BS, src_len_B, tgt_BT, "none")

    def loss(
        self,
        src_BS: Tensor,
        src_len_B: Tensor | None,
        tgt_BT: Tensor,
        reduction: Reduction = "sentence",
    ) -> Tensor:
        """Return −log p(T|S), in nats.

        Args:
            src_BS: ids, padded on the right, without an end mark.
            src_len_B: how many of each row are words; None: all that are not ``pad_id``.
            tgt_BT: ids with the end mark, padded on the right; no start mark.
            reduction: "sentence": the mean over pairs (§3.2), for which a learning rate of 0.7 and
                a gradient of at most 5 are meant; "token": over words; "none": each pair's.

        Raises:
            ValueError: as `forward`, or another reduction.
        """
        if reduction not in ("sentence", "token", "none"):
            raise ValueError(f"reduction must be sentence, token or none, got {reduction!r}")
        state = self.encode(src_BS, src_len_B)
        self.check_target(tgt_BT, src_BS.shape[0])
        hidden_TBH = self.hidden(state, tgt_BT)
        tgt_BT = tgt_BT.long()  # cross-entropy takes no shorter integers
        real_TB = tgt_BT.T.ne(self.config.pad_id)
        if reduction == "none":
            nats_TB = F.cross_entropy(
                self.output(hidden_TBH).flatten(0, 1), tgt_BT.T.flatten(), reduction="none"
            ).view_as(real_TB)
            return (nats_TB * real_TB).sum(0)
        hidden_NH, right_N = hidden_TBH[real_TB], tgt_BT.T[real_TB]
        total = self._nats(hidden_NH, right_N)
        return total / (tgt_BT.shape[0] if reduction == "sentence" else len(right_N))

    def _nats(self, hidden_NH: Tensor, right_N: Tensor) -> Tensor:
        many = hidden_NH.shape[0] * self.config.target_vocab_size > CHUNK
        weight, bias = self.output.weight, self.output.bias
        if many and fast(hidden_NH, weight):
            return chunked_cross_entropy(hidden_NH, weight, bias, right_N)
        return F.cross_entropy(self.output(hidden_NH), right_N, reduction="sum")

    def _checked(self, src_BS: Tensor, src_len_B: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return ids and lengths, after a look at all that could be wrong with them."""
        if src_BS.dim() != 2 or not src_BS.shape[1]:
            raise ValueError(f"src must have shape (batch, length ≥ 1), got {tuple(src_BS.shape)}")
        check_ids("src", src_BS, self.config.source_vocab_size)
        if src_len_B is None:
            real_BS = src_BS != self.config.pad_id
            self._check_padding(src_BS, real_BS)
            src_len_B = real_BS.sum(-1)
        return src_BS, checked_lengths(src_len_B, src_BS)

    def _check_padding(self, src_BS: Tensor, real_BS: Tensor) -> None:
        """Raise an error where padding stands before a word, or return."""
        if torch.compiler.is_compiling() or src_BS.is_meta or not fast(src_BS):
            return
        wrong_B = (real_BS[:, 1:] & ~real_BS[:, :-1]).any(-1)
        if wrong_B.any():
            row = int(wrong_B.nonzero()[0])
            raise ValueError(
                f"src must be padded on the right only (pad_id {self.config.pad_id}); "
                f"row {row} is {src_BS[row].tolist()}"
            )

    def check_target(self, tgt_BT: Tensor, batch: int) -> None:
        """Raise an error that says what is wrong with targets, or return."""
        if tgt_BT.dim() != 2 or not tgt_BT.shape[1]:
            raise ValueError(f"tgt must have shape (batch, length ≥ 1), got {tuple(tgt_BT.shape)}")
        if tgt_BT.shape[0] != batch:
            raise ValueError(f"src has {batch} sentences and tgt {tgt_BT.shape[0]}: one for one")
        check_ids("tgt", tgt_BT, self.config.target_vocab_size)
        if torch.compiler.is_compiling() or not tgt_BT.numel() or not fast(tgt_BT):
            return
        c = self.config
        real_BT = tgt_BT != c.pad_id
        empty_B = ~real_BT.any(-1)
        if empty_B.any():
            row = int(empty_B.nonzero()[0])
            raise ValueError(f"tgt has no words at row {row}: all is padding (pad_id {c.pad_id})")
        place_T = torch.arange(tgt_BT.shape[1], device=tgt_BT.device)
        last_B = (place_T * real_BT).amax(-1)
        wrong_B = tgt_BT.gather(1, last_B[:, None])[:, 0] != c.eos_id
        wrong_B |= real_BT.sum(-1) != last_B + 1
        if wrong_B.any():
            row = int(wrong_B.nonzero()[0])
            raise ValueError(
                f"tgt must end with eos_id ({c.eos_id}), with padding behind it only; "
                f"row {row} is {tgt_BT[row].tolist()}"
            )


def check_ids(side: str, ids: Tensor, size: int) -> None:
    """Raise an error that names side, place and id unless all lie in the vocabulary."""
    if ids.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{side} must hold integer ids, got {ids.dtype}")
    if torch.compiler.is_compiling() or ids.is_meta or not fast(ids):
        return
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= size):
        wrong = ((ids < 0) | (ids >= size)).nonzero()[0].tolist()
        raise ValueError(
            f"{side} must hold ids in 0 … {size - 1}, got {int(ids[tuple(wrong)])} "
            f"at row {wrong[0]}, place {wrong[1]}"
        )
