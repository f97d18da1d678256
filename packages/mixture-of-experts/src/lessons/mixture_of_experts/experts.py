"""Experts: n feed-forward networks of one shape, each with weights of its own (§2, App. C).

Shapes: N experts, D width, H hidden, O output, R rows that one expert sees, C slots an expert.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu, "gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh,
}  # fmt: skip


class Experts(nn.Module):
    """N networks with one hidden layer and no biases, stacked.

    Args:
        num_experts: N. width: D. hidden: H. out: O, by default D.
        activation: "relu" as in the paper, "gelu", "silu", "tanh"; or "swiglu", whose hidden layer
            is silu(x W) · (x V), as in Mixtral.
        depth: hidden layers; MoE-1-Deep has four.
        bias: whether layers have biases; the paper's counts of weights leave no room for any.
        recompute: hidden layers are not stored but computed again on the way back (App. D).
        generator: randomness of first weights, which are uniform, with variance 1/fan-in. The paper
            does not say what it takes.

    Raises:
        ValueError: a size below 1, an unknown activation.
    """

    def __init__(
        self, num_experts: int, width: int, hidden: int, out: int | None = None,
        activation: str = "relu", depth: int = 1, bias: bool = False, recompute: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        out = width if out is None else out
        sizes = {"num_experts": num_experts, "width": width, "hidden": hidden, "out": out}
        for name, size in {**sizes, "depth": depth}.items():
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if activation not in (*ACTIVATIONS, "swiglu"):
            known = (*ACTIVATIONS, "swiglu")
            raise ValueError(f"activation must be one of {known}, got {activation!r}")
        if activation == "swiglu" and depth > 1:
            raise ValueError(f"swiglu has one hidden layer, got depth ({depth})")
        self.num_experts, self.width, self.hidden, self.out = num_experts, width, hidden, out
        self.activation, self.depth, self.recompute = activation, depth, recompute
        first = 2 * hidden if activation == "swiglu" else hidden
        shapes = [(width, first), *[(hidden, hidden)] * (depth - 1), (hidden, out)]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(num_experts, *shape)) for shape in shapes
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.zeros(num_experts, 1, shape[1])) for shape in shapes if bias
        )
        for weight in self.weights:
            if not weight.is_meta:
                bound = (3 / weight.shape[1]) ** 0.5
                nn.init.uniform_(weight, -bound, bound, generator=generator)

    def __len__(self) -> int:
        """Return N."""
        return self.num_experts

    def act(self, x: Tensor) -> Tensor:
        """Return the hidden units' values; of swiglu's two halves the first is the gate."""
        if self.activation == "swiglu":
            gate, up = x.chunk(2, -1)
            return F.silu(gate) * up
        return ACTIVATIONS[self.activation](x)

    def network(self, x: Tensor, *weights: Tensor) -> Tensor:
        """Return what one expert (R, D), or all of them at once (N, C, D), makes of its rows."""
        layers = len(self.weights)
        for i, (weight, bias) in enumerate(
            zip(weights[:layers], weights[layers:] or [None] * layers)
        ):
            x = x @ weight
            x = x if bias is None else x + bias
            x = self.act(x) if i < layers - 1 else x
        return x

    def run(self, x: Tensor, weights: tuple[Tensor, ...]) -> Tensor:
        """Return the same; in training with `recompute` nothing within is stored."""
        if self.recompute and self.training and torch.is_grad_enabled():
            return checkpoint(self.network, x, *weights, use_reentrant=False)
        return self.network(x, *weights)

    def of(self) -> list[tuple[Tensor, ...]]:
        """Return each expert's weights and biases.

        The stacks are taken apart once: an index for each expert would fill a whole gradient each.
        """
        return list(zip(*(w.unbind(0) for w in (*self.weights, *self.biases))))

    def forward(self, x: Tensor) -> Tensor:
        """Return what each expert makes of its own rows: (N, C, O) of (N, C, D)."""
        return self.run(x, (*self.weights, *self.biases))
