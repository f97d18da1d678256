r"""A single stack in the encoder-decoder's place: language model, prefix LM (§3.2.1, Figure 4).

Shapes: B batch, S input length, T target length, N = S + T, M d_model, V vocabulary, R rows.
"""

import dataclasses
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import PRESETS, T5Config
from .masks import causal_mask
from .model import (
    IGNORED,
    Started,
    check_ids,
    check_single,
    cross_entropy,
    reset_parameters,
    segments,
    targets_of,
)
from .stack import Cache, Stack


class LanguageModel(nn.Module):
    """One stack that reads inputs and targets as one text, and predicts the next token.

    It is called as `T5ForConditionalGeneration` is. The start mark, which a decoder begins with,
    stands between inputs and targets, where the paper's example has the words "target:".

    Args:
        config: sizes; ``num_layers`` blocks, without attention to an encoder.
        prefix: all places look at all of the inputs (prefix LM). Without, none looks ahead.
        generator: randomness of the initial weights; default: torch's global one.

    Raises:
        ValueError: a config whose stacks are to be shared.

    Source: §3.2.1.
    """

    def __init__(
        self, config: T5Config, prefix: bool = False, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if config.share_stacks:
            raise ValueError("share_stacks needs two stacks; a language model has one")
        self.config, self.prefix = config, prefix
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        # As the released code: only a stack that never looks ahead has all buckets behind it.
        self.decoder = Stack(config, config.num_layers, bidirectional=prefix)
        self.lm_head = None
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        reset_parameters(self, generator)
        if self.lm_head is not None:
            with torch.no_grad():
                self.lm_head.weight.normal_(std=config.d_model**-0.5, generator=generator)

    @classmethod
    def from_preset(
        cls,
        name: str,
        prefix: bool = False,
        generator: torch.Generator | None = None,
        **changes: Any,
    ) -> Self:
        """Return a new model whose one stack has a published size; see `T5EncoderModel`."""
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}; got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), prefix, generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Return the logits (B, T, V) of each target.

        Args:
            input_ids: ids; S may be 0.
            attention_mask: 1 at tokens, 0 at padding. Default: 1 where the id is not ``pad_id``.
            decoder_input_ids: the targets, shifted right. Default: made of the labels.
            labels: the targets; -100 does not count. Padding of 0 would: it is an id like others.

        Raises:
            TypeError: ids that are no tensor of integers.
            ValueError: neither targets nor labels, ids outside the vocabulary, a wrong shape, or
                another number of targets than of inputs; labels of another shape than
                decoder_input_ids; a mask that packs several examples into a row.
        """
        states_BNM, _ = self._states(input_ids, attention_mask, decoder_input_ids, labels)
        return self.project(states_BNM[:, input_ids.shape[1] :])

    def loss(
        self,
        input_ids: Tensor,
        labels: Tensor,
        attention_mask: Tensor | None = None,
        on_inputs: bool | None = None,
    ) -> Tensor:
        """Return the mean cross-entropy of the next token, in nats, -100 left out.

        Args:
            input_ids: ids.
            labels: the targets.
            attention_mask: see `forward`.
            on_inputs: whether the inputs' tokens are predicted as well. Default: in a language
                model, which is trained on "the concatenated input sequence" (§3.2.1), and not in a
                prefix LM, which sees them.

        Raises:
            ValueError: ``on_inputs`` for a prefix LM, which would copy what it sees.
        """
        on_inputs = not self.prefix if on_inputs is None else on_inputs
        if on_inputs and self.prefix:
            raise ValueError("on_inputs must be False for a prefix LM, which sees its inputs")
        states_BNM, ids_BN = self._states(input_ids, attention_mask, None, labels)
        s = input_ids.shape[1]
        if not on_inputs:
            return cross_entropy(self.project(states_BNM[:, s:]), labels)
        # Each token of the input from those before it, but for the first, which has none; the
        # start mark behind them is given, and not predicted.
        next_BS = torch.full_like(ids_BN[:, :s], IGNORED)
        next_BS[:, :-1] = ids_BN[:, 1:s]
        real_BS = ids_BN[:, :s] != self.config.pad_id
        next_BS = next_BS.masked_fill(~real_BS, IGNORED)
        labels_BN = torch.cat([next_BS, labels], 1)
        return cross_entropy(self.project(states_BNM), labels_BN)

    def project(self, states: Tensor) -> Tensor:
        """Return the logits (…, V) of states (…, M); see `T5ForConditionalGeneration.project`."""
        if self.lm_head is not None:
            return self.lm_head(states)
        return F.linear(states * self.config.d_model**-0.5, self.shared.weight)

    def start(
        self,
        input_ids: Tensor,
        max_len: int,
        copies: int = 1,
        attention_mask: Tensor | None = None,
    ) -> Started:
        """Read the inputs into a cache; see `T5ForConditionalGeneration.start`."""
        ids_BS, real_BS = self._aligned(input_ids, attention_mask)
        ids_RS = ids_BS.repeat_interleave(copies, 0)
        real_RS = real_BS.repeat_interleave(copies, 0)
        s = ids_RS.shape[1]
        cache = Cache(self.decoder, len(ids_RS), s + max_len)
        if s:
            self.decoder(self.shared(ids_RS), self._mask(real_RS, s), cache=cache)
        return Started(cache, real_RS)

    def step(self, ids_RT: Tensor, started: Started) -> Tensor:
        """Return the logits (R, V) of the token after these, which are not yet in the cache."""
        check_ids("ids", ids_RT, self.config.vocab_size)
        past, t = started.cache.length, ids_RT.shape[1]
        assert started.mask is not None
        mask = self._mask(started.mask, past + t)[..., past:, :]
        states_RTM = self.decoder(self.shared(ids_RT), mask, cache=started.cache)
        return self.project(states_RTM[:, -1])

    def _states(self, input_ids, attention_mask, decoder_input_ids, labels):
        """Return states (B, N, M) and the ids (B, N) that were read."""
        read_BT = targets_of(self.config, decoder_input_ids, labels, None)
        check_ids("decoder_input_ids", read_BT, self.config.vocab_size)
        ids_BS, real_BS = self._aligned(input_ids, attention_mask)
        if read_BT.shape[0] != ids_BS.shape[0]:
            raise ValueError(
                f"decoder_input_ids must have a row for each of the {ids_BS.shape[0]} of "
                f"input_ids, got {read_BT.shape[0]}"
            )
        ids_BN = torch.cat([ids_BS, read_BT], 1)
        mask = self._mask(real_BS, ids_BN.shape[1])
        return self.decoder(self.shared(ids_BN), mask), ids_BN

    def _aligned(self, input_ids, attention_mask) -> tuple[Tensor, Tensor]:
        """Return inputs with their padding on the left, and where they have tokens.

        No gap is then left between inputs and targets, as offsets are all that tells places.
        """
        c = self.config
        check_ids("input_ids", input_ids, c.vocab_size)
        segment_BS = segments("attention_mask", attention_mask, input_ids, c.pad_id)
        check_single("attention_mask", segment_BS)
        real_BS = segment_BS.bool()
        order_BS = real_BS.long().argsort(dim=1, stable=True)
        real_BS = real_BS.gather(1, order_BS)
        return input_ids.gather(1, order_BS).masked_fill(~real_BS, c.pad_id), real_BS

    def _mask(self, real_BS: Tensor, length: int) -> Tensor:
        """Return what may be looked at, (B, 1, length, length)."""
        s = real_BS.shape[1]
        seen_NN = causal_mask(length, real_BS.device)
        if self.prefix:
            seen_NN = seen_NN | (torch.arange(length, device=real_BS.device) < s)
        real_BN = F.pad(real_BS, (0, length - s), value=True)
        return seen_NN & real_BN[:, None, None, :]
