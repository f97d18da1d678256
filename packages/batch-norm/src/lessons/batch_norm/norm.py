"""The batch normalizing transform (Ioffe and Szegedy 2015, Alg. 1) and its gradient (§3).

Shapes: N examples, C channels (features), `…` any further dimensions. The statistics of a channel
are over its m = N × … values: over N alone behind a linear layer, over N, H, W in a picture (§3.2).
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.modules.batchnorm import _BatchNorm

NARROW = (torch.float16, torch.bfloat16)


def batch_norm_reference(
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize as Algorithm 1 says: the specification of all that follows. See `batch_norm`."""
    dims = (0, *range(2, x.ndim))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    wide = x.float() if x.dtype in NARROW else x  # 256² is more than float16 can hold
    if training:
        mean = wide.mean(dims)
        centred = wide - mean.view(shape)  # before the square: E[x²] − E[x]² cancels
        var = (centred * centred).mean(dims)  # biased: 1/m
        if running_mean is not None and running_var is not None and x.numel():
            m = x.numel() // x.shape[1]
            running_mean.lerp_(mean.detach().to(running_mean.dtype), momentum)
            unbiased = var.detach() * (m / (m - 1))  # §3.1: an estimate for the population
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    elif running_mean is None or running_var is None:
        raise ValueError("training is False, so running_mean and running_var must be given")
    else:
        mean, var = running_mean, running_var
        centred = wide - mean.view(shape)
    y = centred / (var + eps).sqrt().view(shape)
    y = y if weight is None else y * weight.view(shape)
    return (y if bias is None else y + bias.view(shape)).to(x.dtype)


