"""Dropout, forward and backward: ours beside torch's, in one run.

python packages/dropout/benchmarks/bench_dropout.py [--threads 1] [--seconds 2]
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch.utils import benchmark

from lessons.dropout import Dropout2d, dropout, dropout_reference

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()


def readable(x, p):
    """Follow the specification, its mask drawn by torch."""
    return dropout_reference(x, torch.empty_like(x).bernoulli_(1 - p), p)


CONTENDERS = {"torch": F.dropout, "ours": dropout, "ours, readable": readable}
CASES = {
    "128 × 1024, p = .5": ((128, 1024), 0.5, CONTENDERS),
    "128 × 1024, p = .1": ((128, 1024), 0.1, CONTENDERS),
    "32 × 32": ((32, 32), 0.5, CONTENDERS),
    "8 × 512 × 768, p = .1": ((8, 512, 768), 0.1, CONTENDERS),
    "32 × 256 × 14 × 14, channels": (
        (32, 256, 14, 14), 0.5,
        {"torch": F.dropout2d, "ours": lambda x, p: Dropout2d(p)(x)},
    ),
}  # fmt: skip
one_thread = args.device == "cpu" and args.threads == 1
print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s): ms, and of torch's")
for case, (shape, p, contenders) in CASES.items():
    x = torch.randn(shape, device=args.device, requires_grad=True)
    dy = torch.randn_like(x)
    times = {name: ([], []) for name in contenders}
    rounds = 8  # a busy machine disturbs whoever runs at that moment, so they take turns
    for _ in range(rounds):
        for name, function in contenders.items():
            y = function(x, p)
            statements = (
                "function(x, p)",
                "torch.autograd.grad(y, x, dy, retain_graph=True)",
            )
            for part, statement in enumerate(statements):
                timer = benchmark.Timer(
                    statement,
                    globals={
                        "function": function,
                        "x": x,
                        "p": p,
                        "y": y,
                        "dy": dy,
                        "torch": torch,
                    },
                    num_threads=args.threads,
                    # CPU time, where one thread is all there is: a busy machine counts less.
                    timer=time.process_time if one_thread else benchmark.timer,
                )
                run = timer.blocked_autorange(min_run_time=args.seconds / rounds / 2)
                times[name][part].extend(run.times)
    medians = {n: [sorted(t)[len(t) // 2] for t in parts] for n, parts in times.items()}
    print(f"{case}\n  {'':16} {'forward':>16} {'backward':>16} {'together':>16}")
    for name, (forward, backward) in medians.items():
        row = (forward, backward, forward + backward)
        base = (*medians["torch"], sum(medians["torch"]))
        cells = "  ".join(f"{1e3 * t:8.3f} {t / b:6.2f}" for t, b in zip(row, base))
        print(f"  {name:16} {cells}")
