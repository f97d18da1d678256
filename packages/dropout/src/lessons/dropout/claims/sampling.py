"""Scaled weights against the average of sampled thinned nets (§7.5, Fig. 11)."""

import torch
from torch import Tensor

from ..lab.run import Run
from .train import Net, Plan, judged, noisy

COUNTS = (1, 2, 5, 10, 20, 50, 100)


def sample(run: Run, net: Net, plan: Plan, x: Tensor, y: Tensor, seed: int) -> dict:
    """Return error (%) and NLL of averages over 1 … 100 thinned nets, a new one for each case."""
    generator = torch.Generator(x.device).manual_seed(3 * seed + 2)
    total, logs = (torch.zeros(len(x), plan.widths[-1], device=x.device) for _ in range(2))
    found: dict[str, list] = {"mean": [], "geometric": []}
    for k in run.track(range(1, COUNTS[-1] + 1), "sampling thinned nets"):
        h = noisy(x.clone(), plan.p_input, plan.noise, generator)[0]
        for weight, bias in zip(net.weights[:-1], net.biases):
            h = torch.addmm(bias, h, weight.T).relu_()
            h = noisy(h, plan.p_hidden, plan.noise, generator)[0]
        log = torch.addmm(net.biases[-1], h, net.weights[-1].T).log_softmax(1)
        total += log.exp()
        logs += log
        if k in COUNTS:
            found["mean"].append(judged((total / k).log(), y))
            found["geometric"].append(judged((logs / k).log_softmax(1), y))
    return found
