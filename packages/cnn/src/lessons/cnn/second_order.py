r"""A learning rate for every weight, from a diagonal of the curvature (1998, App. C).

Shapes: B batch, F features of the last state, K, L classes.

Along a weight with curvature $h_{kk}$ a step of $1/h_{kk}$ would go to the bottom. The method takes
$\epsilon_k = \eta/(\mu + h_{kk})$ (eq. 21), where $\mu$ keeps steps finite along flat weights.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .layers import MaxPool, PartialConv2d, ScaledTanh, Subsample
from .output import RBFOutput

SCHEDULE = (5e-4,) * 2 + (2e-4,) * 3 + (1e-4,) * 3 + (5e-5,) * 4 + (1e-5,) * 8  # η, §III-B

# How curvature passes a layer depends on its kind: sums of products of weights and inputs; values
# that are only copied; values squashed one by one.
WEIGHTED = (nn.Conv2d, nn.Linear, PartialConv2d, Subsample)
COPYING = (nn.ConstantPad2d, nn.Flatten, MaxPool, nn.MaxPool2d)
SQUASHING = (ScaledTanh, nn.Tanh, nn.Sigmoid, nn.ReLU)


def falling(passes: int, lr: float = SCHEDULE[0]) -> list[float]:
    """Return a rate for each pass: the paper's schedule, stretched or shortened to so many.

    Args:
        passes: how many.
        lr: of the first pass.
    """
    steps = len(SCHEDULE)
    return [lr * SCHEDULE[i * steps // passes] / SCHEDULE[0] for i in range(passes)]


def state_curvature(
    head: nn.Module, state_BF: Tensor, targets_B: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    r"""Return ∂²E/∂x² of each pattern's loss for each number x of its last state (B, F), exactly.

    Args:
        head: `RBFOutput` or `nn.Identity`, which make results y of the state.
        state_BF: the last state of all patterns.
        targets_B: their right classes.
        loss: the mean loss over patterns, of results and targets.
    """
    results_BK = head(state_BF).detach().requires_grad_()
    with torch.enable_grad():
        total = loss(results_BK, targets_B) * len(state_BF)
        (slope_BK,) = torch.autograd.grad(total, results_BK, create_graph=True)
        if slope_BK.requires_grad:
            rows = [torch.autograd.grad(s.sum(), results_BK, retain_graph=True) for s in slope_BK.T]
            bend_BKL = torch.stack([row for (row,) in rows], 1)
        else:  # a loss that is linear in the results: eq. 8
            bend_BKL = results_BK.new_zeros(*results_BK.shape, results_BK.shape[1])
    if not isinstance(head, RBFOutput):
        return bend_BKL.diagonal(dim1=1, dim2=2).clamp(min=0)
    # y_k = Σ_f (x_f − w_kf)²: the second derivative along x_f is 2, the first 2(x_f − w_kf).
    first_BKF = 2 * (state_BF[:, None] - head.centers)
    through_first_BF = torch.einsum("bkl,bkf,blf->bf", bend_BKL, first_BKF, first_BKF)
    return (2 * slope_BK.detach().sum(1, keepdim=True) + through_first_BF).clamp(min=0)


def diagonal_curvature(
    net: Any, x: Tensor, targets_B: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, Tensor]:
    r"""Return an estimate of $h_{kk} = ∂²E/∂w_k²$, the mean over the patterns, for each parameter.

    Back-propagation once more, with squares for everything: with the squared weights from a sum
    to its inputs (eq. 27), with the squared slope through the squashing function (eq. 27), with
    the squared input to a weight (eq. 25), and summed over the connections that share it (eq. 23).
    So a layer's part is the ordinary backward pass of the layer with squared weights at squared
    inputs.

    Args:
        net: a `LeNet5`, a `ZipNet`, or an `nn.Sequential` of such layers.
        x: patterns; the paper takes 500.
        targets_B: their right classes.
        loss: the mean loss over patterns, of results and targets.

    Raises:
        ValueError: the net has a layer of another kind, or learnable centers.
    """
    sequential = isinstance(net, nn.Sequential)
    layers, head = (list(net), nn.Identity()) if sequential else (net.layers, net.head)
    for layer in layers:
        if not isinstance(layer, WEIGHTED + COPYING + SQUASHING):
            kind = type(layer).__name__
            raise ValueError(f"net has a {kind}; how curvature passes that is not known here")
    if next(head.parameters(), None) is not None:
        raise ValueError("net must have fixed centers: their curvature is not estimated")
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    inputs = []
    with torch.no_grad():
        for layer in layers:
            inputs.append(x)
            x = layer(x)
    curvature = state_curvature(head, x.flatten(1), targets_B, loss).view_as(x)
    found: dict[str, Tensor] = {}
    for layer, state in zip(reversed(layers), reversed(inputs)):
        if isinstance(layer, WEIGHTED):
            curvature, shares = _through_weights(layer, state, curvature)
            for name, parameter in layer.named_parameters():
                found[names[id(parameter)]] = shares[name] / len(x)
        elif isinstance(layer, COPYING):
            (curvature,) = _backward(layer, state, curvature)
        else:  # f′(a)²
            (slope,) = _backward(layer, state, torch.ones_like(curvature))
            curvature = curvature * slope.square()
    return found


def _backward(layer: nn.Module, state: Tensor, cotangent: Tensor) -> tuple[Tensor, ...]:
    state = state.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(layer(state), state, cotangent)


def _through_weights(
    layer: nn.Module, state: Tensor, curvature: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the curvature at the layer's inputs, and of its parameters, summed over patterns."""
    squares = {name: p.detach().square().requires_grad_() for name, p in layer.named_parameters()}
    fixed = {name: b.square() if b.is_floating_point() else b for name, b in layer.named_buffers()}
    state = state.detach().square().requires_grad_()
    with torch.enable_grad():
        sums = functional_call(layer, squares | fixed, state)
        gradients = torch.autograd.grad(sums, [state, *squares.values()], curvature)
    return gradients[0], dict(zip(squares, gradients[1:]))


