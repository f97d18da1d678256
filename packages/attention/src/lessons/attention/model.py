"""RNNsearch, which looks at the source for each word, and RNNencdec, which has one vector (A.2).

A target ends with the end mark and has no start mark: where there is no word before, e(y_0) = 0.

Shapes: B batch, S source positions, T target positions, K beams, M embedding, N encoder state,
H decoder state, C context, A alignment model, V target words.
"""

import dataclasses
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import AdditiveAttention, can_be_read
from .config import TranslatorConfig, config_of
from .encoder import Encoder, lengths_to_mask
from .gated import GatedUnit
from .readout import MaxoutReadout, start_small
from .scan import GatedScan, SearchScan, call, fast, untouched


@dataclasses.dataclass(frozen=True)
class Memory:
    """A source, read: what the decoder looks at, computed once for a sentence."""

    annotations: Tensor  # h_j (B, S, C)
    keys: Tensor  # U_a h_j (B, S, A), or for RNNencdec its one vector, (B, 1, C)
    mask: Tensor  # (B, S), true where there is a word
    start: Tensor  # s_0 (B, H)


@dataclasses.dataclass(frozen=True)
class State:
    """Where the decoder is; beams side by side on the second axis."""

    s: Tensor  # s_(i−1) (B, K, H), or, if the update sees the current word, s_(i−2)
    context: Tensor | None = None  # (B, K, C), that the update still to come needs


