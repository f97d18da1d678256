"""A net on a stream without an end: its state is carried on, errors go back one piece at a time."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .lstm import LSTM


class Stream:
    """Run a net on pieces of B endless streams, one after the other (truncated back-propagation).

    Two things are called truncation, and this is not the paper's: at a piece's beginning h *and* c
    are cut from what came before; the paper's rule (`GersLSTM`) cuts h alone, at every step.

    Args:
        net: called with a piece and a state; returns outputs and a state, of tensors (…, B, width).

    Attributes:
        state: what is carried; None before the first piece.
    """

    def __init__(self, net: Callable[[Any, Any], tuple[Any, tuple[Tensor, ...]]]) -> None:
        self.net = net
        self.state: tuple[Tensor, ...] | None = None

    def __call__(self, x: Tensor) -> Any:
        """Return the outputs for the next piece.

        Raises:
            TypeError: a state that is no tuple, as GRUs have it.
        """
        y, state = self.net(x, self.detach())
        if not isinstance(state, tuple | list):
            kind = type(state).__name__
            raise TypeError(f"net must return its state as a tuple of tensors, returns a {kind}")
        self.state = tuple(state)
        return y

    def detach(self) -> tuple[Tensor, ...] | None:
        """Cut the state from what it was computed from, and return it."""
        self.state = None if self.state is None else tuple(v.detach() for v in self.state)
        return self.state

    def reset(self, mask: Tensor | None = None) -> None:
        """Forget all streams, or those where ``mask`` (B,) is true: an external reset.

        Raises:
            TypeError: a mask that is not of booleans. ValueError: of another shape.
        """
        if mask is None:
            self.state = None
            return
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
            raise TypeError(f"mask must be a tensor of booleans, is {kind}")
        if self.state is None:
            return
        batch = self.state[0].shape[-2]
        if mask.shape != (batch,):
            raise ValueError(f"mask must be ({batch},), is {tuple(mask.shape)}")
        self.state = tuple(v.masked_fill(mask[:, None], 0.0) for v in self.state)


@torch.no_grad()
def record_gates(
    layer: LSTM, x_TBI: Tensor, hx: tuple[Tensor, Tensor] | None = None
) -> dict[str, Tensor]:
    """Return what a layer's gates and cells do, as Figures 8 and 9 show it.

    Args:
        layer: of one layer and direction.
        x_TBI: inputs, (T, B, I), whatever ``batch_first`` says.
        hx: h(0) and c(0), (1, B, P) and (1, B, H).

    Returns:
        "input", "forget" and "output" gates, and "cell", each (T, B, H).
    """
    if layer.num_layers > 1 or layer.bidirectional:
        raise ValueError(
            "gates are recorded of one layer in one direction: make one of its weights"
        )
    gates: dict[str, list[Tensor]] = {"input": [], "forget": [], "output": [], "cell": []}
    own: Any = layer
    wiring, w_ih, w_hh = own.wiring, own.weight_ih_l0, own.weight_hh_l0
    width = layer.proj_size or layer.hidden_size
    batch = x_TBI.shape[1]
    if hx is None:
        hx = x_TBI.new_zeros(1, batch, width), x_TBI.new_zeros(1, batch, layer.hidden_size)
    h, c = hx
    bias = own.bias_ih_l0 + own.bias_hh_l0 if layer.bias else w_ih.new_zeros(len(w_ih))
    peephole = wiring.peepholes(own.peephole_l0) if layer.peephole else w_ih.new_zeros(3, 1)
    for x_BI in x_TBI:
        net = x_BI @ wiring.whole(w_ih).T + h[0] @ wiring.whole(w_hh).T + wiring.whole(bias)
        i, f, _, o = net.chunk(4, -1)
        before = c[0] / wiring.size
        inside = x_BI[:, None] if layer.batch_first else x_BI[None]
        _, (h, c) = layer(inside, (h, c))
        gates["input"].append((i + peephole[0] * before).sigmoid())
        gates["forget"].append((f + peephole[1] * before).sigmoid())
        gates["output"].append((o + peephole[2] * (c[0] / wiring.size)).sigmoid())
        gates["cell"].append(c[0])
    return {name: torch.stack(values) for name, values in gates.items()}
