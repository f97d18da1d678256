"""Layer norm, RMSNorm and the layer-normalized LSTM: ours beside torch's, in one run.

python packages/layer-norm/benchmarks/bench_layer_norm.py [--threads 1] [--seconds 2]
"""

import argparse

import torch
from torch import nn
from torch.utils import benchmark

from lessons.layer_norm import (
    LayerNorm,
    LayerNormFunction,
    LayerNormLSTM,
    RMSNorm,
    layer_norm_reference,
    rms_norm_reference,
)

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

ROUNDS = 12


def compare(title, calls):
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            timer = benchmark.Timer("call()", globals={"call": call}, num_threads=args.threads)
            times[name].append(timer.blocked_autorange(min_run_time=args.seconds / ROUNDS).median)
    best = {name: min(values) for name, values in times.items()}  # the least disturbed turn
    base = next(iter(best.values()))
    print(f"{title}: ms, and of torch's")
    for name, seconds in best.items():
        print(f"  {name:34} {1e3 * seconds:9.3f}  {seconds / base:5.2f}")


def both(title, x, modules, gradients):
    """Compare forward passes without and with the backward pass."""
    want = next(iter(modules.values()))(x)
    for name, module in modules.items():
        assert torch.allclose(module(x), want, rtol=1e-4, atol=1e-4), name

    def forward(module):
        with torch.no_grad():
            return module(x)

    def backward(module):
        return torch.autograd.grad(module(x), gradients, direction)

    direction = torch.randn_like(want)
    compare(f"{title}, forward", {n: lambda m=m: forward(m) for n, m in modules.items()})
    compare(
        f"{title}, forward and backward", {n: lambda m=m: backward(m) for n, m in modules.items()}
    )


print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s)")
for rows, width in ((32, 256), (2048, 768), (4096, 1024)):
    x = torch.randn(rows, width, device=args.device, requires_grad=True)
    w = nn.Parameter(torch.rand(width, device=args.device))
    b = nn.Parameter(torch.rand(width, device=args.device))
    theirs, ours = nn.LayerNorm(width), LayerNorm(width)
    theirs.weight, theirs.bias, ours.weight, ours.bias = w, b, w, b
    both(
        f"layer norm, {rows} × {width}",
        x,
        {
            "torch": theirs,
            "ours, as it comes": ours,
            "ours, the gradient by hand": lambda x, w=w, b=b: LayerNormFunction.apply(
                x, w, b, 1e-5
            ),
            "ours, readable": lambda x, w=w, b=b: layer_norm_reference(x, w.shape, w, b),
        },
        [x, w, b],
    )
    theirs, ours = nn.RMSNorm(width), RMSNorm(width)
    theirs.weight, ours.weight = w, w
    both(
        f"RMSNorm, {rows} × {width}",
        x,
        {
            "torch": theirs,
            "ours, as it comes": ours,
            "ours, readable": lambda x, w=w: rms_norm_reference(x, w.shape, w),
        },
        [x, w],
    )

for steps, batch, hidden in ((28, 8, 64), (50, 64, 256)):
    x = torch.randn(steps, batch, hidden, device=args.device)
    forms = {
        "torch.nn.LSTM": nn.LSTM(hidden, hidden),
        "the plain loop, no norm": LayerNormLSTM(hidden, hidden, variant="none"),
        "norm at the output (eq. 31)": LayerNormLSTM(hidden, hidden, variant="output"),
        "layer norm (eqs 20-22)": LayerNormLSTM(hidden, hidden),
    }

    for module in forms.values():
        module.to(args.device)

    def run(lstm, x=x):
        lstm(x)[0].sum().backward()

    calls = {n: lambda m=m, run=run: run(m) for n, m in forms.items()}
    compare(f"LSTM, {steps} steps, batch {batch}, {hidden} units, forward and backward", calls)
