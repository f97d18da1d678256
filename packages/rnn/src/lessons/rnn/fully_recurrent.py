"""The paper's network (Williams and Zipser 1989, eqs. 1–5): every unit to every unit, at each step.

Shapes: T steps, S nets side by side, N units, M input lines (the bias is one), Z = N + M.
"""

import dataclasses
import operator
from typing import Any, Self

import torch
from torch import Tensor, nn


def whole(name: str, number: Any, least: int) -> None:
    """Raise a ValueError unless a number is an integer and large enough."""
    try:
        fits = operator.index(number) >= least
    except TypeError:
        fits = False
    if not fits:
        raise ValueError(f"{name} must be an integer of at least {least}, got {number!r}")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """A net of the paper's simulations, and how it was taught.

    Raises:
        ValueError: n_units below 1, n_inputs below 0, or one that is no integer.
    """

    n_units: int
    n_inputs: int  # without the bias
    teacher_forcing: bool = False

    def __post_init__(self) -> None:
        for name, least in (("n_units", 1), ("n_inputs", 0)):
            whole(name, getattr(self, name), least)


# §3 prints units, and inputs where there are any but for two: the lines of sequence recognition are
# two or more, four is ours; those of the last two are the symbols of our tape. Whether the last two
# were taught with forcing it does not say (ours are not); of the others it does.
PRESETS = {
    "xor-delay-2": Sizes(3, 2),  # §3.1: "With 3 units and a delay of 2 time steps"
    "sequence-recognition": Sizes(2, 4),  # §3.2: "there are two units and m nonbias input lines"
    "oscillator-01": Sizes(1, 0, True),  # §3.5
    "oscillator-0011": Sizes(2, 0, True),
    "oscillator-sinusoid": Sizes(2, 0, True),
    "parentheses-15": Sizes(15, 5),  # §3.4: "always learned the task"
    "parentheses-12": Sizes(12, 5),  # the smallest that did
}


