"""C7: gradients and Jacobians at initialization (§3.3)."""

import math

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, MUTED, RED
from ..lab.statistics import HOLDS, NOT_SEEN, REFUTED
from ..norm import batch_norm
from .averages import error, mean


def draw_c7(figure, numbers):
    """Draw gradient norms from the last layer to the first, and singular values of one layer."""
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    looks = zip(numbers["norms"].items(), (MUTED, AMBER, BLUE, RED), ("-", "--", "-", ":"))
    for (name, norms), color, style in looks:
        left.plot(range(len(norms)), norms, style, color=color, label=name)
    left.set(yscale="log", xlabel="layers below the loss", ylabel="gradient norm, last layer 1")
    left.legend(fontsize=6.5)
    right.hist(numbers["singular"], bins=30, color=BLUE)
    right.axvline(1, color=AMBER)
    right.set(xlabel="singular value of a layer", ylabel="how many of 200")


def gradient_norms(depth: int, norm: bool, gain: float, generator) -> list[float]:
    """Return gradient norms by layers' inputs, the last first, for He's weights times ``gain``."""
    h = torch.randn(128, 200, generator=generator, dtype=torch.float64, requires_grad=True)
    inputs = [h]
    for _ in range(depth):
        w = torch.randn(200, 200, generator=generator, dtype=torch.float64) * gain * 0.1
        h = h @ w  # .1² = 2/200
        h = torch.relu(batch_norm(h, training=True) if norm else h)
        inputs.append(h)
    gradients = torch.autograd.grad(
        (h * torch.randn(h.shape, generator=generator, dtype=torch.float64)).sum(), inputs
    )
    norms = [g.norm().item() for g in gradients][::-1]
    return [n / norms[0] for n in norms]


@claim(
    "C7",
    "§3.3",
    "Batch norm may bring Jacobians' singular values near 1, and makes gradients better behaved.",
    draw_c7,
    asks="Batch norm leads layer Jacobians to have singular values close to 1 (a conjecture), and "
    "makes gradient propagation better behaved.",
)
def jacobians(run):
    """Judge the growth of gradients per layer at initialization, and one layer's Jacobian."""
    depth, repeats = 40, run.pick(test=1, default=3, full=10)
    cases = {
        "without": (False, 1.0), "without, weights doubled": (False, 2.0),
        "batch norm": (True, 1.0), "batch norm, weights doubled": (True, 2.0),
    }  # fmt: skip
    growth, norms = {}, {}
    for name, (norm, gain) in cases.items():
        generator = torch.Generator().manual_seed(run.seed)
        runs = [gradient_norms(depth, norm, gain, generator) for _ in range(repeats)]
        # But for the first layer, whose inputs have not been through a ReLU.
        growth[name] = [r[-2] ** (1 / (depth - 1)) for r in runs]
        norms[name] = runs[0]
    # One layer from normalized x̂ to normalized ẑ: the other examples' part in the statistics left
    # out, it is W′ diag(ReLU′) scaled by 1/σ.
    generator = torch.Generator().manual_seed(run.seed)
    x = torch.randn(128, 200, generator=generator, dtype=torch.float64)
    w = torch.randn(200, 200, generator=generator, dtype=torch.float64) * 0.1
    std = (torch.relu(x) @ w).std(0, correction=0)
    singular = torch.linalg.svdvals((x[0] > 0)[:, None] * w / std)
    near = ((singular > 0.8) & (singular < 1.25)).double().mean().item()
    theory = math.sqrt(math.pi / (math.pi - 1))
    rate = mean(growth["batch norm"])
    explodes = abs(rate - theory) < 0.02 and abs(mean(growth["without"]) - 1) < 0.02
    holds = near > 0.5 and abs(rate - 1) < 0.02
    said = ", ".join(f"{name} ×{mean(g):.4f} ± {error(g):.4f}" for name, g in growth.items())
    return Finding(
        HOLDS if holds else REFUTED if explodes else NOT_SEEN,
        ran=f"{depth} layers of 200 ReLU units at initialization with weights of variance 2/n, 128 "
        f"normal inputs, a random gradient at the output, {repeats} draws.",
        measured=f"Growth of the gradient's norm per layer backwards: {said}; √(π/(π − 1)) = "
        f"{theory:.4f}. Over {depth - 1} layers {rate ** (depth - 1):,.0f} times with batch norm. "
        f"One layer's singular values: {(singular < 1e-9).sum().item()} of 200 are 0, the largest "
        f"is {singular.max().item():.2f}, {100 * near:.0f}% lie within 25% of 1.",
        numbers={"growth": growth, "norms": norms, "singular": singular.tolist(), "near": near},
        between="Neither the closed form nor 1 was measured.",
    )
