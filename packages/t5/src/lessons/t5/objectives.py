r"""What text without labels is made into: inputs and targets (Raffel et al. 2020, §3.3, Table 3).

An objective is a noise, which says which tokens are corrupted, and a form, which says how they are
written: `replace_spans(ids, span_noise(len(ids)), sentinels)`. `span_corruption` is that, and what
T5 was released with.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Example:
    """Ids that are read, and ids that are to be written, both with their end mark."""

    inputs: list[int]
    targets: list[int]


@dataclasses.dataclass(frozen=True)
class Lengths:
    """How long all parts of a corrupted text are, which is the same for every draw."""

    raw: int  # tokens of the text
    noise: int  # of them corrupted
    spans: int
    inputs: int  # with their end mark
    targets: int  # with their end mark


def sentinel_ids(vocab_size: int = 32100, count: int = 100) -> range:
    """Return the sentinels' ids in the order of their use: from the last id of the vocabulary down.

    The rows that pad T5's matrices to 32,128 are no ids of its vocabulary of 32,100.
    """
    if not 0 < count <= vocab_size:
        raise ValueError(f"count must be in 1 … vocab_size ({vocab_size}), got {count}")
    return range(vocab_size - 1, vocab_size - 1 - count, -1)


def iid_noise(
    length: int, rate: float = 0.15, generator: torch.Generator | None = None
) -> list[bool]:
    """Decide for each token by itself whether it is corrupted; one at least is, and one is not.

    Args:
        length: tokens of the text.
        rate: probability that a token is corrupted.
        generator: randomness.

    Raises:
        ValueError: fewer than two tokens, or a rate outside (0, 1).

    Source: §3.1.4, §3.3.4.
    """
    _check(length, rate)
    noise_T = torch.rand(length, generator=generator) < rate
    if noise_T.all() or not noise_T.any():
        noise_T[int(torch.randint(length, (), generator=generator))] ^= True
    return noise_T.tolist()


def span_noise(
    length: int, rate: float = 0.15, mean_span: float = 3.0,
    generator: torch.Generator | None = None,
) -> list[bool]:  # fmt: skip
    """Corrupt so many tokens, in so many spans; the lengths are drawn.

    Noise and the rest are each cut into as many parts, every way of cutting being as likely, and
    laid out in turn. The text begins with what is kept and ends with noise, as in the released
    code.

    Args:
        length: tokens of the text.
        rate: share of them that is corrupted.
        mean_span: mean length of a span.
        generator: randomness.

    Raises:
        ValueError: fewer than two tokens, a rate outside (0, 1), or a mean below 1.

    Source: §3.3.4.
    """
    noise, spans = _counts(length, rate, mean_span)
    parts = zip(_cut(length - noise, spans, generator), _cut(noise, spans, generator))
    return [bit for kept, lost in parts for bit in [False] * kept + [True] * lost]


def replace_spans(
    ids: Sequence[int],
    noise: Sequence[bool],
    sentinels: Sequence[int],
    eos_id: int | None = 1,
    final_sentinel: bool = True,
) -> Example:
    """Put a sentinel in each span's place; write the spans, each behind its sentinel.

    Args:
        ids: the text.
        noise: which tokens are corrupted.
        sentinels: ids in the order of their use.
        eos_id: end mark of inputs and targets; None: none.
        final_sentinel: close the targets with one more sentinel (§3.1.4); the released code has
            none where the text ends with noise.

    Raises:
        ValueError: noise of another length, or more spans than sentinels.

    Source: §3.1.4, Figure 2.
    """
    _check_noise(ids, noise)
    inputs, targets, spans = [], [], 0
    before = False
    needed = sum(b and not a for a, b in zip([False, *noise], noise)) + final_sentinel
    if needed > len(sentinels):
        raise ValueError(
            f"{len(ids)} tokens were cut into {needed - final_sentinel} spans, which need {needed} "
            f"sentinels; there are {len(sentinels)}"
        )
    for token, lost in zip(ids, noise):
        if lost and not before:
            inputs.append(sentinels[spans])
            targets.append(sentinels[spans])
            spans += 1
        (targets if lost else inputs).append(token)
        before = lost
    if final_sentinel:
        targets.append(sentinels[spans])
    return _ended(inputs, targets, eos_id)


def drop_tokens(ids: Sequence[int], noise: Sequence[bool], eos_id: int | None = 1) -> Example:
    """Leave corrupted tokens out; write them in order (Table 3, "drop tokens")."""
    _check_noise(ids, noise)
    kept = [token for token, lost in zip(ids, noise) if not lost]
    return _ended(kept, [token for token, lost in zip(ids, noise) if lost], eos_id)


def mass_style(
    ids: Sequence[int], noise: Sequence[bool], mask_id: int, eos_id: int | None = 1
) -> Example:
    """Put one shared mask in each corrupted token's place; write the whole text (§3.3.2)."""
    _check_noise(ids, noise)
    return _ended(
        [mask_id if lost else token for token, lost in zip(ids, noise)], list(ids), eos_id
    )