class RNNsearch(nn.Module):
    """The proposed model: a bidirectional encoder, and a decoder that searches through it (A.2).

    Args:
        config: sizes and choices.
        generator: randomness of the initial weights (B.1); None: torch's own.
    """

    kind = "rnnsearch"

    def __init__(self, config: TranslatorConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        c = self.config = config
        self.encoder = Encoder(
            c.source_vocab_size, c.embedding_size, c.encoder_size, c.bidirectional, c.reset, c.bias,
            c.dropout, generator,
        )  # fmt: skip
        self.embedding = nn.Embedding(c.target_vocab_size, c.embedding_size)
        self.dropout = nn.Dropout(c.dropout)
        if not self.embedding.weight.is_meta:
            nn.init.normal_(self.embedding.weight, 0, 0.01, generator=generator)
        width = self._make_context(generator)
        self.unit = GatedUnit(
            c.embedding_size, c.decoder_size, width, c.reset, c.bias, generator
        )  # fmt: skip
        self.readout = MaxoutReadout(
            c.decoder_size, c.embedding_size, width, c.maxout_size, c.target_vocab_size,
            c.output_rank, c.bias, c.dropout, generator,
        )  # fmt: skip

    def _make_context(self, generator: torch.Generator | None) -> int:
        """Make what a context comes from, and W_s; return the context's width."""
        c = self.config
        if c.code_size is not None or c.code != "ends":
            raise ValueError("code_size and code are RNNencdec's: RNNsearch has no one vector")
        self.start = nn.Linear(c.encoder_size, c.decoder_size, bias=c.bias)  # W_s
        start_small(self.start, generator)
        self.attention = AdditiveAttention(
            c.decoder_size, c.annotation_size, c.alignment_size, c.score, generator
        )
        return c.annotation_size

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Return a model of the paper by its name in `PRESETS`, with changes.

        Raises:
            ValueError: no such preset, or one of the other model.
        """
        config = config_of(name, changes)
        kind = "rnnencdec" if name.startswith("rnnencdec-") else "rnnsearch"
        if kind != cls.kind:
            raise ValueError(f"{name!r} is no preset of {cls.__name__}")
        return cls(config, generator)

    def encode(self, src_BS: Tensor, src_len_B: Tensor | None = None) -> Memory:
        """Read the source.

        Args:
            src_BS: ids, padded on the right.
            src_len_B: how many of each row are words; None: all that are not ``pad_id``.

        Raises:
            ValueError: no words, an id outside the vocabulary, lengths that do not fit, or, where
                no lengths are given, padding before a word.
        """
        length_B = self._checked(src_BS, src_len_B)
        annotations_BSC, last_BN, first_BN = self.encoder(src_BS, length_B)
        mask_BS = lengths_to_mask(length_B, src_BS.shape[1])
        return self._remember(annotations_BSC, last_BN, first_BN, mask_BS)

    def _remember(self, annotations_BSC, last_BN, first_BN, mask_BS) -> Memory:
        # A.2.2: s_0 is made of the *backward* state at the first word.
        start_BH = self.start(last_BN if first_BN is None else first_BN).tanh()
        return Memory(annotations_BSC, self.attention.keys(annotations_BSC), mask_BS, start_BH)

    def look(self, s_BKH: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Return contexts c_i (B, K, C) and weights α_ij (B, K, S) for states s_(i−1)."""
        m = memory
        return self.attention(s_BKH, m.annotations, m.mask, m.keys)

    def forward(
        self, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return logits (B, T, V) of each target word, given those before it, and α (B, T, S).

        Args:
            src_BS: ids, padded on the right.
            src_len_B: how many of each row are words; None: all that are not ``pad_id``.
            tgt_BT: ids with the end mark, padded on the right; no start mark.

        Raises:
            ValueError: other batches for source and target, ids outside the vocabulary, lengths
                that do not fit.
        """
        memory = self.encode(src_BS, src_len_B)
        hidden_TBL, weights_TBS = self.hidden(memory, tgt_BT)
        weights_BTS = None if weights_TBS is None else weights_TBS.transpose(0, 1)
        return self.readout.logits(hidden_TBL).transpose(0, 1), weights_BTS

    def hidden(self, memory: Memory, tgt_BT: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return t_i (T, B, l) and α (T, B, S): all but the product with the vocabulary."""
        self._check_target(tgt_BT, memory)
        c = self.config
        words_TBM = self.dropout(self.embedding(tgt_BT.T))
        before_TBM = torch.cat([torch.zeros_like(words_TBM[:1]), words_TBM[:-1]])  # e(y_0) = 0
        seen_TBM = words_TBM if c.update_word == "current" else before_TBM
        states_TBH, contexts_TBC, weights_TBS = self.unroll(memory, self.unit.project(seen_TBM))
        if c.readout_state == "previous":  # A.2.2: s_(i−1)
            states_TBH = torch.cat([memory.start[None], states_TBH[:-1]])
        return self.readout.hidden(states_TBH, before_TBM, contexts_TBC), weights_TBS

    def unroll(self, memory: Memory, x_TBG: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return s_1 … s_T (T, B, H), c_1 … c_T (T, B, C) and α (T, B, S).

        Args:
            memory: of the source.
            x_TBG: what the words give to gates and candidate, of all steps.
        """
        a, u, m = self.attention, self.unit, memory
        usual = a.score == "additive" and u.reset == "before"
        usual = usual and untouched((a, AdditiveAttention), (a.query, nn.Linear), (u, GatedUnit))
        if not usual or not fast(x_TBG, m.annotations, u.weight_gates):
            return self.unroll_reference(memory, x_TBG)
        query_AH = a.query.weight  # type: ignore
        return call(
            SearchScan, x_TBG, m.keys, m.annotations, m.mask, m.start, query_AH, a.energy,
            u.weight_gates, u.weight_state, u.weight_context,
        )  # fmt: skip

    def unroll_reference(
        self, memory: Memory, x_TBG: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return what `unroll` returns, step by step: its specification."""
        s_BH, states, contexts, weights = memory.start, [], [], []
        for x_BG in x_TBG.unbind(0):
            c_B1C, alpha_B1S = self.look(s_BH[:, None], memory)  # α_i and c_i see s_(i−1)
            s_BH = self.unit.step(x_BG, s_BH, c_B1C[:, 0])
            states.append(s_BH)
            contexts.append(c_B1C[:, 0])
            weights.append(None if alpha_B1S is None else alpha_B1S[:, 0])
        none = weights[0] is None
        return torch.stack(states), torch.stack(contexts), None if none else torch.stack(weights)

    def step(
        self, word_BK: Tensor | None, state: State, memory: Memory
    ) -> tuple[Tensor, Tensor | None, State]:
        """Take one step of decoding.

        Args:
            word_BK: y_(i−1), the words just emitted; None at the first step.
            state: from `begin`, or from the step before.
            memory: of the source.

        Returns:
            Logits of y_i (B, K, V), weights (B, K, S), the next state.
        """
        c, s_BKH = self.config, state.s
        word_BKM = self.embedding.weight.new_zeros(*s_BKH.shape[:2], c.embedding_size)
        if word_BK is not None:
            word_BKM = self.embedding(word_BK)
            if c.update_word == "current":  # s_(i−1), now that its word is known
                s_BKH = self.unit.step(self.unit.project(word_BKM), s_BKH, state.context)
        c_BKC, weights_BKS = self.look(s_BKH, memory)
        if c.update_word == "current":
            next_BKH = s_BKH
        else:
            next_BKH = self.unit.step(self.unit.project(word_BKM), s_BKH, c_BKC)
        read_BKH = s_BKH if c.readout_state == "previous" else next_BKH
        logits_BKV = self.readout(read_BKH, word_BKM, c_BKC)
        return logits_BKV, weights_BKS, State(next_BKH, c_BKC)

    def begin(self, memory: Memory, beams: int = 1) -> State:
        """Return s_0 for so many beams."""
        return State(memory.start[:, None].expand(-1, beams, -1))

    def loss(
        self, src_BS: Tensor, src_len_B: Tensor | None, tgt_BT: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        """Return the mean negative log-probability of a target word, in nats.

        Padding of the target counts nothing. The paper minimises the sum over a sentence instead.

        Raises:
            ValueError: as `forward`, or a target of padding alone.
        """
        hidden_TBL, _ = self.hidden(self.encode(src_BS, src_len_B), tgt_BT)
        real_TB = tgt_BT.T.ne(self.config.pad_id)
        if can_be_read(tgt_BT) and len(tgt_BT) and not real_TB.any():
            raise ValueError(f"tgt must have words, got padding (pad_id {self.config.pad_id}) only")
        logits = self.readout.logits(hidden_TBL[real_TB])
        return F.cross_entropy(logits, tgt_BT.T[real_TB].long(), label_smoothing=smoothing)

    def _checked(self, src_BS: Tensor, src_len_B: Tensor | None) -> Tensor:
        """Return the lengths, after a look at all that could be wrong."""
        given = src_len_B is not None
        if src_len_B is None:
            src_len_B = (src_BS != self.config.pad_id).sum(-1)
        if not can_be_read(src_BS):
            return src_len_B
        if src_BS.dim() != 2 or not src_BS.shape[1]:
            raise ValueError(f"src must have shape (batch, length ≥ 1), got {tuple(src_BS.shape)}")
        if not isinstance(src_len_B, Tensor) or src_len_B.dtype not in (torch.int64, torch.int32):
            got = getattr(src_len_B, "dtype", type(src_len_B).__name__)
            raise ValueError(f"src_len must be a tensor of integers, got {got}")
        if src_len_B.shape != src_BS.shape[:1]:
            raise ValueError(
                f"src_len must have one length for each of {len(src_BS)} sentences, "
                f"got shape {tuple(src_len_B.shape)}"
            )
        check_ids("src", src_BS, self.config.source_vocab_size)
        wrong = (src_len_B < 1) | (src_len_B > src_BS.shape[1])
        if wrong.any():
            i = int(wrong.nonzero()[0])
            raise ValueError(
                f"src_len must lie in 1 … {src_BS.shape[1]}, got {int(src_len_B[i])} at index {i}"
            )
        if not given:
            words_BS = lengths_to_mask(src_len_B, src_BS.shape[1])
            wrong = (words_BS & (src_BS == self.config.pad_id)).any(-1)
            if wrong.any():
                raise ValueError(
                    f"src must have its padding (pad_id {self.config.pad_id}) behind the words, "
                    f"and has it before one in row {int(wrong.nonzero()[0])}: pad on the right, "
                    "or give src_len"
                )
        return src_len_B.long()

    def _check_target(self, tgt_BT: Tensor, memory: Memory) -> None:
        if not can_be_read(tgt_BT):
            return
        if tgt_BT.dim() != 2 or not tgt_BT.shape[1]:
            raise ValueError(f"tgt must have shape (batch, length ≥ 1), got {tuple(tgt_BT.shape)}")
        if len(tgt_BT) != len(memory.start):
            raise ValueError(
                f"src has {len(memory.start)} sentences and tgt {len(tgt_BT)}: one for one"
            )
        check_ids("tgt", tgt_BT, self.config.target_vocab_size)


class RNNencdec(RNNsearch):
    """What RNNsearch is measured against: c_i is one vector, the same at each step.

    "Note that the model becomes RNN Encoder–Decoder, if we fix c_i to →h_Tx" (A.2.2). With
    ``bidirectional`` the vector is [→h_T; ←h_1], with ``code="mean"`` the annotations' mean, as
    with equal weights; ``code_size`` makes it longer or shorter. s_0 is made of →h_T, as in the
    released code, or of ←h_1, if there is one, or of the vector of ``code_size``.
    """

    kind = "rnnencdec"

    def _make_context(self, generator: torch.Generator | None) -> int:
        c = self.config
        if c.score != "additive":
            raise ValueError(f"score {c.score!r} is RNNsearch's: RNNencdec looks nowhere")
        width = c.code_size or c.annotation_size
        self.code = None
        if c.code_size is not None:
            self.code = nn.Linear(c.annotation_size, width, bias=False)
            start_small(self.code, generator)
        self.start = nn.Linear(
            c.encoder_size if c.code_size is None else width, c.decoder_size, bias=c.bias
        )
        start_small(self.start, generator)
        return width

    def _remember(self, annotations_BSC, last_BN, first_BN, mask_BS) -> Memory:
        if self.config.code == "mean":  # annotations are zero behind the end
            vector_BC = annotations_BSC.sum(1) / mask_BS.sum(1, keepdim=True)
        else:
            vector_BC = last_BN if first_BN is None else torch.cat([last_BN, first_BN], -1)
        begin = last_BN if first_BN is None else first_BN
        if self.code is not None:
            vector_BC = begin = self.code(vector_BC)
        return Memory(annotations_BSC, vector_BC[:, None], mask_BS, self.start(begin).tanh())

    def look(self, s_BKH: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """Return the one vector, (B, K, C), and no weights."""
        return memory.keys.expand(-1, s_BKH.shape[1], -1), None

    def unroll(self, memory: Memory, x_TBG: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return s_1 … s_T and c_1 … c_T: what the vector gives is added to all steps at once."""
        u, vector_BC = self.unit, memory.keys[:, 0]
        x_TBG = x_TBG + F.linear(vector_BC, u.weight_context)  # type: ignore
        plain = u.reset == "before" and untouched((u, GatedUnit))
        if plain and fast(x_TBG, u.weight_gates):
            states_TBH = call(
                GatedScan, x_TBG[None], memory.start[None], u.weight_gates[None],
                u.weight_state[None],
            )[0]  # fmt: skip
        else:
            s_BH, states = memory.start, []
            for x_BG in x_TBG.unbind(0):
                s_BH = u.step(x_BG, s_BH)
                states.append(s_BH)
            states_TBH = torch.stack(states)
        return states_TBH, vector_BC.expand(len(x_TBG), -1, -1), None


def check_ids(side: str, ids: Tensor, size: int) -> None:
    """Raise a ValueError that names side, place and id unless all lie in the vocabulary."""
    if ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"{side} must hold integer ids, got {ids.dtype}")
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= size):
        wrong = ((ids < 0) | (ids >= size)).nonzero()[0].tolist()
        raise ValueError(
            f"{side} must hold ids in 0 … {size - 1}, got {int(ids[tuple(wrong)])} "
            f"at row {wrong[0]}, place {wrong[1]}"
        )
