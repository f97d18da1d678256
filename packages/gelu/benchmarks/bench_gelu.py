"""GELU, its approximations, SiLU and the stochastic map: ours beside torch's, in one run.

python packages/gelu/benchmarks/bench_gelu.py [--threads 1] [--seconds 2]

With THP_MEM_ALLOC_ENABLE=1 in the environment torch puts large results in large pages, as ours does
by itself (`lessons.gelu.pages`): the peer as its users could tune it.
"""

import argparse
import os
import time

import torch
from torch import nn
from torch.utils import benchmark

from lessons.gelu import GELU, QuickGELU, SiLU, StochasticZeroIdentity, silu
from lessons.gelu.gates import normal_cdf

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

ROUNDS = 12
# On one thread of a CPU: its own time, not that of whoever else runs on a busy machine.
clock = time.process_time if args.device == "cpu" and args.threads == 1 else benchmark.timer


def compare(title, calls):
    """Time the calls in turns; a ratio is the median over the turns, a time the best."""
    turns = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            timer = benchmark.Timer(
                "call()", globals={"call": call}, num_threads=args.threads, timer=clock
            )
            measured = timer.blocked_autorange(min_run_time=args.seconds / ROUNDS)
            turns[name].append(min(measured.times))
    base = next(iter(turns.values()))
    print(f"{title}: ms, and of the first", flush=True)
    for name, times in turns.items():
        ratios = sorted(time / first for time, first in zip(times, base))
        print(f"  {name:40} {1e3 * min(times):9.4f}  {ratios[ROUNDS // 2]:5.2f}", flush=True)


def both(title, x, modules):
    """Compare forward passes without and with the backward pass, and backward passes alone."""

    def forward(module):
        with torch.no_grad():
            return module(x)

    def backward(module):
        return torch.autograd.grad(module(x), x, direction)

    def alone(y):
        return torch.autograd.grad(y, x, direction, retain_graph=True)

    direction = torch.randn_like(x)
    compare(f"{title}, forward", {n: lambda m=m: forward(m) for n, m in modules.items()})
    compare(
        f"{title}, forward and backward", {n: lambda m=m: backward(m) for n, m in modules.items()}
    )
    results = {n: m(x) for n, m in modules.items()}
    compare(f"{title}, backward", {n: lambda y=y: alone(y) for n, y in results.items()})


def bernoulli(x):
    """Draw the mask the obvious way."""
    return x * torch.bernoulli(normal_cdf(x.detach()))


class CLIPs(nn.Module):
    """xσ(1.702x) as it is usually written."""

    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


tuned = os.environ.get("THP_MEM_ALLOC_ENABLE", "0")
print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s), large pages: {tuned}")
torch.set_num_threads(args.threads)  # as the Timer does only around what it times
for rows, width in ((32, 256), (2048, 3072), (4096, 3072)):
    x = torch.randn(rows, width, device=args.device, requires_grad=True)
    size = f"{rows} × {width}"
    for form, name in (("none", "GELU"), ("tanh", "GELU, tanh form")):
        modules = {
            "torch": nn.GELU(form),
            "ours, as it comes": GELU(form),
            "ours, the gradient by hand": GELU(form, method="by hand"),
            "ours, readable": GELU(form, method="readable"),
        }
        want = modules["torch"](x)
        assert all(torch.allclose(m(x), want, rtol=0, atol=2e-6) for m in modules.values())
        both(f"{name}, {size}", x, modules)
    both(
        f"GELU, sigmoid form, {size}",
        x,
        {
            "x * torch.sigmoid(1.702 * x)": CLIPs(),
            "ours, as it comes": QuickGELU(),
            "ours, the gradient by hand": GELU("sigmoid", method="by hand"),
        },
    )
    slope = torch.tensor(1.0)
    both(
        f"SiLU, {size}",
        x,
        {
            "torch": nn.SiLU(),
            "ours, as it comes": SiLU(),
            "ours, readable (x * sigmoid(x))": lambda x: silu(x, beta=slope),  # noqa: B023
        },
    )
    both(
        f"stochastic map, {size}",
        x,
        {
            "torch's dropout, for comparison": nn.Dropout(0.5),
            "ours: x ≥ a normal number": StochasticZeroIdentity(),
            "x * bernoulli(Φ(x))": bernoulli,
        },
    )
    print("the forms beside each other:")
    both(f"torch's kernels, {size}", x, {"none": nn.GELU(), "tanh": nn.GELU("tanh"),
                                         "SiLU": nn.SiLU(), "ReLU": nn.ReLU()})  # fmt: skip
