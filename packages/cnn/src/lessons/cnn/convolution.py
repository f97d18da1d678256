r"""Convolution and its gradients, from windows and sums (LeCun et al. 1989; 1998, §II-A).

Shapes: B batch, C channels, H, W height and width; D output channels, Y, X output height and
width; U, V height and width of a kernel.

Every output unit looks at one window of its input, and all units of a map look with the same
kernel: $a_{dyx} = b_d + \sum_{cuv} w_{dcuv}\, x_{c,\,sy+u,\,sx+v}$. This is the specification; the
networks call torch's kernel, which is tested equal to it.
"""

import torch.nn.functional as F
from einops import einsum
from torch import Tensor


def windows(x_BCHW: Tensor, size: tuple[int, int], stride: int = 1) -> Tensor:
    """Return a view of all windows, (B, C, Y, X, U, V): the receptive fields of the output units.

    Args:
        x_BCHW: maps.
        size: height U and width V of a window.
        stride: pixels from one window to the next.

    Raises:
        ValueError: the maps are smaller than a window.
    """
    if x_BCHW.shape[-2] < size[0] or x_BCHW.shape[-1] < size[1]:
        got = tuple(x_BCHW.shape[-2:])
        raise ValueError(f"x must be at least {size[0]} by {size[1]} pixels, got {got}")
    return x_BCHW.unfold(2, size[0], stride).unfold(3, size[1], stride)


def conv2d(
    x_BCHW: Tensor, weight_DCUV: Tensor, bias: Tensor | None = None, stride: int = 1
) -> Tensor:
    """Return the convolution (B, D, Y, X): one kernel for all windows of a map.

    Args:
        x_BCHW: maps, padded already where that is wanted.
        weight_DCUV: a kernel for each pair of an output and an input map.
        bias: (D,), one a map as in 1998, or (D, Y, X), one a unit as in 1989.
        stride: pixels from one window to the next.

    Raises:
        ValueError: the channels differ, or the maps are smaller than the kernel.
    """
    if x_BCHW.shape[1] != weight_DCUV.shape[1]:
        want, got = weight_DCUV.shape[1], x_BCHW.shape[1]
        raise ValueError(f"x must have {want} channels as the weight has, got {got}")
    size = (weight_DCUV.shape[2], weight_DCUV.shape[3])
    windows_BCYXUV = windows(x_BCHW, size, stride)
    a_BDYX = einsum(windows_BCYXUV, weight_DCUV, "b c y x u v, d c u v -> b d y x")
    if bias is not None:
        a_BDYX = a_BDYX + (bias[:, None, None] if bias.ndim == 1 else bias)
    return a_BDYX


def conv2d_gradients(
    x_BCHW: Tensor, weight_DCUV: Tensor, delta_BDYX: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients with respect to the maps, the kernels and the biases, for stride 1.

    Both of the first are convolutions again: a shared weight's gradient is the sum over all
    connections that share it (1998, eq. 19), and a pixel's the sum over all windows that it is in.

    Args:
        x_BCHW: what went in.
        weight_DCUV: the kernels.
        delta_BDYX: the gradient with respect to what came out.
    """
    grad_weight_DCUV = conv2d(x_BCHW.transpose(0, 1), delta_BDYX.transpose(0, 1)).transpose(0, 1)
    rows, columns = weight_DCUV.shape[2] - 1, weight_DCUV.shape[3] - 1
    padded = F.pad(delta_BDYX, (columns, columns, rows, rows))
    grad_x_BCHW = conv2d(padded, weight_DCUV.flip(2, 3).transpose(0, 1))
    return grad_x_BCHW, grad_weight_DCUV, delta_BDYX.sum((0, 2, 3))
