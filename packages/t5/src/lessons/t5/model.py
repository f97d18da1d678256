r"""The encoder-decoder: embeddings, two stacks, logits (Raffel et al. 2020, §2.1).

Shapes: B batch, S input length, T target length, M d_model, V vocabulary, R rows decoded.
"""

import dataclasses
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention
from .config import PRESETS, T5Config
from .masks import causal_mask, segment_mask
from .positions import RelativeBias
from .stack import Cache, FeedForward, Stack, T5LayerNorm

IGNORED = -100  # a label that does not count


@dataclasses.dataclass(frozen=True)
class Started:
    """What has been read of the inputs before the first token of an answer is written."""

    cache: Cache
    mask: Tensor | None  # (R, 1, 1, S): which places of the input may be looked at
    memory: Tensor | None = None  # the encoder's states, (B, S, M)


@dataclasses.dataclass(frozen=True)
class AttentionMaps:
    """All attention weights of a pass; each entry is a layer, (B, H, queries, keys)."""

    encoder: list[Tensor]
    decoder: list[Tensor]
    cross: list[Tensor]


class T5EncoderModel(nn.Module):
    """The encoder alone, with its embeddings: a text in, a vector for each of its tokens out.

    Args:
        config: sizes and choices.
        generator: randomness of the initial weights; default: torch's global one.
    """

    def __init__(self, config: T5Config, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = Stack(config, config.num_layers, bidirectional=True)
        reset_parameters(self, generator)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Return a new model of a published size.

        Args:
            name: one of ``PRESETS``.
            generator: randomness of the initial weights.
            changes: fields of ``T5Config`` that differ, such as ``vocab_size``.

        Raises:
            ValueError: an unknown name.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}; got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the encoder's states (B, S, M).

        Args:
            input_ids: ids.
            attention_mask: 1 at tokens, 0 at padding; or, where several examples are packed
                into a row, the number of each token's example, in the decoder's mask as
                well. Default: 1 where the id is not ``pad_id``.

        Raises:
            TypeError: ids that are no tensor of integers.
            ValueError: ids outside the vocabulary, a wrong shape, or a mask of other numbers.
        """
        return self.encode(input_ids, attention_mask)[0]

    def encode(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        maps: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the states (B, S, M), and the segments (B, S) that were seen; see `forward`."""
        check_ids("input_ids", input_ids, self.config.vocab_size)
        segment_BS = segments("attention_mask", attention_mask, input_ids, self.config.pad_id)
        mask = segment_mask(segment_BS, segment_BS)
        both = (None, None) if maps is None else (maps, [])
        return self.encoder(self.shared(input_ids), mask, maps=both), segment_BS


