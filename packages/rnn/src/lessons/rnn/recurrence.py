"""One layer in one direction, over all steps: readable, and by a backward pass written out.

h(t) = f(W_ih x(t) + b_ih + W_hh h(t − 1) + b_hh). Other than in the paper, the input acts at once.

Shapes: T steps, B sequences, I inputs, H hidden units.
"""

import torch
from torch import Tensor

NONLINEARITIES = ("tanh", "relu", "logistic")
ACTIVATE = {"tanh": torch.tanh, "relu": torch.relu, "logistic": torch.sigmoid}
ACTIVATE_ = {"tanh": torch.tanh_, "relu": torch.relu_, "logistic": torch.sigmoid_}


def recurrence_reference(
    x_TBI: Tensor, h_BH: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih=None, b_hh=None, kind="tanh"
) -> Tensor:
    """Return h(1) … h(T), (T, B, H): the specification of `recurrence`.

    Args:
        x_TBI: the inputs.
        h_BH: h(0).
        w_ih: (H, I).
        w_hh: (H, H).
        b_ih: (H,), or None.
        b_hh: (H,), or None.
        kind: one of `NONLINEARITIES`.

    Raises:
        ValueError: one bias without the other.
    """
    bias, outputs = both(b_ih, b_hh), []
    for x_BI in x_TBI.unbind(0):
        s_BH = x_BI @ w_ih.T + h_BH @ w_hh.T
        h_BH = ACTIVATE[kind](s_BH if bias is None else s_BH + bias)
        outputs.append(h_BH)
    return torch.stack(outputs)


def both(b_ih: Tensor | None, b_hh: Tensor | None) -> Tensor | None:
    """Return the sum of the two biases, None if there are none."""
    if b_ih is None and b_hh is None:
        return None
    if b_ih is None or b_hh is None:
        raise ValueError("b_ih and b_hh go together: give both, one of them zeros, or neither")
    return b_ih + b_hh


def unroll(x_TBI: Tensor, h_BH: Tensor, w_ih: Tensor, w_hh: Tensor, bias, kind: str) -> Tensor:
    """Return h(1) … h(T): one product for all inputs, then one for each step, in place."""
    flat = x_TBI.reshape(-1, x_TBI.shape[2])
    steps = flat @ w_ih.T if bias is None else torch.addmm(bias, flat, w_ih.T)
    steps = steps.view(*x_TBI.shape[:2], len(w_ih))
    activate_, back = ACTIVATE_[kind], w_hh.T
    for step_BH in steps.unbind(0):
        h_BH = activate_(step_BH.addmm_(h_BH, back))
    return steps


def times_slope_(gradient: Tensor, h: Tensor, kind: str) -> None:
    """Multiply by f′, which for all three can be told from f: 1 − h², 1 or 0, h(1 − h)."""
    aten = torch.ops.aten
    if kind == "tanh":
        aten.tanh_backward.grad_input(gradient, h, grad_input=gradient)
    elif kind == "relu":
        aten.threshold_backward.grad_input(gradient, h, 0, grad_input=gradient)
    else:
        aten.sigmoid_backward.grad_input(gradient, h, grad_input=gradient)


