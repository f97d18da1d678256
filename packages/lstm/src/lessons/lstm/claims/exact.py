"""Errors in the carousel and elsewhere, and what is kept: no training, and no luck."""

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ..carousel import carousel_reference
from ..config import PRESETS, Config
from ..flow import error_flow
from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import BLUE, GREEN, RED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, every, exact, interval, judge, slope
from ..network import LSTM1997
from ..online import TruncatedLearner

SCALES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # of first weights: up to ± this
BACK = 50


def draw_flow(figure, numbers) -> None:
    """Draw what is left of an error after 50 steps against the scale of the weights."""
    axes = figure.subplots()
    scales = [float(w) for w in numbers["logistic"]]
    for i, w in enumerate(scales):
        values = numbers["logistic"][str(w)]
        label = "logistic nets" if i == 0 else None
        axes.plot([w] * len(values), values, "o", color=BLUE, alpha=0.3, label=label)
    axes.axhline(0, color=RED, label="carousel")
    axes.axvline(0.4, ls="--", color=GREEN, label="4/n: the bound of §3.1.5 decays below")
    axes.set(xscale="log", xlabel="largest first weight",
             ylabel=f"log10 of the largest factor after {BACK} steps")  # fmt: skip
    axes.set_ylim(bottom=max(-100, min(map(min, numbers["logistic"].values()))))
    axes.legend()


def factors(run: Run, scale: float, nets: int) -> list[float]:
    """Return log10 of the largest |∂ϑ_v(t − q)/∂ϑ_u(t)| of ten logistic units, driven by noise."""
    generator, found = torch.Generator().manual_seed(run.seed + int(64 * scale)), []
    for _ in range(nets):
        drawn = (2 * torch.rand(10, 15, generator=generator, dtype=torch.float64) - 1) * scale
        weight, given = drawn[:, :10], drawn[:, 10:]
        y, outputs = torch.full((10,), 0.5, dtype=torch.float64), []
        for _ in range(2 * BACK):
            x = 2 * torch.rand(5, generator=generator, dtype=torch.float64) - 1
            y = torch.sigmoid(weight @ y + given @ x)
            outputs.append(y)
        flow = error_flow(weight, torch.stack(outputs[: -BACK - 1 : -1]))[-1].abs().max().item()
        found.append(math.log10(max(flow, 1e-300)))
    return found


@claim(
    "C2a",
    "§3.1.3",
    "In general larger first weights do not help errors to survive in logistic nets.",
    draw_flow,
    quotes="In general, the use of larger initial weights will not help, though",
    asks="Nets of ten logistic units that see five inputs of noise, all weights uniform in ±w, for "
    "w from .5 to 64 by factors of 2; the largest factor |∂ϑ_v(t − q)/∂ϑ_u(t)| by which any unit's "
    "error is scaled after 50 steps. Its logarithm, averaged over nets, at each w. Below 0 errors "
    "vanish at that w; above 0 they survive or blow up. (That they vanish for w < 4/n is proved in "
    "§3.1.5, and a test holds nets against that bound.)",
    holds_if="at every w the interval lies below 0",
    fails_if="at some w it lies above 0",
)
def decay(run: Run) -> Finding:
    """Measure what is left of errors at many scales."""
    nets = run.pick(test=3, default=20, full=200)
    found = {str(w): factors(run, w, nets) for w in SCALES}
    judged = every([judge(interval(v), below=0, paper_regime=True) for v in found.values()])
    means = {w: sum(v) / len(v) for w, v in found.items()}
    best = max(means, key=lambda w: means[w])
    return Finding(
        judged,
        ours=f"at best a factor of 10 to the {means[best]:.1f}, with w = {float(best):g}",
        ran=f"{nets} nets at each of {len(SCALES)} scales, double precision, {BACK} steps.",
        measured="log10 of what is left, on average: "
        + "; ".join(f"w = {float(w):g}: {m:.1f}" for w, m in means.items())
        + ".",
        numbers={"logistic": found},
        would_decide="About a thousand nets a scale." if judged.verdict == UNDECIDED else "",
    )


