"""A step with weight decay, and the penalty forward and backward: ours beside torch's, in one run.

python packages/weight-decay/benchmarks/bench_weight_decay.py [--threads 1] [--seconds 3]
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import benchmark

from lessons.weight_decay import SGDW, AdamL2, AdamW, WeightDecay, l2_penalty

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=3.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

TENSORS, NUMEL, ROUNDS = 100, 50_000, 10
SGD: dict[str, Any] = {"lr": 1e-4, "momentum": 0.9}


def parameters() -> list[torch.Tensor]:
    """Return 5 million numbers in 100 tensors, with gradients."""
    params = [torch.randn(NUMEL, device=args.device).requires_grad_() for _ in range(TENSORS)]
    for param in params:
        param.grad = torch.randn_like(param)
    return params


def sgd(**options) -> torch.optim.Optimizer:
    """Return torch's SGD."""
    return torch.optim.SGD(parameters(), **SGD, **options)


def penalty(make: Callable, backward: bool) -> Callable:
    """Return a function that computes a penalty of 5 million weights, and its gradient."""
    params = parameters()

    def run():
        value = make(params)
        if backward:
            torch.autograd.grad(value, params)

    return run


def plain(params: list[torch.Tensor]) -> torch.Tensor:
    """Return the penalty as it is usually written."""
    return 0.5 * 1e-4 * torch.stack([param.pow(2).sum() for param in params]).sum()


# The first of each race is what the others are compared with.
wd: dict[str, Any] = {"weight_decay": 1e-2}
RACES: dict[str, dict[str, Callable]] = {
    "SGD, momentum, L2": {
        "torch, weight_decay": sgd(**wd).step,
        "torch, weight_decay, foreach": sgd(**wd, foreach=True).step,
        "torch, weight_decay, fused": sgd(**wd, fused=True).step,
        "ours around SGD": WeightDecay(sgd(), 1e-2).step,
        "ours around SGD, fused": WeightDecay(sgd(fused=True), 1e-2).step,
        "ours around SGD, readable": WeightDecay(sgd(), 1e-2, fast=False).step,
    },
    "SGD, momentum, decoupled (torch has L2 only)": {
        "torch, weight_decay": sgd(**wd).step,
        "torch, weight_decay, fused": sgd(**wd, fused=True).step,
        "ours around SGD": WeightDecay(sgd(), 1e-2, "decoupled").step,
        "ours, SGDW as it comes": SGDW(parameters(), **SGD, **wd).step,
    },
    "AdamW": {
        "torch, as it comes": torch.optim.AdamW(parameters(), **wd).step,
        "torch, foreach": torch.optim.AdamW(parameters(), **wd, foreach=True).step,
        "torch, fused": torch.optim.AdamW(parameters(), **wd, fused=True).step,
        "ours around AdamW, as torch's comes": AdamW(parameters(), **wd, fused=False).step,
        "ours, as it comes": AdamW(parameters(), **wd).step,
        "ours, readable": AdamW(parameters(), **wd, fused=False, fast=False).step,
    },
    "Adam with L2": {
        "torch, as it comes": torch.optim.Adam(parameters(), **wd).step,
        "torch, fused": torch.optim.Adam(parameters(), **wd, fused=True).step,
        "ours, as it comes": AdamL2(parameters(), **wd).step,
        "ours, readable": AdamL2(parameters(), **wd, fused=False, fast=False).step,
    },
    "the penalty, forward": {
        "torch, pow(2).sum()": penalty(plain, False),
        "ours": penalty(lambda p: l2_penalty(p, 1e-4), False),
        "ours, readable": penalty(lambda p: l2_penalty(p, 1e-4, fast=False), False),
    },
    "the penalty, forward and backward": {
        "torch, pow(2).sum()": penalty(plain, True),
        "ours": penalty(lambda p: l2_penalty(p, 1e-4), True),
        "ours, readable": penalty(lambda p: l2_penalty(p, 1e-4, fast=False), True),
    },
}

print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s): ms, of the first's")
for race, contenders in RACES.items():
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):  # in turns: a busy machine disturbs whoever runs at that moment
        for name, run in contenders.items():
            timer = benchmark.Timer("run()", globals={"run": run}, num_threads=args.threads)
            seconds = args.seconds / ROUNDS
            times[name] += timer.blocked_autorange(min_run_time=seconds).times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    base = next(iter(medians.values()))
    print(race)
    for name, median in medians.items():
        print(f"  {name:38} {1e3 * median:7.2f}  {median / base:5.2f}")
