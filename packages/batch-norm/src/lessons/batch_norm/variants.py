"""Which values share their statistics: other answers than one batch on one machine."""

import math
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .norm import NARROW, BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, batch_norm


class PerActivationBatchNorm(BatchNorm):
    """Batch norm with statistics, γ and β of its own for every place of a feature map.

    The ensemble of §4.2.3 has it in the last layers.

    Args:
        shape: of an example, such as (C, H, W). Further arguments: as in `BatchNorm`.
    """

    def __init__(self, shape: Sequence[int], *args, **kwargs) -> None:
        super().__init__(math.prod(shape), *args, **kwargs)
        self.shape = tuple(shape)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, *shape) to the same shape."""
        if tuple(input.shape[1:]) != self.shape:
            raise ValueError(f"the input should be (N, {self.shape}), is {tuple(input.shape)}")
        return super().forward(input.flatten(1)).view(input.shape)


class GhostBatchNorm(BatchNorm):
    """LATER: normalize parts of a large batch, each by itself (Hoffer et al. 2017).

    Args:
        num_features: C.
        virtual_batch: size of a part, must divide N in training.
        Further arguments: as in `BatchNorm`.
    """

    def __init__(self, num_features: int, virtual_batch: int, *args, **kwargs) -> None:
        super().__init__(num_features, *args, **kwargs)
        if virtual_batch < 1:
            raise ValueError(f"virtual_batch must be at least 1, got {virtual_batch}")
        self.virtual_batch = virtual_batch

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, …) to the same shape."""
        if not self.training or self.frozen:
            return super().forward(input)
        if len(input) % self.virtual_batch:
            raise ValueError(f"virtual_batch ({self.virtual_batch}) must divide N ({len(input)})")
        normalize = super().forward
        return torch.cat([normalize(part) for part in input.split(self.virtual_batch)])


class BatchRenorm(BatchNorm):
    """LATER: batch norm corrected towards the running statistics (Ioffe 2017).

    The corrections r and d are taken as constants in the gradient. Ioffe averages σ; this keeps
    torch's running variance, so that state dicts fit.

    Args:
        num_features: C.
        r_max, d_max: limits of the corrections; 1 and 0 are plain batch norm.
        Further arguments: as in `BatchNorm`; momentum may not be None. (Set to None later, as
            `update_bn_statistics` does, it averages all batches alike.)
    """

    def __init__(self, num_features: int, r_max: float = 3.0, d_max: float = 5.0, **kwargs) -> None:
        super().__init__(num_features, **kwargs)
        if r_max < 1 or d_max < 0:
            raise ValueError(f"r_max must be ≥ 1 and d_max ≥ 0, got {r_max} and {d_max}")
        if self.momentum is None or self.running_mean is None:
            raise ValueError("batch renormalization needs running statistics and a momentum")
        self.r_max, self.d_max = r_max, d_max

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, …) to the same shape."""
        mean, var = self.running_mean, self.running_var
        if not self.training or self.frozen or mean is None or var is None:
            return super().forward(input)
        self.check(input)
        with torch.no_grad():
            wide = input.float() if input.dtype in NARROW else input
            batch_var, batch_mean = torch.var_mean(wide, (0, *range(2, input.ndim)), correction=0)
            std = (var + self.eps).sqrt()
            r = ((batch_var + self.eps).sqrt() / std).clamp(1 / self.r_max, self.r_max)
            d = ((batch_mean - mean) / std).clamp(-self.d_max, self.d_max)
            if self.momentum is None and self.num_batches_tracked is not None:
                begun = self.num_batches_tracked > 0  # before, there is nothing to correct towards
                r, d = torch.where(begun, r, 1.0), torch.where(begun, d, 0.0)
        # γ(r x̂ + d) + β is batch norm with the gain γr and the bias γd + β.
        weight, bias = (r, d) if self.weight is None else (self.weight * r, self.weight * d)
        bias = bias if self.bias is None else bias + self.bias
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        if self.momentum is not None:
            return batch_norm(input, mean, var, weight, bias, True, self.momentum, self.eps)
        y = batch_norm(input, None, None, weight, bias, True, 0.0, self.eps)
        if self.num_batches_tracked is None:
            raise ValueError("num_batches_tracked must be there for an average over all batches")
        m = input.numel() // input.shape[1]
        if m:
            share = self.num_batches_tracked.to(mean.dtype).reciprocal()
            mean.lerp_(batch_mean.to(mean.dtype), share)
            var.lerp_((batch_var * (m / (m - 1))).to(var.dtype), share)
        return y


class AllReduce(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx, x, group):
        """Return the sum, the same in every process."""
        ctx.group = group
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, *gradients):
        """Return the gradient of all processes' losses together (and None)."""
        return AllReduce.apply(gradients[0], ctx.group), None


