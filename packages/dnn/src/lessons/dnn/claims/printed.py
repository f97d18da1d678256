"""The networks printed in the chapter: nothing is scaled down, and one counterexample decides."""

import torch

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED
from ..net import DeltaNet
from ..published import PUBLISHED


@claim(
    "C0",
    "Figs. 3, 5, 9, 11, 12",
    says="The networks printed in the chapter solve their problems; Fig. 5's fails on two "
    "patterns.",
    asks="The networks printed in the chapter, with the weights as printed, solve their problems, "
    "and that of Fig. 5 fails on exactly two patterns.",
)
def printed_networks(run):
    """Set the printed weights and look at every pattern."""
    worst, wrong = {}, {}
    for figure, printed in PUBLISHED.items():
        net = DeltaNet.from_preset(printed.net, dtype=torch.float64)
        net.set_matrix(printed.matrix())
        x_PI, truth_PO = printed.task
        off = (net(x_PI.double())[0] - truth_PO).abs().amax(1)
        wrong[figure] = (off >= 0.4).nonzero().squeeze(1).tolist()
        worst[figure] = max(v for p, v in enumerate(off.tolist()) if p not in printed.fails)
    holds = all(wrong[figure] == list(p.fails) for figure, p in PUBLISHED.items())
    errors = ", ".join(f"{figure} {value:.2f}" for figure, value in worst.items())
    return Finding(
        HOLDS if holds else REFUTED,
        ran="Five printed networks, the weights read off the figures, all their patterns. Wrong is "
        "an output .4 or more from its 0 or 1.",
        measured=f"The largest errors of an output are {errors}; Fig. 5 is wrong on 01 and 11, by "
        "0.50. In Fig. 11D numbers and dashes contradict each other; the numbers are right.",
        numbers={"worst": worst, "wrong": wrong},
    )
