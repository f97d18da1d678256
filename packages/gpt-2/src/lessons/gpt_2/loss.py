"""The loss over 50,257 tokens: written out, and without holding all its logits at once.

Shapes: N tokens to predict, M n_embd, V vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -100  # a label that is not to be predicted


def next_token_loss(
    states: Tensor, weight_VM: Tensor, labels: Tensor, chunk: int | None = None
) -> Tensor:
    """Return the mean of -log p of the labels, in nats; 0 where there is none.

    Args:
        states: (…, M), each from the tokens before its label.
        weight_VM: the output matrix.
        labels: (…) ids, or `IGNORED`.
        chunk: logits held at a time, at least V of them; None: all N * V.

    Raises:
        TypeError: labels that are no integers.
        ValueError: chunk below 1.
    """
    if labels.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"labels must hold int64 or int32, got {labels.dtype}")
    states_NM, labels_N = states.flatten(0, -2), labels.flatten().long()
    count = (labels_N != IGNORED).sum().clamp(min=1)
    if chunk is None:
        logits_NV = F.linear(states_NM, weight_VM)
        logits_NV = logits_NV.to(torch.promote_types(logits_NV.dtype, torch.float32))
        return F.cross_entropy(logits_NV, labels_N, ignore_index=IGNORED, reduction="sum") / count
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    rows = max(chunk // len(weight_VM), 1)
    return ChunkedCrossEntropy.apply(states_NM, weight_VM, labels_N, rows) / count


class ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of -log p of the labels; logits exist for one chunk of tokens at a time.

    GPT-2's 512 sequences of 1,024 tokens have 26 billion logits. The gradients are made on the way,
    as they need the same logits. What is summed over chunks is summed in single precision at least:
    in bfloat16, which has eight bits, a sum soon stops growing.
    """

    @staticmethod
    def forward(ctx, states_NM, weight_VM, labels_N, rows: int):
        """Return the sum."""
        wants = any(ctx.needs_input_grad)
        kind = torch.promote_types(states_NM.dtype, torch.float32)
        dstates_NM = torch.zeros_like(states_NM) if wants else None
        dweight_VM = torch.zeros_like(weight_VM, dtype=kind) if wants else None
        total = states_NM.new_zeros((), dtype=kind)
        for at in range(0, len(labels_N), rows):
            part_CM, labels_C = states_NM[at : at + rows], labels_N[at : at + rows]
            product_CV = F.linear(part_CM, weight_VM)
            logits_CV = product_CV.to(kind)
            known_C1 = (labels_C != IGNORED)[:, None]
            right_C1 = labels_C[:, None].where(known_C1, 0)
            log_CV = logits_CV.log_softmax(-1)
            total = total - log_CV.gather(1, right_C1).where(known_C1, 0).sum()
            if dstates_NM is None or dweight_VM is None:
                continue
            # The gradient of a logit is its probability, less 1 at the right token.
            minus_C1 = torch.full_like(right_C1, -1, dtype=kind)
            slope_CV = log_CV.exp().scatter_add(1, right_C1, minus_C1).where(known_C1, 0)
            slope_CV = slope_CV.to(product_CV.dtype)
            dstates_NM[at : at + rows] = slope_CV @ weight_VM.to(slope_CV.dtype)
            dweight_VM += slope_CV.T @ part_CM.to(slope_CV.dtype)
        ctx.save_for_backward(states_NM, weight_VM, labels_N, dstates_NM, dweight_VM)
        return total

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients made by `forward`, scaled."""
        states_NM, weight_VM, labels_N, dstates_NM, dweight_VM = ctx.saved_tensors
        (scale,) = gradients
        if torch.is_grad_enabled():  # for a second derivative: once more, whole
            logits_NV = F.linear(states_NM, weight_VM)
            total = F.cross_entropy(logits_NV, labels_N, ignore_index=IGNORED, reduction="sum")
            wanted = [t for t, w in zip((states_NM, weight_VM), ctx.needs_input_grad) if w]
            made = iter(torch.autograd.grad(total, wanted, scale, create_graph=True))
            return *(next(made) if w else None for w in ctx.needs_input_grad[:2]), None, None
        return (
            (dstates_NM * scale).to(states_NM.dtype),
            (dweight_VM * scale).to(weight_VM.dtype),
            None,
            None,
        )
