"""A mixture beside a dense layer of equal products, and what it costs from 8 to 256 experts.

python packages/mixture-of-experts/benchmarks/bench_mixture_of_experts.py [--threads 1]
    [--seconds 2]
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch.utils import benchmark

from lessons.mixture_of_experts import HierarchicalMoE, SparseMoE

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
parser.add_argument("--tokens", type=int, default=4096)
args = parser.parse_args()
torch.manual_seed(0)
# CPU time, where one thread is all there is: a busy machine counts less.
timer = time.process_time if args.threads == 1 else benchmark.timer
K = 4


def dense(width, hidden):
    """Return one feed-forward network with as many products as K experts."""
    first = (torch.randn(width, K * hidden) * 0.1).requires_grad_()
    second = (torch.randn(K * hidden, width) * 0.1).requires_grad_()
    return lambda x: (F.relu(x @ first) @ second,)


def every_expert(layer):
    """Compute all experts on all tokens and mask: what routing saves."""

    def run(x):
        gating = layer.gate(x)
        gates = torch.zeros(len(x), len(layer.experts))
        gates = gates.index_put((gating.token, gating.expert), gating.weight)
        outputs = layer.experts(x.expand(len(layer.experts), *x.shape))
        return (torch.einsum("tn,nto->to", gates, outputs),)

    return run


def compare(contenders, x, first):
    """Print milliseconds of forwards and backwards, taking turns, and how they relate to one."""
    times, rounds = {name: [] for name in contenders}, 4
    for _ in range(rounds):
        for name, call in contenders.items():
            run = benchmark.Timer(
                "call(x)[0].sum().backward()", globals={"call": call, "x": x},
                num_threads=args.threads, timer=timer,
            ).blocked_autorange(min_run_time=args.seconds / rounds)  # fmt: skip
            times[name] += run.times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    for name, median in medians.items():
        print(f"  {name:32} {1e3 * median:9.2f} {median / medians[first]:6.2f}")


print(f"torch {torch.__version__}, {args.threads} thread(s), {args.tokens} tokens, k = {K}")
print("forwards and backwards: ms, and of the dense layer of equal products")
for width, hidden in ((64, 128), (128, 256)):
    x = torch.randn(args.tokens, width)
    ways = {
        how: SparseMoE(width, hidden, 8, K, dispatch=how) for how in ("loop", "grouped", "padded")
    }
    print(f"8 experts, width {width}, hidden {hidden}")
    compare(
        {"dense": dense(width, hidden), **ways, "all experts, masked": every_expert(ways["loop"])},
        x, "dense",
    )  # fmt: skip
    print("more experts, the same products but for the gate")
    layers: dict[str, torch.nn.Module] = {
        f"{n} experts": SparseMoE(width, hidden, n, K) for n in (8, 32, 128, 256)
    }
    layers |= {"16 × 16 experts, two levels": HierarchicalMoE(width, hidden, 16, 16, 2)}
    compare({"dense": dense(width, hidden), **layers}, x, "dense")
