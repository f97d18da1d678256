"""What becomes of a gradient on its way through time, and what is done about it.

∂h(t)/∂h(t − q) is a product of q matrices diag(f′) W. It grows like a power of q or dies like one.

Shapes: T steps, B sequences, H hidden units.
"""

import torch
from torch import Tensor, nn

from .rnn import RNN


def spectral_radius(weight: Tensor) -> Tensor:
    """Return the largest modulus of the eigenvalues of a square matrix, or of a batch of them."""
    if weight.dim() < 2 or weight.shape[-1] != weight.shape[-2]:
        raise ValueError(f"weight must be square, is {tuple(weight.shape)}")
    return torch.linalg.eigvals(weight).abs().amax(-1)


@torch.no_grad()
def with_radius_(weight: Tensor, radius: float) -> Tensor:
    """Scale a square matrix to a spectral radius, in place."""
    return weight.mul_(radius / spectral_radius(weight))


def gradient_norms(layer: RNN, x: Tensor, hx: Tensor | None = None) -> Tensor:
    """Return ‖∂h(T)/∂h(T − q)‖ for q = 0 … T − 1: how much of an error arrives q steps back.

    Args:
        layer: of one layer and direction.
        x: (T, B, I).
        hx: h(0); zeros by default.

    Returns:
        (T, B), the spectral norms of the products of Jacobians.

    Raises:
        ValueError: more than one layer or direction.

    Source: Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013, eq. 5.
    """
    if layer.num_layers > 1 or layer.bidirectional:
        raise ValueError(f"one layer in one direction is needed, got {layer}")
    with torch.no_grad():
        h_TBH = layer(x, hx)[0]
    h_TBH = h_TBH.transpose(0, 1) if layer.batch_first else h_TBH
    weight = layer.all_weights[0][1].detach()
    product = torch.eye(len(weight), dtype=weight.dtype, device=weight.device)
    product = product.expand(h_TBH.shape[1], -1, -1)
    norms = []
    for h_BH in reversed(h_TBH.unbind(0)):
        norms.append(torch.linalg.matrix_norm(product, 2))
        product = (product * slope(h_BH, layer.nonlinearity)[:, None]) @ weight
    return torch.stack(norms)


def slope(h: Tensor, nonlinearity: str) -> Tensor:
    """Return f′ from f: 1 − h² for tanh, 1 or 0 for rectifiers, h(1 − h) for logistic units."""
    if nonlinearity == "relu":
        return (h > 0).to(h.dtype)
    return 1 - h * h if nonlinearity == "tanh" else h * (1 - h)


@torch.no_grad()
def orthogonal_(layer: RNN, gain: float = 1.0, generator: torch.Generator | None = None) -> RNN:
    """Make the weights from state to state orthogonal: a linear net keeps every gradient's norm.

    Source: Saxe et al. 2014; Henaff et al. 2016.
    """
    for name, weight in layer.named_parameters():
        if name.startswith("weight_hh"):
            nn.init.orthogonal_(weight, gain, generator=generator)
    return layer


@torch.no_grad()
def identity_(layer: RNN, scale: float = 1.0) -> RNN:
    """Make the weights from state to state the identity, and the biases zero: the IRNN.

    Meant for rectifiers: at the start the state is a sum of all inputs, and gradients stay.

    Source: Le, Jaitly and Hinton 2015.
    """
    for name, weight in layer.named_parameters():
        if name.startswith("weight_hh"):
            nn.init.eye_(weight).mul_(scale)
        elif name.startswith("bias"):
            weight.zero_()
    return layer


@torch.no_grad()
def clip_grad(parameters, threshold: float) -> Tensor:
    """Scale all gradients down together where their norm exceeds a threshold; return the norm.

    A norm that is not finite leaves them as they are: there is nothing to scale.

    Source: Pascanu et al. 2013, Algorithm 1.
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0, got {threshold}")
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    if not gradients:
        return torch.zeros(())
    norm = torch.stack([g.norm() for g in gradients]).norm()
    if norm.isfinite() and norm > threshold:
        for gradient in gradients:
            gradient.mul_(threshold / norm)
    return norm
