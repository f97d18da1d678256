"""What needs no training: what is kept, and what a closed forget gate does (§3.2, §3.3)."""

import torch
import torch.nn.functional as F

from ..blocks import Config, GersLSTM
from ..lab.claim import Finding, claim, demonstration
from ..lab.run import Run
from ..lab.statistics import exact
from ..online import ForwardMode
from ..tasks import cerg


def kept(learner: ForwardMode) -> int:
    """Return how many numbers a learner holds beside the weights."""
    return learner.y.numel() + learner.s.numel() + learner.ds.numel()


@claim(
    "C6a",
    "§3.3",
    "What is stored does not depend on the length of the input.",
    quotes="So the storage complexity does not depend on the length of the input sequence.",
    asks="The numbers that the learner of §3.2 holds beside the weights, after 10 steps and after "
    "2,000 (10,000 in a full run), for nets of 1 to 8 blocks; and, for the sentence before it, "
    "which has O(1) for each weight, that they are at most three for each weight.",
    holds_if="the numbers are the same, and at most three times the weights, for every net",
    fails_if="they grow for one net, or are more",
)
def storage(run: Run) -> Finding:
    """Count."""
    steps = run.pick(test=30, default=2000, full=10_000)
    found = {}
    for blocks in (1, 2, 4, 8):
        net = GersLSTM(Config(7, blocks, 2, 7), generator=torch.Generator().manual_seed(run.seed))
        learner, counts = ForwardMode(net, 0.1), []
        symbols, legal, _ = cerg(steps, 1, torch.Generator().manual_seed(run.seed))
        for t, x in enumerate(F.one_hot(symbols[:, 0], 7).float()):
            learner.step(x, legal[t, 0])
            if t + 1 in (10, steps):
                counts.append(kept(learner))
        found[blocks] = [*counts, sum(w.numel() for w in net.parameters())]
    same = all(a == b and b <= 3 * w for a, b, w in found.values())
    a, b, weights = found[4]
    return Finding(
        exact(same), ours=f"{b} numbers after {steps:,} steps, {a} after 10, {weights} weights",
        ran=f"Nets of 1, 2, 4 and 8 blocks, {steps:,} steps.",
        measured="Numbers after 10 steps, at the end, and weights: "
        + "; ".join(f"{k} blocks {v}" for k, v in found.items()) + ".",
        numbers={str(k): v for k, v in found.items()},
    )  # fmt: skip


@claim(
    "C6b",
    "§3.2",
    "A forget gate at zero resets the derivatives with the state.",
    quotes="When the activation goes to zero not only the cell’s state, but also the partials are "
    "reset (forgetting includes forgiving previous mistakes).",
    asks="A net of the paper's size after 50 symbols, in double precision. Then one step in which "
    "all forget gates are at 0, and the same step from a zero state with zero derivatives and the "
    "same outputs seen: states and derivatives by the weights are compared.",
    holds_if="all of them are equal",
    fails_if="one differs",
)
def forgives(run: Run) -> Finding:
    """Close all forget gates for a step."""
    generator = torch.Generator().manual_seed(run.seed)
    net = GersLSTM.from_preset("cerg", generator, dtype=torch.float64)
    learner = ForwardMode(net, 0.1)
    symbols, legal, _ = cerg(51, 1, generator)
    x = F.one_hot(symbols[:, 0], 7).double()
    for t in range(50):
        learner.step(x[t], legal[t, 0].double())
    before = learner.ds.abs().max().item()
    with torch.no_grad():
        net.bias[4:8] = -1e4  # σ is 0
    fresh = ForwardMode(net, 0.1)
    fresh.y = learner.y.clone()
    learner.step(x[50])
    fresh.step(x[50])
    apart = max(
        (learner.ds - fresh.ds).abs().max().item(), (learner.s - fresh.s).abs().max().item()
    )
    return Finding(
        exact(apart == 0), ours=f"the largest difference is {apart:.0f}",
        ran="375 weights, 51 symbols.",
        measured=f"Derivatives of up to {before:.2f} were held; behind the step the largest "
        f"difference is {apart:.0f}.",
        numbers={"apart": apart, "before": before},
    )  # fmt: skip


@demonstration(
    "D4",
    "How long a forget gate keeps a state, by its bias.",
    asks="σ(b) to the power of 10, 100 and 1,000 steps, for biases b from 0 to 7, and the number "
    "of steps in which a state falls to 1/e. So a bias of 5, as in §4.6, keeps for about 150.",
)
def keeps(run: Run) -> Finding:
    """Compute."""
    found = {}
    for bias in range(8):
        keep = torch.sigmoid(torch.tensor(float(bias), dtype=torch.float64))
        found[str(bias)] = [*(keep**n for n in (10, 100, 1000)), -1 / keep.log()]
        found[str(bias)] = [v.item() for v in found[str(bias)]]
    return Finding(
        None, ours=f"bias 1: {found['1'][3]:.1f} steps to 1/e; bias 5: {found['5'][3]:.0f}",
        ran="Double precision.",
        measured="Steps until 1/e: " + "; ".join(f"b = {b}: {v[3]:.1f}" for b, v in found.items())
        + ".", numbers=found,
    )  # fmt: skip