class Recurrence(torch.autograd.Function):
    """`recurrence_reference` with its gradient written out; only the outputs are kept, or fewer.

    With ``every`` = k the state is kept at each k-th step, and the steps between are computed a
    second time in the backward pass: T/k + k states in the place of T.
    """

    @staticmethod
    def forward(ctx, x, h, w_ih, w_hh, b_ih, b_hh, kind, every):
        """Return h(1) … h(T)."""
        bias = both(b_ih, b_hh)
        ctx.kind, ctx.every = kind, min(every or len(x), len(x))
        if not every:
            outputs = unroll(x, h, w_ih, w_hh, bias, kind)
            ctx.save_for_backward(x, h, w_ih, w_hh, b_ih, b_hh, outputs)
            return outputs
        outputs, starts = x.new_empty(*x.shape[:2], len(w_ih)), [h]
        for start in range(0, len(x), every):
            part = slice(start, start + every)
            outputs[part] = unroll(x[part], starts[-1], w_ih, w_hh, bias, kind)
            starts.append(outputs[part][-1].clone())
        ctx.save_for_backward(x, h, w_ih, w_hh, b_ih, b_hh, *starts[1:-1])
        return outputs

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients; differentiable, by the readable path, where that is asked for."""
        x, h, w_ih, w_hh, b_ih, b_hh, *kept = ctx.saved_tensors
        weights = (w_ih, w_hh, b_ih, b_hh)
        if torch.is_grad_enabled():
            with torch.enable_grad():
                # Views: what one input owes to another (a first state to x) is not counted here.
                inputs = [v if v is None else v.view_as(v) for v in (x, h, *weights)]
                given = [v for v, needed in zip(inputs, ctx.needs_input_grad) if needed]
                outputs = recurrence_reference(*inputs, ctx.kind)
                found = iter(torch.autograd.grad(outputs, given, gradients, create_graph=True))
            return *(next(found) if n else None for n in ctx.needs_input_grad[:6]), None, None
        whole = ctx.every == len(x) and bool(kept)
        bias = both(b_ih, b_hh)
        delta = gradients[0].clone(memory_format=torch.contiguous_format)
        dw_hh, later = torch.zeros_like(w_hh), None
        starts = [h] if whole else [h, *kept]
        for number in reversed(range(len(starts))):
            part = slice(number * ctx.every, (number + 1) * ctx.every)
            if whole:
                outputs = kept[0]
            else:
                outputs = unroll(x[part], starts[number], w_ih, w_hh, bias, ctx.kind)
            steps = delta[part].unbind(0)
            for step, output in zip(reversed(steps), reversed(outputs.unbind(0))):
                if later is not None:
                    step.addmm_(later, w_hh)
                times_slope_(step, output, ctx.kind)
                later = step
            dw_hh.addmm_(delta[part][0].T, starts[number])
            dw_hh.addmm_(delta[part][1:].flatten(0, 1).T, outputs[:-1].flatten(0, 1))
        flat = delta.flatten(0, 1)
        dw_ih = flat.T @ x.reshape(-1, x.shape[2])
        db = None if bias is None else flat.sum(0)
        dx = (flat @ w_ih).view_as(x) if ctx.needs_input_grad[0] else None
        return dx, later @ w_hh, dw_ih, dw_hh, db, db, None, None


def recurrence(
    x_TBI: Tensor, h_BH: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih=None, b_hh=None, kind="tanh",
    every: int | None = None,
) -> Tensor:  # fmt: skip
    """Return h(1) … h(T), (T, B, H), as `recurrence_reference`.

    What compiles, exports, maps over cases or differentiates forward goes the readable way.

    Args:
        x_TBI: the inputs.
        h_BH: h(0).
        w_ih: (H, I).
        w_hh: (H, H).
        b_ih: (H,), or None.
        b_hh: (H,), or None.
        kind: one of `NONLINEARITIES`.
        every: keep the state at each so many steps only, and compute the others again.

    Raises:
        ValueError: one bias without the other; ``every`` where the readable way is gone with
            gradients, which keeps all.
    """
    tensors = [v for v in (x_TBI, h_BH, w_ih, w_hh, b_ih, b_hh) if v is not None]
    plain = not (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
    ) and all(type(v) in (Tensor, torch.nn.Parameter) and v.is_floating_point() for v in tensors)
    if not plain:
        if every is not None and torch.is_grad_enabled():
            where = "compiled or exported code, torch.func or forward-mode differentiation"
            raise ValueError(f"every (checkpoint_every) is {every}: it does nothing in {where}")
        return recurrence_reference(x_TBI, h_BH, w_ih, w_hh, b_ih, b_hh, kind)
    if not torch.is_grad_enabled() or not any(v.requires_grad for v in tensors):
        return unroll(x_TBI, h_BH, w_ih, w_hh, both(b_ih, b_hh), kind)
    return Recurrence.apply(x_TBI, h_BH, w_ih, w_hh, b_ih, b_hh, kind, every)