class BatchNormFunction(torch.autograd.Function):
    """Training's transform with its gradient written out; x, weight and bias of one dtype.

    The backward pass consists of differentiable operations on saved inputs, so it can itself be
    differentiated.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        """Return what `batch_norm_reference` does in training."""
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        return batch_norm_reference(x, weight=weight, bias=bias, training=True, eps=eps)

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradients of x, weight and bias (and None, for ε)."""
        (dy,), (x, weight) = gradients, ctx.saved_tensors
        dims = (0, *range(2, x.ndim))
        centred = x - x.mean(dims, keepdim=True)
        rstd = ((centred * centred).mean(dims, keepdim=True) + ctx.eps).rsqrt()
        normalized = centred * rstd
        # What x̂ cannot follow is taken out: a shift of the batch, and a stretch along x̂ itself.
        shift = dy.mean(dims, keepdim=True)
        stretch = (dy * normalized).mean(dims, keepdim=True)
        gain = weight.view(1, -1, *(1,) * (x.ndim - 2)) * rstd
        dx = gain * (dy - shift - normalized * stretch)
        return dx, (dy * normalized).sum(dims), dy.sum(dims), None


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize every channel to mean 0 and variance 1, then scale and shift it.

    Calls torch's kernel, which is equal to `batch_norm_reference`; the arguments are those of
    `torch.nn.functional.batch_norm`.

    Args:
        x: (N, C, …), floating-point.
        running_mean: (C), updated in place in training, used instead of the batch's otherwise;
            None: not kept.
        running_var: likewise.
        weight: γ, (C), or None for 1.
        bias: β, (C), or None for 0.
        training: whether to normalize with the batch's own statistics.
        momentum: the weight of the new batch in the running statistics (TensorFlow's is 1 − this).
        eps: added to the variance.

    Returns:
        (N, C, …), of x's dtype.

    Raises:
        ValueError: training with one value a channel, or no statistics to use.
        TypeError: x is not floating-point.

    Source: Alg. 1; §3.1 for what ``training=False`` does; §3.2 for the further dimensions.
    """
    if not x.is_floating_point():
        raise TypeError(f"the input must be floating-point, got {x.dtype}")
    if training:
        if x.numel() == x.shape[1] > 0:  # of none at all there is nothing to normalize
            raise ValueError(
                f"training needs more than 1 value per channel, got an input of {tuple(x.shape)}"
            )
    elif running_mean is None or running_var is None:
        raise ValueError("training is False, so running_mean and running_var must be given")
    return torch.batch_norm(
        x, weight, bias, running_mean, running_var, training, momentum, eps,
        torch.backends.cudnn.enabled,
    )  # fmt: skip


class BatchNorm(_BatchNorm):
    """Batch normalization of (N, C) or (N, C, …): torch's arguments, and torch's state dict.

    Of torch's class it has the name only, by which torch's tools (`swa_utils.update_bn`, say) know
    a batch norm.

    Args:
        num_features: C.
        eps: added to the variance, greater than 0 (the paper gives no value).
        momentum: the new batch's weight in the running statistics; None averages all batches alike.
        affine: whether there are γ (1 at first) and β (0 at first).
        track_running_stats: whether to keep statistics; without, evaluation uses the batch's own.
        device, dtype: of parameters and statistics.
        bias: whether there is a β, if affine.

    Attributes:
        frozen: if True, training uses the running statistics too and leaves them alone
            (`freeze_statistics_`).

    Source: Alg. 1, Alg. 2, §3.2.
    """

    dims: tuple[int, ...] = ()  # of the input; none: any number from 2 on
    frozen: bool = False
    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        nn.Module.__init__(self)
        if num_features < 1:
            raise ValueError(f"num_features must be at least 1, got {num_features}")
        if not eps > 0:
            raise ValueError(f"eps must be greater than 0, got {eps}")
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(f"momentum must be in [0, 1] or None, got {momentum}")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, there in (("weight", affine), ("bias", affine and bias)):
            empty = torch.empty(num_features, device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(empty) if there else None)
        for name in ("running_mean", "running_var"):
            empty = torch.empty(num_features, device=device, dtype=dtype)
            self.register_buffer(name, empty if track_running_stats else None)
        count = torch.zeros((), dtype=torch.long, device=device)
        self.register_buffer("num_batches_tracked", count if track_running_stats else None)
        self.register_load_state_dict_pre_hook(inspect_statistics)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running statistics to mean 0 and variance 1, of no batch."""
        for name, value in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
            statistic = getattr(self, name)
            if statistic is not None:
                statistic.fill_(value)

    def reset_parameters(self) -> None:
        """Set γ to 1 and β to 0, and the running statistics back."""
        self.reset_running_stats()
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def train(self, mode: bool = True):
        """Set training or evaluation; warn if evaluation will depend on the batch."""
        if not mode and self.running_mean is None:
            warnings.warn(
                "evaluation without running statistics (track_running_stats=False) normalizes "
                "with the batch's own: an example's result depends on the others",
                stacklevel=2,
            )
        return super().train(mode)

    def check(self, x: Tensor) -> None:
        """Raise a ValueError unless x is (N, C, …) of the right number of dimensions."""
        if x.ndim < 2 or x.shape[1] != self.num_features or (self.dims and x.ndim not in self.dims):
            raise ValueError(
                f"the input should be (N, {self.num_features}, …) of "
                f"{' or '.join(map(str, self.dims)) or '2 or more'} dimensions, "
                f"is {tuple(x.shape)}"
            )

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, …) to the same shape."""
        if isinstance(input, Proxy):  # torch.fx traces: one node, as of torch's own layers
            tracer: Any = input.tracer
            return tracer.create_proxy("call_module", tracer.path_of_module(self), (input,), {})
        self.check(input)
        training = self.training and not self.frozen
        mean, var, momentum = self.running_mean, self.running_var, self.momentum
        if training and not self.track_running_stats:
            mean = var = None
        if training and mean is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        if momentum is None:
            if training and mean is not None:
                return self.average(input)
            momentum = 0.0
        by_batch = training or mean is None
        return batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)

    def average(self, x: Tensor) -> Tensor:
        """Normalize in training, all batches so far weighing the same in the statistics."""
        # The kernel's momentum is a number, and 1/n as a number would stop torch.compile: let it
        # write this batch's statistics elsewhere, and mix them in here.
        mean, var = self.running_mean, self.running_var
        count = self.num_batches_tracked
        if mean is None or var is None or count is None:
            raise ValueError("num_batches_tracked must be there for an average over all batches")
        new_mean, new_var = torch.zeros_like(mean), torch.ones_like(var)
        y = batch_norm(x, new_mean, new_var, self.weight, self.bias, True, 1.0, self.eps)
        if not x.shape[0]:
            return y
        share = count.to(mean.dtype).reciprocal()
        mean.lerp_(new_mean, share)
        var.lerp_(new_var, share)
        return y

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


def inspect_statistics(module, state_dict, prefix, *_) -> None:
    """Refuse a variance that is none; a checkpoint from before torch 0.4.1 has no counter."""
    var = state_dict.get(f"{prefix}running_var")
    if var is not None and not var.is_meta and not bool((var >= 0).all()):  # NaN is not ≥ 0
        raise ValueError(f"{prefix}running_var must be at least 0, and has negative values or NaN")
    counter = f"{prefix}num_batches_tracked"
    if module.num_batches_tracked is not None and counter not in state_dict:
        state_dict[counter] = torch.zeros((), dtype=torch.long)


class BatchNorm1d(BatchNorm):
    """Batch norm of (N, C) or (N, C, L), in place of `torch.nn.BatchNorm1d`."""

    dims = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch norm of pictures (N, C, H, W), in place of `torch.nn.BatchNorm2d` (§3.2)."""

    dims = (4,)


class BatchNorm3d(BatchNorm):
    """Batch norm of volumes (N, C, D, H, W), in place of `torch.nn.BatchNorm3d`."""

    dims = (5,)
