"""Each expert computed once, on the tokens that were sent to it, and the weighted sum (eq. 1).

`loop` is the specification. `grouped` sorts tokens by expert, so that each expert reads one slice;
`padded` gives all experts equally many slots and multiplies them in one batch, which is faster
where experts are many and small. Its shapes do not depend on the data if the number of slots does
not.

Shapes: T tokens, D width, A entries (token, expert, weight), N experts, C slots each, O output.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .experts import Experts

SMALL = 2**20  # multiply-adds of an expert's mean batch below which one batched product is faster
ROOM = 4  # slots for each entry, at most, where one expert is much busier than others


def loop(x_TD: Tensor, experts: Any, token_A: Tensor, expert_A: Tensor, weight_A: Tensor) -> Tensor:
    """Return y (T, O): expert by expert, those tokens that it was chosen for."""
    sent = [(expert_A == i).nonzero()[:, 0] for i in range(len(experts))]
    outputs = [network(x_TD[token_A[own]]) for network, own in zip(networks(experts), sent)]
    y_TO = outputs[0].new_zeros(len(x_TD), outputs[0].shape[-1])
    for own, out_RO in zip(sent, outputs):
        weighted_RO = weight_A[own, None] * out_RO
        y_TO = y_TO.index_add(0, token_A[own], weighted_RO.to(y_TO.dtype))
    return y_TO


def grouped(
    x_TD: Tensor, experts: Any, token_A: Tensor, expert_A: Tensor, weight_A: Tensor
) -> Tensor:
    """Return the same: tokens sorted by expert, a slice each."""
    order_A = expert_A.argsort(stable=True)
    token_A = token_A[order_A]
    counts = torch.bincount(expert_A, minlength=len(experts)).tolist()
    slices = x_TD[token_A].split(counts)
    outputs = [network(rows) for network, rows in zip(networks(experts), slices) if len(rows)]
    if not outputs:
        outputs = [networks(experts)[0](slices[0])]  # no rows, of the right width
    return combine(torch.cat(outputs), token_A, weight_A[order_A], len(x_TD))


def padded(
    x_TD: Tensor, experts: Experts, token_A: Tensor, expert_A: Tensor, weight_A: Tensor,
    slots: int | None = None,
) -> Tensor:  # fmt: skip
    """Return the same: equally many slots for each expert, one batched product.

    Args:
        x_TD: tokens.
        experts: stacked.
        token_A: which token an entry sends.
        expert_A: to which expert.
        weight_A: with which weight.
        slots: C; None: as many as the busiest expert needs. What finds no slot is left out.
    """
    place_A = position(expert_A, len(experts))
    if slots is None:
        slots = int(place_A.max()) + 1 if len(place_A) else 1
    full = len(experts) * slots
    slot_A = torch.where(place_A < slots, expert_A * slots + place_A, full)  # the last is a bin
    x_SD = x_TD.new_zeros(full + 1, x_TD.shape[-1]).index_copy(0, slot_A, x_TD[token_A])
    out_NCO = experts(x_SD[:-1].reshape(len(experts), slots, experts.width))
    out_SO = torch.cat([out_NCO.flatten(0, 1), out_NCO.new_zeros(1, out_NCO.shape[-1])])
    return combine(out_SO[slot_A], token_A, weight_A, x_TD.shape[0])


def combine(out_AO: Tensor, token_A: Tensor, weight_A: Tensor, tokens: int) -> Tensor:
    """Return each token's weighted sum of its experts' outputs, added in the gate's precision."""
    weighted_AO = weight_A[:, None] * out_AO
    y_TO = weighted_AO.new_zeros(tokens, out_AO.shape[-1]).index_add(0, token_A, weighted_AO)
    return y_TO.to(out_AO.dtype)


def position(expert_A: Tensor, num_experts: int) -> Tensor:
    """Return which of its expert's tokens each entry is, from 0 on, in the batch's order."""
    order_A = expert_A.argsort(stable=True)
    counts_N = torch.zeros(num_experts, dtype=torch.long, device=expert_A.device)
    counts_N = counts_N.index_add(0, expert_A, torch.ones_like(expert_A))
    start_N = counts_N.cumsum(0) - counts_N
    rank_A = torch.arange(expert_A.shape[0], device=expert_A.device)
    return torch.empty_like(expert_A).scatter(0, order_A, rank_A - start_N[expert_A[order_A]])


def networks(experts: Any) -> Sequence[Any]:
    """Return each expert as a function of its rows."""
    if isinstance(experts, Experts):
        return [
            lambda rows, weights=weights: experts.run(rows, weights) for weights in experts.of()
        ]
    return list(experts)


def hidden_values(x: Tensor) -> bool:
    """Return whether values cannot be looked at: under vmap, on meta, in torch.export."""
    if x.is_meta or getattr(torch.compiler, "is_exporting", lambda: False)():
        return True
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        if torch._C._functorch.is_batchedtensor(x):
            return True
        x = torch._C._functorch.get_unwrapped(x)
    return False


def best_way(experts: Any, entries: int, counts_N: Tensor | None = None) -> str:
    """Return "padded" where experts' batches are small and about equally large, else "grouped".

    Args:
        experts: of the layer.
        entries: how many tokens are sent, in all.
        counts_N: to each expert; None: no more than there are slots.
    """
    if not isinstance(experts, Experts):
        return "grouped"
    n = len(experts)
    if entries / n * experts.width * experts.hidden >= SMALL:
        return "grouped"
    # Each gets as many slots as the busiest needs; where few get all, that is mostly air.
    if counts_N is not None and int(counts_N.max()) * n > ROOM * max(entries, n):
        return "grouped"
    return "padded"
