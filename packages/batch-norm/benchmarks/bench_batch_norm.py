"""Batch norm forward and backward, and folded away: ours beside torch's, in one run.

python packages/batch-norm/benchmarks/bench_batch_norm.py [--threads 1] [--seconds 4]
"""

import argparse
import copy
import time

import torch
from torch import nn
from torch.utils import benchmark

from lessons.batch_norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNormFunction,
    BNInception,
    batch_norm_reference,
    folded,
)

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=4.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

ROUNDS = 20
# Others' work is not in a thread's CPU time; with several threads, or a GPU, the clock must do.
alone = args.threads == 1 and args.device == "cpu"
clock = time.process_time if alone else benchmark.timer


def compare(title, calls):
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            timer = benchmark.Timer(
                "call()", globals={"call": call}, num_threads=args.threads, timer=clock
            )
            times[name] += timer.blocked_autorange(min_run_time=args.seconds / ROUNDS).times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    base = next(iter(medians.values()))
    print(f"{title}: ms, and of the first's")
    for name, median in medians.items():
        print(f"  {name:32} {1e3 * median:9.3f}  {median / base:5.2f}")


def forward(call, x):
    with torch.no_grad():
        return call(x)


def both(call, x, dy):
    call(x).backward(dy)
    x.grad = None


print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s)")


def compare_layers(title, shape, layout):
    """Compare on one shape in one memory layout."""

    x = torch.randn(shape, device=args.device).to(memory_format=layout).requires_grad_()
    dy = torch.randn(shape, device=args.device).to(memory_format=layout)
    torchs, own = (
        (nn.BatchNorm1d, BatchNorm1d) if len(shape) == 2 else (nn.BatchNorm2d, BatchNorm2d)
    )
    theirs, ours = (kind(shape[1], device=args.device) for kind in (torchs, own))

    def readable(x, norm=ours):
        return batch_norm_reference(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, True
        )

    def written(x, norm=ours):
        return BatchNormFunction.apply(x, norm.weight, norm.bias, norm.eps)

    calls = {"torch": theirs, "ours": ours, "ours, readable": readable}
    compare(
        f"training forward, {title}",
        {name: lambda call=call: forward(call, x) for name, call in calls.items()},
    )
    calls["ours, gradient by hand"] = written
    compare(
        f"training forward and backward, {title}",
        {name: lambda call=call: both(call, x, dy) for name, call in calls.items()},
    )
    theirs.eval()
    ours.eval()
    compare(
        f"inference, {title}",
        {
            name: lambda call=call: forward(call, x)
            for name, call in (("torch", theirs), ("ours", ours))
        },
    )


for shape in ((60, 100), (32, 64, 56, 56)):
    compare_layers(f"{shape}", shape, torch.contiguous_format)
compare_layers(f"{shape}, channels_last", shape, torch.channels_last)

net = BNInception.from_preset("bn-inception-full").to(args.device).eval()
for module in net.modules():
    if isinstance(module, BatchNorm2d):  # else untrained activations fade to denormal numbers
        nn.init.constant_(module.get_buffer("running_var"), 0.5)
x = torch.randn(8, 3, 224, 224, device=args.device)
last = x.to(memory_format=torch.channels_last)
nets = {
    "with norms": (net, x),
    "with norms, channels_last": (copy.deepcopy(net).to(memory_format=torch.channels_last), last),
    "folded": (folded(net), x),
    "folded, channels_last": (folded(net).to(memory_format=torch.channels_last), last),
}
compare(
    "BN-Inception, 8 pictures",
    {name: lambda m=m, x=x: forward(m, x) for name, (m, x) in nets.items()},
)
