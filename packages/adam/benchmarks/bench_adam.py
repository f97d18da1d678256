"""One step on 200 tensors of together 10 million parameters: ours beside torch's, in one run.

python packages/adam/benchmarks/bench_adam.py [--threads 1] [--seconds 4]
"""

import argparse
from typing import Any

import torch
from torch.utils import benchmark

from lessons.adam import Adam

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=4.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

TENSORS, NUMEL = 200, 50_000
CONTENDERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "torch, as it comes": (torch.optim.Adam, {}),
    "torch, loop": (torch.optim.Adam, {"foreach": False}),
    "torch, foreach": (torch.optim.Adam, {"foreach": True}),
    "torch, fused": (torch.optim.Adam, {"fused": True}),
    "ours, readable": (Adam, {"foreach": False, "fused": False}),
    "ours, foreach": (Adam, {"foreach": True}),
    "ours, as it comes (fused)": (Adam, {}),
}
optimizers = {}
for name, (make, options) in CONTENDERS.items():
    params = [torch.randn(NUMEL, device=args.device) for _ in range(TENSORS)]
    for param in params:
        param.grad = torch.randn_like(param)
    optimizers[name] = make(params, **options)
    optimizers[name].step()

# A busy machine disturbs whoever runs at that moment, so the contenders take turns.
ROUNDS = 8
times = {name: [] for name in CONTENDERS}
for _ in range(ROUNDS):
    for name, optimizer in optimizers.items():
        timer = benchmark.Timer(
            "step()", globals={"step": optimizer.step}, num_threads=args.threads
        )
        times[name] += timer.blocked_autorange(min_run_time=args.seconds / ROUNDS).times
medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
base = medians["torch, as it comes"]
print(
    f"torch {torch.__version__}, {args.device}, {args.threads} thread(s): ms a step, and of torch's"
)
for name, median in medians.items():
    print(f"  {name:26} {1e3 * median:7.2f}  {median / base:5.2f}")
