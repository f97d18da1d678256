r"""The layers of both networks: shared weights, partial tables, sums of four, a scaled tanh.

Shapes: B batch, C channels, H, W height and width; D output channels, Y, X output height and
width; U, V height and width of a kernel; N kernels.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import Proxy


class ScaledTanh(nn.Module):
    """The squashing function f(a) = A tanh(S a).

    With these constants f(1) = 1 to five digits, so that targets of ±1 lie within its range.

    Args:
        A: the asymptote.
        S: the slope at the origin is A S.

    Source: 1998, eqs. 5 and 6, App. A.
    """

    def __init__(self, A: float = 1.7159, S: float = 2 / 3) -> None:
        super().__init__()
        self.A, self.S = A, S

    def forward(self, a: Tensor) -> Tensor:
        """Return f(a), of the same shape."""
        return (a * self.S).tanh_() * self.A

    def extra_repr(self) -> str:
        """Return the constants."""
        return f"A={self.A:g}, S={self.S:g}"


def _pooled(x_BCHW: Tensor, pool: Callable, pair: Callable) -> Tensor:
    """Return one number for every 2 by 2 square, (B, C, H/2, W/2).

    Args:
        x_BCHW: maps.
        pool: torch's pooling, for few numbers and where a gradient is wanted.
        pair: the same of two tensors; on slices it takes a sixth of pooling's time.

    Raises:
        ValueError: an odd height or width.
    """
    if isinstance(x_BCHW, Proxy):  # torch.fx traces: there are no numbers yet
        return pool(x_BCHW)
    height, width = x_BCHW.shape[-2:]
    if height % 2 or width % 2:
        raise ValueError(f"x must have an even height and width, got {height} by {width}")
    # What compiles or exports does not look at a size that may vary.
    few = torch.compiler.is_compiling() or x_BCHW.numel() < 50_000
    if few or (torch.is_grad_enabled() and x_BCHW.requires_grad):
        return pool(x_BCHW)
    rows = pair(x_BCHW[..., ::2, :], x_BCHW[..., 1::2, :])
    return pair(rows[..., ::2], rows[..., 1::2])


class Subsample(nn.Module):
    """Half the resolution: the sum of each 2 by 2 square, times a coefficient, plus a bias.

    Args:
        channels: C; a coefficient and a bias for each.
        trainable: False fixes the coefficients at 1/4 and the biases at 0: the plain mean.

    Source: 1998, §II-B (§II-A says that the four are averaged; the two differ by a factor of 4 in
    the coefficient).
    """

    coef: Tensor
    bias: Tensor

    def __init__(self, channels: int, trainable: bool = True) -> None:
        super().__init__()
        self.channels = channels
        for name, value in (("coef", 0.25), ("bias", 0.0)):
            tensor = torch.full((channels,), value)
            if trainable:
                self.register_parameter(name, nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor, persistent=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, C, H/2, W/2), not squashed yet."""
        sums_BCYX = _pooled(x_BCHW, lambda x: F.avg_pool2d(x, 2, divisor_override=1), torch.add)
        return torch.addcmul(self.bias[:, None, None], self.coef[:, None, None], sums_BCYX)

    def extra_repr(self) -> str:
        """Return the number of channels."""
        return str(self.channels)


class MaxPool(nn.Module):
    """Half the resolution: the largest of each 2 by 2 square; later than the papers."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, C, H/2, W/2)."""
        return _pooled(x_BCHW, lambda x: F.max_pool2d(x, 2), torch.maximum)


