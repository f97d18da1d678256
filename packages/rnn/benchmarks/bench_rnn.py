"""Training a layer of tanh units: ours beside torch's, in one run; and the tape's memory.

python packages/rnn/benchmarks/bench_rnn.py [--threads 1] [--seconds 2]
"""

import argparse
import time

import torch
from torch import nn
from torch.utils import benchmark

from lessons.rnn import RNN, RTRL, bptt, recurrence_reference

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()
torch.manual_seed(0)
one_thread = args.device == "cpu" and args.threads == 1
# CPU time, where one thread is all there is: a busy machine counts less.
timer = time.process_time if one_thread else benchmark.timer


def readable(layer):
    """Follow the specification with the layer's weights."""
    weights = layer.all_weights[0]
    return lambda x: (recurrence_reference(x, x.new_zeros(x.shape[1], len(weights[0])), *weights),)


def cells(size):
    """Loop over torch's cells."""
    cell = nn.RNNCell(size, size, device=args.device)

    def run(x):
        h, outputs = None, []
        for x_BI in x.unbind(0):
            h = cell(x_BI, h)
            outputs.append(h)
        return (torch.stack(outputs),)

    return run


print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s)")
print("one step of training (forward and backward): ms, and of torch's layer")
for size, batch, steps in ((16, 32, 100), (128, 32, 100), (512, 32, 100), (512, 64, 100)):
    torchs = nn.RNN(size, size, device=args.device)
    ours = RNN(size, size, device=args.device)
    every = RNN(size, size, device=args.device, checkpoint_every=10)
    contenders = {
        "torch": torchs, "torch, cells": cells(size), "ours": ours,
        "ours, every 10th state": every, "ours, readable": readable(ours),
    }  # fmt: skip
    x = torch.randn(steps, batch, size, device=args.device)
    times, rounds = {name: [] for name in contenders}, 8
    for _ in range(rounds):  # they take turns: whoever else runs disturbs all alike
        for name, call in contenders.items():
            run = benchmark.Timer(
                "call(x)[0].sum().backward()", globals={"call": call, "x": x},
                num_threads=args.threads, timer=timer,
            ).blocked_autorange(min_run_time=args.seconds / rounds)  # fmt: skip
            times[name] += run.times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    print(f"H = {size}, B = {batch}, T = {steps}")
    for name, median in medians.items():
        print(f"  {name:24} {1e3 * median:9.2f} {median / medians['torch']:6.2f}")

print("real-time recurrent learning: microseconds a step, and for each net")
for units, inputs, nets in ((3, 2, 1), (3, 2, 30), (6, 2, 30), (15, 5, 1), (15, 5, 20)):
    learner = RTRL(units, inputs, seeds=nets, device=args.device)
    x, d = (torch.rand(100, nets, k, device=args.device) for k in (inputs, 1))
    run = benchmark.Timer(
        "learner.run(x, d, [0])", globals={"learner": learner, "x": x, "d": d},
        num_threads=args.threads, timer=timer,
    ).blocked_autorange(min_run_time=args.seconds)  # fmt: skip
    step = 1e4 * run.median
    print(f"  {units:3} units, {nets:3} nets {step:9.1f} {step / nets:9.1f}")


def most_kept(call):
    """Return the most bytes that the tape holds at a time."""
    alive, most = {}, 0

    def pack(tensor):
        nonlocal most
        token = [tensor]
        alive[id(token)] = (tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        most = max(most, sum(dict(alive.values()).values()))
        return token

    def unpack(token):
        alive.pop(id(token), None)
        return token[0]

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        call()
    return most


print("back-propagation through 1,000 steps: bytes on the tape, and of the plain one's")
x, y = (torch.randn(1000, 16, 128, device=args.device) for _ in range(2))
layer, loop = RNN(128, 128, device=args.device), cells(128)


def squares(output, y):
    """Return a loss that adds up over steps."""
    return (output - y).square().sum()


calls = {
    "cells": lambda: squares(loop(x)[0], y).backward(),
    "ours": lambda: squares(layer(x)[0], y).backward(),
    "ours, pieces of 32": lambda: bptt(layer, x, y, squares, every=32),
}
plain = None
for name, call in calls.items():
    kept = most_kept(call)
    plain = plain or kept
    print(f"  {name:24} {kept:12,} {kept / plain:6.3f}")
