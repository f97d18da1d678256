"""Expert parallelism (§3.1): data-parallel gates, one copy of each expert, tokens that travel.

Every process has its own part of the batch, all of the gate, and n / processes of the experts. A
token goes to the process that has its expert, and its expert's output comes back: two exchanges
"all to all" forwards, two backwards.

Shapes: T tokens of this process, D width, A entries sent, S entries received, N experts.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from . import dispatch
from .experts import Experts
from .gating import NoisyTopKGate, balance_loss
from .layer import SparseMoE, Stats, check_input


class ExpertParallelMoE(nn.Module):
    """A flat layer whose experts are spread over the processes of a group.

    The outputs of all processes are, together, those of `SparseMoE` on the whole batch. So are the
    gradients, if each process's loss is its share of the whole loss (a sum over its tokens, divided
    by the number of *all* tokens) and `sum_gate_gradients` then adds up the gates'. Balancing
    losses are of the whole batch: each process returns the same number, which counts once.

    Args:
        layer: with all experts, alike on all processes; it is taken apart.
        group: of processes; None: all.

    Raises:
        ValueError: the number of experts is not divisible by that of processes; a layer that is
            not noisy top-k, or has a capacity.
    """

    def __init__(self, layer: SparseMoE, group: dist.ProcessGroup | None = None) -> None:
        super().__init__()
        self.group, self.world = group, dist.get_world_size(group)
        flat = isinstance(layer.gate, NoisyTopKGate) and isinstance(layer.experts, Experts)
        if not flat or layer.capacity_factor is not None:
            raise ValueError("expert parallelism needs a top-k gate, stacked Experts, no capacity")
        n = len(layer.experts)
        if n % self.world:
            raise ValueError(f"num_experts ({n}) must be divisible by processes ({self.world})")
        whole: Experts = layer.experts
        own = n // self.world
        first = dist.get_rank(group) * own
        self.num_experts, self.gate = n, layer.gate
        self.experts = Experts(
            own, whole.width, whole.hidden, whole.out, whole.activation, whole.depth,
            bool(len(whole.biases)), whole.recompute,
        ).to(whole.weights[0])  # fmt: skip
        with torch.no_grad():
            for mine, all_of_it in zip(self.experts.parameters(), whole.parameters()):
                mine.copy_(all_of_it[first : first + own])
        self.w_importance, self.w_load = layer.w_importance, layer.w_load
        self.output_activation = layer.output_activation

    def forward(
        self, x: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Stats]:
        """Return what `SparseMoE` returns: y for these tokens, losses and `Stats` for all.

        Args:
            x: (…, D), this process's part; parts may be of unequal sizes, or empty.
            generator: randomness of the gate's noise.
        """
        check_input(x, self.gate.width, None)
        x_TD = x.reshape(-1, x.shape[-1])
        gating = self.gate(x_TD, generator)
        importance_N = AddUp.apply(gating.importance, self.group)
        load_N = AddUp.apply(gating.load, self.group)
        counts_N = torch.bincount(gating.expert, minlength=self.num_experts)
        order_A = gating.expert.argsort(stable=True)  # by expert, hence by process
        token_A = gating.token[order_A]
        sent = counts_N.view(self.world, -1)
        arriving = torch.empty_like(sent)
        dist.all_to_all_single(arriving, sent.contiguous(), group=self.group)
        out, into = sent.sum(1).tolist(), arriving.sum(1).tolist()
        x_SD = Exchange.apply(x_TD[token_A], out, into, self.group)
        own = len(self.experts)
        expert_S = torch.arange(own, device=x.device).repeat(self.world)
        expert_S = expert_S.repeat_interleave(arriving.flatten())
        row_S = torch.arange(len(x_SD), device=x.device)
        y_SO = dispatch.grouped(x_SD, self.experts, row_S, expert_S, x_SD.new_ones(len(x_SD)))
        y_AO = Exchange.apply(y_SO, into, out, self.group)
        y_TO = dispatch.combine(y_AO, token_A, gating.weight[order_A], len(x_TD))
        if self.output_activation == "sigmoid":
            y_TO = y_TO.sigmoid()
        dist.all_reduce(counts_N, group=self.group)
        loss = balance_loss(importance_N, load_N, self.w_importance, self.w_load)
        stats = Stats(importance_N, load_N, counts_N, counts_N.new_zeros(()))
        return y_TO.view(*x.shape[:-1], y_TO.shape[-1]), loss, stats

    def sum_gate_gradients(self) -> None:
        """Add up the gate's gradients over processes, once the backward pass is done."""
        for parameter in self.gate.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad, group=self.group)


class Exchange(torch.autograd.Function):
    """Rows to other processes; on the way back gradients return along the same ways."""

    @staticmethod
    def forward(ctx, rows_AD: Tensor, out: list[int], into: list[int], group) -> Tensor:
        """Send ``out[p]`` rows to process p, receive ``into[p]`` from it."""
        ctx.out, ctx.into, ctx.group = out, into, group
        found = rows_AD.new_empty(sum(into), rows_AD.shape[1])
        dist.all_to_all_single(found, rows_AD.contiguous(), into, out, group=group)
        return found

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        """Send each gradient back to where its row came from."""
        (gradient_SD,) = gradients
        found = gradient_SD.new_empty(sum(ctx.out), gradient_SD.shape[1])
        dist.all_to_all_single(found, gradient_SD.contiguous(), ctx.out, ctx.into, group=ctx.group)
        return found, None, None, None


class AddUp(torch.autograd.Function):
    """A sum over processes. Each gets the gradient by its own part, as the sum counts once."""

    @staticmethod
    def forward(ctx, part_N: Tensor, group) -> Tensor:
        """Return the sum."""
        whole_N = part_N.clone()
        dist.all_reduce(whole_N, group=group)
        return whole_N

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        """Return the gradient as it is."""
        return gradients[0], None