class T5Model(T5EncoderModel):
    """Encoder and decoder, up to the decoder's states.

    Args:
        config: sizes and choices.
        generator: randomness of the initial weights; default: torch's global one.

    Source: §2.1; sharing the stacks: §3.2.2.
    """

    def __init__(self, config: T5Config, generator: torch.Generator | None = None) -> None:
        super().__init__(config, generator)
        like = self.encoder if config.share_stacks else None
        self.decoder = Stack(config, config.decoder_layers, False, cross=True, like=like)
        reset_parameters(self.decoder, generator, like is not None)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Return the decoder's states (B, T, M).

        Args:
            input_ids: ids.
            attention_mask: see `T5EncoderModel.forward`.
            decoder_input_ids: the targets, shifted right. Default: made of the labels.
            decoder_attention_mask: as attention_mask, for the targets. Default: all 1, as
                padding on the right lies behind every real place.
            labels: the targets; -100 does not count. Padding of 0 would: it is an id like others.

        Raises:
            TypeError: ids that are no tensor of integers.
            ValueError: neither targets nor labels, ids outside the vocabulary, a wrong shape, or
                another number of targets than of inputs; labels of another shape than
                decoder_input_ids; a number above 1 in one mask that the other lacks in that row.
        """
        decoder_input_ids = targets_of(
            self.config, decoder_input_ids, labels, decoder_attention_mask
        )
        memory_BSM, source_BS = self.encode(input_ids, attention_mask)
        return self.decode(decoder_input_ids, memory_BSM, source_BS, decoder_attention_mask)

    def decode(
        self,
        decoder_input_ids: Tensor,
        memory_BSM: Tensor,
        source_BS: Tensor,
        decoder_attention_mask: Tensor | None = None,
        maps: tuple[list, list] | tuple[None, None] = (None, None),
    ) -> Tensor:
        """Return the decoder's states (B, T, M); the encoder's and their segments as of `encode`.

        Source: §2.1.
        """
        ids_BT = decoder_input_ids
        check_ids("decoder_input_ids", ids_BT, self.config.vocab_size)
        if ids_BT.shape[0] != memory_BSM.shape[0]:  # all targets would look at a single source
            raise ValueError(
                f"decoder_input_ids must have a row for each of the {memory_BSM.shape[0]} of "
                f"input_ids, got {ids_BT.shape[0]}"
            )
        mask = causal_mask(ids_BT.shape[1], ids_BT.device)
        if decoder_attention_mask is None:
            segment_BT = torch.ones_like(ids_BT)
        else:
            segment_BT = segments("decoder_attention_mask", decoder_attention_mask, ids_BT, 0)
            mask = mask & segment_mask(segment_BT, segment_BT)
        check_packed(source_BS, segment_BT)
        memory_mask = segment_mask(segment_BT, source_BS)
        x_BTM = self.shared(ids_BT)
        return self.decoder(x_BTM, mask, memory_BSM, memory_mask, maps=maps)

    @torch.no_grad()
    def attention_maps(self, input_ids: Tensor, decoder_input_ids: Tensor) -> AttentionMaps:
        """Return every attention weight of a pass, for pictures."""
        maps = AttentionMaps([], [], [])
        memory_BSM, source_BS = self.encode(input_ids, maps=maps.encoder)
        both = maps.decoder, maps.cross
        self.decode(decoder_input_ids, memory_BSM, source_BS, maps=both)
        return maps


class T5ForConditionalGeneration(T5Model):
    """T5: text to text, by one loss for every task.

    Args:
        config: sizes and choices.
        generator: randomness of the initial weights; default: torch's global one.

    Source: §2.1, §2.4.
    """

    def __init__(self, config: T5Config, generator: torch.Generator | None = None) -> None:
        super().__init__(config, generator)
        self.lm_head = None
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
            with torch.no_grad():  # so that logits have variance 1
                self.lm_head.weight.normal_(std=config.d_model**-0.5, generator=generator)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Return the logits (B, T, V) of each target; arguments are those of `T5Model`."""
        states_BTM = super().forward(
            input_ids, attention_mask, decoder_input_ids, decoder_attention_mask, labels
        )
        return self.project(states_BTM)

    def loss(
        self,
        input_ids: Tensor,
        labels: Tensor,
        attention_mask: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the mean cross-entropy of the targets, in nats, -100 left out.

        Source: §2.4, §3.1.2: maximum likelihood with teacher forcing, whatever the task.
        """
        logits_BTV = self(input_ids, attention_mask, None, decoder_attention_mask, labels)
        return cross_entropy(logits_BTV, labels)

    def project(self, states: Tensor) -> Tensor:
        r"""Return the logits (…, V) of states (…, M).

        The embeddings, whose numbers have variance 1, are the output matrix as well (§2.1); states
        are multiplied by $d^{-1/2}$ before, or logits would have variance $d$. The paper does not
        say so; the released weights need it.
        """
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
        """Read the inputs, before anything is written.

        Args:
            input_ids: ids.
            max_len: most tokens that will be written.
            copies: rows decoded for each input (beam search).
            attention_mask: see `T5EncoderModel.forward`; one example a row.

        Raises:
            ValueError: a row that is all padding, or one of several examples.
        """
        memory_BSM, source_BS = self.encode(input_ids, attention_mask)
        check_single("attention_mask", source_BS)
        if readable(source_BS) and not (source_BS != 0).any(1).all():
            row = int((source_BS == 0).all(1).long().argmax())
            raise ValueError(f"input_ids must have a token in each row, got only padding in {row}")
        rows = memory_BSM.shape[0] * copies
        mask = (source_BS != 0)[:, None, None].repeat_interleave(copies, 0)
        return Started(Cache(self.decoder, rows, max_len, memory_BSM), mask, memory_BSM)

    def step(self, ids_RT: Tensor, started: Started) -> Tensor:
        """Return the logits (R, V) of the token after these, which are not yet in the cache."""
        check_ids("ids", ids_RT, self.config.vocab_size)
        mask = None
        if ids_RT.shape[1] > 1:
            past = started.cache.length
            mask = causal_mask(past + ids_RT.shape[1], ids_RT.device)[past:]
        states_RTM = self.decoder(
            self.shared(ids_RT), mask, started.memory, started.mask, started.cache
        )
        return self.project(states_RTM[:, -1])


@torch.no_grad()
def reset_parameters(
    module: nn.Module, generator: torch.Generator | None = None, cross_only: bool = False
) -> None:
    r"""Draw new weights as the released code does: matrices keep variances, embeddings N(0, 1).

    The paper gives no initial weights. An adapter's last matrix is zero, so that it begins as a
    net that changes nothing.

    Args:
        module: whose.
        generator: randomness.
        cross_only: leave out what a decoder shares with its encoder.
    """
    for name, part in module.named_modules():
        if isinstance(part, nn.Embedding) and name.endswith("shared"):
            part.weight.normal_(generator=generator)
        elif isinstance(part, RelativeBias):
            embedding = part.embedding.weight
            d_model = next(p for p in module.parameters() if p.dim() == 1).shape[0]
            embedding.normal_(std=d_model**-0.5, generator=generator)
        elif isinstance(part, T5LayerNorm):
            part.weight.fill_(1.0)
        elif isinstance(part, Attention | FeedForward):
            if not cross_only or "cross_attention" in name:
                part.reset_parameters(generator)
            if name.endswith("adapter") and isinstance(part, FeedForward):
                part.wo.weight.zero_()


def shift_right(labels: Tensor, start_id: int = 0, segment_BT: Tensor | None = None) -> Tensor:
    """Return what the decoder reads where it is to write the labels: each one place later.

    Args:
        labels: targets; -100 is read as the start.
        start_id: what stands before the first one: the padding's id.
        segment_BT: numbers of the examples packed into a row: each begins with the start.
    """
    read_BT = labels.new_full(labels.shape, start_id)
    read_BT[:, 1:] = labels[:, :-1]
    read_BT = read_BT.masked_fill(read_BT == IGNORED, start_id)
    if segment_BT is None:
        return read_BT
    first_BT = torch.ones_like(segment_BT, dtype=torch.bool)
    first_BT[:, 1:] = segment_BT[:, 1:] != segment_BT[:, :-1]
    return read_BT.masked_fill(first_BT, start_id)


def cross_entropy(logits_BTV: Tensor, labels: Tensor) -> Tensor:
    """Return the mean loss of labels that count, in nats; 0 if none does.

    Raises:
        ValueError: labels of another shape than the logits have before V.
    """
    if labels.shape != logits_BTV.shape[:-1]:
        raise ValueError(
            f"labels must have shape {tuple(logits_BTV.shape[:-1])}, got {tuple(labels.shape)}"
        )
    total = F.cross_entropy(
        logits_BTV.flatten(0, 1).float() if logits_BTV.dtype in (torch.float16, torch.bfloat16)
        else logits_BTV.flatten(0, 1),
        labels.flatten(), ignore_index=IGNORED, reduction="sum",
    )  # fmt: skip
    return total / (labels != IGNORED).sum().clamp(min=1)


def targets_of(
    config: T5Config,
    decoder_input_ids: Tensor | None,
    labels: Tensor | None,
    decoder_attention_mask: Tensor | None,
) -> Tensor:
    """Return what the decoder reads, checked; made of the labels where it is not given."""
    if decoder_input_ids is not None:
        if labels is not None and labels.shape != decoder_input_ids.shape:
            raise ValueError(
                f"labels must have shape {tuple(decoder_input_ids.shape)}, as decoder_input_ids, "
                f"got {tuple(labels.shape)}"
            )
        return decoder_input_ids
    if labels is None:
        raise ValueError("decoder_input_ids or labels must be given, got neither")
    check_ids("labels", labels, config.vocab_size, but=IGNORED)
    return shift_right(labels, config.pad_id, decoder_attention_mask)


def segments(name: str, mask: Tensor | None, ids_BT: Tensor, pad_id: int) -> Tensor:
    """Return the number of each place's segment; from the padding if no mask is given.

    Raises:
        ValueError: a mask of another shape than the ids, with numbers below 0, or with fractions
            or zeros alone where it holds floats, as one has that is added to scores.
    """
    if mask is None:
        return (ids_BT != pad_id).long()
    if mask.shape != ids_BT.shape:
        shape = tuple(ids_BT.shape)
        raise ValueError(f"{name} must have shape {shape}, as the ids, got {tuple(mask.shape)}")
    if readable(mask) and mask.numel():
        known = (mask == 0) | (mask == 1) if mask.is_floating_point() else mask >= 0
        if not known.all():
            raise ValueError(
                f"{name} must be 1 at tokens and 0 at padding, or hold whole numbers of examples; "
                f"got {mask[~known][0].item()}"
            )
        if mask.is_floating_point() and not mask.any():
            raise ValueError(f"{name} must be 1 at tokens, got floats that are all 0")
    return mask.long()


def check_packed(source_BS: Tensor, target_BT: Tensor) -> None:
    """Raise if a packed example, numbered above 1, has inputs without targets, or the reverse."""
    if not readable(source_BS) or not readable(target_BT):
        return
    same_BST = source_BS[:, :, None] == target_BT[:, None]
    for name, number, other, found in (
        ("attention_mask", source_BS, "decoder_attention_mask", same_BST.any(2)),
        ("decoder_attention_mask", target_BT, "attention_mask", same_BST.any(1)),
    ):
        lone = (number > 1) & ~found
        if lone.any():
            raise ValueError(
                f"{name} has example {int(number[lone][0])}, which {other} must have in the same "
                "row and has not"
            )


def check_single(name: str, segment_BS: Tensor) -> None:
    """Raise if several examples are packed into a row where that is not supported."""
    if readable(segment_BS) and (segment_BS > 1).any():
        raise ValueError(
            f"{name} must be 1 at tokens and 0 at padding here, one example a row; "
            f"got {int(segment_BS.max())}"
        )


def readable(values: Tensor) -> bool:
    """Say whether values can be checked: not if compiled or mapped, nor where a GPU would wait."""
    traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    return not traced and values.device.type == "cpu"


def check_ids(name: str, ids: Any, vocab_size: int, but: int | None = None) -> None:
    """Raise unless these are ids of the vocabulary, (batch, length).

    Raises:
        TypeError: no tensor of integers.
        ValueError: a wrong shape, or an id outside the vocabulary.
    """
    if not isinstance(ids, Tensor):
        raise TypeError(f"{name} must be a tensor of token ids, got {type(ids).__name__}")
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise TypeError(f"{name} must hold integer token ids, got {ids.dtype}")
    if ids.dim() != 2:
        raise ValueError(f"{name} must have shape (batch, length), got {tuple(ids.shape)}")
    if not readable(ids) or not ids.numel():
        return
    known = ids if but is None else ids.masked_fill(ids == but, 0)
    low, high = (int(bound) for bound in torch.aminmax(known))
    if low < 0 or high >= vocab_size:
        worst = low if low < 0 else high
        raise ValueError(f"{name} has id {worst}; the vocabulary has V={vocab_size}, from 0")
