"""Stacked denoising auto-encoders of rectifiers: the unsupervised pre-training of the paper (§3.2).

Each layer learns to restore its input from a corrupted copy, then hands its code to the next.
Rectifiers make that awkward in two ways: as output units they pass no gradient where they give a
wrong zero, and their codes have no upper bound. The strategies below are four ways around it.

Shapes: B batch, F features of a layer's input.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .init import glorot_uniform_
from .net import DeepRectifierNet, DeepRectifierNetConfig
from .rectifier import ReLU, relu
from .relatives import softplus

STRATEGIES = ("softplus", "sigmoid", "linear", "linear-before", "rectifier")
NOISES = ("masking", "salt-and-pepper")


def corrupt(
    x: Tensor, level: float, kind: str = "masking", generator: torch.Generator | None = None
) -> Tensor:
    """Return x with a fraction of its values destroyed.

    Args:
        x: any shape.
        level: the probability of destroying a value; the paper's is .25.
        kind: "masking" puts zeros there, "salt-and-pepper" zeros or ones with equal chances.
        generator: of the random numbers.

    Raises:
        ValueError: the level is not within [0, 1], or an unknown kind.

    Source: §4.1 (masking), §4.2 (salt and pepper on binary inputs).
    """
    if not 0 <= level <= 1:
        raise ValueError(f"level must lie within [0, 1], got {level}")
    if kind not in NOISES:
        raise ValueError(f"kind must be one of {', '.join(NOISES)}, got {kind!r}")
    draw = torch.rand(x.shape, generator=generator, device=x.device)
    put = 0.0 if kind == "masking" else (draw < level / 2).to(x.dtype)
    return torch.where(draw < level, put, x)


def reconstruction_cost(f_BF: Tensor, target_BF: Tensor, strategy: str) -> Tensor:
    """Return what a reconstruction costs: a sum over features, a mean over cases.

    Args:
        f_BF: the decoder's linear output, f(x̃, θ) in the paper.
        target_BF: the clean input.
        strategy: "softplus" and "rectifier" put that unit on f and take the squared error,
            "linear" and "linear-before" take it of f itself, "sigmoid" the cross-entropy of
            targets in [0, 1].

    Source: §3.2, strategies 1 (softplus), 2 (sigmoid), 3 (the linear ones) and 4 (rectifier).
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")
    if strategy == "sigmoid":
        cost_BF = F.binary_cross_entropy_with_logits(f_BF, target_BF, reduction="none")
    else:
        unit = {"softplus": softplus, "rectifier": relu}.get(strategy)
        cost_BF = (target_BF - (unit(f_BF) if unit else f_BF)).square()
    return cost_BF.sum(-1).mean()


