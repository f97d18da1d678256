"""The sparsely-gated mixture of experts (§2) and its hierarchical form (App. B).

Shapes: T tokens, D width, O output, N experts, A entries (token, expert, weight), G groups.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from . import dispatch as ways
from .experts import Experts
from .gating import (
    BatchwiseGate,
    Gating,
    NoisyTopKGate,
    SoftmaxGate,
    balance_loss,
    check_k,
    check_weights,
    cv_squared,
    sum_by,
)

DISPATCH = ("auto", "loop", "grouped", "padded")


class Stats(NamedTuple):
    """How busy the experts were.

    Attributes:
        importance: (N,), summed weights (eq. 6, 13). load: (N,), tokens by the gate's own measure
            (eqs. 10, 14). counts: (N,), tokens that each was really sent. dropped: how many entries
            found their expert full; 0 without a capacity.
    """

    importance: Tensor
    load: Tensor
    counts: Tensor
    dropped: Tensor

    @property
    def most_loaded(self) -> Tensor:
        """Return max(load) / mean(load), Table 6's last column."""
        return self.load.max() / self.load.mean().clamp_min(torch.finfo(self.load.dtype).tiny)

    @property
    def cv_importance(self) -> Tensor:
        """Return CV(Importance), not squared, as in Table 6."""
        return cv_squared(self.importance).sqrt()

    @property
    def cv_load(self) -> Tensor:
        """Return CV(Load), not squared."""
        return cv_squared(self.load).sqrt()


