"""Rectifiers forward and backward: ours beside torch.nn's, in one run.

python packages/relu/benchmarks/bench_relu.py [--threads 1] [--seconds 3]
"""

import argparse
import random
import time

import torch
from torch import nn
from torch.utils import benchmark

from lessons.relu import LeakyReLU, PReLU, ReLU, RescaledSoftplus

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=3.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

ROUNDS = 21
# On one thread of a CPU its own time counts, not that of whoever else the machine works for.
clock = time.process_time if (args.device, args.threads) == ("cpu", 1) else benchmark.timer
FAMILIES: list[dict[str, nn.Module]] = [
    {
        "torch.nn.ReLU": nn.ReLU(),
        "ReLU": ReLU(),
        "ReLU, readable": ReLU(method="readable"),
        "ReLU, bitmask": ReLU(method="bitmask"),
    },
    {
        "torch.nn.Softplus": nn.Softplus(),
        "RescaledSoftplus": RescaledSoftplus(),
        "RescaledSoftplus, readable": RescaledSoftplus(method="readable"),
    },
    {
        "torch.nn.LeakyReLU": nn.LeakyReLU(),
        "LeakyReLU": LeakyReLU(),
        "LeakyReLU, readable": LeakyReLU(method="readable"),
    },
    {
        "torch.nn.PReLU": nn.PReLU(),
        "PReLU": PReLU(),
        "PReLU, readable": PReLU(method="readable"),
    },
]


def compare(layers: dict[str, nn.Module], x: torch.Tensor) -> None:
    """Time the layers in turns, since a busy machine disturbs whoever runs at that moment."""
    times: dict[str, dict[str, list[float]]] = {name: {} for name in layers}
    grad, leaf = torch.randn_like(x), x.requires_grad_()
    for _ in range(ROUNDS):
        for name in random.sample(list(layers), len(layers)):
            layer = layers[name]
            y = layer(leaf)
            calls = {
                "forward": lambda layer=layer: layer(leaf),
                "backward": lambda y=y: torch.autograd.grad(y, leaf, grad, retain_graph=True),
            }
            for what, call in calls.items():
                timer = benchmark.Timer(
                    "call()", globals={"call": call}, num_threads=args.threads, timer=clock
                )
                spent = timer.blocked_autorange(min_run_time=args.seconds / ROUNDS / 2).times
                times[name].setdefault(what, []).append(sorted(spent)[len(spent) // 2])
    base = times[next(iter(layers))]
    for name, each in times.items():
        cells = []
        for what, values in each.items():
            ratios = sorted(value / other for value, other in zip(values, base[what]))
            cells.append(f"{1e3 * sorted(values)[ROUNDS // 2]:8.3f} {ratios[ROUNDS // 2]:5.2f}")
        print(f"  {name:28}{'   '.join(cells)}")


print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s)")
for shape in ((128, 1000), (64, 64, 56, 56)):
    print(f"{' × '.join(map(str, shape))}: ms and of torch's, forward, then backward")
    for layers in FAMILIES:
        compare(
            {name: layer.to(args.device) for name, layer in layers.items()},
            torch.randn(shape, device=args.device),
        )
