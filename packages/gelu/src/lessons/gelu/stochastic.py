"""The stochastic zero-or-identity map, whose expectation is the GELU (§2).

An input x is kept with probability Φ(x), else set to zero. Since Φ(x) = P(N ≤ x) for a standard
normal N, no Φ has to be computed: draw N, and keep x where it is the larger.
"""

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from .activation import gelu
from .checks import checked
from .gates import normal_cdf
from .tracing import node


def zero_or_identity(
    x: Tensor, generator: torch.Generator | None = None, straight_through: bool = False
) -> Tensor:
    """Return m·x with m ~ Bernoulli(Φ(x)), of x's shape.

    Args:
        x: floating point, any shape.
        generator: of the mask; on x's device.
        straight_through: let the gradient also pass through Φ(x), as if the mask were its mean.
            By default the mask is a constant to the gradient, and the map linear.

    Raises:
        TypeError: x is no tensor of floats. ValueError: the generator is on another device.
    """
    if isinstance(x, Proxy):  # torch.fx traces: one node, as of torch's own functions
        return node(zero_or_identity, x, generator, straight_through)
    checked(x)
    if generator is not None and generator.device.type != x.device.type:
        raise ValueError(f"generator is on {generator.device}, and x on {x.device}")
    with torch.no_grad():
        rival = torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
        keep = x >= rival
    y = torch.where(keep, x, 0)
    if straight_through:
        chance = normal_cdf(x)
        y = y + x.detach() * (chance - chance.detach())
    return y


class StochasticZeroIdentity(nn.Module):
    """The map in training; in evaluation its expectation, the GELU.

    A network that has it for all its activations is, for each drawn mask, a linear one (§2). The
    nonlinearity comes back in evaluation.

    Args:
        generator, straight_through: see `zero_or_identity`.
    """

    def __init__(
        self, generator: torch.Generator | None = None, straight_through: bool = False
    ) -> None:
        super().__init__()
        self.generator, self.straight_through = generator, straight_through

    def forward(self, input: Tensor) -> Tensor:
        """Return m·x or xΦ(x), of the input's shape."""
        if not self.training:
            return gelu(input)
        return zero_or_identity(input, self.generator, self.straight_through)
