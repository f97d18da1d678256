"""The three kinds of shortcut: what they cost, and that each of them works."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..cifar import CifarResNet, CifarResNetConfig
from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN, REFUTED
from .compare import clearly_less, losses, mean, said, standard_error
from .training import setting, trials


@claim(
    "C3a",
    "§3.2, §3.3",
    says="Shortcuts by zero padding add neither parameters nor arithmetic; projections add few.",
    asks="Shortcuts by zero padding add neither parameters nor arithmetic; projections add few.",
)
def no_extra_cost(run):
    """Count parameters and multiply-adds of the paper's 20- and 110-layer nets, exactly."""
    counts = {}
    with torch.device("meta"):
        for depth in (20, 110):
            for name in ("plain", "A", "B", "C"):
                option = "A" if name == "plain" else name
                net = CifarResNet(CifarResNetConfig(depth, name == "plain", shortcut=option)).eval()
                with FlopCounterMode(display=False) as counter:
                    net(torch.empty(1, 3, 32, 32))
                parameters = sum(p.numel() for p in net.parameters())
                counts[f"{depth} {name}"] = [parameters, counter.get_total_flops() // 2]
    holds = all(counts[f"{d} plain"] == counts[f"{d} A"] for d in (20, 110))
    extra = {o: counts[f"20 {o}"][0] - counts["20 plain"][0] for o in "BC"}
    return Finding(
        HOLDS if holds else REFUTED,
        ran="The nets for CIFAR-10 with 20 and 110 layers, counted on the meta device.",
        measured=f"20 layers: {counts['20 plain'][0]:,} parameters and {counts['20 plain'][1]:,} "
        f"multiply-adds, plain and with option A alike; option B adds {extra['B']:,} parameters, C "
        f"{extra['C']:,}. 110 layers: {counts['110 plain'][0]:,} either way.",
        numbers=counts,
    )


@claim(
    "C3b",
    "§4.1, Table 3",
    says="All three kinds of shortcut cure degradation; projections are only slightly better.",
    asks="All three kinds of shortcut cure degradation; projections are slightly better than "
    "zeros, but are not what matters.",
)
def every_option_works(run):
    """Judge options A, B and C at 20 layers against the plain net."""
    plain = trials(run, "plain", (20,))
    options = {o: trials(run, "residual", (20,), shortcut=o)["20"] for o in "ABC"}
    holds = all(clearly_less(losses(r), losses(plain["20"])) for r in options.values())
    listed = ", ".join(
        f"{o} {mean(losses(r)):.4f} ± {standard_error(losses(r)):.4f}" for o, r in options.items()
    )
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"20 layers on {setting(run)}, {len(plain['20'])} seeds.",
        measured=f"Training loss: {listed}; {said(plain).replace('20 layers', 'plain')}.",
        numbers={o: losses(r) for o, r in options.items()} | {"plain": losses(plain["20"])},
        between="Three seeds, and a depth at which degradation has only begun.",
    )
