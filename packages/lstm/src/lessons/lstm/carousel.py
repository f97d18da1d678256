"""The memory cells over all steps (§4.1, eqs. A.1 to A.7): readable, and with a written gradient.

Shapes: T steps, S nets side by side, B sequences, U units, of which the first are C input gates,
the next C output gates, the last N cells; R what a unit sees of the step before (cells' outputs,
then gates).
"""

import torch
from torch import Tensor

from .config import Config


def squash_in(net: Tensor, kind: str) -> Tensor:
    """Return g: 4σ − 2 (A.3), or for experiments 2a and 2b σ."""
    return 4 * torch.sigmoid(net) - 2 if kind == "g2" else torch.sigmoid(net)


def squash_out(s: Tensor, kind: str) -> Tensor:
    """Return h: 2σ − 1 (A.2), or for experiments 2a and 2b s itself."""
    return 2 * torch.sigmoid(s) - 1 if kind == "h1" else s


def carousel_reference(
    net_TSBU: Tensor, weight_SUR: Tensor, seen_SBR: Tensor, s_SBN: Tensor, c: Config
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cells' outputs, their last states, and what the next step sees: the specification.

    Args:
        net_TSBU: what of the net inputs comes from outside: weights times inputs, and biases.
        weight_SUR: the weights from cells and gates to cells and gates.
        seen_SBR: outputs of cells and gates at step 0.
        s_SBN: the states at step 0.
        c: the wiring. If ``truncate``, no error goes back into ``seen``.
    """
    blocks, outputs = c.num_blocks, []
    for net_SBU in net_TSBU.unbind(0):
        if c.truncate:  # A.1.2: ∂net(t)/∂y(t − 1) is taken to be zero
            seen_SBR = seen_SBR.detach()
        net_SBU = net_SBU + seen_SBR @ weight_SUR.mT
        gates_SBG = torch.sigmoid(net_SBU[..., : c.gates])
        g_SBN = squash_in(net_SBU[..., c.gates :], c.squash_in)
        if c.input_gate:
            g_SBN = gates_SBG[..., :blocks].repeat_interleave(c.block_size, -1) * g_SBN
        s_SBN = s_SBN + g_SBN
        y_SBN = squash_out(s_SBN, c.squash_out)
        if c.output_gate:
            y_SBN = gates_SBG[..., -blocks:].repeat_interleave(c.block_size, -1) * y_SBN
        outputs.append(y_SBN)
        seen_SBR = torch.cat([y_SBN, gates_SBG], -1)[..., : c.sources]
        if not c.cell_recurrence:
            seen_SBR = gates_SBG[..., : c.sources]
    return torch.stack(outputs), s_SBN, seen_SBR


def unroll(net, weight, seen, s, c: Config) -> tuple[Tensor, Tensor, Tensor]:
    """Return the units' σ (T, S, B, U), the states, and what was seen, (T + 1, …): in place."""
    steps, blocks, first = len(net), c.num_blocks, c.cells * c.cell_recurrence
    by_block = (*s.shape[:-1], blocks, c.block_size)
    units = net.clone(memory_format=torch.contiguous_format)
    states = net.new_empty(steps + 1, *s.shape)
    saw = net.new_empty(steps + 1, *seen.shape)
    states[0], saw[0] = s, seen
    back = weight.mT
    stretch, shift = (4.0, -2.0) if c.squash_in == "g2" else (1.0, 0.0)
    if not c.sources:  # nothing is seen: all steps at once, and the state is a running sum
        units.sigmoid_()
        g = units[..., c.gates :] * stretch + shift
        if c.input_gate:
            g = g.unflatten(-1, (blocks, c.block_size)) * units[..., :blocks, None]
        torch.cumsum(g.reshape(steps, *s.shape), 0, out=states[1:])
        return units, states.narrow(0, 1, steps).add_(s), saw
    for t in range(steps):
        unit = units[t]
        unit.baddbmm_(saw[t], back).sigmoid_()
        g = torch.add(shift, unit[..., c.gates :], alpha=stretch) if shift else unit[..., c.gates :]
        state, next_ = states[t + 1], saw[t + 1]
        if c.input_gate:
            torch.addcmul(
                states[t].view(by_block), g.view(by_block), unit[..., :blocks, None],
                out=state.view(by_block),
            )  # fmt: skip
        else:
            torch.add(states[t], g, out=state)
        if first:
            y = torch.mul(state, 0.5).tanh_() if c.squash_out == "h1" else state
            if c.output_gate:
                gate = unit[..., c.gates - blocks : c.gates, None]
                torch.mul(y.view(by_block), gate, out=next_[..., :first].view(by_block))
            else:
                next_[..., :first] = y
        if c.gate_recurrence:
            next_[..., first:] = unit[..., : c.gates]
    return units, states[1:], saw


class Carousel(torch.autograd.Function):
    """`carousel_reference` with its gradient written out.

    Truncated, the way back has no loop: an error that has entered a state stays as it is, so what
    is due at each step is a running sum from the end (A.33).
    """

    @staticmethod
    def forward(ctx, net, weight, seen, s, c: Config):
        """Return the cells' outputs, their last states, and the last gates."""
        units, states, saw = unroll(net, weight, seen, s, c)
        h = torch.tanh(states / 2) if c.squash_out == "h1" else states
        y = h
        if c.output_gate:
            y = blocked(h, c) * units[..., c.gates - c.num_blocks : c.gates, None]
        ctx.config = c
        ctx.save_for_backward(net, weight, seen, s, units, states, saw[:-1])
        gates = units[-1][..., : c.gates].clone()
        if c.truncate:
            ctx.mark_non_differentiable(gates)
        return y.reshape(states.shape).clone(), states[-1].clone(), gates

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients; differentiable, by the readable path, where that is asked for."""
        dy, ds, dgates = gradients
        c, (net, weight, seen, s, units, states, saw) = ctx.config, ctx.saved_tensors
        if torch.is_grad_enabled():
            return *again(ctx.needs_input_grad, (net, weight, seen, s), (dy, ds, dgates), c), None
        g = units[..., c.gates :]
        slope_in = (4.0 if c.squash_in == "g2" else 1.0) * g * (1 - g)
        g = 4 * g - 2 if c.squash_in == "g2" else g
        h = torch.tanh(states / 2) if c.squash_out == "h1" else states
        slope_out = (1 - h * h) / 2 if c.squash_out == "h1" else torch.ones_like(h)
        slope = units[..., : c.gates] * (1 - units[..., : c.gates])
        given, out = units[..., : c.num_blocks, None], slice(c.gates - c.num_blocks, c.gates)
        # What an error at a cell's output is for its state, and at the state for its net input.
        to_state, to_cell = blocked(slope_out, c), blocked(slope_in, c)
        if c.output_gate:
            to_state = to_state * units[..., out, None]
        if c.input_gate:
            to_cell = to_cell * given
        delta = torch.empty_like(units)
        if c.truncate:
            es = (blocked(dy, c) * to_state).flip(0).cumsum(0).flip(0) + blocked(ds, c)  # A.33
            delta[..., c.gates :] = (es * to_cell).flatten(-2)
            if c.input_gate:
                delta[..., : c.num_blocks] = (es * blocked(g, c)).sum(-1)
            if c.output_gate:
                delta[..., out] = (blocked(dy, c) * blocked(h, c)).sum(-1)
            delta[..., : c.gates] *= slope
            first, dseen = es[0].flatten(-2), torch.zeros_like(seen)
        else:
            first, dseen = full(delta, dy, ds, dgates, weight, to_state, to_cell, g, h, slope, c)
        flat = delta.transpose(0, 1).flatten(1, 2)
        dweight = flat.mT @ saw.transpose(0, 1).flatten(1, 2)
        return delta, dweight, dseen, first, None


def full(delta, dy, ds, dgates, weight, to_state, to_cell, g, h, slope, c: Config):
    """Fill in the errors of all net inputs, without truncation; return those of step 0."""
    first, blocks = c.cells * c.cell_recurrence, c.num_blocks
    out, es, seen = slice(c.gates - blocks, c.gates), blocked(ds, c), None
    for t in reversed(range(len(delta))):
        error, more = blocked(dy[t], c), dgates if seen is None else None
        if seen is not None:
            if first:
                error = error + blocked(seen[..., :first], c)
            more = seen[..., first:] if c.gate_recurrence else None
        es = es + error * to_state[t]
        delta[t][..., c.gates :] = (es * to_cell[t]).flatten(-2)
        if c.input_gate:
            delta[t][..., :blocks] = (es * blocked(g[t], c)).sum(-1)
        if c.output_gate:
            delta[t][..., out] = (error * blocked(h[t], c)).sum(-1)
        if more is not None:
            delta[t][..., : c.gates] += more
        delta[t][..., : c.gates] *= slope[t]
        seen = torch.bmm(delta[t], weight)
    return es.flatten(-2), seen


def blocked(x: Tensor, c: Config) -> Tensor:
    """Return (…, N) as (…, C, S)."""
    return x.unflatten(-1, (c.num_blocks, c.block_size))


def again(needed, inputs, gradients, c: Config):
    """Return gradients that can be differentiated once more."""
    with torch.enable_grad():
        # Views: what one input owes to another (a state to the weights) is not counted here.
        inputs = [v.view_as(v) for v in inputs]
        wanted = [v for v, n in zip(inputs, needed) if n]
        y, s, seen = carousel_reference(*inputs, c)
        gates = seen[..., c.cells * c.cell_recurrence :] if c.gate_recurrence else None
        pairs = [(y, gradients[0]), (s, gradients[1])]
        if gates is not None and not c.truncate:
            pairs.append((gates, gradients[2]))
        pairs = [(v, d) for v, d in pairs if v.requires_grad]
        found = iter(torch.autograd.grad(
            [v for v, _ in pairs], wanted, [d for _, d in pairs], create_graph=True,
            allow_unused=True,
        ))  # fmt: skip
    return tuple(next(found) if n else None for n in needed[:4])


def plain(*tensors: Tensor) -> bool:
    """Return whether nothing but ordinary tensors are computed with, at once."""
    return not (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
    ) and all(type(v) in (Tensor, torch.nn.Parameter) and v.is_floating_point() for v in tensors)


def carousel(
    net_TSBU: Tensor, weight_SUR: Tensor, seen_SBR: Tensor, s_SBN: Tensor, c: Config
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cells' outputs, their last states, and what the next step sees.

    As `carousel_reference`, which serves what compiles, exports, maps or differentiates forward.
    """
    tensors = (net_TSBU, weight_SUR, seen_SBR, s_SBN)
    if not plain(*tensors):
        return carousel_reference(*tensors, c)
    y, s, gates = Carousel.apply(*tensors, c)
    seen = [y[-1]] if c.cell_recurrence else []
    seen += [gates] if c.gate_recurrence else []
    return y, s, torch.cat(seen, -1) if seen else seen_SBR