class DenoisingLayer(nn.Module):
    """An encoder with its decoder; called with clean and corrupted inputs it returns the cost.

    Args:
        n_in, n_hidden: sizes.
        activation: makes the hidden units.
        strategy: see `reconstruction_cost`.
        antisymmetric: the inputs are codes of tanh units, within [−1, 1].
        generator: of the first weights.
    """

    scale: Tensor

    def __init__(
        self,
        n_in: int,
        n_hidden: int,
        activation: Callable[[], nn.Module] = ReLU,
        strategy: str = "softplus",
        antisymmetric: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(n_in, n_hidden), nn.Linear(n_hidden, n_in)
        for linear in (self.encoder, self.decoder):
            glorot_uniform_(linear.weight, generator)
            nn.init.zeros_(linear.bias)
        self.activation, self.strategy = activation(), strategy
        self.antisymmetric = antisymmetric
        self.register_buffer("scale", torch.ones(()))  # strategy 2: what inputs are divided by

    def encode(self, x_BF: Tensor) -> Tensor:
        """Return the code (B, n_hidden)."""
        return self.activation(self.encoder(x_BF / self.scale))

    def forward(
        self, x_BF: Tensor, corrupted_BF: Tensor, target_BF: Tensor | None = None, l1: float = 0.0
    ) -> Tensor:
        """Return the cost of restoring x from its corrupted copy, and of the code's L1 norm.

        Args:
            x_BF: clean inputs.
            corrupted_BF: what is encoded.
            target_BF: what to restore, if not x ("linear-before": x before its rectifier).
            l1: the coefficient of the penalty.
        """
        code = self.encode(corrupted_BF)
        target_BF = x_BF / self.scale if target_BF is None else target_BF
        if self.antisymmetric and self.strategy == "sigmoid":
            target_BF = (1 + target_BF) / 2  # cross-entropy is of probabilities
        cost = reconstruction_cost(self.decoder(code), target_BF, self.strategy)
        return cost + l1 * code.abs().sum(-1).mean()


class StackedDenoisingAutoencoder(nn.Module):
    """Denoising layers, each on the codes of the one below.

    Args:
        widths: of the input and of each hidden layer.
        activation: makes the hidden units.
        strategy: see `reconstruction_cost`; "softplus" did best on images, "sigmoid" on text.
        level: of the noise.
        first_noise: the kind for the input; codes are always masked (§4.2).
        generator: of the first weights.

    Raises:
        ValueError: fewer than two widths, an unknown strategy or noise, a level outside [0, 1].
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        activation: Callable[[], nn.Module] = ReLU,
        strategy: str = "softplus",
        level: float = 0.25,
        first_noise: str = "masking",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(f"widths must be two or more positive sizes, got {widths}")
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")
        corrupt(torch.zeros(1), level, first_noise)
        self.widths, self.activation = widths, activation
        self.level, self.first_noise = level, first_noise
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            antisymmetric = i > 0 and isinstance(activation(), nn.Tanh)
            layer = DenoisingLayer(n_in, n_out, activation, strategy, antisymmetric, generator)
            self.add_module(str(i), layer)

    @property
    def layers(self) -> list[DenoisingLayer]:
        """The denoising layers, the lowest first."""
        return [layer for layer in self.children() if isinstance(layer, DenoisingLayer)]

    def forward(self, x_BF: Tensor, depth: int | None = None) -> Tensor:
        """Return the code of the first ``depth`` layers (default: of all)."""
        for layer in self.layers[:depth]:
            x_BF = layer.encode(x_BF)
        return x_BF

    @torch.no_grad()
    def prepare(self, depth: int, x_BF: Tensor) -> Tensor:
        """Return the clean inputs of layer ``depth``; strategy 2 finds its scale from them.

        Raises:
            ValueError: the first layer's are to be probabilities, and lie outside [0, 1].
        """
        layer = self.layers[depth]
        codes = self(x_BF, depth)
        if layer.strategy == "sigmoid" and not layer.antisymmetric:
            if depth:
                layer.scale.copy_(codes.max().clamp(min=torch.finfo(codes.dtype).tiny))
            elif codes.min() < 0 or codes.max() > 1:
                raise ValueError(
                    "x must lie within [0, 1] for the sigmoid's cross-entropy, got "
                    f"[{codes.min():g}, {codes.max():g}]: scale first (strategy 2)"
                )
        return codes

    def pretrain(
        self,
        x_BF: Tensor,
        lr: float,
        epochs: int = 1,
        batch_size: int = 10,
        l1: float = 0.0,
        generator: torch.Generator | None = None,
        track: Callable[[Iterable, str], Iterable] = lambda iterable, what: iterable,
    ) -> list[float]:
        """Train the layers one after another with SGD; return each one's mean cost at last.

        Args:
            x_BF: all inputs, without labels.
            lr: constant learning rate.
            epochs: passes for each layer.
            batch_size: the paper's is 10.
            l1: coefficient of the penalty on codes.
            generator: of order and noise.
            track: wraps the epochs, to show progress.
        """
        costs = []
        for depth, layer in enumerate(self.layers):
            inputs = self.prepare(depth, x_BF)
            targets = inputs
            if layer.strategy == "linear-before" and depth:
                below = self.layers[depth - 1]
                with torch.no_grad():
                    targets = below.encoder(self(x_BF, depth - 1))
            else:
                targets = inputs / layer.scale
            optimizer = torch.optim.SGD(layer.parameters(), lr)
            kind = "masking" if depth else self.first_noise
            for _ in track(range(epochs), f"layer {depth + 1}"):
                total = 0.0
                for batch in torch.randperm(len(inputs), generator=generator).split(batch_size):
                    x = inputs[batch]
                    cost = layer(x, corrupt(x, self.level, kind, generator), targets[batch], l1)
                    optimizer.zero_grad()
                    cost.backward()
                    optimizer.step()
                    total += cost.item() * len(batch)
            costs.append(total / len(inputs))
        return costs

    @torch.no_grad()
    def to_classifier(
        self, classes: int, generator: torch.Generator | None = None
    ) -> DeepRectifierNet:
        """Return a network that begins with the encoders' weights and a fresh last layer."""
        config = DeepRectifierNetConfig((*self.widths, classes), self.activation)
        net = DeepRectifierNet(config, generator)
        linears = [module for module in net if isinstance(module, nn.Linear)]
        for linear, layer in zip(linears, self.layers):
            linear.weight.copy_(layer.encoder.weight / layer.scale)
            linear.bias.copy_(layer.encoder.bias)
        return net
