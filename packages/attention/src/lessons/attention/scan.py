r"""All steps of a recurrence at once, with the gradient written out: what makes training fast.

`GatedUnit.forward` and `RNNsearch.unroll_reference` say what is computed. Here it is computed in
buffers that are allocated once, and each weight's gradient is one product over all steps. What
compiles, maps over cases or differentiates forward goes the readable way, and so do modules with
hooks and modules of other classes; a second derivative is that of the readable way.

Shapes: D directions, B batch, T steps, S source positions, H state, G = 3H (z, r, candidate),
A alignment model, C annotations.
"""

import torch
from torch import Tensor

aten = torch.ops.aten
KEPT = 1 << 26  # numbers of tanh(W_a s + U_a h) that are kept; of more they are computed again


def fast(*tensors: Tensor) -> bool:
    """Return whether the written gradient can be taken for these tensors."""
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


def untouched(*modules: tuple[torch.nn.Module | None, type]) -> bool:
    """Return whether modules are of just these classes, and no hook waits for their call."""
    return not _global_hooks() and all(
        isinstance(module, torch.nn.Module)
        and type(module) is kind
        and not module._forward_hooks
        and not module._forward_pre_hooks
        and not module._backward_hooks
        and not module._backward_pre_hooks
        for module, kind in modules
    )


def _global_hooks() -> bool:
    everywhere = torch.nn.modules.module
    return bool(
        everywhere._global_forward_hooks
        or everywhere._global_forward_pre_hooks
        or everywhere._global_backward_hooks
        or everywhere._global_backward_pre_hooks
    )


class Unkept:
    """In the place of a function's context where no gradient will be asked for: nothing is kept."""

    needs_input_grad = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Let go."""


def call(function: type[torch.autograd.Function], *inputs: Tensor | None):
    """Call a function, and keep what its gradient needs only if there can be one."""
    if torch.is_grad_enabled():
        return function.apply(*inputs)
    return function.forward(Unkept(), *inputs)


def gated_reference(x_DTBG: Tensor, s_DBH: Tensor, gates_DFH: Tensor, state_DHH: Tensor) -> Tensor:
    """Return what `GatedScan` returns, step by step."""
    h, s, states = s_DBH.shape[-1], s_DBH, []
    for x_DBG in x_DTBG.unbind(1):
        z, r = (x_DBG[..., : 2 * h] + s @ gates_DFH.mT).sigmoid().chunk(2, -1)
        n = (x_DBG[..., 2 * h :] + (r * s) @ state_DHH.mT).tanh()
        s = (1 - z) * s + z * n
        states.append(s)
    return torch.stack(states, 1)


def search_reference(
    x_TBG, keys_BSA, notes_BSC, mask_BS, s_BH, query_AH, energy_A, gates_FH, state_HH, context_GC
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `SearchScan` returns, step by step."""
    s, found = s_BH, []
    for x_BG in x_TBG.unbind(0):
        energy_BS = (keys_BSA + (s @ query_AH.T)[:, None]).tanh() @ energy_A
        alpha_BS = energy_BS.masked_fill(~mask_BS, -torch.inf).softmax(-1)
        c_BC = (alpha_BS[:, None] @ notes_BSC)[:, 0]
        whole = x_BG + c_BC @ context_GC.T
        s = gated_reference(whole[None, None], s[None], gates_FH[None], state_HH[None])[0, 0]
        found.append((s, c_BC, alpha_BS))
    states, contexts, weights = zip(*found)
    return torch.stack(states), torch.stack(contexts), torch.stack(weights)


def again(reference, inputs: tuple, needed: tuple[bool, ...], gradients) -> tuple:
    """Return the gradients of the readable way, which can be differentiated once more."""
    with torch.enable_grad():
        # Views, so that what one input owes to another (keys to annotations) is not counted here.
        inputs = tuple(x.view_as(x) for x in inputs)
        given = [x for x, wanted in zip(inputs, needed) if wanted]
        outputs = reference(*inputs)
        found = iter(
            torch.autograd.grad(outputs, given, gradients, create_graph=True, allow_unused=True)
        )
    return tuple(next(found) if wanted else None for wanted in needed)