def arrived(run: Run, steps: int, truncate: bool) -> list[float]:
    """Return how far from 1 an error of 1 is, at worst, that goes back, for each of 5 nets.

    The specification runs step by step, and autograd, which knows nothing of a carousel, tells the
    derivative of the last states' sum by the states at every step.
    """
    config = Config(5, 2, 2, bias=None, init=1.0, truncate=truncate)
    generator = torch.Generator().manual_seed(run.seed)
    net = LSTM1997(config, 5, generator, dtype=torch.float64)
    weight_x, weight_h = net.weight_x.detach(), net.weight_h.detach()
    x = torch.randn(steps, 5, 1, 5, generator=generator, dtype=torch.float64)
    s = torch.zeros(5, 1, config.cells, dtype=torch.float64, requires_grad=True)
    seen, states = s.new_zeros(5, 1, config.sources), []
    for given in (x @ weight_x.mT).split(1):
        _, s, seen = carousel_reference(given, weight_h, seen, s, config)
        states.append(s)
    error = torch.stack(torch.autograd.grad(s.sum(), states))  # (T, S, B, N)
    return (error - 1).abs().amax((0, 2, 3)).tolist()


@claim(
    "C2b",
    "§7",
    "In truncated cells an error flows back unchanged.",
    quotes="Each memory cell's internal architecture guarantees constant error flow within its "
    "CEC, provided that truncated backpropagation cuts off error flow trying to leak out of "
    "memory cells.",
    asks="Nets of random weights up to 1 run over 1,000 steps of noise by the readable "
    "specification, whose only means is that what units see is detached. An error of 1 is put into "
    "each state at the end, and autograd, which knows nothing of a carousel, tells what of it is "
    "in the states at each step before. How far that is from 1, at worst. Beside it the full "
    "gradient, for which nothing is guaranteed, and whose errors may differ by any amount. (An "
    "earlier version read the errors off changes made by code that took them to be constant; "
    "another, with the error at an output, gave no number, as cells were saturated.)",
    holds_if="it is within a millionth, at every step, cell and net",
    fails_if="it is not",
)
def constant(run: Run) -> Finding:
    """Let autograd tell the errors that arrive at each step."""
    steps = run.pick(test=20, default=1000)
    cut, whole = arrived(run, steps, True), arrived(run, steps, False)
    return Finding(
        exact(max(cut) < 1e-6),
        ours=f"off by {max(cut):.0e} over {steps:,} steps",
        ran=f"5 nets of 4 cells in two blocks, five inputs of noise, {steps:,} steps.",
        measured=f"Truncated, the error is off by {max(cut):.0e} at worst; with the full gradient "
        f"by {min(whole):.2g} to {max(whole):.2g} times itself.",
        numbers={"truncated": cut, "full": whole},
    )


@claim(
    "C6a",
    "§4.6, A.27",
    "What is kept does not grow with the sequence.",
    quotes="there is no need to store activation values observed during sequence processing in a "
    "stack with potentially unlimited size",
    asks="The adding net with weights up to 1, targets at every step, 10, 100 and 1,000 steps, in "
    "double precision: the changes that the online learner has gathered from 2CSI derivatives "
    "(A.27), against the truncated gradient that is computed with all activations at hand. And "
    "whether it holds as many bytes after each.",
    holds_if="the changes agree to nine digits, and the bytes are the same",
    fails_if="they do not: then more would have to be stored",
)
def storage(run: Run) -> Finding:
    """Compare what little storage gives with what all of it gives."""
    held, off, config = [], [], dataclasses.replace(PRESETS["exp4"], init=1.0)
    lengths = run.pick(test=(5, 10), default=(10, 100, 1000))
    for steps in lengths:
        generator = torch.Generator().manual_seed(run.seed)
        net = LSTM1997(config, generator=generator, dtype=torch.float64)
        learner = TruncatedLearner(net, 0.1)
        x = torch.randn(steps, 1, 2, generator=generator, dtype=torch.float64)
        target = torch.rand(steps, 1, 1, generator=generator, dtype=torch.float64)
        loss = 0.5 * (net(x)[0] - target).square().sum()
        names = [name for name, _ in net.named_parameters()]
        wanted = torch.autograd.grad(loss, list(net.parameters()))
        for x_t, target_t in zip(x, target):
            learner.step(x_t, target_t)
        for name, gradient in zip(names, wanted):
            change = learner.changes[name].view_as(gradient)
            off.append(((change + gradient).norm() / gradient.norm()).item())
        tensors = [v for v in vars(learner).values() if isinstance(v, Tensor)]
        held.append(sum(v.numel() * v.element_size() for v in tensors))
    carried = learner.ds_in.numel() + learner.ds_cell.numel()
    return Finding(
        exact(len(set(held)) == 1 and max(off) < 1e-9 and carried == 2 * 4 * 11),
        ours=f"{held[0]:,} bytes after {lengths[0]} and {lengths[-1]:,} steps",
        ran="The adding problem's net: 4 cells that see 11 numbers, a target at every step.",
        measured=f"{carried} derivatives are carried. The changes are within {max(off):.0e} of the "
        "gradient.",
        numbers={"bytes": held, "derivatives": carried, "off": off},
    )


