"""What needs no training: the gradient, what has to be kept for it, and a slip."""

import itertools
from typing import Any

import torch
from torch import Tensor

from ..bptt import gradient, trajectory
from ..lab.claim import Finding, claim, erratum
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import exact as exactly
from ..rtrl import RTRL

SIZES = ((1, 1), (2, 3), (4, 3), (6, 4), (15, 6))  # n, and m with the bias


def random_lesson(n: int, m: int, steps: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs (T, 1, m − 1), targets and mask (T, 1, n) in double precision."""
    generator = torch.Generator().manual_seed(seed)
    x, d = (torch.rand(steps, 1, k, generator=generator, dtype=torch.float64) for k in (m - 1, n))
    return x, d, torch.rand(steps, 1, n, generator=generator) < 0.5


def with_bias(x: Tensor) -> Tensor:
    """Return inputs with a line of ones behind them."""
    return torch.cat([x, x.new_ones(*x.shape[:2], 1)], -1)


def carried(n: int, m: int, forcing: bool, steps: int, seed: int) -> tuple[RTRL, dict[str, Any]]:
    """Return a net that carried its gradient along, and what it was taught."""
    x, d, mask = random_lesson(n, m, steps, seed)
    net = RTRL(
        n, m - 1, teacher_forcing=forcing, online=False, dtype=torch.float64,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    net.run(x, d, mask)
    return net, {"x": x, "d": d, "mask": mask}


def by_autograd(weight: Tensor, x: Tensor, d: Tensor, mask: Tensor, forcing: bool) -> Tensor:
    """Return −∂J/∂W by automatic differentiation of the unfolded net."""
    weight = weight.clone().requires_grad_()
    targets = torch.where(mask, d, torch.nan)
    start = weight.new_full((1, weight.shape[1]), 0.5)
    y, _ = trajectory(weight, with_bias(x), start, targets if forcing else None)
    error = torch.where(mask, d - y, 0).square().sum() / 2
    return -torch.autograd.grad(error, weight)[0]


@claim(
    "C6a",
    "abstract, §2.1, §2.3",
    "The carried sensitivities give the exact gradient.",
    quotes="The exact form of a gradient-following learning algorithm for completely recurrent "
    "networks running in continually sampled time is derived",
    asks="−∂J/∂W over 25 steps with fixed weights, by equations 12 to 15 and 19, against "
    "back-propagation through time, by hand and by autograd; nets of 1 to 15 units, random "
    "targets at random times, with forcing and without; double precision.",
    holds_if="all are equal to rounding: relative differences below 10⁻¹²",
    fails_if="one of them is not",
)
def gradients(run: Run) -> Finding:
    """Compare the gradients."""
    steps, worst, counted = run.pick(test=10, default=25), 0.0, 0
    for n, m in SIZES:
        for forcing in (False, True):
            net, given = carried(n, m, forcing, steps, run.seed)
            theirs = by_autograd(net.weight, forcing=forcing, **given)
            targets = torch.where(given["mask"], given["d"], torch.nan)
            start = net.weight.new_full((1, n), 0.5)
            by_hand = gradient(net.weight, with_bias(given["x"]), targets, start, forcing)[0]
            for other in (theirs, by_hand):
                gap = (net.change - other).norm() / theirs.norm().clamp_min(1e-300)
                worst, counted = max(worst, gap.item()), counted + 1
    return Finding(
        exactly(worst < 1e-12),
        ours=f"equal to {text(worst)}",
        ran=f"{counted} comparisons, nets of 1 to 15 units, {steps} steps, float64.",
        measured=f"The largest relative difference of {counted} is {text(worst)}.",
        numbers={"worst": worst, "comparisons": counted},
    )


def held(learner: Any) -> int:
    """Return how many bytes of tensors an object holds, also in lists; each memory counts once."""
    found: dict[int, int] = {}

    def walk(value: Any) -> None:
        if isinstance(value, Tensor):
            memory = value.untyped_storage()
            found[memory.data_ptr()] = memory.nbytes()
        elif isinstance(value, dict):
            walk(list(value.values()))
        elif isinstance(value, list | tuple):
            for part in value:
                walk(part)

    walk(vars(learner))
    return sum(found.values())


def taped(n: int, m: int, steps: int, seed: int) -> int:
    """Return how many bytes autograd keeps for back-propagation through so many steps."""
    x, d, mask = random_lesson(n, m, steps, seed)
    weight, kept = torch.zeros(1, n, n + m, dtype=torch.float64).requires_grad_(), {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        held_.append(tensor)
        return tensor

    held_: list[Tensor] = []  # so that no address is used twice
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y, _ = trajectory(weight, with_bias(x), weight.new_full((1, n), 0.5))
        loss = torch.where(mask, d - y, 0).square().sum()
    del loss
    return sum(kept.values())


def draw_memory(figure, numbers) -> None:
    """Draw the bytes that are kept against the number of steps."""
    axes = figure.subplots()
    for name, color in (("carried along", BLUE), ("through time", RED)):
        axes.plot(numbers["steps"], numbers[name], "o-", color=color, label=name)
    axes.set(xscale="log", yscale="log", xlabel="steps", ylabel="bytes kept")
    axes.legend()


@claim(
    "C6b",
    "§1",
    "Its memory does not grow with the length of the sequence.",
    draw_memory,
    quotes="The approach we propose here enjoys the generality of the backpropagation-through-time "
    "approach while not suffering from its growing memory requirement in arbitrarily long training "
    "sequences.",
    asks="The bytes of all tensors that a learner of 6 units and 4 lines holds, also in lists, "
    "after 10 to 10,000 steps; beside them the bytes that autograd keeps for the unfolded net.",
    holds_if="they are the same after each length, and the unfolded net's grow",
    fails_if="they are not",
)
def memory(run: Run) -> Finding:
    """Count bytes after more and more steps."""
    steps = run.pick(test=[10, 40], default=[10, 100, 1000], full=[10, 100, 1000, 10_000])
    ours = [held(carried(6, 4, True, t, run.seed)[0]) for t in steps]
    theirs = [taped(6, 4, t, run.seed) for t in steps]
    grows = all(a < b for a, b in itertools.pairwise(theirs))
    return Finding(
        exactly(len(set(ours)) == 1 and grows),
        ours=f"{ours[0]:,} bytes after 10 and after {steps[-1]:,} steps",
        ran="6 units, 3 inputs and the bias, teacher forcing, float64.",
        measured=f"The learner holds {ours[-1]:,} bytes after {steps[-1]:,} steps and {ours[0]:,} "
        f"after 10; the unfolded net {theirs[-1]:,} and {theirs[0]:,}.",
        numbers={"steps": steps, "carried along": ours, "through time": theirs},
    )


@erratum(
    "E1",
    "§2.1, before eq. 7",
    "∇J(t₀, t + 1) should be ∇J(t₀, t₁).",
    quotes="adjusting W along the negative of ∇W Jtotal(t0, t + 1).",
    asks="In the authors' manuscript; the journal's print was not at hand and may be right. "
    "Equation 6 defines the total error from t₀ to t₁; t is its index of summation, bound there "
    "and free here. What equation 7 sums is compared with the gradient of that total.",
)
def end_of_the_trajectory(run: Run) -> Finding:
    """Compare the sum of equation 7 with the gradient from t₀ to t₁."""
    net, given = carried(4, 3, False, 12, run.seed)
    gap = (net.change - by_autograd(net.weight, forcing=False, **given)).abs().max().item()
    return Finding(
        None,
        ours=f"t₁: equal to {text(gap)}",
        ran="4 units, 3 lines, 12 steps, float64.",
        measured=f"The changes of steps 1 to 12 sum up to −∇J(t₀, t₁) to {text(gap)}.",
        numbers={"gap": gap},
    )


def text(number: float) -> str:
    """Return a small number as 2·10⁻¹⁶."""
    if not number:
        return "0"
    digits, _, power = f"{number:.0e}".partition("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{digits}·10{raised}"