class PartialConv2d(nn.Module):
    """A convolution in which each output map sees only some of the input maps.

    The parameter ``weight`` has a kernel for each entry of the table and nothing else, (N, U, V),
    in the table's order, so that counting parameters counts the weights that exist.

    Args:
        in_channels: C.
        table: for each of D output maps, the input maps that it sees.
        kernel_size: U = V.
        stride: pixels from one window to the next.
        unit_biases: height and width of the output maps, if every unit has a bias of its own
            (1989); None: one a map (1998).

    Raises:
        ValueError: a row of the table is empty, names a map twice or one that does not exist.

    Source: 1998, Table I; 1989, H1 and H2.
    """

    index: Tensor

    def __init__(
        self,
        in_channels: int,
        table: Sequence[Sequence[int]],
        kernel_size: int = 5,
        stride: int = 1,
        unit_biases: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        for row, entries in enumerate(table):
            if not entries:
                raise ValueError(f"table: row {row} is empty; an output map needs an input map")
            bad = [entry for entry in entries if not 0 <= entry < in_channels]
            if bad:
                raise ValueError(f"table: row {row} has {bad[0]}; it must be in [0, {in_channels})")
            if len(set(entries)) < len(entries):
                raise ValueError(f"table: row {row} names an input map twice: {list(entries)}")
        self.in_channels, self.out_channels, self.stride = in_channels, len(table), stride
        self.table = tuple(tuple(entries) for entries in table)
        flat = [d * in_channels + c for d, entries in enumerate(self.table) for c in entries]
        self.register_buffer("index", torch.tensor(flat), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(flat), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(self.out_channels, *(unit_biases or ())))
        init_lecun(self)

    def dense_weight(self) -> Tensor:
        """Return the kernels as torch's convolution wants them, (D, C, U, V), zeros between."""
        size = self.weight.shape[1:]
        zeros = self.weight.new_zeros(self.out_channels * self.in_channels, *size)
        dense = zeros.index_copy(0, self.index, self.weight)
        return dense.view(self.out_channels, self.in_channels, *size)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, D, Y, X), not squashed yet."""
        shared = self.bias.ndim == 1
        bias = self.bias if shared else None
        a_BDYX = F.conv2d(x_BCHW, self.dense_weight(), bias, self.stride)
        return a_BDYX if shared else a_BDYX + self.bias

    def extra_repr(self) -> str:
        """Return the numbers of maps and of kernels."""
        kernels, *size = self.weight.shape
        return f"{self.in_channels}, {self.out_channels}, {kernels} kernels of {tuple(size)}"


class MapConv2d(nn.Conv2d):
    """A convolution that is a matrix product where its kernel covers the whole map.

    C5, F6 and the outputs of LeNet-5 on one character: as a product they take a fifth of the time.
    On a larger image they are the convolutions that §VII needs.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return (B, D, Y, X) for maps (B, C, H, W); (B, D) if there is only one place."""
        if input.ndim == 2 or input.shape[-2:] == self.weight.shape[-2:]:
            return F.linear(input.flatten(1), self.weight.flatten(1), self.bias)
        return super().forward(input)


@torch.no_grad()
def init_lecun(
    module: nn.Module, generator: torch.Generator | None = None, sqrt: bool = False
) -> None:
    """Draw all weights uniformly from ±2.4/F, F the fan-in of the unit; biases are 0.

    Args:
        module: whose layers to initialize, itself included.
        generator: randomness.
        sqrt: ±2.4/√F instead, near today's initialization for tanh; what the nets here begin with.

    Source: 1998, App. A. A unit of a sub-sampling layer has four inputs; the paper does not say how
    biases start.
    """
    for layer in module.modules():
        if isinstance(layer, PartialConv2d):
            size = layer.weight[0].numel()
            fan_in = torch.tensor([size * len(row) for row in layer.table for _ in row])
            fan_in = fan_in[:, None, None].to(layer.weight)
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in = torch.tensor(float(math.prod(layer.weight.shape[1:])))
        elif isinstance(layer, Subsample) and isinstance(layer.coef, nn.Parameter):
            fan_in = torch.tensor(4.0)
        else:
            continue
        weight: Tensor = layer.coef if isinstance(layer, Subsample) else layer.weight
        weight.uniform_(-2.4, 2.4, generator=generator).div_(fan_in.sqrt() if sqrt else fan_in)
        bias: Tensor | None = layer.bias
        if bias is not None:
            bias.zero_()


@torch.no_grad()
def init_torch(module: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights as torch's own layers begin, uniformly from ±1/√F, biases too."""
    for layer in module.modules():
        if isinstance(layer, PartialConv2d):
            init_lecun(layer, generator)
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            bound = math.prod(layer.weight.shape[1:]) ** -0.5
            for tensor in layer.parameters():
                tensor.uniform_(-bound, bound, generator=generator)