def bert_style(
    ids: Sequence[int],
    noise: Sequence[bool],
    mask_id: int,
    random_ids: range,
    generator: torch.Generator | None = None,
    eos_id: int | None = 1,
) -> Example:
    """Corrupt as BERT does, 90% masked and 10% replaced at random; write the whole text.

    Args:
        ids: the text.
        noise: which tokens are corrupted.
        mask_id: the mask, <M>.
        random_ids: what a token may be replaced by.
        generator: randomness.
        eos_id: end mark; None: none.

    Source: §3.3.1.
    """
    _check_noise(ids, noise)
    if not len(random_ids):
        raise ValueError(f"random_ids must not be empty, got {random_ids}")
    swapped = (torch.rand(len(ids), generator=generator) < 0.1).tolist()
    drawn = torch.randint(len(random_ids), (len(ids),), generator=generator).tolist()
    inputs = [
        token if not lost else random_ids[i] if swap else mask_id
        for token, lost, swap, i in zip(ids, noise, swapped, drawn)
    ]
    return _ended(inputs, list(ids), eos_id)


def deshuffle(
    ids: Sequence[int], generator: torch.Generator | None = None, eos_id: int | None = 1
) -> Example:
    """Shuffle the tokens; write them in order (§3.3.1)."""
    order = torch.randperm(len(ids), generator=generator).tolist()
    return _ended([ids[i] for i in order], list(ids), eos_id)


def prefix_lm_split(
    ids: Sequence[int],
    at: int | None = None,
    generator: torch.Generator | None = None,
    eos_id: int | None = 1,
) -> Example:
    """Cut the text in two; write the second part after the first (§3.2.3, §3.3.1).

    Args:
        ids: the text.
        at: where to cut; None: drawn so that neither part is empty.
        generator: randomness.
        eos_id: end mark; None: none.

    Raises:
        ValueError: fewer than two tokens, or a cut outside the text.
    """
    if len(ids) < 2:
        raise ValueError(f"a text to cut needs at least 2 tokens, got {len(ids)}")
    if at is None:
        at = int(torch.randint(1, len(ids), (), generator=generator))
    if not 0 < at < len(ids):
        raise ValueError(f"at must be in 1 … {len(ids) - 1}, got {at}")
    return _ended(list(ids[:at]), list(ids[at:]), eos_id)


def span_corruption(
    ids: Sequence[int],
    sentinels: Sequence[int],
    rate: float = 0.15,
    mean_span: float = 3.0,
    generator: torch.Generator | None = None,
    eos_id: int | None = 1,
    final_sentinel: bool = True,
) -> Example:
    """Corrupt spans, replace each by a sentinel, write them (§3.3.4, §3.7).

    Raises:
        ValueError: as for `span_noise` and `replace_spans`.
    """
    noise = span_noise(len(ids), rate, mean_span, generator)
    return replace_spans(ids, noise, sentinels, eos_id, final_sentinel)


def lengths_for(
    inputs: int, rate: float = 0.15, mean_span: float = 3.0, final_sentinel: bool = True
) -> Lengths:
    """Return the longest text whose span-corrupted inputs, with their end mark, fit in so many.

    Raises:
        ValueError: a rate outside (0, 1), a mean below 1, or no text that short.

    Source: §3.3.4; the released code, whose targets are one shorter, without a final sentinel.
    """
    found, raw = None, 2
    while True:
        noise, spans = _counts(raw, rate, mean_span)
        if raw - noise + spans + 1 > inputs:
            break
        found = Lengths(
            raw, noise, spans, raw - noise + spans + 1, noise + spans + 1 + final_sentinel
        )
        raw += 1
    if found is None:
        raise ValueError(f"no text of 2 tokens or more fits into {inputs} inputs")
    return found


def _counts(length: int, rate: float, mean_span: float) -> tuple[int, int]:
    """Return how many tokens are corrupted, and in how many spans."""
    _check(length, rate)
    if not mean_span >= 1:
        raise ValueError(f"mean_span must be at least 1, got {mean_span}")
    noise = min(max(round(length * rate), 1), length - 1)
    spans = max(round(noise / mean_span), 1)
    return noise, min(spans, length - noise)  # each has a kept token before it


def _cut(items: int, parts: int, generator: torch.Generator | None) -> list[int]:
    """Return the lengths of so many parts, none empty, every way of cutting as likely."""
    cuts = torch.randperm(items - 1, generator=generator)[: parts - 1].sort().values + 1
    edges = [0, *cuts.tolist(), items]
    return [b - a for a, b in itertools.pairwise(edges)]


def _check(length: int, rate: float) -> None:
    if length < 2:
        raise ValueError(f"a text to corrupt needs at least 2 tokens, got {length}")
    if not 0 < rate < 1:
        raise ValueError(f"rate must be in (0, 1), got {rate}")


def _check_noise(ids: Sequence[int], noise: Sequence[bool]) -> None:
    if len(ids) != len(noise):
        raise ValueError(f"noise must be as long as ids ({len(ids)}), got {len(noise)}")


def _ended(inputs: list[int], targets: list[int], eos_id: int | None) -> Example:
    end = [] if eos_id is None else [eos_id]
    return Example(inputs + end, targets + end)


def pad(sequences: Sequence[Sequence[int]], fill: int = 0) -> Tensor:
    """Return sequences of ids as one tensor (B, longest), filled up: labels with -100."""
    longest = max(map(len, sequences), default=0)
    rows = [[*sequence, *[fill] * (longest - len(sequence))] for sequence in sequences]
    return torch.tensor(rows, dtype=torch.long).reshape(len(rows), longest)
