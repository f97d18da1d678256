"""Weight decay around any torch optimizer, coupled (L2) or decoupled.

The paper has the first: the penalty's gradient λw is part of the gradient, and goes where the
gradient goes. The second (Loshchilov and Hutter 2019) shrinks the weights beside the step. Under
plain gradient descent, all that the paper considers, the two are one.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, optim

from .decay import check_factor, check_lam, floating, weight_decay_
from .fused import fit, kernel
from .hooks import no_global_hooks

MODES = ("l2", "decoupled")
# Whose own weight_decay is λw added to the gradient. Exact types: a subclass may do anything.
L2_INSIDE = (optim.SGD, optim.Adam, optim.Adagrad, optim.RMSprop, optim.Adamax, optim.Adadelta)


class WeightDecay(optim.Optimizer):
    r"""A torch optimizer with weight decay.

    Args:
        optimizer: any of torch's optimizers, or one that behaves like them. Groups, state and
            learning rate are shared with it, so schedulers work on either.
        lam: λ ≥ 0; one number, or one a group. It is each group's ``weight_decay`` from now on.
        mode: "l2": g ← g + λw, then the optimizer's step. "decoupled": w ← (1 − ηλ)w, then the
            step; η is the group's learning rate, so the decay follows a scheduler.
        schedule: factor of λ at step t = 0, 1, …
        towards: weights to decay to in place of 0 (one a parameter, in the order of the groups);
            not part of the state dict.
        fast: let the optimizer do it where it can, in its kernel; False is the readable path.

    Raises:
        ValueError: an unknown mode, a negative or NaN λ, as many λ as there are not groups, a group
            that decays already, or ηλ ≥ 1 in the decoupled mode.
        TypeError: optimizer is none, or a parameter is not of floating-point numbers.

    The state dict is the wrapped optimizer's, with λ where torch has it. That of SGD or AdamW with
    their own decay can be loaded, and ours into theirs. Parameters without gradient do not decay.

    Source: eqs 1, 2; Loshchilov and Hutter 2019.
    """

    def __init__(
        self,
        optimizer: optim.Optimizer,
        lam: float | Sequence[float],
        mode: str = "l2",
        schedule: Callable[[int], float] | None = None,
        towards: Iterable[Tensor] | None = None,
        fast: bool = True,
    ) -> None:
        if not isinstance(optimizer, optim.Optimizer):
            kind = type(optimizer).__name__
            raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {kind}")
        if mode not in MODES:
            raise ValueError(f"mode must be one of {MODES}, got {mode!r}")
        groups = optimizer.param_groups
        lams = list(lam) if isinstance(lam, Sequence) else [lam] * len(groups)
        if len(lams) != len(groups):
            raise ValueError(f"lam must be one number or {len(groups)}, a group each, got {lam}")
        for i, (group, own) in enumerate(zip(groups, lams)):
            already = group.get("weight_decay", 0)
            if already:
                raise ValueError(
                    f"decay would be applied twice: group {i} of the optimizer has "
                    f"weight_decay={already}; give it 0 and say lam={already} here"
                )
            check_lam(own)
            floating(group["params"])
            if mode == "decoupled":
                check_factor(group["lr"], own)
        self.inner, self.mode, self.schedule = optimizer, mode, schedule
        params = [param for group in groups for param in group["params"]]
        self.towards = None if towards is None else dict(zip(params, towards, strict=True))
        flag = "decoupled_weight_decay"  # torch's Adam is its AdamW where this is set
        if fast and mode == "decoupled" and type(optimizer) is optim.Adam and flag in groups[0]:
            for group in groups:
                group[flag] = True
        elsewhere = all(group.get(flag, type(optimizer) is optim.AdamW) for group in groups)
        can = type(optimizer) in (*L2_INSIDE, optim.AdamW) and towards is None
        self.inside = fast and can and elsewhere == (mode == "decoupled")
        super().__init__(groups, optimizer.defaults)
        self._share()
        for group, own in zip(groups, lams):
            group["weight_decay"] = own
            if schedule:
                group["decay_step"] = 0

    def _share(self) -> None:
        self.param_groups, self.state = self.inner.param_groups, self.inner.state

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()  # torch's own leaves out all but state and groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, with a ``weight_decay`` of its own where it names one."""
        if not hasattr(self, "state") or self.state is not self.inner.state:
            super().add_param_group(param_group)  # from torch's constructor: its own list
            return
        check_lam(param_group.setdefault("weight_decay", self.param_groups[0]["weight_decay"]))
        for key in ("decoupled_weight_decay", "decay_step"):
            if key in self.param_groups[0]:
                param_group.setdefault(key, self.param_groups[0][key])
        self.inner.add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of this class, or of the wrapped optimizer's with its own decay."""
        flag = "decoupled_weight_decay"
        before = [dict(group) for group in self.param_groups]
        state_dict = state_dict.copy()
        for change in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = change(self, state_dict) or state_dict
        self.inner.load_state_dict(state_dict)
        self._share()
        for group, old in zip(self.param_groups, before):
            if flag in old:
                group[flag] = old[flag]  # how we decay is the wrapper's to say, not the file's
            if "decay_step" in old:
                group.setdefault("decay_step", 0)
            group.setdefault("weight_decay", old["weight_decay"])  # torch's Rprop has none
        for tell in self._optimizer_load_state_dict_post_hooks.values():
            tell(self)

    @torch.no_grad()
    def step(self, closure=None):
        """Decay and step, in torch's order: the loss's gradient, the decay, the step.

        Args:
            closure: computes the loss anew, with gradients, and returns it. LBFGS needs one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        again = isinstance(self.inner, optim.LBFGS)
        if again and closure is None:
            raise ValueError("closure must be given: LBFGS asks for the loss again within a step")
        lams = [group["weight_decay"] for group in self.param_groups]
        grads: list[tuple[Tensor, Tensor]] = []
        for group, lam in zip(self.param_groups, lams):
            now = lam
            if self.schedule:
                now *= self.schedule(group["decay_step"])
                group["decay_step"] += 1
            if self.mode == "decoupled":
                check_factor(group["lr"], now)
            group["weight_decay"] = now if self.inside else 0.0
            if again and now and self.mode == "l2":
                closure = self._penalized(closure, group, now)
            elif not self.inside and now:
                grads += self._decay(group, now)
        relaid, slow = fit(self.inner)
        try:
            with no_global_hooks():  # they are called around this step, once
                self.inner.step(closure) if again else self.inner.step()
        finally:
            for group, lam in zip(self.param_groups, lams):
                group["weight_decay"] = lam
            for group in slow:
                group["fused"] = True
            for param, grad in reversed(grads + relaid):  # a gradient may have been changed twice
                param.grad = grad
        return loss

    def _decay(self, group: dict[str, Any], lam: float) -> list[tuple[Tensor, Tensor]]:
        """Decay a group's parameters; return those whose gradient is to be put back, with it."""
        params = [param for param in group["params"] if param.grad is not None]
        towards = None if self.towards is None else [self.towards[param] for param in params]
        if self.mode == "decoupled":
            weight_decay_(params, lam, group["lr"], towards)
            return []
        kept = [(param, param.grad) for param in params]
        sign = -1 if group.get("maximize") else 1  # which turns the sum's sign, not the gradient's
        for i, param in enumerate(params):
            away = param if towards is None else param - towards[i]
            param.grad = param.grad.add(away, alpha=sign * lam)
        return kept

    def _penalized(self, closure, group: dict[str, Any], lam: float):
        """Return a closure of the loss with the penalty of a group's parameters."""
        sign = -1 if group.get("maximize") else 1

        def penalized():
            loss = closure()
            with torch.no_grad():
                for param in group["params"]:
                    if param.grad is not None:
                        away = param if self.towards is None else param - self.towards[param]
                        loss = loss + 0.5 * sign * lam * away.square().sum()
                        param.grad = param.grad.add(away, alpha=sign * lam)
            return loss

        return penalized


