"""Digits that are not where they were in training."""

import torch
import torch.nn.functional as F

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from ..train import fit
from .compare import clearly_less, percent
from .data import apart, for_lenet, named
from .few_weights import connected
from .lenets import SHIFTS, amounts, lenets, passes_of, shifted_error


def train_connected(run, lr, seed):
    """Train 1024-300-10 on the same images; return its errors on shifted test images."""
    sets = for_lenet(run)
    x, y = (tensor[: amounts(run)[-1]] for tensor in sets["train"])
    net = connected(1024, 300, outputs_squashed=False).to(run.device)
    sgd = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    [*_] = fit(
        net, x, y, F.cross_entropy, schedule=[lr] * passes_of(run), optimizer=sgd, batch_size=50,
        track=run.track, generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    return {"shifted": [shifted_error(net, sets["test"], by) for by in SHIFTS]}


def draw_shifts(figure, numbers):
    """Draw error against shift."""
    axes = figure.subplots()
    names = {"LeNet-5": RED, "1024-300-10": BLUE}
    for name, color in names.items():
        for i, errors in enumerate(numbers[name]):
            label = None if i else name
            axes.plot(SHIFTS, [100 * e for e in errors], "o-", ms=3.5, color=color, label=label)
    axes.set(xlabel="shift of the test images (pixels)", ylabel="test error (%)", ylim=(0, None))
    axes.set_xticks(SHIFTS)
    axes.legend(title="a line a seed")


@claim(
    "C7",
    "1998, §II-A and §III-E",
    says="LeNet-5 loses less from shifted digits than a fully connected net.",
    asks="Shared weights and sub-sampling make a net robust to shifts: it loses less than a fully "
    "connected one when digits are not where they were in training.",
    draw=draw_shifts,
)
def shift_robustness(run):
    """Judge the rise of the error at each shift, LeNet-5 against 1024-300-10."""
    lenet = [t["shifted"] for t in lenets(run, amounts(run)[-1])]
    seeds = run.seeds(run.pick(test=1, default=3))
    full = [run.trial(train_connected, lr=0.05, seed=s)["shifted"] for s in seeds]
    rises = [[[row[by] - row[0] for row in rows] for rows in (lenet, full)] for by in SHIFTS[1:]]
    holds = all(clearly_less(a, b) for a, b in rises)
    listed = "; ".join(
        f"{by} pixels {percent([a[by] for a in lenet])} and {percent([b[by] for b in full])}"
        for by in SHIFTS
    )
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"Both trained on {amounts(run)[-1]:,} centred images of {named(run)}, tested on "
        f"images moved up, down, left and right, {len(seeds)} seeds.",
        measured=f"Test error of LeNet-5 and of 1024-300-10: {listed}.",
        numbers={"LeNet-5": lenet, "1024-300-10": full},
        between=apart(run, "The paper shows examples and gives no numbers for shifts alone."),
    )
