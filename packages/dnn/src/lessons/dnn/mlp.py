"""The layered special case as it is used today: an ordinary module, its gradient by hand.

Shapes: P patterns, I inputs, O outputs.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from .delta import logistic

# Each activation with its slope, written by its output.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "logistic": (logistic, lambda o: o * (1 - o)),
    "tanh": (torch.tanh, lambda o: 1 - o * o),
    "relu": (torch.relu, lambda o: (o > 0).to(o.dtype)),
    "linear": (lambda net: net, torch.ones_like),
}


class MLP(nn.Module):
    """Layers of units, each feeding the next; the state dict has ``layers.0.weight`` and so on.

    Args:
        sizes: units of each layer, from the inputs to the outputs.
        activation: of the hidden units, one of `ACTIVATIONS`.
        output: of the outputs, one of `ACTIVATIONS`.
        bias: whether units have biases.
        device: where the weights live.
        dtype: their type.

    Raises:
        ValueError: fewer than two sizes, or an unknown activation.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "logistic",
        output: str = "linear",
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"sizes must name two layers or more, got {list(sizes)}")
        for name, value in (("activation", activation), ("output", output)):
            if value not in ACTIVATIONS:
                raise ValueError(f"{name} must be one of {', '.join(ACTIVATIONS)}, got {value!r}")
        self.names = [activation] * (len(sizes) - 2) + [output]
        self.layers = nn.ModuleList(
            nn.Linear(a, b, bias, device, dtype) for a, b in itertools.pairwise(sizes)
        )

    def activities(self, x_PI: Tensor) -> list[Tensor]:
        """Return the activities of all layers, the inputs first."""
        acts = [x_PI]
        for layer, name in zip(self.layers, self.names):
            acts.append(ACTIVATIONS[name][0](layer(acts[-1])))
        return acts

    def forward(self, x_PI: Tensor) -> Tensor:
        """Return the outputs, (P, O)."""
        return self.activities(x_PI)[-1]

    @torch.no_grad()
    def backpropagate(self, x_PI: Tensor, target_PO: Tensor) -> Tensor:
        r"""Set every ``grad`` to that of $E = \frac12 \sum (t - o)^2$; return the outputs (P, O).

        Source: eqs. 2, 11, 13, 14.
        """
        acts = self.activities(x_PI)
        if target_PO.shape != acts[-1].shape:
            expected = tuple(acts[-1].shape)
            raise ValueError(f"targets must be {expected}, got {tuple(target_PO.shape)}")
        blame = target_PO - acts[-1]
        for n in reversed(range(len(self.layers))):
            layer, slope = self.layers[n], ACTIVATIONS[self.names[n]][1]
            assert isinstance(layer, nn.Linear)
            delta = slope(acts[n + 1]) * blame
            if n:
                blame = delta @ layer.weight
            layer.weight.grad = -delta.mT @ acts[n]
            if layer.bias is not None:
                layer.bias.grad = -delta.sum(0)
        return acts[-1]