def _wrapped(self, make, params, options, weight_decay, mode, extra) -> None:
    """Build torch's optimizer, fused where it can be, take its decay out and put ours around it."""
    check_lam(weight_decay, "weight_decay")
    params, fuses = kernel(params)
    if options.get("foreach") is None and options.get("fused") is None:
        options["fused"] = True if fuses else None
    inner = make(params, **options, weight_decay=weight_decay)
    lams = [group["weight_decay"] for group in inner.param_groups]
    for group in inner.param_groups:
        group["weight_decay"] = 0.0
    WeightDecay.__init__(self, inner, lams, mode, **extra)


class SGDW(WeightDecay):
    """SGD with decoupled weight decay; arguments as torch.optim.SGD's, then the wrapper's.

    Args:
        params: tensors, or groups with options of their own. lr: η. momentum, dampening,
        weight_decay (λ), nesterov, maximize, foreach, fused: as torch's; the fused kernel is the
        default where there is one. **extra: ``schedule``, ``towards``, ``fast`` of `WeightDecay`.
    """

    def __init__(
        self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=1e-2, nesterov=False, *,
        maximize=False, foreach=None, fused=None, **extra,
    ) -> None:  # fmt: skip
        options = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "fused": fused,
        }  # fmt: skip
        _wrapped(self, optim.SGD, params, options, weight_decay, "decoupled", extra)


class AdamL2(WeightDecay):
    """Adam with the penalty in its gradient, as torch.optim.Adam's weight_decay; its arguments.

    Args:
        params: tensors, or groups with options of their own. lr: η. betas, eps, weight_decay (λ),
        amsgrad, maximize, foreach, fused: as torch's; the fused kernel is the default where there
        is one. **extra: ``schedule``, ``towards``, ``fast`` of `WeightDecay`.
    """

    mode_of_class, make_of_class = "l2", optim.Adam

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *,
        maximize=False, foreach=None, fused=None, **extra,
    ) -> None:  # fmt: skip
        options = {
            "lr": lr, "betas": betas, "eps": eps, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "fused": fused,
        }  # fmt: skip
        make, mode = self.make_of_class, self.mode_of_class
        _wrapped(self, make, params, options, weight_decay, mode, extra)


class AdamW(AdamL2):
    """Adam with decoupled weight decay, as torch.optim.AdamW; arguments as `AdamL2`'s."""

    mode_of_class, make_of_class = "decoupled", optim.AdamW


def norm_schedule(lam_norm: float, batch: int, n: int, epochs: int) -> float:
    r"""Return $\lambda = \lambda_\text{norm}\sqrt{b/(BT)}$, for runs of different lengths.

    Args:
        lam_norm: the normalized decay.
        batch: b, examples a step.
        n: B, examples of training.
        epochs: T, passes over them.

    Raises:
        ValueError: λ is negative, or one of the counts is not positive.

    Source: Loshchilov and Hutter 2019.
    """
    check_lam(lam_norm, "lam_norm")
    for name, value in (("batch", batch), ("n", n), ("epochs", epochs)):
        if value <= 0:
            raise ValueError(f"{name} must be positive, got {value}")
    return lam_norm * math.sqrt(batch / (n * epochs))
