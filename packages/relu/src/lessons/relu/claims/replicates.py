"""Many small networks trained at once, on a leading axis: back-propagation by hand.

The experiments need the same net with many seeds, rates and penalties. One at a time, calling torch
costs more than the arithmetic; together, each line below is one batched product. The weights step
in place, so that their gradients are never stored.

Shapes: R replicates, B batch, F features, I and O inputs and outputs of a layer, K classes.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..net import DeepRectifierNet
from ..relatives import RescaledSoftplus


class Replicates:
    """Networks of the same shape and kind of unit, trained with plain SGD on cross-entropy.

    Args:
        nets: with ReLU, SignedRectifier, nn.Tanh or RescaledSoftplus units; at least one hidden
            layer. They stay as they are.
    """

    def __init__(self, nets: list[DeepRectifierNet]) -> None:
        self.template = nets[0]
        each = [[m for m in net if isinstance(m, nn.Linear)] for net in nets]
        self.weights = [torch.stack([m.weight.detach().T for m in layer]) for layer in zip(*each)]
        self.biases = [torch.stack([m.bias.detach()[None] for m in layer]) for layer in zip(*each)]
        self.units = [m for m in nets[0] if not isinstance(m, nn.Linear)]

    def net(self, r: int) -> DeepRectifierNet:
        """Return a copy of replicate r as a module."""
        net = DeepRectifierNet(self.template.config)
        linears = [module for module in net if isinstance(module, nn.Linear)]
        with torch.no_grad():
            for linear, weight, bias in zip(linears, self.weights, self.biases):
                linear.weight.copy_(weight[r].T)
                linear.bias.copy_(bias[r, 0])
        return net.to(self.weights[0].device)

    @torch.no_grad()
    def step(self, x_RBF: Tensor, y_RB: Tensor, lr_R: Tensor, l1_R: Tensor | None = None) -> None:
        """Take one step of SGD with each net.

        Args:
            x_RBF: inputs.
            y_RB: classes.
            lr_R: learning rates.
            l1_R: coefficients of the penalty on activations (`activation_l1`).
        """
        activations = [x_RBF]
        for unit, weight_RIO, bias_R1O in zip(self.units, self.weights, self.biases):
            activations.append(unit(torch.baddbmm(bias_R1O, activations[-1], weight_RIO)))
        logits_RBK = torch.baddbmm(self.biases[-1], activations[-1], self.weights[-1])
        delta_RBO = logits_RBK.softmax(-1)  # ∂(mean cross-entropy)/∂logits: p − y, over B
        delta_RBO.scatter_add_(2, y_RB[..., None], -torch.ones_like(delta_RBO[..., :1]))
        delta_RBO /= x_RBF.shape[1]
        for i in reversed(range(len(self.weights))):
            below_RBI = activations[i]
            if i:
                grad_RBI = torch.bmm(delta_RBO, self.weights[i].transpose(1, 2))
            step_RBO = delta_RBO * -lr_R[:, None, None]
            self.weights[i].baddbmm_(below_RBI.transpose(1, 2), step_RBO)
            self.biases[i] += step_RBO.sum(1, keepdim=True)
            if i:
                if l1_R is not None:
                    grad_RBI += l1_R[:, None, None] / x_RBF.shape[1] * below_RBI.sign()
                delta_RBO = grad_RBI * derivative(self.units[i - 1], below_RBI)


def derivative(unit: nn.Module, value: Tensor) -> Tensor:
    """Return a unit's derivative, from the value it gave."""
    if isinstance(unit, nn.Tanh):
        return 1 - value * value
    if isinstance(unit, RescaledSoftplus):
        return -torch.expm1(-unit.alpha * value)  # σ(αx), for value = log(1 + exp(αx)) / α
    return value.sign()  # rectifiers: 1 where on, −1 where on and signed


def batches(n: int, size: int, steps: int, seeds: Iterable[int]) -> Tensor:
    """Return the indices of ``steps`` batches for each seed: (steps, seeds, size).

    Each seed goes through all n in one random order after another.
    """
    orders = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        epochs = -(-steps * size // n)
        order = torch.cat([torch.randperm(n, generator=generator) for _ in range(epochs)])
        orders.append(order[: steps * size].view(steps, size))
    return torch.stack(orders, 1)
