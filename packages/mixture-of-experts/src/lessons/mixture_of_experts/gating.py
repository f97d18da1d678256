"""The gate: which experts see a token, with what weight, and how busy each is (§2.1, §4, App. A).

Shapes: T tokens, D width, N experts, K experts a token.
"""

import math
import warnings
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Gating(NamedTuple):
    """What a gate says of T tokens.

    Attributes:
        token, expert, weight: (A,), one entry for each expert that a token is sent to.
        importance: (N,), the sum of each expert's weights (eq. 6).
        load: (N,), how many tokens each gets: in training the smooth estimate (eq. 10), else
            counted.
        loss: what the gate itself adds to the training loss: 0 but for strict balance (eq. 20).
    """

    token: Tensor
    expert: Tensor
    weight: Tensor
    importance: Tensor
    load: Tensor
    loss: Tensor


def softmax_gating(x_TD: Tensor, weight_DN: Tensor) -> Tensor:
    """Return G_σ(x) = Softmax(x W_g) (eq. 2): weights of all experts, (T, N)."""
    return (x_TD @ weight_DN).softmax(-1)


def keep_top_k(v_TN: Tensor, k: int) -> Tensor:
    """Return v where it is among the k largest of its row, else −∞ (eq. 5).

    Raises:
        ValueError: k is not between 1 and N.
    """
    check_k(k, v_TN.shape[-1])
    values, places = v_TN.topk(k, -1)
    return torch.full_like(v_TN, -math.inf).scatter(-1, places, values)


def importance(gates_TN: Tensor) -> Tensor:
    """Return the sum of each expert's gate values over a batch (eq. 6)."""
    return gates_TN.sum(0)


def kth_excluding(noisy_TN: Tensor, k: int) -> Tensor:
    """Return, for each expert, the k-th largest of the *other* experts' values (App. A).

    Of an expert within the k largest that is the (k + 1)-th of all, of one outside the k-th.
    """
    best_TK = noisy_TN.topk(k + 1, -1).values
    return torch.where(
        noisy_TN >= best_TK[..., k - 1 : k], best_TK[..., k:], best_TK[..., k - 1 : k]
    )


def load_probability(clean_TN: Tensor, noisy_TN: Tensor, std_TN: Tensor, k: int) -> Tensor:
    """Return P(x, i): whether expert i would be chosen, if only its own noise were drawn anew.

    Φ((x·W_g)_i − kth_excluding(H(x), k, i)) / Softplus((x·W_noise)_i)) (eq. 9).
    """
    if k == noisy_TN.shape[-1]:  # always chosen
        return torch.ones_like(noisy_TN)
    tiny = torch.finfo(std_TN.dtype).tiny
    return torch.special.ndtr((clean_TN - kth_excluding(noisy_TN, k)) / std_TN.clamp_min(tiny))


def smooth_load(clean_TN: Tensor, noisy_TN: Tensor, std_TN: Tensor | None, k: int) -> Tensor:
    """Return the smooth estimate of how many tokens each expert gets (eqs. 8–10).

    Args:
        clean_TN: x·W_g.
        noisy_TN: H(x), with the noise that was drawn.
        std_TN: the noise's scale.
        k: experts a token.

    Raises:
        ValueError: there is no noise, hence no probability and no gradient; a wrong k.
    """
    check_k(k, clean_TN.shape[-1])
    if std_TN is None or (concrete(std_TN) and std_TN.numel() and not std_TN.any()):
        raise ValueError(
            "smooth_load needs noise: without it a token is sent or not, and has no gradient"
        )
    return load_probability(clean_TN, noisy_TN, std_TN, k).sum(0)


def cv_squared(v_N: Tensor, eps: float = 1e-10) -> Tensor:
    """Return the squared coefficient of variation: variance over squared mean.

    The variance is that of the values themselves (divisor N).
    """
    mean = v_N.mean()
    return (v_N - mean).square().mean() / (mean.square() + eps)


def balance_loss(
    importance_N: Tensor, load_N: Tensor, w_importance: float = 0.1, w_load: float = 0.1
) -> Tensor:
    """Return w_importance · CV(Importance)² + w_load · CV(Load)² (eqs. 7, 11).

    Raises:
        ValueError: a weight is negative.
    """
    check_weights(w_importance=w_importance, w_load=w_load)
    return w_importance * cv_squared(importance_N) + w_load * cv_squared(load_N)


