"""How nets that have learned the XOR are built: layers, as many as the delay has steps (§3.1)."""

import torch
from torch import Tensor

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Judgement, every, judge, proportion
from .fixed import xor
from .learning import able, frozen_net, stream_of

RIGHT = 0.999  # of arbitrary states
IDLE = 0.01  # variance of an output below which a unit stands for nothing: a swing of .2


def among(successes: int, n: int, above: float, printed: bool) -> Judgement:
    """Judge a share among the nets that have learned, of which there may be none."""
    if not n:
        return Judgement(UNDECIDED)
    return judge(proportion(successes, n), above=above, paper_regime=printed)


@torch.no_grad()
def from_anywhere(weights: Tensor, delay: int, draws: int, seed: int) -> list[float]:
    """Return how often nets tell the XOR of bits that come in while their state is arbitrary.

    The outputs at the time of the bits are drawn uniformly; further bits follow.
    """
    generator = torch.Generator().manual_seed(seed)
    net = frozen_net(weights.repeat_interleave(draws, 0))
    net.reset(torch.rand(net.y.shape, generator=generator))
    x, _ = stream_of("xor 1", len(net.y), seed).draw(delay)
    y = net.run(x)[-1, :, 0]
    right = (y > 0.5) == (x[0, :, 0] != x[0, :, 1])
    return right.view(len(weights), draws).double().mean(1).tolist()


@claim(
    "C1b",
    "§3.1",
    "At delay 2, three units become a net with two hidden units.",
    quotes="With 3 units and a delay of 2 time steps, the network learns to configure itself to be "
    "a standard 2-hidden-unit multilayer network for computing this function.",
    asks="In a multilayer net the answer depends on the two bits alone. The nets of C1a that "
    "learned delay 2 get 10,000 arbitrary states, each output uniform in 0 to 1, at the time of "
    "the bits: is the answer two steps later right in 999 of 1,000 of them? The sentence has no "
    "“often”; the line, four nets in five, is ours.",
    holds_if="the interval of the share of nets of which this is true lies above four fifths",
    fails_if="it lies below",
)
def multilayer(run: Run) -> Finding:
    """Give nets that have learned an arbitrary state, and look at the answer."""
    found = xor(run, 2)
    good, draws = able(found), run.pick(test=50, default=10_000)
    weights = torch.tensor([found["weights"][i] for i in good])
    right = from_anywhere(weights, 2, draws, run.seed) if good else []
    passed = sum(r >= RIGHT for r in right)
    judged = among(passed, len(good), 0.8, printed=True)
    return Finding(
        judged,
        ours=f"{passed} of {len(good)} nets answer from the two bits alone",
        ran=f"The {len(good)} nets of C1a that learned delay 2; {draws:,} arbitrary states each.",
        measured=f"{passed} of {len(good)} nets are right from 999 of 1,000 states or more, "
        f"{sum(r == 1 for r in right)} from all. The least often right one is right in "
        f"{100 * min(right, default=0):.2f}% of the states.",
        numbers={"right": right, "passed": passed, "nets": len(good)},
        would_decide="More nets that learn the task." if judged.verdict == UNDECIDED else "",
    )


@torch.no_grad()
def layers_of(weights: Tensor, delay: int, steps: int, seed: int) -> list[list[float]]:
    """Return for each net and lag 1 … delay how much of some unit's variance that lag explains.

    Explained by lag s: the variance of the mean outputs given the two bits of s steps before, over
    the whole variance; of the units that are not idle, the one of which it explains most.
    """
    x, _ = stream_of("xor 1", len(weights), seed).draw(steps + 50)
    y = frozen_net(weights).run(x)[50:]
    whole = y.var(0, correction=0)
    code = (2 * x[..., 0] + x[..., 1]).long()
    explained = []
    for lag in range(1, delay + 1):
        given = code[51 - lag : 51 - lag + steps]  # row t is y(t + 1)
        between = torch.zeros_like(whole)
        for bits in range(4):
            here = (given == bits)[..., None]
            count = here.sum(0).clamp_min(1)
            mean = (y * here).sum(0) / count
            between += count / steps * (mean - y.mean(0)) ** 2
        explained.append(torch.where(whole >= IDLE, between / whole, 0.0).amax(1))
    return torch.stack(explained, 1).tolist()


def draw_layers(figure, numbers) -> None:
    """Draw for each delay and lag what the best unit of each net shows of it."""
    figure.set_size_inches(6.4, 2.6)
    for axes, (delay, nets) in zip(figure.subplots(1, 2, sharey=True), numbers["shown"].items()):
        for lag in range(1, int(delay) + 1):
            values = [net[lag - 1] for net in nets]
            axes.plot([lag] * len(values), values, "o", color=BLUE, alpha=0.4)
        axes.axhline(0.5, color=RED, ls="--", lw=1)
        axes.set(title=f"delay {delay}", xlabel="steps since the bits", ylim=(-0.05, 1.05))
        axes.set_xticks(range(1, int(delay) + 1))
    figure.axes[0].set_ylabel("variance explained")


@claim(
    "C1d",
    "§3.1",
    "With longer delays, nets generally have as many layers as steps.",
    draw_layers,
    quotes="For longer delays, more units are required, and the network generally configures "
    "itself to have more layers in order to match the required delay.",
    asks="A layer is what stands at one distance from the input. For each lag before the last, "
    "which any net that has learned shows: is there a unit of whose variance the bits of that lag "
    "explain more than half? Units whose variance is below .01 (a swing of .2) are idle, and do "
    "not count. Nets of delay + 2 units, one more than are enough, that learned delays 3 and 4. "
    "Generally: more often than not.",
    holds_if="at both delays the interval of the share of nets with a unit for every lag lies "
    "above one half",
    fails_if="at one of them it lies below: not seen, as the paper's sizes are not printed",
)
def more_layers(run: Run) -> Finding:
    """Ask of each net that has learned which lags its units stand for."""
    shown, parts, judged = {}, [], []
    for delay in (3, 4):
        found = xor(run, delay, 1)
        good = able(found)
        weights = torch.tensor([found["weights"][i] for i in good])
        steps = run.pick(test=100, default=5000)
        shown[str(delay)] = layers_of(weights, delay, steps, run.seed) if good else []
        whole = sum(min(net[:-1]) > 0.5 for net in shown[str(delay)])
        parts.append((whole, len(good)))
        judged.append(among(whole, len(good), 0.5, printed=False))
    verdict = every(judged)
    (a, m), (b, n) = parts
    return Finding(
        verdict,
        ours=f"{a} of {m} nets at delay 3, {b} of {n} at delay 4",
        ran=f"The {m} nets of five units that learned delay 3 and the {n} of six that learned "
        "delay 4, frozen, over 5,000 steps.",
        measured=f"A unit for each lag before the last: {a} of {m} nets have one at delay 3, {b} "
        f"of {n} at delay 4.",
        numbers={"shown": shown, "with every layer": [a, b], "nets": [m, n]},
        between="How many units the paper's nets had at these delays it does not print.",
        would_decide="More nets that learn the task." if verdict.verdict == UNDECIDED else "",
    )
