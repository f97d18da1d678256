"""How errors flow back: through a carousel, and through units of the ordinary kind (§3.1, A.2)."""

import torch
from torch import Tensor

from .network import LSTM1997


def gradient_flow(net: LSTM1997, x: Tensor) -> Tensor:
    """Return ∂s(T)/∂s(T − q) for q = 0 … T, (T + 1, N, N), for one sequence x (T, I).

    Truncated, each is the identity (A.33); with the full gradient it depends on the weights.
    """
    steps, c = len(x), net.config
    weight = net.weight_x
    state = (weight.new_zeros(1, c.sources), weight.new_zeros(1, c.cells))
    states = []
    for t in range(steps):
        s = state[1].detach().requires_grad_() if not states else state[1]
        states.append(s)
        _, state = net.cells(x[t : t + 1, None], (state[0], s))
    states.append(state[1])
    rows = [torch.autograd.grad(state[1][0, n], states, retain_graph=True)
            for n in range(c.cells)]  # fmt: skip
    return torch.stack([torch.cat(each) for each in zip(*rows)]).flip(0)


def error_flow(weight: Tensor, y: Tensor) -> Tensor:
    """Return ∂ϑ_v(t − q)/∂ϑ_u(t), (q, V, U) for q = 1 … T, in a net of logistic units.

    Args:
        weight: (N, N), w_ij to unit i from unit j.
        y: (T, N), the outputs at t − 1, t − 2 and so on.

    Source: eq. 3.1.
    """
    flow, found = torch.eye(len(weight)).to(weight), []
    for y_N in y:
        flow = (y_N * (1 - y_N))[:, None] * (weight.T @ flow)
        found.append(flow)
    return torch.stack(found)


def bound(weight: Tensor, steps: int) -> Tensor:
    """Return the bound n τ^q of §3.1.5 for q = 1 … T, with τ = n w_max / 4."""
    n = len(weight)
    tau = n * weight.abs().max() / 4
    return n * tau ** torch.arange(1, steps + 1).to(weight)
