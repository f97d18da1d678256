r"""All steps of gated units at once, with the gradient written out: what makes training fast.

`unit.step` says what is computed. Here it is computed in buffers that are allocated once, and each
weight's gradient is one product over all steps. What compiles, maps over cases or differentiates
forward goes the readable way, and so does a gradient that is to be differentiated again.

Shapes: T steps, B batch, H state, G = 3H (reset gate, update gate, candidate).
"""

from collections.abc import Callable

import torch
from torch import Tensor

aten = torch.ops.aten


def fast(*tensors: Tensor | None) -> bool:
    """Return whether the written gradient can be taken for these tensors."""
    if (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
        or torch.jit.is_tracing()
    ):
        return False
    there = [x for x in tensors if x is not None]
    plain = all(type(x) in (Tensor, torch.nn.Parameter) and x.device.type != "meta" for x in there)
    same = len({(x.dtype, x.device) for x in there}) == 1
    return plain and same and not torch.is_autocast_enabled(there[0].device.type)


def again(reference: Callable, inputs: tuple, needed: tuple[bool, ...], gradients) -> tuple:
    """Return the gradients of the readable way, which can be differentiated once more.

    Marked as differentiable once they would be constants where the gradient that comes is one.
    """
    with torch.enable_grad():
        # Views: what one input owes to another (a first state to x) is not counted here.
        inputs = tuple(v if v is None else v.view_as(v) for v in inputs)
        given = [v for v, wanted in zip(inputs, needed) if wanted]
        outputs = reference(*inputs)
        found = iter(
            torch.autograd.grad(outputs, given, gradients, create_graph=True, allow_unused=True)
        )
    return tuple(next(found) if wanted else None for wanted in needed)


class ScanBefore(torch.autograd.Function):
    """States of gated units whose reset gate acts before the product (eqs. 5 to 8)."""

    @staticmethod
    def forward(ctx, x_TBG, h_BH, weight_GH, reference: Callable):
        """Return h_1 … h_T, (T, B, H), as ``reference`` of the same tensors does."""
        ctx.reference = reference
        t, b, g = x_TBG.shape
        size = g // 3
        rz = x_TBG.new_empty(t, b, 2 * size)
        n, rh, states = (x_TBG.new_empty(t, b, size) for _ in range(3))
        gates, state = weight_GH[: 2 * size].T, weight_GH[2 * size :].T
        h = h_BH
        for i in range(t):
            torch.addmm(x_TBG[i, :, : 2 * size], h, gates, out=rz[i]).sigmoid_()
            torch.mul(rz[i, :, :size], h, out=rh[i])
            torch.addmm(x_TBG[i, :, 2 * size :], rh[i], state, out=n[i]).tanh_()
            h = torch.lerp(n[i], h, rz[i, :, size:], out=states[i])
        ctx.save_for_backward(x_TBG, h_BH, weight_GH, rz, n, rh, states)
        return states

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients."""
        (grad,) = gradients
        inputs, (rz, n, rh, states) = ctx.saved_tensors[:3], ctx.saved_tensors[3:]
        if torch.is_grad_enabled():
            return *again(ctx.reference, inputs, ctx.needs_input_grad[:3], gradients), None
        _, first, weight = inputs
        t, b, size = states.shape
        dx = grad.new_empty(t, b, 3 * size)
        carry, drz = torch.zeros_like(first), torch.empty_like(rz[0])
        gates, state = weight[: 2 * size], weight[2 * size :]
        for i in reversed(range(t)):
            before = states[i - 1] if i else first
            r, z = rz[i, :, :size], rz[i, :, size:]
            dh = carry.add_(grad[i])
            carry = dh * z
            torch.mul(dh, before - n[i], out=drz[:, size:])
            dn = aten.tanh_backward(dh.sub_(carry), n[i])  # (1 − z) dh
            drh = dn @ state
            torch.mul(drh, before, out=drz[:, :size])
            carry.addcmul_(drh, r)
            dx[i, :, : 2 * size] = aten.sigmoid_backward(drz, rz[i])
            dx[i, :, 2 * size :] = dn
            carry.addmm_(dx[i, :, : 2 * size], gates)
        flat = dx.flatten(0, 1)
        dweight = torch.empty_like(weight)
        earlier = torch.cat([first[None], states[:-1]]).flatten(0, 1)
        torch.mm(flat[:, : 2 * size].T, earlier, out=dweight[: 2 * size])
        torch.mm(flat[:, 2 * size :].T, rh.flatten(0, 1), out=dweight[2 * size :])
        return dx, carry, dweight, None


class ScanAfter(torch.autograd.Function):
    """States of gated units whose reset gate acts after the product (torch's; App. A's decoder)."""

    @staticmethod
    def forward(ctx, x_TBG, h_BH, weight_GH, inside_BH, reference: Callable):
        """Return h_1 … h_T, (T, B, H); ``inside_BH`` is added within what the gate scales."""
        ctx.reference = reference
        t, b, g = x_TBG.shape
        size = g // 3
        rz = x_TBG.new_empty(t, b, 2 * size)
        n, un, states = (x_TBG.new_empty(t, b, size) for _ in range(3))
        product = x_TBG.new_empty(b, g)
        h, weight = h_BH, weight_GH.T
        for i in range(t):
            torch.mm(h, weight, out=product)
            torch.add(x_TBG[i, :, : 2 * size], product[:, : 2 * size], out=rz[i]).sigmoid_()
            torch.add(product[:, 2 * size :], inside_BH, out=un[i])
            torch.addcmul(x_TBG[i, :, 2 * size :], rz[i, :, :size], un[i], out=n[i]).tanh_()
            h = torch.lerp(n[i], h, rz[i, :, size:], out=states[i])
        ctx.save_for_backward(x_TBG, h_BH, weight_GH, inside_BH, rz, n, un, states)
        return states

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients."""
        (grad,) = gradients
        inputs, (rz, n, un, states) = ctx.saved_tensors[:4], ctx.saved_tensors[4:]
        if torch.is_grad_enabled():
            return *again(ctx.reference, inputs, ctx.needs_input_grad[:4], gradients), None
        _, first, weight, _ = inputs
        t, b, size = states.shape
        dx, dh_all = grad.new_empty(2, t, b, 3 * size)  # before and after the gate
        carry, drz = torch.zeros_like(first), torch.empty_like(rz[0])
        for i in reversed(range(t)):
            before = states[i - 1] if i else first
            r, z = rz[i, :, :size], rz[i, :, size:]
            dh = carry.add_(grad[i])
            carry = dh * z
            torch.mul(dh, before - n[i], out=drz[:, size:])
            dn = aten.tanh_backward(dh.sub_(carry), n[i])
            torch.mul(dn, un[i], out=drz[:, :size])
            dx[i, :, 2 * size :] = dn
            torch.mul(dn, r, out=dh_all[i, :, 2 * size :])
            dh_all[i, :, : 2 * size] = aten.sigmoid_backward(drz, rz[i])
            carry.addmm_(dh_all[i], weight)
        dx[:, :, : 2 * size] = dh_all[:, :, : 2 * size]
        earlier = torch.cat([first[None], states[:-1]]).flatten(0, 1)
        dweight = dh_all.flatten(0, 1).T @ earlier
        return dx, carry, dweight, dh_all[:, :, 2 * size :].sum(0), None
