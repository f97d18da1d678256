"""The average of the parameters over time (Kingma and Ba 2015, §7.2)."""

import contextlib
from collections.abc import Generator, Iterable

import torch
from torch import Tensor


class ParameterAverage:
    r"""An exponential moving average of parameters, with its bias undone.

    $$ \bar\theta_t = \beta_2 \bar\theta_{t-1} + (1 - \beta_2)\,\theta_t,
       \qquad \hat\theta_t = \bar\theta_t / (1 - \beta_2^t) $$

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
        self.sums = [torch.zeros_like(param) for param in self.params]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the parameters as they are now; call it after each step."""
        self.updates += 1
        for mean, param in zip(self.sums, self.params):
            mean.lerp_(param, 1 - self.beta2)

    def averages(self) -> list[Tensor]:
        """Return the averages with their bias undone, in the parameters' shapes.

        Raises:
            RuntimeError: there was no update yet.
        """
        if not self.updates:
            raise RuntimeError("the average is empty: call update() after a step first")
        return [mean / (1 - self.beta2**self.updates) for mean in self.sums]

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
