r"""All steps of a layer with peepholes at once, with the gradient written out.

`lstm.readable` says what is computed. Here it is computed in buffers that are allocated once, and
each weight's gradient is one product over all steps. Layers without peepholes need none of it:
torch's own kernel computes the same.

Shapes: T steps, B batch, H units, G = 4H (i, f, g, o).
"""

from collections.abc import Callable

import torch
from torch import Tensor

aten = torch.ops.aten


def fast(*tensors: Tensor) -> bool:
    """Return whether a kernel or a written gradient can be taken for these tensors."""
    if (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
    ):
        return False
    plain = all(
        type(x) in (Tensor, torch.nn.Parameter) and x.device.type != "meta" for x in tensors
    )
    return plain and not torch.is_autocast_enabled(tensors[0].device.type)


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


class LSTMScan(torch.autograd.Function):
    """States of one layer (Graves 2013, eqs. 7–11)."""

    @staticmethod
    def forward(ctx, x_TBG, h_BH, c_BH, weight_GH, peephole_3H, reference: Callable):
        """Return h_1 … h_T (T, B, H) and c_T (B, H), as ``reference`` of the same tensors does."""
        ctx.reference = reference
        t, b, g = x_TBG.shape
        n = g // 4
        gates = torch.empty_like(x_TBG)
        cells, bent, states = (x_TBG.new_empty(t, b, n) for _ in range(3))
        weight = weight_GH.T
        h, c = h_BH, c_BH
        for k in range(t):
            torch.addmm(x_TBG[k], h, weight, out=gates[k])
            i, f, g_, o = gates[k].split(n, -1)
            if peephole_3H is not None:
                i.addcmul_(c, peephole_3H[0])
                f.addcmul_(c, peephole_3H[1])
            gates[k, :, : 2 * n].sigmoid_()
            g_.tanh_()
            torch.mul(f, c, out=cells[k]).addcmul_(i, g_)
            c = cells[k]
            if peephole_3H is not None:
                o.addcmul_(c, peephole_3H[2])  # the output gate sees the new cell
            o.sigmoid_()
            torch.tanh(c, out=bent[k])
            torch.mul(o, bent[k], out=states[k])
            h = states[k]
        ctx.save_for_backward(
            x_TBG, h_BH, c_BH, weight_GH, peephole_3H, gates, cells, bent, states
        )  # fmt: skip
        return states, c.clone()

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients."""
        inputs, (gates, cells, bent, states) = ctx.saved_tensors[:5], ctx.saved_tensors[5:]
        if torch.is_grad_enabled():
            return *again(ctx.reference, inputs, ctx.needs_input_grad[:5], gradients), None
        dstates, dlast = gradients
        _, first_h, first_c, weight, peephole = inputs
        t, _, n = states.shape
        dx = torch.empty_like(gates)
        carry_h, carry_c = torch.zeros_like(first_h), dlast.clone()
        for k in reversed(range(t)):
            before = cells[k - 1] if k else first_c
            i, f, g, o = gates[k].split(n, -1)
            di, df, dg, do = dx[k].split(n, -1)
            dh = carry_h.add_(dstates[k])
            torch.mul(dh, bent[k], out=do)
            aten.sigmoid_backward.grad_input(do, o, grad_input=do)
            dc = carry_c.add_(aten.tanh_backward(dh * o, bent[k]))
            if peephole is not None:
                dc.addcmul_(do, peephole[2])
            torch.mul(dc, i, out=dg)
            aten.tanh_backward.grad_input(dg, g, grad_input=dg)
            torch.mul(dc, g, out=di)
            torch.mul(dc, before, out=df)
            both = dx[k, :, : 2 * n]
            aten.sigmoid_backward.grad_input(both, gates[k, :, : 2 * n], grad_input=both)
            carry_c = dc.mul_(f)
            if peephole is not None:
                carry_c.addcmul_(di, peephole[0]).addcmul_(df, peephole[1])
            carry_h = dx[k] @ weight
        earlier = torch.cat([first_h[None], states[:-1]]).flatten(0, 1)
        dweight = dx.flatten(0, 1).T @ earlier
        dpeephole = None
        if peephole is not None:
            past = torch.cat([first_c[None], cells[:-1]])
            di, df, _, do = dx.split(n, -1)
            dpeephole = torch.stack([(di * past).sum((0, 1)), (df * past).sum((0, 1)),
                                     (do * cells).sum((0, 1))])  # fmt: skip
        return dx, carry_h, carry_c, dweight, dpeephole, None
