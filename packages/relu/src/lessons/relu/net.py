"""Deep rectifier networks with the sizes of the paper (§4.1, §4.2), and what trains them.

Shapes: B batch, F features, K classes.
"""

import dataclasses
from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from .init import glorot_uniform_
from .rectifier import ReLU, SignedRectifier


@dataclasses.dataclass(frozen=True)
class DeepRectifierNetConfig:
    """The size of a network and its hidden units."""

    widths: tuple[int, ...]  # of the input, of each hidden layer, of the output
    activation: Callable[[], nn.Module] = ReLU
    signed: bool = False  # rectifiers, half of them negative (§4.1), in place of the activation


PRESETS = {
    "mnist": DeepRectifierNetConfig((784, 1000, 1000, 1000, 10)),
    "cifar10": DeepRectifierNetConfig((3072, 1000, 1000, 1000, 10)),
    "nistp": DeepRectifierNetConfig((1024, 1000, 1000, 1000, 62)),
    "norb": DeepRectifierNetConfig((2048, 4000, 2000, 6)),  # stereo pairs of 32 by 32
    "opentable": DeepRectifierNetConfig((5000, 5000, 5000, 5000, 5)),  # words to stars
}


class DeepRectifierNet(nn.Sequential):
    """Linear layers with units between them; the state dict is that of the same ``nn.Sequential``.

    Weights begin as Glorot and Bengio's (2010), biases at 0.

    Args:
        config: the size. generator: of the first weights.

    Raises:
        ValueError: fewer than two widths, or one that is not positive; see also `SignedRectifier`.
    """

    def __init__(
        self, config: DeepRectifierNetConfig, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        widths = config.widths
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(f"widths must be two or more positive sizes, got {widths}")
        self.config = config
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            if i:
                self.append(SignedRectifier(n_in) if config.signed else config.activation())
            linear = nn.Linear(n_in, n_out)
            glorot_uniform_(linear.weight, generator)
            nn.init.zeros_(linear.bias)
            self.append(linear)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes
    ) -> "DeepRectifierNet":
        """Build a network of the paper, with random weights.

        Args:
            name: a key of `PRESETS`.
            generator: randomness of the first weights; None: torch's own.
            changes: fields of `DeepRectifierNetConfig` to set otherwise.

        Raises:
            ValueError: there is no such preset.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        return cls(dataclasses.replace(PRESETS[name], **changes), generator)

    def __getitem__(self, idx):
        """Return a layer, or several as a plain ``nn.Sequential``."""
        layers = list(self)[idx]
        return nn.Sequential(*layers) if isinstance(idx, slice) else layers

    def forward(self, input: Tensor) -> Tensor:
        """Map inputs (…, F) to logits (…, K)."""
        if not isinstance(input, Proxy) and input.shape[-1] != self.config.widths[0]:
            raise ValueError(
                f"input has {input.shape[-1]} features, the first layer {self.config.widths[0]}"
            )
        return super().forward(input)


def activation_l1(activations: Iterable[Tensor], coefficient: float = 0.001) -> Tensor:
    """Return the penalty on activations: their L1 norm, averaged over cases, times a coefficient.

    The norm is a *sum* over the units of all layers (a mean over 1,000 units would make the paper's
    .001 a thousand times weaker).

    Args:
        activations: of each hidden layer, (B, units); see `recording`.
        coefficient: the paper's is .001.

    Raises:
        ValueError: the coefficient is negative.

    Source: §4.1.
    """
    if coefficient < 0:
        raise ValueError(f"coefficient must not be negative, got {coefficient}")
    return coefficient * torch.stack([h.abs().flatten(1).sum(1).mean() for h in activations]).sum()


def expected_rating(logits_BK: Tensor) -> Tensor:
    """Return the expected number of stars, 1 to K, of logits (…, K): shape (…,) (§4.2)."""
    stars = torch.arange(1, logits_BK.shape[-1] + 1, device=logits_BK.device)
    return logits_BK.softmax(-1) @ stars.to(logits_BK.dtype)
