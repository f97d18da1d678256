"""The naive softmax over 80,000 words (§3.4), without holding all its logits at once.

Shapes: N words to predict, H units, V vocabulary.
"""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from .scan import again

CHUNK = 1 << 22  # logits held at a time


class ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of −log p of the right words; logits exist for one chunk of words at a time.

    What is summed over chunks is summed in single precision at least: in bfloat16, which has eight
    bits, a sum soon stops growing.
    """

    @staticmethod
    def forward(ctx, hidden_NH, weight_VH, bias_V, target_N, rows: int):
        """Return the sum; the gradients are made on the way, as they need the same logits."""
        wants = any(ctx.needs_input_grad)
        dhidden = torch.empty_like(hidden_NH) if wants else None
        kind = torch.promote_types(hidden_NH.dtype, torch.float32)
        dweight = torch.zeros_like(weight_VH, dtype=kind) if wants else None
        dbias = torch.zeros_like(bias_V, dtype=kind) if wants and bias_V is not None else None
        total = hidden_NH.new_zeros((), dtype=kind)
        for at in range(0, len(target_N), rows):
            part, right = hidden_NH[at : at + rows], target_N[at : at + rows, None]
            logits = F.linear(part, weight_VH, bias_V).to(kind)
            top = logits.amax(-1, keepdim=True)
            logits -= top
            chosen = logits.gather(1, right)
            logits.exp_()
            sums = logits.sum(-1, keepdim=True)
            total += (sums.log() - chosen).sum()
            if dhidden is None or dweight is None:
                continue
            logits /= sums  # probabilities: the gradient is them, less 1 at the right word
            logits.scatter_add_(1, right, logits.new_full(right.shape, -1.0))
            if dbias is not None:
                dbias += logits.sum(0)
            logits = logits.to(part.dtype)
            torch.mm(logits, weight_VH.to(part.dtype), out=dhidden[at : at + rows])
            if kind == part.dtype:
                dweight.addmm_(logits.T, part)
            else:
                dweight += logits.T @ part
        ctx.save_for_backward(hidden_NH, weight_VH, bias_V, target_N, dhidden, dweight, dbias)
        return total.to(hidden_NH.dtype)

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients made by `forward`, scaled."""
        *inputs, target_N = ctx.saved_tensors[:4]

        def whole(*inputs: Tensor) -> Tensor:
            return F.cross_entropy(F.linear(*inputs), target_N, reduction="sum")

        if torch.is_grad_enabled():
            return *again(whole, tuple(inputs), ctx.needs_input_grad[:3], gradients), None, None
        scaled = [
            None if part is None else (part * gradients[0]).to(like.dtype)
            for part, like in zip(ctx.saved_tensors[4:], inputs)
        ]
        return *scaled, None, None


def chunked_cross_entropy(
    hidden_NH: Tensor,
    weight_VH: Tensor,
    bias_V: Tensor | None,
    target_N: Tensor,
    chunk: int = CHUNK,
) -> Tensor:
    """Return Σ −log softmax(W h + b) at the right words, in nats.

    Args:
        hidden_NH: the decoder's states.
        weight_VH: of the softmax.
        bias_V: of the softmax, or None.
        target_N: the right words.
        chunk: logits held at a time, at least V of them.
    """
    rows = max(chunk // len(weight_VH), 1)
    return ChunkedCrossEntropy.apply(hidden_NH, weight_VH, bias_V, target_N, rows)


class _Sum(torch.autograd.Function):
    """A sum over processes; its gradient goes to each of them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        x = x.clone()
        dist.all_reduce(x, group=group)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Any):
        return gradients[0], None


class _Copy(torch.autograd.Function):
    """The same on all processes; gradients add up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        ctx.group = group
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any):
        total = gradients[0].clone()
        dist.all_reduce(total, group=ctx.group)
        return total, None


def sharded_cross_entropy(
    hidden_NH: Tensor,
    weight_VH: Tensor,
    bias_V: Tensor | None,
    target_N: Tensor,
    first: int,
    group: Any = None,
) -> Tensor:
    """Return the same sum where each process holds a part of the vocabulary (§3.5).

    The paper gave each of four GPUs a matrix of 1000 × 20,000. Two numbers a word cross between
    them: the largest logit, and the sum of the exponentials.

    Args:
        hidden_NH: the same on all processes.
        weight_VH: this process's rows of the softmax's matrix.
        bias_V: and of its bias, or None.
        target_N: the right words, by their numbers in the whole vocabulary.
        first: number of this process's first word.
        group: of processes; None: all.
    """
    logits_NV = F.linear(_Copy.apply(hidden_NH, group), weight_VH, bias_V)
    top_N = logits_NV.detach().amax(-1)
    dist.all_reduce(top_N, dist.ReduceOp.MAX, group=group)
    sums_N = _Sum.apply((logits_NV - top_N[:, None]).exp().sum(-1), group)
    own_N = target_N - first
    mine_N = (own_N >= 0) & (own_N < len(weight_VH))
    picked_N = logits_NV.gather(1, own_N.clamp(0, len(weight_VH) - 1)[:, None])[:, 0]
    right_N = _Sum.apply(torch.where(mine_N, picked_N, torch.zeros_like(picked_N)), group)
    return (sums_N.log() + top_N - right_N).sum()