class Worked(TorchDispatchMode):
    """Count the numbers that operations compute; for products of matrices, the multiplications."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
        """Run an operation, and count it."""
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if isinstance(out, Tensor) and not func.is_view:
            inner = args[0].shape[-1] if name in ("bmm", "mm") else 1
            self.count += out.numel() * inner
        return out


def work(cells: int, inputs: int) -> tuple[int, int]:
    """Return the weights of a net, and the numbers computed in a step with a target."""
    net = LSTM1997(Config(inputs, cells, 1, 1, bias="all"), 1, torch.Generator().manual_seed(0))
    learner = TruncatedLearner(net, 0.1)
    x, target = torch.ones(1, inputs), torch.ones(1, 1)
    learner.step(x)
    with Worked() as counted:
        learner.step(x, target)
        learner.apply()
    return sum(w.numel() for w in net.parameters()), counted.count


@claim(
    "C6b",
    "abstract, §6.2",
    "The cost per weight and time step is O(1).",
    quotes="LSTM is local in space and time; its computational complexity per time step and weight "
    "is O(1).",
    asks="All numbers that a step of the online learner computes, with a target and a change of "
    "the weights, counted operation by operation (multiplications for products of matrices), in "
    "nets of 4 to 256 cells with as many inputs: the slope of its logarithm on that of the number "
    "of weights. O(1) a weight is a slope of 1; RTRL, whose cost per weight grows with the "
    "weights, has 2. Counting has no noise, but small nets have overheads, so the slope is that of "
    "the nets of 32 cells or more, and the line is 1.1: from the smallest to the largest of these, "
    "whose weights differ by a factor of 60 or so, the cost of a weight grows by half at most.",
    holds_if="the interval of the slope lies below 1.1",
    fails_if="it lies above",
)
def cost(run: Run) -> Finding:
    """Count what a step computes."""
    sizes = run.pick(test=(4, 8, 16), default=(4, 8, 16, 32, 64, 128, 256))
    counts = [work(n, n) for n in sizes]
    large = counts[-run.pick(test=3, default=4) :]
    fitted = slope([math.log(w) for w, _ in large], [math.log(c) for _, c in large])
    each = [c / w for w, c in counts]
    return Finding(
        judge(fitted, below=1.1, paper_regime=True),
        ours=f"slope {fitted}; {each[0]:.1f} to {each[-1]:.1f} numbers a weight",
        ran=f"Nets of {sizes[0]} to {sizes[-1]} cells, one step with a target.",
        measured=f"Slope {fitted}. With {counts[0][0]:,} weights {each[0]:.1f} numbers are "
        f"computed for each, with {counts[-1][0]:,} weights {each[-1]:.1f}.",
        numbers={"counts": counts},
        would_decide="Larger nets.",
    )


@demonstration(
    "D1",
    "How far the cut gradient is from the whole one.",
    asks="The relative distance of the truncated from the full gradient of all hidden weights, in "
    "nets of the adding problem as they begin, and with larger weights.",
)
def distance(run: Run) -> Finding:
    """Compare the two gradients."""
    found = {}
    for init in (0.1, 0.5, 1.0):
        gradients = []
        for truncate in (True, False):
            config = dataclasses.replace(PRESETS["exp4"], truncate=truncate, init=init)
            generator = torch.Generator().manual_seed(run.seed)
            net = LSTM1997(config, generator=generator, dtype=torch.float64)
            x = torch.randn(50, 16, 2, generator=generator, dtype=torch.float64)
            loss = (net(x)[0][-1] - x[0, :, :1]).square().mean()
            weights = [net.weight_x, net.weight_h, net.bias]
            gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)]))
        found[str(init)] = ((gradients[0] - gradients[1]).norm() / gradients[1].norm()).item()
    return Finding(
        None,
        ours=f"{found['0.1']:.2f} at first, {found['1.0']:.2f} with weights up to 1",
        ran="50 steps, 16 sequences, an error at the end.",
        measured="; ".join(f"weights up to {k}: {v:.3f}" for k, v in found.items()) + ".",
        numbers=found,
    )