class MoELayer(nn.Module):
    """A mixture of any experts with any gate: y = Σ G(x)_i E_i(x) (eq. 1).

    Args:
        experts: `Experts`, or modules that take (rows, D) to (rows, O), alike for all.
        gate: a module that takes (T, D) to a `Gating`; if its load has no gradient, its attribute
            `smooth` is false.
        w_importance, w_load: of the two balancing losses (eqs. 7, 11).
        dispatch: "loop", "grouped", "padded", or "auto" for the faster of the last two. Where
            values cannot be looked at (under vmap, on meta, in torch.export) "auto" gives each
            expert a slot for every token: right, but as dear as all experts. A capacity is cheaper.
        output_activation: "sigmoid" as in the paper's language models, or None.
        capacity_factor: an expert takes at most ⌈factor · entries / N⌉ tokens, those that come
            first; the rest pass it by. Not of the paper; later systems have it (Lepikhin et al.
            2020). With "padded" no shape depends on values, as compiling into one graph needs.

    Raises:
        ValueError: unknown options, negative weights, another number of experts than the gate's,
            a load loss for a gate without noise.
    """

    def __init__(
        self, experts: Experts | Sequence[nn.Module], gate: Any, w_importance: float = 0.1,
        w_load: float = 0.1, dispatch: str = "auto", output_activation: str | None = None,
        capacity_factor: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_weights(w_importance=w_importance, w_load=w_load)
        if dispatch not in DISPATCH:
            raise ValueError(f"dispatch must be one of {DISPATCH}, got {dispatch!r}")
        if output_activation not in (None, "sigmoid"):
            raise ValueError(
                f"output_activation must be 'sigmoid' or None, got {output_activation!r}"
            )
        if capacity_factor is not None and not capacity_factor > 0:
            raise ValueError(f"capacity_factor must be positive, got {capacity_factor}")
        if len(experts) != gate.num_experts:
            raise ValueError(f"{len(experts)} experts, but the gate knows {gate.num_experts}")
        if w_load and not getattr(gate, "smooth", True):
            raise ValueError(f"w_load ({w_load}) needs noise: without it a load has no gradient")
        if dispatch == "padded" and not isinstance(experts, Experts):
            raise ValueError("dispatch 'padded' needs stacked Experts")
        self.experts = experts if isinstance(experts, nn.Module) else nn.ModuleList(experts)
        self.gate, self.dispatch, self.capacity_factor = gate, dispatch, capacity_factor
        # The factor as a fraction: torch.export follows whole numbers.
        self.share = Fraction(capacity_factor or 0).limit_denominator(10**6).as_integer_ratio()
        self.w_importance, self.w_load = w_importance, w_load
        self.output_activation = output_activation

    def forward(
        self, x: Tensor, mask: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Stats]:
        """Return the output, the balancing losses, and how busy the experts were.

        Args:
            x: (…, D).
            mask: (…), true where there is a token: elsewhere the output is 0, and nothing counts.
            generator: randomness of the gate's noise; None: torch's own.

        Returns:
            y (…, O); a scalar, to be added to the loss; `Stats`.

        Raises:
            TypeError: x is not floating-point, the mask not bool.
            ValueError: widths or shapes that do not fit, gate logits that are not a number.
        """
        check_input(x, self.gate.width, mask)
        flat_TD = x.reshape(-1, x.shape[-1])
        real_TD = flat_TD if mask is None else flat_TD[mask.reshape(-1)]
        gating = self.gate(real_TD, generator)
        y_TO, stats = self.mix(real_TD, gating)
        loss = balance_loss(stats.importance, stats.load, self.w_importance, self.w_load)
        loss = loss + gating.loss
        if mask is not None:
            padded_TO = y_TO.new_zeros(len(flat_TD), y_TO.shape[-1])
            y_TO = padded_TO.masked_scatter(mask.reshape(-1, 1), y_TO)
        return y_TO.view(*x.shape[:-1], y_TO.shape[-1]), loss, stats

    def mix(self, x_TD: Tensor, gating: Gating) -> tuple[Tensor, Stats]:
        """Send tokens to their experts and add up what comes back."""
        token_A, expert_A, weight_A = gating.token, gating.expert, gating.weight
        n, entries = len(self.experts), token_A.shape[0]
        counts_N = torch.zeros(n, dtype=torch.long, device=x_TD.device)
        counts_N = counts_N.index_add(0, expert_A, torch.ones_like(expert_A))
        dropped, slots = counts_N.new_zeros(()), None
        how = self.dispatch
        if how == "auto":
            limited = self.capacity_factor is not None
            if isinstance(self.experts, Experts) and ways.hidden_values(x_TD):
                how, slots = "padded", x_TD.shape[0]
            else:
                how = ways.best_way(self.experts, entries, None if limited else counts_N)
        if self.capacity_factor is not None:
            top, below = self.share
            slots = torch.sym_max(1, (top * entries + n * below - 1) // (n * below))
            dropped = (counts_N - slots).clamp_min(0).sum()
            counts_N = counts_N.clamp_max(slots)
            if how != "padded":
                kept = ways.position(expert_A, n) < slots
                token_A, expert_A, weight_A = token_A[kept], expert_A[kept], weight_A[kept]
        entry = (token_A, expert_A, weight_A)
        if how == "padded":
            y_TO = ways.padded(x_TD, self.experts, *entry, slots)  # type: ignore
        else:
            y_TO = getattr(ways, how)(x_TD, self.experts, *entry)
        if self.output_activation == "sigmoid":
            y_TO = y_TO.sigmoid()
        return y_TO, Stats(gating.importance, gating.load, counts_N, dropped)


class SparseMoE(MoELayer):
    """The paper's layer: n feed-forward experts, of which k see each token.

    Args:
        width: D. hidden: of each expert. num_experts: n. k: experts a token (None: all, for
            "softmax"). out: O, by default D.
        activation, bias, recompute: see `Experts`.
        gate: "noisy_topk" (eqs. 3–5), "topk" (without noise), "softmax" (eq. 2, all experts), or
            "strict" (App. F).
        noise_eps: see `NoisyTopKGate`.
        options: those of `MoELayer`.
        generator: randomness of first weights.
    """

    def __init__(
        self, width: int, hidden: int, num_experts: int, k: int | None = None,
        out: int | None = None, *, activation: str = "relu", depth: int = 1, bias: bool = False,
        recompute: bool = False, gate: str = "noisy_topk", noise_eps: float = 0.0,
        generator: torch.Generator | None = None, **options: Any,
    ) -> None:  # fmt: skip
        experts = Experts(
            num_experts, width, hidden, out, activation, depth, bias, recompute, generator
        )
        if gate == "softmax":
            if k not in (None, num_experts):
                raise ValueError(f"gate 'softmax' uses all {num_experts} experts, got k ({k})")
            chosen: nn.Module = SoftmaxGate(width, num_experts)
        elif k is None:
            raise ValueError(f"k is needed for gate {gate!r}")
        elif gate == "strict":
            chosen = BatchwiseGate(width, num_experts, k, generator)
        elif gate in ("noisy_topk", "topk"):
            noise = gate == "noisy_topk"
            chosen = NoisyTopKGate(width, num_experts, k, noise, noise_eps, generator)
        else:
            known = ("noisy_topk", "topk", "softmax", "strict")
            raise ValueError(f"gate must be one of {known}, got {gate!r}")
        if noise_eps and gate != "noisy_topk":
            raise ValueError(f"noise_eps ({noise_eps}) needs noise; gate {gate!r} has none")
        options = options if chosen.smooth else {"w_load": 0.0} | options
        super().__init__(experts, chosen, **options)

    def extra_repr(self) -> str:
        """Return the sizes."""
        e = self.experts
        return f"{e.width} -> {e.hidden} -> {e.out}, {len(e)} experts, k = {self.gate.k}"


class HierarchicalMoE(MoELayer):
    """Groups of experts: a gate chooses k groups, each group's own gate k of its experts (App. B).

    Args:
        width: D. hidden: of each expert. groups: a. group_size: b; there are a·b experts.
        k: how many are chosen at each level: k² experts see a token, 4 in the paper.
        num_experts: if given, must be a·b.
        options: those of `Experts` and `MoELayer`. The gates are noisy top-k gates.
    """

    def __init__(
        self, width: int, hidden: int, groups: int, group_size: int, k: int = 2,
        out: int | None = None, *, num_experts: int | None = None, activation: str = "relu",
        depth: int = 1, bias: bool = False, recompute: bool = False, noise_eps: float = 0.0,
        generator: torch.Generator | None = None, **options: Any,
    ) -> None:  # fmt: skip
        if "gate" in options:
            raise ValueError(f"two levels have noisy top-k gates, got gate {options['gate']!r}")
        if num_experts not in (None, groups * group_size):
            raise ValueError(
                f"num_experts ({num_experts}) must be groups · group_size ({groups} · {group_size})"
            )
        if k > group_size:
            raise ValueError(f"k ({k}) is larger than a group ({group_size})")
        experts = Experts(
            groups * group_size, width, hidden, out, activation, depth, bias, recompute, generator
        )
        gate = HierarchicalGate(width, groups, group_size, k, noise_eps)
        super().__init__(experts, gate, **options)


class HierarchicalGate(nn.Module):
    """A primary gate over groups and a secondary one in each group (eqs. 12–14).

    Args:
        width: D. groups: a. group_size: b. k: chosen at each level. noise_eps: see `NoisyTopKGate`.
    """

    def __init__(
        self, width: int, groups: int, group_size: int, k: int, noise_eps: float = 0.0
    ) -> None:
        super().__init__()
        check_k(k, groups)
        self.width, self.k, self.group_size = width, k * k, group_size
        self.num_experts = groups * group_size
        self.primary = NoisyTopKGate(width, groups, k, noise_eps=noise_eps)
        self.secondary = nn.ModuleList(
            NoisyTopKGate(width, group_size, k, noise_eps=noise_eps) for _ in range(groups)
        )

    def forward(self, x_TD: Tensor, generator: torch.Generator | None = None) -> Gating:
        """Return the gating of tokens (T, D) over all a·b experts."""
        first = self.primary(x_TD, generator)
        order = first.expert.argsort(stable=True)
        counts = torch.bincount(first.expert, minlength=len(self.secondary)).tolist()
        tokens, weights, experts, loads = [], [], [], []
        parts = zip(first.token[order].split(counts), first.weight[order].split(counts))
        for i, (token, weight) in enumerate(parts):  # X^(i), the tokens that group i gets
            second = self.secondary[i](x_TD[token], generator)
            tokens.append(token[second.token])
            weights.append(weight[second.token] * second.weight)  # eq. 12
            experts.append(second.expert + i * self.group_size)
            # Eq. 14; without the first factor the primary gate would get no gradient.
            share = second.load / max(1, len(token))
            loads.append(first.load[i] * share)
        weight_A, expert_A = torch.cat(weights), torch.cat(experts)
        importance_N = sum_by(weight_A, expert_A, self.num_experts)  # eq. 13
        zero = importance_N.new_zeros(())
        return Gating(torch.cat(tokens), expert_A, weight_A, importance_N, torch.cat(loads), zero)


def check_input(x: Tensor, width: int, mask: Tensor | None) -> None:
    """Raise a TypeError or ValueError unless x is (…, width) and the mask fits it."""
    if not x.is_floating_point():
        raise TypeError(f"x must be floating-point, got {x.dtype}")
    if x.dim() < 1 or x.shape[-1] != width:
        raise ValueError(f"x must have width {width} in its last dimension, got {tuple(x.shape)}")
    if mask is None:
        return
    if mask.dtype != torch.bool:
        raise TypeError(f"mask must be bool, true where there is a token, got {mask.dtype}")
    if mask.shape != x.shape[:-1]:
        raise ValueError(f"mask must be {tuple(x.shape[:-1])}, got {tuple(mask.shape)}")
