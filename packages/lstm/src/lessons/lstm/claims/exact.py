"""Errors in the carousel and elsewhere, and what is kept: no training, and no luck."""

import dataclasses

import torch
from torch import Tensor

from ..config import PRESETS
from ..flow import bound, error_flow, gradient_flow
from ..lab.claim import Finding, claim, demonstration, erratum
from ..lab.figures import BLUE, GREEN, RED
from ..lab.run import Run
from ..lab.statistics import exact
from ..network import LSTM1997
from ..online import TruncatedLearner


def flows(run: Run, steps: int, init: float) -> tuple[Tensor, Tensor]:
    """Return the largest deviation of ∂s(t)/∂s(t − q) from 1, by q: truncated, and full."""
    found = []
    for truncate in (True, False):
        config = dataclasses.replace(PRESETS["exp4"], truncate=truncate, init=init)
        generator = torch.Generator().manual_seed(run.seed)
        net = LSTM1997(config, generator=generator, dtype=torch.float64)
        x = 2 * torch.rand(steps, 2, generator=generator, dtype=torch.float64) - 1
        flow = gradient_flow(net, x)
        found.append((flow - torch.eye(4, dtype=torch.float64)).abs().amax((1, 2)))
    return found[0], found[1]


def draw_flow(figure, numbers) -> None:
    """Draw what is left of an error against the number of steps back."""
    axes = figure.subplots()
    q = range(1, len(numbers["logistic"]) + 1)
    axes.plot(q, [1.0] * len(q), color=RED, label="carousel")
    axes.plot(q, numbers["logistic"], color=BLUE, label="logistic net")
    axes.plot(q, numbers["bound"], "--", color=GREEN, label="the bound")
    axes.set(yscale="log", xlabel="steps back, q", ylabel="largest factor")
    axes.legend()


@claim(
    "C2a",
    "§3.1.5",
    "In logistic nets errors decay exponentially.",
    draw_flow,
    quotes="We observe that if |wij| ≤ wmax < 4.0/n ∀ i, j, then ‖W‖A ≤ nwmax < 4.0 will result in "
    "exponential decay.",
    asks="|∂ϑ_v(t − q)/∂ϑ_u(t)| for all pairs, q = 1 to 50, in nets of 2, 5, 10 and 30 units that "
    "run from random states, weights uniform below .98 · 4/n: is it at most nτ^q?",
    holds_if="each is at most the bound",
    fails_if="one is above it",
)
def decay(run: Run) -> Finding:
    """Hold the factors against the bound."""
    good, kept, count = True, {}, 0
    for n in (2, 5, 10, 30):
        generator = torch.Generator().manual_seed(run.seed + n)
        for _ in range(run.pick(test=2, default=20, full=200)):
            weight = (2 * torch.rand(n, n, generator=generator).double() - 1) * 0.98 * 4 / n
            y, states = torch.rand(n, generator=generator).double(), []
            for _ in range(50):
                states.append(y)
                y = torch.sigmoid(weight @ y)
            flow = error_flow(weight, torch.stack(states[::-1])).abs().amax((1, 2))
            limit = bound(weight, 50)
            good &= bool((flow <= limit).all())
            kept, count = {"logistic": flow.tolist(), "bound": limit.tolist()}, count + 1
    left = kept["logistic"][-1]
    return Finding(
        exact(good),
        ours=f"below the bound in {count} nets; {left:.0e} left after 50 steps of 30 units",
        ran="Nets of 2, 5, 10 and 30 units, double precision.",
        measured=f"After 50 steps {left:.0e} is left in the last net, {kept['bound'][-1]:.0e} is "
        "allowed.",
        numbers=kept,
    )


@claim(
    "C2b",
    "§7, A.33",
    "In truncated cells an error flows back unchanged.",
    quotes="Each memory cell's internal architecture guarantees constant error flow within its "
    "CEC, provided that truncated backpropagation cuts off error flow trying to leak out of "
    "memory cells.",
    asks="∂s(t)/∂s(t − q) of all cells of the adding net for q = 0 to 1,000, in double precision, "
    "with first weights up to 1. Beside it the full gradient.",
    holds_if="it is the identity to within 10⁻¹²",
    fails_if="it is not",
)
def constant(run: Run) -> Finding:
    """Measure the flow through the carousel."""
    steps = run.pick(test=20, default=200, full=1000)
    cut, whole = flows(run, steps, 1.0)
    worst = cut.max().item()
    return Finding(
        exact(worst < 1e-12),
        ours=f"deviates by {worst:.0e} after {steps:,} steps",
        ran=f"4 cells in two blocks, random inputs, {steps:,} steps.",
        measured=f"The largest deviation is {worst:.0e}; of the full gradient {whole.max():.2g}.",
        numbers={"truncated": worst, "full": whole.max().item()},
    )