class SoftmaxGate(nn.Module):
    """All experts, weighted by softmax (eq. 2): nothing is saved, everything has a gradient.

    Args:
        width: D. num_experts: N.
    """

    smooth = False  # its load has no gradient

    def __init__(self, width: int, num_experts: int) -> None:
        super().__init__()
        self.width, self.num_experts, self.k = width, num_experts, num_experts
        check_k(num_experts, num_experts)
        self.weight = nn.Parameter(torch.zeros(width, num_experts))

    def forward(self, x_TD: Tensor, generator: torch.Generator | None = None) -> Gating:
        """Return the gating of tokens (T, D)."""
        with exactly(x_TD):
            x_TD = precise(x_TD)
            gates_TN = softmax_gating(x_TD, self.weight.to(x_TD.dtype))
        T, N = gates_TN.shape
        token = torch.arange(T, device=x_TD.device).repeat_interleave(N)
        expert = torch.arange(N, device=x_TD.device).repeat(T)
        load_N = torch.full_like(gates_TN[:1].sum(0), T)
        zero = gates_TN.new_zeros(())
        return Gating(token, expert, gates_TN.flatten(), importance(gates_TN), load_N, zero)


class NoisyTopKGate(nn.Module):
    """Noisy top-k gating (eqs. 3–5). Matrices begin at zero: no signal and some noise (App. A).

    Outside of training there is no noise, and `load` is counted.

    Args:
        width: D. num_experts: N. k: experts a token.
        noise: whether noise is added in training; without it W_g begins at random, since zeros
            would send every token to the same k experts.
        noise_eps: added to the noise's scale; 0 in the paper, 0.01 in the released tensor2tensor.
        generator: randomness of first weights, if there is no noise.

    Raises:
        ValueError: k is not between 1 and N, or a size is below 1.
    """

    def __init__(
        self, width: int, num_experts: int, k: int, noise: bool = True, noise_eps: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_k(k, num_experts)
        if width < 1 or noise_eps < 0:
            raise ValueError(f"width ({width}) must be at least 1, noise_eps ({noise_eps}) 0")
        if k == 1 and num_experts > 1:
            warnings.warn(
                "with k = 1 the one weight is always 1, and the gate gets no gradient from the "
                "task (§2.1 asks for k > 1)", stacklevel=2,
            )  # fmt: skip
        self.width, self.num_experts, self.k, self.noise_eps = width, num_experts, k, noise_eps
        self.weight = nn.Parameter(torch.zeros(width, num_experts))  # W_g
        self.noise_weight = nn.Parameter(torch.zeros(width, num_experts)) if noise else None
        if not noise and not self.weight.is_meta:
            nn.init.normal_(self.weight, 0, width**-0.5, generator=generator)

    @property
    def smooth(self) -> bool:
        """Whether its load has a gradient: with noise."""
        return self.noise_weight is not None

    def logits(
        self, x_TD: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return x·W_g, H(x) and the scale of its noise (eq. 4), each (T, N), at least in float32.

        Without training H(x) is x·W_g, and there is no scale.
        """
        x_TD = precise(x_TD)
        clean_TN = x_TD @ self.weight.to(x_TD.dtype)
        if self.noise_weight is None or not self.training:
            return clean_TN, clean_TN, None
        std_TN = F.softplus(x_TD @ self.noise_weight.to(x_TD.dtype)) + self.noise_eps
        normal_TN = torch.randn(
            clean_TN.shape, generator=generator, dtype=clean_TN.dtype, device=clean_TN.device
        )
        return clean_TN, clean_TN + normal_TN * std_TN, std_TN

    def forward(self, x_TD: Tensor, generator: torch.Generator | None = None) -> Gating:
        """Return the gating of tokens (T, D).

        Raises:
            ValueError: logits that are not a number.
        """
        with exactly(x_TD):
            clean_TN, noisy_TN, std_TN = self.logits(x_TD, generator)
            self._check(clean_TN)
            best_TK, expert_TK = noisy_TN.topk(self.k, -1)
            weight_TK = best_TK.softmax(-1)  # of all others it is 0 (eq. 3)
            importance_N = sum_by(weight_TK.flatten(), expert_TK.flatten(), self.num_experts)
            if std_TN is None:
                ones_A = torch.ones_like(weight_TK).flatten().detach()
                load_N = sum_by(ones_A, expert_TK.flatten(), self.num_experts)
            else:
                load_N = load_probability(clean_TN, noisy_TN, std_TN, self.k).sum(0)
        token = torch.arange(x_TD.shape[0], device=x_TD.device).repeat_interleave(self.k)
        zero = clean_TN.new_zeros(())
        return Gating(
            token, expert_TK.flatten(), weight_TK.flatten(), importance_N, load_N, zero
        )  # fmt: skip

    def _check(self, clean_TN: Tensor) -> None:
        if not concrete(clean_TN) or not clean_TN.numel():
            return
        wrong = int(clean_TN.isnan().sum())
        if wrong:
            raise ValueError(f"{wrong} of {clean_TN.numel()} gate logits are not a number")
        if not self.training and self.k < self.num_experts and not self.weight.any():
            warnings.warn(
                f"an untrained gate without noise: all logits are 0, and every token goes to the "
                f"same {self.k} of {self.num_experts} experts", stacklevel=3,
            )  # fmt: skip


class BatchwiseGate(nn.Module):
    """Strictly balanced gating (App. F): in training every expert takes its m best tokens.

    A token may then have no expert at all, or many. Outside of training, where the batch may be
    small, thresholds decide that were learned to give about the same (eqs. 19, 20).

    Args:
        width: D. num_experts: N. k: experts a token, on average.
        generator: randomness of first weights; zeros would let the order of tokens decide.
    """

    smooth = False

    def __init__(
        self, width: int, num_experts: int, k: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        check_k(k, num_experts)
        self.width, self.num_experts, self.k = width, num_experts, k
        self.weight = nn.Parameter(torch.empty(width, num_experts))
        self.threshold = nn.Parameter(torch.full((num_experts,), 1 / num_experts))  # T
        if not self.weight.is_meta:
            nn.init.normal_(self.weight, 0, width**-0.5, generator=generator)

    def forward(self, x_TD: Tensor, generator: torch.Generator | None = None) -> Gating:
        """Return the gating of tokens (T, D).

        Raises:
            ValueError: in training, if m = k T / N is no whole number.
        """
        with exactly(x_TD):
            x_TD = precise(x_TD)
            gates_TN = softmax_gating(x_TD, self.weight.to(x_TD.dtype))  # eq. 15
        by_threshold_TN = gates_TN > self.threshold  # eq. 19
        chosen_TN, loss = by_threshold_TN, gates_TN.new_zeros(())
        if self.training:
            m, rest = divmod(self.k * len(x_TD), self.num_experts)
            if rest:
                raise ValueError(
                    f"k · tokens ({self.k} · {len(x_TD)}) must be divisible by num_experts "
                    f"({self.num_experts}): each takes equally many"
                )
            best_MN = gates_TN.topk(m, 0).indices
            chosen_TN = torch.zeros_like(by_threshold_TN).scatter(0, best_MN, True)  # eq. 18
            # Eq. 20, sign as printed. The thresholds follow the gate, hence the detach.
            differs_TN = by_threshold_TN.to(gates_TN.dtype) - chosen_TN.to(gates_TN.dtype)
            loss = (differs_TN * (gates_TN.detach() - self.threshold)).sum()
        kept_TN = gates_TN * chosen_TN
        total_T1 = kept_TN.sum(-1, keepdim=True)
        kept_TN = kept_TN / torch.where(total_T1 > 0, total_T1, 1)  # eq. 16
        token, expert = chosen_TN.nonzero(as_tuple=True)
        load_N = chosen_TN.to(gates_TN.dtype).sum(0)
        return Gating(token, expert, kept_TN[token, expert], importance(kept_TN), load_N, loss)


def sum_by(values_A: Tensor, group_A: Tensor, groups: int) -> Tensor:
    """Return the sum of values in each group."""
    return values_A.new_zeros(groups).index_add(0, group_A, values_A)


def precise(x: Tensor) -> Tensor:
    """Return a tensor in float32, or float64 if it is that already: half a digit moves a choice."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def exactly(x: Tensor) -> torch.autocast:
    """Return a context in which autocast leaves a gate's products in full precision."""
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)


def concrete(x: Tensor) -> bool:
    """Return whether values can be looked at: not on meta, nor while a graph is made."""
    return not (
        x.is_meta
        or torch.compiler.is_compiling()
        or torch._C._functorch.is_functorch_wrapped_tensor(x)
    )


def check_k(k: int, num_experts: int) -> None:
    """Raise a ValueError unless 1 ≤ k ≤ N."""
    if num_experts < 1 or not 1 <= k <= num_experts:
        raise ValueError(f"k ({k}) must be between 1 and num_experts ({num_experts})")


def check_weights(**weights: float) -> None:
    """Raise a ValueError if one of the losses' weights is negative."""
    for name, value in weights.items():
        if not value >= 0:
            raise ValueError(f"{name} must not be negative, got {value}")