class FullyRecurrent(nn.Module):
    """S nets of N logistic units; the inputs at time t act on the outputs at t + 1.

    A module: `state_dict` has weights, rates, and the state of all nets, so that learning goes on
    where it was. The learning rules change ``weight`` themselves; autograd has no part in it.

    Args:
        n_units: N, or a `Sizes` in the place of this and the next. Every unit may be an output.
        n_inputs: lines of input, without the bias, which is one more.
        lr: the learning rate η, one for all nets or (S,).
        teacher_forcing: whether targets take the outputs' place in the next step (§2.3).
        seeds: S, how many nets learn side by side, each from its own weights.
        connectivity: (N, Z), which weights there are; by default all.
        bias: whether one more input is always 1 (§2.1).
        scale: weights begin uniform in ±scale. The paper says "small"; the number is ours.
        y0: the outputs at the start; a logistic unit without input has one half.
        generator: of the first weights. device, dtype: of all that is kept.

    Attributes:
        weight: (S, N, Z), wᵢⱼ to unit i from unit j or, from j = N on, from input j − N.
        y: (S, N), the outputs now, before any forcing.
        forced: (S, N), with forcing the targets that were there, NaN where none was; else None.

    Raises:
        ValueError: n_units below 1, n_inputs below 0, or no integers; a wrong connectivity; a
            learning rate that is negative, not finite, or of another number of nets; a scale below
            0; outputs at the start outside 0 to 1.

    Source: §2.1, eqs. 1–3; §2.3, eq. 17.
    """

    y: Tensor
    lr: Tensor
    forced: Tensor | None
    connectivity: Tensor | None

    def __init__(
        self,
        n_units: int | Sizes,
        n_inputs: int | None = None,
        lr: float | Tensor = 1.0,
        teacher_forcing: bool = False,
        seeds: int = 1,
        connectivity: Tensor | None = None,
        *,
        bias: bool = True,
        scale: float = 0.5,
        y0: float = 0.5,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        config = sizes(n_units, n_inputs, teacher_forcing)
        whole("seeds", seeds, 1)
        if not 0 <= scale < torch.inf:
            raise ValueError(f"scale must be at least 0 and finite, got {scale}")
        if not 0 <= y0 <= 1:
            raise ValueError(f"y0 must lie in 0 to 1, as outputs do, got {y0}")
        self.n_units, self.n_inputs, self.bias = config.n_units, config.n_inputs, bool(bias)
        self.teacher_forcing, self.y0 = config.teacher_forcing, y0
        width = self.n_units + self.n_inputs + self.bias
        weight = torch.empty(seeds, self.n_units, width, device=device, dtype=dtype)
        if weight.device.type != "meta":
            weight.uniform_(-scale, scale, generator=generator)
        rate = torch.as_tensor(lr, dtype=weight.dtype)
        if rate.shape not in ((), (seeds,)) or not (rate.isfinite() & (rate >= 0)).all():
            raise ValueError(f"lr must be at least 0, a number or one for each of {seeds}: {lr}")
        self.register_buffer("lr", rate.to(weight.device, copy=True).view(-1, 1, 1))
        if connectivity is not None:
            connectivity = torch.as_tensor(connectivity, dtype=torch.bool, device=weight.device)
            if connectivity.shape != (self.n_units, width):
                got = tuple(connectivity.shape)
                raise ValueError(f"connectivity must be ({self.n_units}, {width}), is {got}")
            weight *= connectivity
        self.register_buffer("connectivity", connectivity)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.reset()

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Build a net of the paper's simulations by its name in `PRESETS`."""
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        return cls(**dataclasses.asdict(PRESETS[name]) | changes, generator=generator)

    def reset(self, y: Tensor | None = None) -> None:
        """Begin anew, from outputs y (S, N) or y0: nothing of before is remembered but weights.

        Raises:
            ValueError: outputs of another shape, or outside 0 to 1.
        """
        shape = self.weight.shape[:2]
        start = self.weight.new_full(shape, self.y0)
        if y is not None:
            y = torch.as_tensor(y).to(start)
            if y.shape != shape or not ((y >= 0) & (y <= 1)).all():
                what = f"{tuple(y.shape)} from {y.min():.3g} to {y.max():.3g}" if y.numel() else y
                raise ValueError(f"y must be {tuple(shape)} in 0 to 1, is {what}")
            start.copy_(y)
        self.register_buffer("y", start)
        nothing = torch.full_like(start, torch.nan) if self.teacher_forcing else None
        self.register_buffer("forced", nothing)

    def forward(self, x, target=None, mask=None, *, learn: bool = True) -> Tensor:
        """Take T steps: `run`."""
        return self.run(x, target, mask, learn=learn)

    def step(self, x, target=None, mask=None, *, learn: bool = True) -> Tensor:
        """Advance from t to t + 1: x(t) goes in, y(t + 1) comes out and meets its targets.

        Args:
            x: (n_inputs,) or (S, n_inputs), at time t.
            target: (N,) or (S, N), dₖ(t + 1); or one column for each unit that ``mask`` lists.
            mask: which units have a target: (N,) or (S, N) bool, or a list of units.
            learn: whether the weights learn from the targets.

        Returns:
            (S, N), y(t + 1), computed before the weights changed.

        Raises:
            ValueError: a shape that does not fit; an input that is not finite; a target without
                mask, or a mask without target; a unit that is not there; a target that is not
                finite where there is one.
        """

        def one(value):
            value = torch.as_tensor(value, device=self.y.device)
            return value[None] if value.dim() == 2 else value[None, None]

        if isinstance(mask, Tensor) and mask.dim() == 2:
            mask = mask[None]
        target = target if target is None else one(target)
        return self.run(one(x), target, mask, learn=learn)[0]

    def run(self, x, target=None, mask=None, *, learn: bool = True) -> Tensor:
        """Take T steps, and learn in each; as `step`, with a leading axis of time.

        Args:
            x: (T, S, n_inputs), or (T, 1, n_inputs) for all nets alike.
            target: (T, S or 1, N); or one column for each unit that ``mask`` lists, in its order.
            mask: bool, (N,) or (T, S or 1, N), or a list of units.
            learn: whether the weights learn from the targets.

        Returns:
            (T, S, N), y(1) … y(T).
        """
        x, seeds = torch.as_tensor(x).to(self.y), len(self.y)
        if x.dim() != 3 or x.shape[1] not in (1, seeds) or x.shape[2] != self.n_inputs:
            want = f"(T, {seeds}, {self.n_inputs})"
            raise ValueError(f"x must be {want}, n_inputs = {self.n_inputs}: is {tuple(x.shape)}")
        if x.device.type != "meta" and not x.isfinite().all():
            raise ValueError("x must be finite, got NaN or infinity: no later output would be")
        targets = self.targets(target, mask, len(x))
        with torch.no_grad():
            return self.advance(x, targets, learn)

    def targets(self, target, mask, steps: int) -> Tensor | None:
        """Return dₖ(t), (T, S or 1, N), NaN for units without one: the set T(t) of eq. 4."""
        if target is None and mask is None:
            return None
        if target is None or mask is None:
            raise ValueError("target and mask go together: which units the targets are of")
        seeds, n = self.y.shape
        target, mask = (torch.as_tensor(v, device=self.y.device) for v in (target, mask))
        target = target.to(self.y.dtype)
        if mask.dtype != torch.bool:
            units = listed(mask, n)
            if target.dim() and target.shape[-1] == len(units):  # columns in the list's order
                given, target = target, target.new_full((*target.shape[:-1], n), torch.nan)
                target[..., units] = given
            mask = torch.zeros(n, dtype=torch.bool, device=target.device)
            mask[units] = True
        if not target.dim() or not mask.dim() or target.shape[-1] != n or mask.shape[-1] != n:
            got = f"{tuple(target.shape)} and {tuple(mask.shape)}"
            raise ValueError(f"target and mask must end in n_units = {n} columns, are {got}")
        try:
            target, mask = torch.broadcast_tensors(target, mask)
        except RuntimeError as error:
            got = f"{tuple(target.shape)} and {tuple(mask.shape)}"
            raise ValueError(f"target and mask must be of one shape, are {got}") from error
        if not torch.where(mask, target, 0).isfinite().all():
            raise ValueError("target must be finite wherever mask has a unit, got NaN or infinity")
        chosen = torch.where(mask, target, torch.nan)
        if chosen.dim() != 3 or len(chosen) != steps or chosen.shape[1] not in (1, seeds):
            want = f"({steps}, {seeds}, {n})"
            raise ValueError(f"target must be {want} or fewer units, is {tuple(target.shape)}")
        return chosen

    def advance(self, x_TSM: Tensor, targets_TSN: Tensor | None, learn: bool) -> Tensor:
        """Take the steps; a learner does more in each."""
        outputs = self.y.new_empty(len(x_TSM), *self.y.shape)
        for t in range(len(x_TSM)):
            z = self.concatenate(x_TSM[t])
            self.y = torch.sigmoid((self.weight @ z[:, :, None])[:, :, 0])  # eqs. 2, 3
            outputs[t] = self.y
            self.remember(None if targets_TSN is None else targets_TSN[t])
        return outputs

    def concatenate(self, x_SM: Tensor) -> Tensor:
        """Return z(t), (S, Z): outputs or, where forced, targets; inputs; and 1 (eqs. 1, 17)."""
        y, forced = self.y, self.forced
        if forced is not None:
            y = torch.where(forced.isnan(), y, forced)
        parts = [y, x_SM.expand(len(y), -1)]
        return torch.cat([*parts, y.new_ones(len(y), 1)] if self.bias else parts, 1)

    def remember(self, target_SN: Tensor | None) -> None:
        """Keep the targets that take the outputs' place in the next step (§2.3)."""
        if self.teacher_forcing:
            forced = torch.full_like(self.y, torch.nan)
            self.forced = forced if target_SN is None else forced.copy_(target_SN)

    def __repr__(self) -> str:
        seeds, n, width = self.weight.shape
        forced = ", teacher_forcing=True" if self.teacher_forcing else ""
        kind = type(self).__name__
        return f"{kind}({n} units, {width - n} lines, {seeds} nets{forced})"


def sizes(n_units: int | Sizes, n_inputs: int | None, teacher_forcing: bool) -> Sizes:
    """Return a config, given as one or by its numbers."""
    if not isinstance(n_units, Sizes):
        if n_inputs is None:
            raise ValueError("n_inputs must be given: 0, if there is only the bias")
        return Sizes(n_units, n_inputs, bool(teacher_forcing))
    if n_inputs is not None:
        raise ValueError(f"n_inputs is {n_units}'s, and {n_inputs} was given besides")
    forcing = n_units.teacher_forcing or bool(teacher_forcing)
    return dataclasses.replace(n_units, teacher_forcing=forcing)


def listed(mask: Tensor, n: int) -> list[int]:
    """Return the units that a mask lists; a ValueError says why it lists none."""
    if mask.dim() != 1 or mask.is_floating_point() or mask.is_complex():
        got = f"{mask.tolist()!r}" if mask.numel() < 9 else f"{tuple(mask.shape)} of {mask.dtype}"
        raise ValueError(f"mask must be bool, or list units of 0 to {n - 1}, each once, got {got}")
    units = mask.tolist()
    if not all(0 <= unit < n for unit in units) or len(set(units)) < len(units):
        raise ValueError(f"mask must list units of 0 to {n - 1}, each once, got {units}")
    return units
