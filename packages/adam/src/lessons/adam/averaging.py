"""The average of the parameters over time (Kingma and Ba 2015, §7.2)."""

import contextlib
from collections.abc import Generator, Iterable
from typing import Any

import torch
from torch import Tensor


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype in which a long average of such numbers can be kept."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


class ParameterAverage:
    r"""An exponential moving average of parameters, with its bias undone.

    $$ \bar\theta_t = \beta_2 \bar\theta_{t-1} + (1 - \beta_2)\,\theta_t,
       \qquad \hat\theta_t = \bar\theta_t / (1 - \beta_2^t) $$

    The average is kept in float32 where the parameters have half precision: there a step of
    (1 − β₂) θ is lost in rounding long before the average has reached θ.

    Args:
        params: the tensors to average.
        beta2: the decay rate, in [0, 1).

    Raises:
        ValueError: beta2 is outside [0, 1), or params is empty.

    Source: §7.2.
    """

    def __init__(self, params: Iterable[Tensor], beta2: float = 0.999) -> None:
        if not 0 <= beta2 < 1:
            raise ValueError(f"beta2 must be in [0, 1), got {beta2}")
        self.params = list(params)
        if not self.params:
            raise ValueError("params must hold at least one tensor, got none")
        self.beta2, self.updates = beta2, 0
        self.sums = [torch.zeros_like(param, dtype=wide(param.dtype)) for param in self.params]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the parameters as they are now; call it after each step."""
        self.updates += 1
        for mean, param in zip(self.sums, self.params):
            mean.lerp_(param.to(mean.dtype), 1 - self.beta2)

    def averages(self) -> list[Tensor]:
        """Return the averages with their bias undone, in the parameters' shapes and dtypes.

        Raises:
            RuntimeError: there was no update yet.
        """
        if not self.updates:
            raise RuntimeError("the average is empty: call update() after a step first")
        correction = 1 - self.beta2**self.updates
        return [(mean / correction).to(p.dtype) for mean, p in zip(self.sums, self.params)]

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold for the average to go on."""
        return {"beta2": self.beta2, "updates": self.updates, "sums": list(self.sums)}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is of other parameters.
        """
        got = [tuple(mean.shape) for mean in state_dict["sums"]]
        want = [tuple(mean.shape) for mean in self.sums]
        if got != want:
            raise ValueError(f"the state is of parameters of shapes {got}, expected {want}")
        self.beta2, self.updates = state_dict["beta2"], state_dict["updates"]
        for mean, value in zip(self.sums, state_dict["sums"]):
            mean.copy_(value)

    @contextlib.contextmanager
    def swap(self) -> Generator[None]:
        """Put the averages in the parameters' place within a `with` block, to evaluate them.

        Raises:
            RuntimeError: there was no update yet.
        """
        averages = self.averages()
        kept = [param.detach().clone() for param in self.params]
        self._set(averages)
        try:
            yield
        finally:
            self._set(kept)

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        for param, value in zip(self.params, values):
            param.copy_(value)
