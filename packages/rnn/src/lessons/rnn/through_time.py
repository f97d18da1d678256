"""Back-propagation through time for any recurrent module: whole, with little memory, truncated.

A model is called as ``model(x, state)`` and returns (output, state), time first. A loss is called
as ``loss(output, y)`` and returns a *sum* over the steps that it is given, so that parts add up.

Shapes: T steps, B sequences.
"""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]


def bptt(
    model: nn.Module, x: Tensor, y: Tensor, loss: Loss, state: Any = None, every: int | None = None
) -> tuple[Tensor, Any]:
    """Add the gradient over a whole sequence to the parameters' ``grad``.

    With ``every`` = k only the states between pieces of k steps are kept, and each piece is
    computed a second time on the way back: the tape is k steps long in the place of T. The model
    must draw no random numbers then.

    Args:
        model: as above.
        x: T steps of inputs.
        y: T steps of targets.
        loss: as above.
        state: where to begin; the model's own start by default.
        every: the length of a piece; all T steps by default.

    Returns:
        The loss (summed over all steps, without gradient) and the last state.

    Raises:
        ValueError: x or y without steps, or of unequal length; every below 1.

    Source: Rumelhart, Hinton and Williams 1986; the recomputation is Chen et al. 2016's.
    """
    check(x, y)
    if every is not None and every < 1:
        raise ValueError(f"every must be at least 1, got {every}")
    pieces = range(0, len(x), every or len(x))
    states = [state]
    with torch.no_grad():
        for start in pieces[:-1]:
            states.append(model(x[start : start + pieces.step], states[-1])[1])
    total, later, final = x.new_zeros((), dtype=torch.float64), None, None
    for start, before in zip(reversed(pieces), reversed(states)):
        part = slice(start, start + pieces.step)
        before = apply(before, lambda v: v.detach().requires_grad_(v.is_floating_point()))
        with torch.enable_grad():
            output, after = model(x[part], before)
            error = loss(output, y[part])
            ends: list[tuple[Tensor, Tensor | None]] = [(error, None)]
            ends += [(v, g) for v, g in zip(tensors(after), later or []) if v.requires_grad]
        if final is None:
            final = apply(after, Tensor.detach)
        # What later pieces say of the state goes on back, together with this piece's own error.
        torch.autograd.backward([v for v, _ in ends], [g for _, g in ends])
        later = [torch.zeros_like(v) if v.grad is None else v.grad for v in tensors(before)]
        total += error.detach()
    return total.to(x.dtype if x.is_floating_point() else torch.get_default_dtype()), final


def tbptt(
    model: nn.Module, x: Tensor, y: Tensor, loss: Loss, k1: int, k2: int,
    step: Callable[[], Any], state: Any = None,
) -> tuple[Tensor, Any]:  # fmt: skip
    """Learn along a sequence: after each k1 steps go back over the last k2 and call ``step``.

    An error of the last k1 steps reaches the weights' part in the last k2 steps, and no further;
    the last piece of a sequence may, if it is shorter, see fewer. Where k1 < k2, the steps before
    are computed anew with the weights of now.

    Args:
        model: as for `bptt`.
        x: T steps of inputs.
        y: T steps of targets.
        loss: as for `bptt`.
        k1: h′, how many steps lie between two changes of the weights.
        k2: h, over how many steps an error goes back; k1 or more.
        step: changes the weights by their ``grad`` and clears it.
        state: where to begin.

    Returns:
        The loss, summed over all steps as they were met, and the last state.

    Raises:
        ValueError: k1 below 1 or above k2; x or y as for `bptt`.

    Source: Williams and Peng 1990, BPTT(h; h′).
    """
    check(x, y)
    if not 1 <= k1 <= k2:
        raise ValueError(f"k1 must be at least 1 and at most k2, got k1 = {k1}, k2 = {k2}")
    total, states = 0.0, {0: apply(state, Tensor.detach)}
    offset = -k2 % k1  # where in a block a later one's way back ends: there the state is kept
    for start in range(0, len(x), k1):
        end = min(start + k1, len(x))
        begin = min(t for t in states if t >= end - k2)
        state = states[begin]
        if begin < start:
            _, state = model(x[begin:start], state)
        inner = [start + offset] if 0 < offset < end - start else []
        outputs = []
        for first, last in itertools.pairwise([start, *inner, end]):
            output, state = model(x[first:last], state)
            outputs.append(output)
            states[last] = apply(state, Tensor.detach)
        error = loss(torch.cat(outputs), y[start:end])
        error.backward()
        step()
        total = total + error.detach()
        states = {t: kept for t, kept in states.items() if t >= end + k1 - k2}
    return torch.as_tensor(total), states[len(x)]


def epochwise(
    model: nn.Module, x: Tensor, y: Tensor, loss: Loss, length: int, step: Callable[[], Any]
) -> Tensor:
    """Learn in epochs: every ``length`` steps the net starts anew, after one exact gradient each.

    Args:
        model: as for `tbptt`.
        x: T steps of inputs.
        y: T steps of targets.
        loss: as for `tbptt`.
        length: of an epoch, in steps.
        step: as for `tbptt`.

    Returns:
        The loss, summed over all steps.

    Source: §2.1, "starting at time t₀ up to some final time t₁"; Williams and Peng 1990.
    """
    check(x, y)
    if length < 1:
        raise ValueError(f"length must be at least 1, got {length}")
    total = torch.zeros(())
    for start in range(0, len(x), length):
        part = slice(start, start + length)
        total = total + bptt(model, x[part], y[part], loss)[0]
        step()
    return total


def check(x: Tensor, y: Tensor) -> None:
    """Raise a ValueError where inputs and targets do not go together."""
    if x.dim() < 2 or not len(x) or len(x) != len(y):
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"x and y must be (T, B, …) with the same T > 0, are {shapes}")


def tensors(state: Any) -> list[Tensor]:
    """Return the tensors with gradients of a state: a tensor, or a tuple or list of states."""
    if isinstance(state, Tensor):
        return [state] if state.is_floating_point() else []
    return [v for part in state or () for v in tensors(part)]


def apply(state: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Return a state whose tensors went through a function."""
    if state is None or isinstance(state, Tensor):
        return state if state is None else function(state)
    return type(state)(apply(part, function) for part in state)
