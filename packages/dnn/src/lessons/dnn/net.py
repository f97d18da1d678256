"""Many replicates of one net, trained at once by a gradient that is written out by hand.

Shapes: R replicates, P patterns, I inputs, O outputs, U units with the always-on one, W weights.
"""

import torch
from torch import Tensor, nn

from .delta import Weights, changes, generalized_delta, propagate
from .graph import PRESETS, Graph


class DeltaNet(nn.Module):
    r"""R nets of logistic units, alike in their graph, each with its own random weights.

    The gradient does not come from autograd: `backpropagate` computes it by eqs. 11, 13 and 14.

    Args:
        graph: who feeds whom.
        replicates: R.
        targets: what 0 and 1 stand for at an output; a logistic unit reaches neither (p. 329).
        output: "logistic", or "linear" for outputs that put out their total input.
        no_error_zone: whether an output beyond its target is right (p. 359).
        scale: weights and biases start uniformly between −scale and scale.
        generator: where the random numbers come from.
        device: where the weights live.
        dtype: their type.

    Raises:
        ValueError: an argument that makes no sense; says which.

    Source: pp. 322-329.
    """

    numbers: Tensor
    layout: Tensor
    where: Tensor

    def __init__(
        self,
        graph: Graph,
        replicates: int = 1,
        targets: tuple[float, float] = (0.1, 0.9),
        output: str = "logistic",
        no_error_zone: bool = False,
        scale: float = 0.5,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if replicates < 1:
            raise ValueError(f"replicates must be 1 or more, got {replicates}")
        if output not in ("logistic", "linear"):
            raise ValueError(f"output must be 'logistic' or 'linear', got {output!r}")
        if targets[0] >= targets[1] or (
            output == "logistic" and not 0 <= targets[0] < targets[1] <= 1
        ):
            raise ValueError(f"targets must be (low, high), within 0 and 1 if logistic: {targets}")
        self.graph, self.replicates, self.targets = graph, replicates, targets
        self.linear, self.no_error_zone = output == "linear", no_error_zone
        self.levels = graph.levels(self.linear)
        numbers_UU, count = graph.numbered()
        laid, end = [], 1 + graph.n_in
        ends = [1, end]
        for level in self.levels:  # a level's rows: its biases, then what it hears of each source
            rows = numbers_UU[end : end + level.size]
            laid += [rows[:, 0]]
            laid += [rows[:, ends[m] :][:, part].flatten() for m, part in level.sources]
            end += level.size
            ends.append(end)
        layout, self.sizes = torch.cat(laid), [len(part) for part in laid]
        self.register_buffer("numbers", numbers_UU.to(device), persistent=False)
        self.register_buffer("layout", layout.to(device), persistent=False)
        # Where each weight stands in the layout, if each stands there once.
        self.shared = int((layout < count).sum()) > count
        self.register_buffer("where", layout.argsort()[:count].to(device), persistent=False)
        weights = torch.empty(replicates, count, device=device, dtype=dtype)
        self.weights = nn.Parameter(weights.uniform_(-scale, scale, generator=generator))

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes
    ) -> "DeltaNet":
        """Return a net of the chapter or the letter.

        Args:
            name: a key of `PRESETS`.
            generator: where the random numbers come from.
            changes: arguments of `DeltaNet` to set otherwise, such as ``replicates=100``.

        Raises:
            ValueError: an unknown name, or an argument that makes no sense.
            TypeError: the generator is none.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        if not isinstance(generator, torch.Generator | None):
            raise TypeError(f"generator must be a torch.Generator, got {generator!r}")
        return cls(PRESETS[name], generator=generator, **changes)

    def matrix(self) -> Tensor:
        """Return the weights as (R, U, U), to unit j from unit i at ``[:, j, i]``.

        Units count from 1 here; unit 0 is the one that is always on, its weights are the biases.
        """
        return self.padded()[:, self.numbers]

    @torch.no_grad()
    def set_matrix(self, matrix_UU: Tensor) -> None:
        """Give all replicates these weights, in the layout of `matrix`."""
        there = self.numbers < self.weights.shape[1]
        self.weights[:, self.numbers[there]] = matrix_UU[there].to(self.weights)

    def padded(self) -> Tensor:
        """Return the weights, (R, W + 1), the last one 0: the weight of what is not connected."""
        return torch.cat([self.weights, self.weights.new_zeros(self.replicates, 1)], 1)

    def by_level(self) -> list[Weights]:
        """Return the weights as `propagate` takes them."""
        parts = iter(self.padded().index_select(1, self.layout).split(self.sizes, 1))
        return [
            [next(parts)[:, None]]
            + [next(parts).unflatten(1, (level.size, -1)) for _ in level.sources]
            for level in self.levels
        ]

    @torch.no_grad()
    def activities(self, x_PI: Tensor) -> Tensor:
        """Return the activity of every unit, (R, P, N): inputs, hidden units, outputs.

        Args:
            x_PI: the patterns, (P, I), or (R, P, I) if every replicate has its own.
        """
        return torch.cat(propagate(self.checked(x_PI), self.levels, self.by_level()), -1)

    def forward(self, x_PI: Tensor) -> Tensor:
        """Return the outputs, (R, P, O)."""
        return self.activities(x_PI)[..., -self.graph.n_out :]

    def aim(self, truth_PO: Tensor) -> Tensor:
        """Return what the outputs are to be, from 0s and 1s; NaN stays, and is no target at all.

        Raises:
            ValueError: a target that a logistic unit cannot have.
        """
        if self.linear:
            return truth_PO
        if (truth_PO < 0).any() or (truth_PO > 1).any():
            low, high = self.targets
            raise ValueError(
                f"targets must lie in [0, 1], which stand for {low} and {high}; got "
                f"{truth_PO.nan_to_num(0.5).min():g} to {truth_PO.nan_to_num(0.5).max():g}"
            )
        return self.targets[0] + (self.targets[1] - self.targets[0]) * truth_PO

    @torch.no_grad()
    def backpropagate(self, x_PI: Tensor, aim_PO: Tensor) -> Tensor:
        r"""Set ``weights.grad`` to $\partial E/\partial w$; return the outputs (R, P, O) behind it.

        E is the sum over patterns and outputs (eq. 2), not a mean: η has the chapter's meaning.

        Args:
            x_PI: the patterns, (P, I) or (R, P, I).
            aim_PO: the targets, from `aim`, (P, O) or (R, P, O).

        Raises:
            ValueError: a shape that does not fit. TypeError: integers.

        Source: eqs. 2, 11, 13, 14.
        """
        x_RPI, levels, weights = self.checked(x_PI), self.levels, self.by_level()
        acts = propagate(x_RPI, levels, weights)
        ends = [acts_RPJ for acts_RPJ, level in zip(acts[1:], levels) if level.output]
        outputs_RPO = ends[0] if len(ends) == 1 else torch.cat(ends, -1)
        deltas = generalized_delta(acts, levels, weights, self.error(outputs_RPO, aim_PO))
        laid = [part.flatten(1) for parts in changes(acts, levels, deltas) for part in parts]
        gradient = torch.cat(laid, 1).neg_()
        if self.shared:  # the changes of connections that share a weight are added (p. 349)
            total = torch.zeros_like(self.padded()).index_add_(1, self.layout, gradient)
            self.weights.grad = total[:, :-1]
        else:
            self.weights.grad = gradient.index_select(1, self.where)
        return outputs_RPO

    def error(self, outputs_RPO: Tensor, aim_PO: Tensor) -> Tensor:
        """Return $t - o$: 0 where there is no target, and beyond it with a no-error zone."""
        if aim_PO.shape[-2:] != outputs_RPO.shape[-2:]:
            expected = tuple(outputs_RPO.shape[-2:])
            raise ValueError(f"targets must be {expected}, got {tuple(aim_PO.shape)}")
        error_RPO = (aim_PO - outputs_RPO).nan_to_num_(0.0)
        if self.no_error_zone:
            up = aim_PO > sum(self.targets) / 2
            error_RPO = torch.where(up, error_RPO.clamp(min=0), error_RPO.clamp(max=0))
        return error_RPO

    def checked(self, x_PI: Tensor) -> Tensor:
        """Return the patterns as (R, P, I) if they fit this net."""
        if not x_PI.is_floating_point():
            raise TypeError(f"patterns must be floating-point, got {x_PI.dtype}: use .float()")
        if x_PI.shape[-1] != self.graph.n_in or x_PI.dim() < 2:
            expected = f"(P, {self.graph.n_in}) or (R, P, {self.graph.n_in})"
            raise ValueError(f"patterns must be {expected}, got {tuple(x_PI.shape)}")
        return x_PI.expand(self.replicates, -1, -1)


def gradient_check(net: DeltaNet, x_PI: Tensor, truth_PO: Tensor, step: float = 1e-6) -> float:
    """Return how far the gradient is from central differences, relative to its largest entry.

    Args:
        net: the net; a copy is checked, in double precision.
        x_PI: patterns.
        truth_PO: their targets, 0s and 1s.
        step: by how much weights are moved.
    """
    twin = DeltaNet(
        net.graph, net.replicates, net.targets, "linear" if net.linear else "logistic",
        net.no_error_zone, dtype=torch.float64,
    )  # fmt: skip
    twin.load_state_dict(net.state_dict())
    x_PI, aim_PO = x_PI.double(), twin.aim(truth_PO.double())

    def energy() -> Tensor:
        return 0.5 * twin.error(twin(x_PI), aim_PO).square().sum((-2, -1))

    twin.backpropagate(x_PI, aim_PO)
    slopes, weights = torch.empty_like(twin.weights.data), twin.weights.data
    for k in range(weights.shape[1]):  # the replicates do not mix, so all are moved at once
        weights[:, k] += step
        above = energy()
        weights[:, k] -= 2 * step
        slopes[:, k] = (above - energy()) / (2 * step)
        weights[:, k] += step
    assert twin.weights.grad is not None
    return ((twin.weights.grad - slopes).abs().max() / slopes.abs().max()).item()