class GatedScan(torch.autograd.Function):
    """States of gated units, several side by side on the first axis; reset before the product."""

    @staticmethod
    def forward(ctx, x_DTBG, s_DBH, gates_DFH, state_DHH):
        """Return s_1 … s_T, (D, T, B, H)."""
        d, t, b, g = x_DTBG.shape
        h = g // 3
        zr = x_DTBG.new_empty(d, t, b, 2 * h)
        n, rs, states = (x_DTBG.new_empty(d, t, b, h) for _ in range(3))
        gates, state = gates_DFH.mT, state_DHH.mT
        s = s_DBH
        for i in range(t):
            torch.baddbmm(x_DTBG[:, i, :, : 2 * h], s, gates, out=zr[:, i])
            zr[:, i].sigmoid_()
            torch.mul(zr[:, i, :, h:], s, out=rs[:, i])
            torch.baddbmm(x_DTBG[:, i, :, 2 * h :], rs[:, i], state, out=n[:, i])
            n[:, i].tanh_()
            torch.lerp(s, n[:, i], zr[:, i, :, :h], out=states[:, i])
            s = states[:, i]
        ctx.save_for_backward(x_DTBG, s_DBH, gates_DFH, state_DHH, zr, n, rs, states)
        return states

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients."""
        (grad,) = gradients
        inputs, (zr, n, rs, states) = ctx.saved_tensors[:4], ctx.saved_tensors[4:]
        if torch.is_grad_enabled():  # to be differentiated again
            return again(gated_reference, inputs, ctx.needs_input_grad, gradients)
        _, first, gates, state = inputs
        d, t, b, h = states.shape
        dx = grad.new_empty(d, t, b, 3 * h)
        carry = torch.zeros_like(first)
        for i in reversed(range(t)):
            before = states[:, i - 1] if i else first
            ds = carry.add_(grad[:, i])
            carry = gated_back(ds, before, zr[:, i], n[:, i], dx[:, i], gates, state)
        flat = dx.flatten(1, 2)
        earlier = torch.cat([first[:, None], states[:, :-1]], 1).flatten(1, 2)
        dgates = flat[..., : 2 * h].mT @ earlier
        dstate = flat[..., 2 * h :].mT @ rs.flatten(1, 2)
        return dx, carry, dgates, dstate


def gated_back(ds, before, zr, n, dx, gates, state):
    """Write a step's gradient of z, r and candidate into ``dx``; return that of the state before.

    The last axis of all is the units'; ``ds`` is that of the new state.
    """
    h = n.shape[-1]
    z, r = zr[..., :h], zr[..., h:]
    dn = torch.mul(ds, z)
    carry = ds - dn  # (1 − z) ds
    dzr = torch.empty_like(zr)
    torch.mul(ds, n - before, out=dzr[..., :h])
    dn = aten.tanh_backward(dn, n)
    drs = dn @ state
    torch.mul(drs, before, out=dzr[..., h:])
    dzr = aten.sigmoid_backward(dzr, zr)
    carry.addcmul_(drs, r)
    dx[..., : 2 * h] = dzr
    dx[..., 2 * h :] = dn
    return carry.add_(dzr @ gates)


class SearchScan(torch.autograd.Function):
    """States of the decoder, each step with its own context (A.2.2)."""

    @staticmethod
    def forward(
        ctx, x_TBG, keys_BSA, notes_BSC, mask_BS, s_BH, query_AH, energy_A, gates_FH, state_HH,
        context_GC,
    ):  # fmt: skip
        """Return s_1 … s_T (T, B, H), contexts (T, B, C) and weights (T, B, S)."""
        t, b, g = x_TBG.shape
        h, a = g // 3, len(energy_A)
        s_len, c_len = notes_BSC.shape[1:]
        states, n, rs = (x_TBG.new_empty(t, b, h) for _ in range(3))
        zr, xs = x_TBG.new_empty(t, b, 2 * h), torch.empty_like(x_TBG)
        contexts, weights = x_TBG.new_empty(t, b, c_len), x_TBG.new_empty(t, b, s_len)
        keep = any(ctx.needs_input_grad) and t * b * s_len * a <= KEPT
        bent = x_TBG.new_empty(t if keep else 1, b, s_len, a)
        both = torch.cat([query_AH, gates_FH]).T  # one product for the query and both gates
        wide, state = context_GC.T, state_HH.T
        hidden = ~mask_BS
        s = s_BH
        for i in range(t):
            from_s = s @ both
            tanh = bent[i if keep else 0]
            torch.add(keys_BSA, from_s[:, None, :a], out=tanh).tanh_()
            energy = (tanh @ energy_A).masked_fill_(hidden, -torch.inf)
            torch.softmax(energy, -1, out=weights[i])
            torch.bmm(weights[i][:, None], notes_BSC, out=contexts[i][:, None])
            torch.addmm(x_TBG[i], contexts[i], wide, out=xs[i])
            torch.add(xs[i][:, : 2 * h], from_s[:, a:], out=zr[i]).sigmoid_()
            torch.mul(zr[i][:, h:], s, out=rs[i])
            torch.addmm(xs[i][:, 2 * h :], rs[i], state, out=n[i]).tanh_()
            torch.lerp(s, n[i], zr[i][:, :h], out=states[i])
            s = states[i]
        ctx.save_for_backward(
            x_TBG, keys_BSA, notes_BSC, mask_BS, s_BH, query_AH, energy_A, gates_FH, state_HH,
            context_GC, states, n, rs, zr, contexts, weights, bent if keep else None,
        )  # fmt: skip
        return states, contexts, weights

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients."""
        dstates, dcontexts, dweights = gradients
        inputs, kept = ctx.saved_tensors[:10], ctx.saved_tensors[10:]
        if torch.is_grad_enabled():  # to be differentiated again
            return again(search_reference, inputs, ctx.needs_input_grad, gradients)
        _, keys, notes, _, first, query, energy, gates, state, context = inputs
        states, n, rs, zr, contexts, weights, bent = kept
        t, b, h = states.shape
        dx = keys.new_empty(t, b, 3 * h)
        dc = dcontexts.contiguous().clone()
        dquery = keys.new_empty(t, b, len(energy))
        dkeys, de_all = torch.zeros_like(keys), torch.empty_like(weights)
        denergy = torch.zeros_like(energy)
        carry, spare = torch.zeros_like(first), torch.empty_like(keys)
        for i in reversed(range(t)):
            before = states[i - 1] if i else first
            ds = carry.add_(dstates[i])
            carry = gated_back(ds, before, zr[i], n[i], dx[i], gates, state)
            dc[i].addmm_(dx[i], context)
            dalpha = torch.bmm(notes, dc[i][:, :, None])[:, :, 0]
            dalpha += dweights[i]
            de = de_all[i] = aten._softmax_backward_data(dalpha, weights[i], -1, dalpha.dtype)
            if bent is not None:
                tanh = bent[i]
            else:
                tanh = torch.add(keys, (before @ query.T)[:, None]).tanh_()
            denergy += de.flatten() @ tanh.flatten(0, 1)
            # v (1 − tanh²) de: into one buffer, which the query's and the keys' gradients share.
            torch.mul(de[:, :, None], energy, out=spare)
            aten.tanh_backward.grad_input(spare, tanh, grad_input=spare)
            dkeys += spare
            torch.sum(spare, 1, out=dquery[i])
            carry.addmm_(dquery[i], query)
        earlier = torch.cat([first[None], states[:-1]]).flatten(0, 1)
        flat = dx.flatten(0, 1)
        dnotes = weights.permute(1, 2, 0) @ dc.transpose(0, 1)
        return (
            dx, dkeys, dnotes, None, carry, dquery.flatten(0, 1).T @ earlier, denergy,
            flat[:, : 2 * h].T @ earlier, flat[:, 2 * h :].T @ rs.flatten(0, 1),
            flat.T @ contexts.flatten(0, 1),
        )  # fmt: skip
