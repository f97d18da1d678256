"""The training that the claims share: plain rectifier nets, backpropagation written out.

A full run spends nearly all of its time here, so nothing is stored that backpropagation does not
need: a rectified unit above zero is one that was kept and active, and the activations themselves
are the mask of the gradient. The tests compare a step with autograd through `lessons.dropout.MLP`.

Shapes: B cases, F features, H units of a layer, K classes.
"""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Callable, Generator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..dropout import keep_mask
from ..lab.run import Run
from ..scaling import max_norm_

MOMENTUM = 0.95  # B.1: "a final momentum of 0.95"


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a net is trained; ``p_input`` and ``p_hidden`` are probabilities of dropping."""

    widths: tuple[int, ...]
    passes: int
    lr: float
    decay: float = 0.0  # the gradient of the weights gets decay · w
    c: float | None = None  # bound on the norm of each unit's incoming weights
    p_input: float = 0.0
    p_hidden: float = 0.0
    noise: str = "bernoulli"  # "gaussian", or "unscaled": §4's, with weights to be scaled after
    batch: int = 128
    products: str = "float32"  # "bfloat16": twice as fast where the processor has units for it


def products(run: Run) -> str:
    """Return how the matrix products of training round their factors at this scale."""
    return run.pick(test="float32", default="float32", full="bfloat16", paper="float32")


def rounding(run: Run) -> str:
    """Return how training rounds at this scale, as a sentence of what was run."""
    if products(run) == "float32":
        return ""
    return (
        " In training, matrix products round their factors to bfloat16 where the processor has "
        "units for it, and what is below 10⁻³⁸ is 0; sums, weights and all else are in float32 "
        "(D2 has nets both ways)."
    )


@contextlib.contextmanager
def multiplied(products: str) -> Generator[None]:
    """Let matrix products round their factors to bfloat16, or not, and sum in float32.

    Weights, their velocities and all else stay in float32. A processor without such products, or
    a device, does as it always does. With both, what is below 10⁻³⁸ becomes 0: velocities of
    units that are never active die away to such numbers and stay there, and they take many times
    as long.
    """
    before, flushes = torch.get_float32_matmul_precision(), not torch.tensor(2e-39).mul(0.5)
    torch.set_float32_matmul_precision("medium" if products == "bfloat16" else "highest")
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        torch.set_flush_denormal(flushes)


class Net:
    """Weights (out, in) and biases, their velocities, and one step of descent."""

    def __init__(self, widths: tuple[int, ...], generator: torch.Generator) -> None:
        device = generator.device
        self.weights = [
            torch.randn(b, a, generator=generator, device=device).mul_(math.sqrt(2 / a))
            for a, b in itertools.pairwise(widths)
        ]
        self.biases = [torch.zeros(b, device=device) for b in widths[1:]]
        self.speeds = [torch.zeros_like(p) for p in self.weights + self.biases]
        self.grads = [torch.empty_like(w) for w in self.weights]

    def logits(self, x_BF: Tensor) -> Tensor:
        """Return what the whole net says, (B, K): inverted scaling leaves nothing to do."""
        h = x_BF
        for weight, bias in zip(self.weights[:-1], self.biases):
            h = torch.addmm(bias, h, weight.T).relu_()
        return torch.addmm(self.biases[-1], h, self.weights[-1].T)

    def step(self, x_BF: Tensor, y_B: Tensor, plan: Plan, lr: float, masks: torch.Generator):
        """Descend on the cross-entropy of a batch, a thinned net for each case; x is overwritten.

        Source: §5.1.
        """
        last = len(self.weights) - 1
        layers, factors = [noisy(x_BF, plan.p_input, plan.noise, masks)[0]], []
        for weight, bias in zip(self.weights[:-1], self.biases):
            h = torch.addmm(bias, layers[-1], weight.T).relu_()
            h, factor = noisy(h, plan.p_hidden, plan.noise, masks)
            layers.append(h)
            factors.append(factor)
        d = torch.addmm(self.biases[last], layers[-1], self.weights[last].T).softmax(1)
        d[torch.arange(len(y_B), device=d.device), y_B] -= 1
        d /= len(y_B)
        for i in range(last, -1, -1):
            torch.mm(d.T, layers[i], out=self.grads[i])
            bias_grad = d.sum(0)
            if i:
                d = torch.mm(d, self.weights[i])
                if isinstance(factors[i - 1], Tensor):
                    d.mul_(factors[i - 1])  # 0 where the unit was at rest
                else:
                    d = torch.ops.aten.threshold_backward(d, layers[i], 0)
                    if plan.p_hidden:
                        d.mul_(factors[i - 1])
            self.descend(i, bias_grad, plan, lr)

    def descend(self, i: int, bias_grad: Tensor, plan: Plan, lr: float) -> None:
        """Move layer i: decay, momentum, step, and the projection of §5.1."""
        weight, bias, n = self.weights[i], self.biases[i], len(self.weights)
        if plan.decay:
            self.grads[i].add_(weight, alpha=plan.decay)
        weight.add_(self.speeds[i].mul_(MOMENTUM).add_(self.grads[i]), alpha=-lr)
        bias.add_(self.speeds[n + i].mul_(MOMENTUM).add_(bias_grad), alpha=-lr)
        if plan.c:
            max_norm_(weight, plan.c)


def noisy(h_BH: Tensor, p: float, noise: str, generator: torch.Generator):
    """Drop units of h in place; return it, and the factor of the gradient that h alone hides."""
    if not p:
        return h_BH, 1.0
    if noise == "gaussian":
        factor = torch.empty_like(h_BH).normal_(1, math.sqrt(p / (1 - p)), generator=generator)
        active = h_BH > 0
        return h_BH.mul_(factor), factor.mul_(active)
    scale = 1.0 if noise == "unscaled" else 1 / (1 - p)
    h_BH.mul_(keep_mask(h_BH.shape, p, h_BH.device, generator)).mul_(scale)
    return h_BH, scale


def fit(
    plan: Plan,
    x: Tensor,
    y: Tensor,
    seed: int,
    track: Callable = lambda iterable, what: iterable,
    watch: Callable[[Net, int], bool | None] | None = None,
    check: tuple[int, Callable[[Net, int], bool]] | None = None,
    constant: bool = False,
) -> Net:
    """Train a net; the rate falls linearly to zero, so that the end is an end.

    Weights and batches are the same for every plan of the same seed and widths.

    Args:
        plan: how.
        x: (N, F), the training cases.
        y: (N,), their classes.
        seed: of weights, batches and masks.
        track: shows progress.
        watch: called with the net and the passes done, after each pass; ends the training if it
            returns True.
        check: (n, f): f is called with the net and the updates done, after every n of them, and
            ends the training if it returns True.
        constant: whether the rate stays what it is.
    """
    order, masks = (torch.Generator(x.device).manual_seed(2 * seed + k) for k in (0, 1))
    net = Net(plan.widths, order)
    batches = math.ceil(len(x) / plan.batch)
    steps, done = plan.passes * batches, 0
    what = f"{'-'.join(map(str, plan.widths))}, {len(x):,} cases, drops {plan.p_hidden:g}"
    for i in track(range(plan.passes), what):
        shuffled = torch.randperm(len(x), generator=order, device=x.device)
        for rows in shuffled.split(plan.batch):
            lr = plan.lr if constant else plan.lr * (1 - done / steps)
            with multiplied(plan.products):
                net.step(x[rows], y[rows], plan, lr, masks)
            done += 1
            if check and not done % check[0] and check[1](net, done):
                return net
        if watch and watch(net, i + 1):
            break
    return net


def judged(log_BK: Tensor, y_B: Tensor) -> dict[str, float]:
    """Return the error in per cent and the negative log-likelihood in nats."""
    wrong = (log_BK.argmax(1) != y_B).double().mean().item()
    return {"error": 100 * wrong, "nll": F.nll_loss(log_BK.double(), y_B).item()}


def assess(net: Net, x: Tensor, y: Tensor) -> dict[str, float]:
    """Return error (%) and NLL of the whole net."""
    return judged(net.logits(x).log_softmax(1), y)