class SyncBatchNorm(BatchNorm):
    """Batch norm over the batches of all processes together, in place of `torch.nn.SyncBatchNorm`.

    torch's needs GPUs; this runs wherever `torch.distributed` can add, and processes may have
    batches of different sizes. The gradients are those of the sum of the processes' losses; those
    of γ and β are each process's own share, which `DistributedDataParallel` averages as it does
    all others. Without a process group, or alone in it, this is `BatchNorm`.

    Args:
        num_features: C. eps, momentum, affine, track_running_stats: as in `BatchNorm`.
        process_group: whose batches count as one; None: all.
        device, dtype: of parameters and statistics.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: dist.ProcessGroup | None = None,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, …) to the same shape."""
        if not self.training or self.frozen or not self.together():
            return super().forward(input)
        self.check(input)
        wide = input.float() if input.dtype in NARROW else input
        dims, shape = (0, *range(2, input.ndim)), (1, -1) + (1,) * (input.ndim - 2)
        count = wide.new_full((1,), input.numel() // input.shape[1])
        sums = AllReduce.apply(torch.cat([wide.sum(dims), count]), self.process_group)
        m = sums[-1].detach()
        if m < 2:
            got = tuple(input.shape)
            raise ValueError(f"training needs more than 1 value per channel, got an input of {got}")
        mean = sums[:-1] / m
        centred = wide - mean.view(shape)  # about the shared mean, so that nothing cancels
        squares = AllReduce.apply((centred * centred).sum(dims), self.process_group)
        var = squares / m
        self.follow(mean.detach(), (squares / (m - 1)).detach())
        y = centred * (var + self.eps).rsqrt().view(shape)
        y = y if self.weight is None else y * self.weight.view(shape)
        return (y if self.bias is None else y + self.bias.view(shape)).to(input.dtype)

    def together(self) -> bool:
        """Return whether there is another process to share statistics with."""
        there = dist.is_available() and dist.is_initialized()
        return there and dist.get_world_size(self.process_group) > 1

    def follow(self, mean: Tensor, var: Tensor) -> None:
        """Mix a batch's statistics into the running ones."""
        count = self.num_batches_tracked
        if self.running_mean is None or self.running_var is None or not self.track_running_stats:
            return
        if count is not None:
            count.add_(1)
        share = self.momentum
        if share is None:
            share = 0.0 if count is None else 1 / count.item()
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(var.to(self.running_var.dtype), share)

    @classmethod
    def convert_sync_batchnorm(cls, module: nn.Module, process_group=None) -> nn.Module:
        """Return the module with every batch norm of this package replaced; parameters are kept."""
        plain = (BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d)
        if isinstance(module, plain) and type(module) in plain:  # those with another rule stay
            sync = cls(
                module.num_features, module.eps, module.momentum, module.affine,
                module.track_running_stats, process_group, bias=module.bias is not None,
                device="meta",
            )  # fmt: skip
            sync._parameters, sync._buffers = module._parameters, module._buffers
            sync.training, sync.frozen = module.training, module.frozen
            return sync
        for name, child in list(module.named_children()):
            module.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return module
