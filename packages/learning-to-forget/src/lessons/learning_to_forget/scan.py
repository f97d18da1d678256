r"""A layer of cells with forget gates over all steps: readable, and with its gradient written out.

$$
\begin{aligned}
i_t &= \sigma(x^i_t + W_i h_{t-1} + w_i \circ c_{t-1}) \\
f_t &= \sigma(x^f_t + W_f h_{t-1} + w_f \circ c_{t-1}) \\
c_t &= f_t \circ c_{t-1} + i_t \circ \tanh(x^g_t + W_g h_{t-1}) && (11) \\
o_t &= \sigma(x^o_t + W_o h_{t-1} + w_o \circ c_t) \\
h_t &= V\,(o_t \circ \tanh c_t) && (7)
\end{aligned}
$$

$x$ is what inputs and biases give. The paper has neither the peepholes $w$ nor the projection $V$.

Shapes: T steps, S nets side by side, B sequences, H cells, G = 4H (i, f, g, o, torch's order), P
what is put out (H, or the projection's width).
"""

import torch
from torch import Tensor

aten = torch.ops.aten


def scan_reference(
    x_TSBG: Tensor, h_SBP: Tensor, c_SBH: Tensor, weight_SGP: Tensor,
    peephole_S3H: Tensor | None = None, project_SPH: Tensor | None = None, truncate: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return h_1 … h_T (T, S, B, P) and c_1 … c_T (T, S, B, H): the specification of `scan`.

    Args:
        x_TSBG: what inputs and biases give to the net inputs.
        h_SBP: h_0.
        c_SBH: c_0.
        weight_SGP: recurrent weights.
        peephole_S3H: weights from cells to input, forget and output gates.
        project_SPH: the projection.
        truncate: errors end where they would leave a cell through a net input (§3.2).
    """
    outputs, cells = [], []
    for x_SBG in x_TSBG.unbind(0):
        seen_SBP = h_SBP.detach() if truncate else h_SBP
        i, f, g, o = (x_SBG + seen_SBP @ weight_SGP.mT).chunk(4, -1)
        if peephole_S3H is not None:
            w_i, w_f, w_o = peephole_S3H[:, :, None].unbind(1)
            i, f = i + w_i * c_SBH, f + w_f * c_SBH
        c_SBH = f.sigmoid() * c_SBH + i.sigmoid() * g.tanh()  # eq. 11
        if peephole_S3H is not None:
            o = o + w_o * c_SBH
        h_SBP = o.sigmoid() * c_SBH.tanh()  # eq. 7
        if project_SPH is not None:
            h_SBP = h_SBP @ project_SPH.mT
        outputs.append(h_SBP)
        cells.append(c_SBH)
    return torch.stack(outputs), torch.stack(cells)


def unroll(x, h, c, weight, peephole, project) -> tuple[Tensor, ...]:
    """Return outputs, cells, gates (T, S, B, G), tanh of cells, and what is projected: in place."""
    steps, (*lead, width) = len(x), x.shape[1:]
    n = width // 4
    gates = x.new_empty(x.shape)
    cells, bent, shown = (x.new_empty(steps, *lead, n) for _ in range(3))
    outputs = shown if project is None else x.new_empty(steps, *lead, project.shape[1])
    back, forth = weight.mT, None if project is None else project.mT
    if peephole is not None:
        w_i, w_f, w_o = peephole[:, :, None].unbind(1)
    for t in range(steps):
        torch.baddbmm(x[t], h, back, out=gates[t])
        i, f, g, o = gates[t].split(n, -1)
        if peephole is not None:
            i.addcmul_(c, w_i)
            f.addcmul_(c, w_f)
        gates[t][..., : 2 * n].sigmoid_()
        g.tanh_()
        torch.mul(f, c, out=cells[t]).addcmul_(i, g)
        c = cells[t]
        if peephole is not None:
            o.addcmul_(c, w_o)
        o.sigmoid_()
        torch.tanh(c, out=bent[t])
        torch.mul(o, bent[t], out=shown[t])
        if forth is not None:
            torch.bmm(shown[t], forth, out=outputs[t])
        h = outputs[t]
    return outputs, cells, gates, bent, shown


class Scan(torch.autograd.Function):
    """`scan_reference` with its gradient written out: one product for each weight's, at the end."""

    @staticmethod
    def forward(ctx, x, h, c, weight, peephole, project, truncate):
        """Return outputs and cells."""
        outputs, cells, gates, bent, shown = unroll(x, h, c, weight, peephole, project)
        ctx.truncate = truncate
        kept = (outputs, cells, gates, bent, shown)
        ctx.save_for_backward(x, h, c, weight, peephole, project, *kept)
        return outputs, cells

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients; differentiable, by the readable path, where that is asked for."""
        saved = ctx.saved_tensors  # once: checkpointing hands them out but once
        inputs = saved[:6]
        if torch.is_grad_enabled():
            return *again(inputs, ctx.truncate, ctx.needs_input_grad[:6], gradients), None
        outputs, cells, gates, bent, shown = saved[6:]
        _, h, c, weight, peephole, project = inputs
        doutputs, dcells = gradients
        steps, n = len(gates), cells.shape[-1]
        if peephole is not None:
            w_i, w_f, w_o = peephole[:, :, None].unbind(1)
        dx = torch.empty_like(gates)
        late_h, late_c = torch.zeros_like(h), torch.zeros_like(c)
        errors = torch.empty_like(doutputs) if project is not None else None
        for t in reversed(range(steps)):
            before = cells[t - 1] if t else c
            i, f, g, o = gates[t].split(n, -1)
            di, df, dg, do = dx[t].split(n, -1)
            dh = doutputs[t] + late_h
            if errors is not None:
                errors[t] = dh
                dh = dh @ project
            torch.mul(dh, bent[t], out=do)
            aten.sigmoid_backward.grad_input(do, o, grad_input=do)
            dc = aten.tanh_backward(dh.mul_(o), bent[t]).add_(late_c).add_(dcells[t])  # eq. 17
            if peephole is not None:
                dc.addcmul_(do, w_o)
            torch.mul(dc, i, out=dg)
            aten.tanh_backward.grad_input(dg, g, grad_input=dg)
            torch.mul(dc, g, out=di)
            torch.mul(dc, before, out=df)
            both = dx[t][..., : 2 * n]
            aten.sigmoid_backward.grad_input(both, gates[t][..., : 2 * n], grad_input=both)
            late_c = dc.mul_(f)  # the forget gate scales the error as it scaled the state
            if peephole is not None:
                late_c.addcmul_(di, w_i).addcmul_(df, w_f)
            if not ctx.truncate:
                torch.bmm(dx[t], weight, out=late_h)
        earlier = torch.cat([h[None], outputs[:-1]])
        dweight = flat(dx).mT @ flat(earlier)
        dpeephole = dproject = None
        if peephole is not None:
            past = torch.cat([c[None], cells[:-1]])
            di, df, _, do = dx.split(n, -1)
            parts = (di * past, df * past, do * cells)
            dpeephole = torch.stack([part.sum((0, 2)) for part in parts], 1)
        if errors is not None:
            dproject = flat(errors).mT @ flat(shown)
        return dx, late_h, late_c, dweight, dpeephole, dproject, None


def flat(x_TSBF: Tensor) -> Tensor:
    """Return (S, T·B, F)."""
    return x_TSBF.transpose(0, 1).flatten(1, 2)


def again(inputs, truncate: bool, needed, gradients) -> tuple[Tensor | None, ...]:
    """Return the gradients of the readable way, which can be differentiated once more."""
    with torch.enable_grad():
        # Views: what one input owes to another (a first state to x) is not counted here.
        inputs = [v if v is None else v.view_as(v) for v in inputs]
        wanted = [v for v, n in zip(inputs, needed) if n]
        pairs = [pair for pair in zip(scan_reference(*inputs, truncate), gradients)
                 if pair[0].requires_grad]  # fmt: skip
        found = iter(torch.autograd.grad(
            [v for v, _ in pairs], wanted, [d for _, d in pairs], create_graph=True,
            allow_unused=True,
        ))  # fmt: skip
    return tuple(next(found) if n else None for n in needed)


def plain(*tensors: Tensor | None) -> bool:
    """Return whether nothing but ordinary tensors are computed with, at once."""
    return not (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
    ) and all(v is None or type(v) in (Tensor, torch.nn.Parameter) for v in tensors)


def scan(
    x_TSBG: Tensor, h_SBP: Tensor, c_SBH: Tensor, weight_SGP: Tensor,
    peephole_S3H: Tensor | None = None, project_SPH: Tensor | None = None, truncate: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return h_1 … h_T and c_1 … c_T, as `scan_reference`.

    That serves what compiles, exports, traces, maps over cases or differentiates forward.
    """
    given = (x_TSBG, h_SBP, c_SBH, weight_SGP, peephole_S3H, project_SPH)
    if not plain(*given):
        return scan_reference(*given, truncate)
    if not torch.is_grad_enabled() or not any(v is not None and v.requires_grad for v in given):
        outputs, cells = unroll(*given)[:2]
        return outputs, cells
    return Scan.apply(*given, truncate)