@claim(
    "C6",
    "§4.6, A.27",
    "What is kept does not grow with the sequence.",
    quotes="there is no need to store activation values observed during sequence processing in a "
    "stack with potentially unlimited size",
    asks="The bytes that the paper's learner holds after 10, 100 and 1,000 steps of the adding "
    "problem, and whether the derivatives it carries are 2CSI (A.27), I all that a unit sees.",
    holds_if="the bytes are the same after each, and the derivatives 2CSI",
    fails_if="they are not",
)
def storage(run: Run) -> Finding:
    """Count what the learner holds."""
    held, net = [], LSTM1997.from_preset("exp4", torch.Generator().manual_seed(run.seed))
    for steps in (10, 100, run.pick(test=110, default=1000)):
        learner = TruncatedLearner(net, 0.1)
        for _ in range(steps):
            learner.step(torch.ones(1, 2))
        tensors = [v for v in vars(learner).values() if isinstance(v, Tensor)]
        held.append(sum(v.numel() * v.element_size() for v in tensors))
    carried = learner.ds_in.numel() + learner.ds_cell.numel()
    return Finding(
        exact(len(set(held)) == 1 and carried == 2 * 4 * 11),
        ours=f"{held[0]:,} bytes after 10 steps and after {steps:,}",
        ran="The adding problem's net: 4 cells that see 11 numbers.",
        measured=f"{carried} derivatives are carried; {held[0]:,} bytes in all.",
        numbers={"bytes": held, "derivatives": carried},
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


@erratum(
    "E1",
    "§5.2.3",
    "The expected length is q + 13, not q + 14.",
    quotes="the expected length is",
    asks="The sum in the paper, 4 + Σ (1/10)(9/10)^k (q + k) over k from 0, is evaluated.",
)
def length(run: Run) -> Finding:
    """Evaluate the paper's sum at q = 0."""
    total = 4 + sum(0.1 * 0.9**k * k for k in range(2000))
    return Finding(
        None,
        ours=f"q + {total:.4g}",
        ran="2,000 terms.",
        measured=f"The mean of k is {total - 4:.4g}, so that the sum is q + {total:.4g}.",
        numbers={"q = 0": total},
    )


@erratum(
    "E2",
    "Table 10, notes",
    "The ranges of g and h are exchanged.",
    quotes="h1 is logistic sigmoid in [−2, 2]",
    asks="A.2 and A.3, and the text of each experiment, have h in [−1, 1] and g in [−2, 2]; the "
    "notes have h1 in [−2, 2] and g2 in [−1, 1]. The formulas are evaluated.",
)
def ranges(run: Run) -> Finding:
    """Evaluate the formulas of the appendix far out."""
    far = torch.tensor(50.0, dtype=torch.float64)
    h, g = (2 * far.sigmoid() - 1).item(), (4 * far.sigmoid() - 2).item()
    return Finding(
        None,
        ours=f"h up to {h:.0f}, g up to {g:.0f}",
        ran="A.2 and A.3 at a net input of 50.",
        measured=f"h ends at ±{h:.0f} and g at ±{g:.0f}.",
        numbers={"h": h, "g": g},
    )


@erratum(
    "E3",
    "§5.1.5, Table 1",
    "“Always” is 148 of 150 trials.",
    quotes="LSTM always learns to solve the task.",
    asks='The notes to Table 1: "Only LSTM almost always learns to solve the task (only 2 '
    'failures out of 150 trials)".',
)
def always(run: Run) -> Finding:
    """Compute the share of the notes."""
    return Finding(
        None,
        ours=f"{148 / 150:.1%} of 150 trials",
        ran="The numbers of Table 1.",
        measured=f"2 of 150 trials failed: {148 / 150:.1%} succeeded.",
        numbers={"share": 148 / 150},
    )


@erratum(
    "E4",
    "Table 8",
    "“MSE” cannot be a mean squared error.",
    quotes="MSE is the mean squared error on the test set.",
    asks="In the last row 14 of 2,560 errors are above .04 and targets lie in [0, 1]. The largest "
    "mean square that allows is computed, and compared with the .0139 printed.",
)
def squared(run: Run) -> Finding:
    """Bound the mean square by what the same row tells."""
    most = (14 * 1.0 + (2560 - 14) * 0.04**2) / 2560
    return Finding(
        None,
        ours=f"at most {most:.4f}, printed .0139",
        ran="14 errors of 1, all others of .04.",
        measured=f"No errors that fit the row have a mean square above {most:.4f}.",
        numbers={"most": most},
    )