class StochasticDiagonalLM(torch.optim.Optimizer):
    """Stochastic diagonal Levenberg–Marquardt: gradient steps of η/(μ + h) for each weight.

    Call `estimate` before each pass over the data, and `step` after each pattern's gradient.

    Args:
        net: a `LeNet5`, a `ZipNet`, or an `nn.Sequential` of the layers that these have.
        lr: η, changed between passes as `SCHEDULE` does.
        mu: μ, the smallest curvature that is believed.

    Raises:
        ValueError: lr is negative or mu is not positive.

    Source: 1998, eqs. 18 and 21; μ and η from §III-B.
    """

    def __init__(self, net: Any, lr: float = SCHEDULE[0], mu: float = 0.02) -> None:
        if not mu > 0:
            raise ValueError(f"mu must be positive, got {mu}")
        if not lr >= 0:
            raise ValueError(f"lr must be at least 0, got {lr}")
        super().__init__(net.parameters(), {"lr": lr, "mu": mu})
        self.net = net

    def estimate(
        self, x: Tensor, targets_B: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        """Measure the curvature anew; arguments as for `diagonal_curvature`."""
        found = diagonal_curvature(self.net, x, targets_B, loss)
        for name, parameter in self.net.named_parameters():
            self.state[parameter]["damped"] = found[name] + self.param_groups[0]["mu"]

    def rates(self) -> dict[str, Tensor]:
        """Return the learning rate of each weight, by the parameters' names.

        Raises:
            RuntimeError: the curvature has not been estimated.
        """
        lr = self.param_groups[0]["lr"]
        return {name: lr / self._damped(p) for name, p in self.net.named_parameters()}

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # ty: ignore[incompatible-method-override]
        """Move each weight against its gradient (eq. 18).

        Args:
            closure: evaluates the model again and returns the loss.

        Raises:
            RuntimeError: the curvature has not been estimated.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    damped = self._damped(parameter)
                    parameter.addcdiv_(parameter.grad, damped, value=-group["lr"])
        return loss

    def _damped(self, parameter: Tensor) -> Tensor:
        """Return μ + h of the weights in a parameter."""
        if "damped" not in self.state[parameter]:
            raise RuntimeError("the curvature is not known yet: call estimate first")
        return self.state[parameter]["damped"]
